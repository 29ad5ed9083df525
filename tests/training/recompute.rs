//! Recomputation: the same results with less memory, and what a step costs before it is made.

use tancho::train::{StepPrice, TrainOptions, Trainer};
use tancho::{AsView, Error, Graph, Target, network};
use tancho_ir::Phase;
use tancho_support::alone::alone_with;
use tancho_support::{Rng, levels, same_bits};

network! {
    /// A block of a decoder with dropout.
    pub Block<B, S, D = 32, HEADS = 2>(x: [B, S, D]) -> [B, S, D] where D % HEADS == 0 {
        net norm_1: LayerNorm<D>;
        net qkv:    Linear<D, 3 * D>;
        net out:    Linear<D, D>;
        net norm_2: LayerNorm<D>;
        net up:     Linear<D, 4 * D>;
        net down:   Linear<4 * D, D>;

        let (q, k, v) = split(qkv(norm_1(x)), axis = -1, parts = 3);
        let x = x + dropout(out(attention(q, k, v, heads = HEADS, causal = true)), p = 0.1);
        x + dropout(down(gelu(up(norm_2(x)))), p = 0.1)
    }

    /// A small GPT.
    pub Gpt<B, S, V = 20, D = 32, LAYERS = 3> {
        param embed: [V, D] = normal(0.1);
        net layers: [Block<D = D>; LAYERS];
        net norm: LayerNorm<D>;

        fn forward(ids: i32[B, S]) -> [B, S, D] {
            let mut x = dropout(embed[ids], p = 0.1);
            for layer in layers { x = layer(x); }
            x
        }

        train fn step(ids: i32[B, S], next: i32[B, S], lr: []) -> ([], [B, S, D]) {
            let x = forward(ids);
            let loss = mean(cross_entropy(norm(x) @ embed.t, next), over = (0, 1));
            minimize loss with adamw(lr = lr, clip_norm = 1);
            (loss, x)
        }
    }

    /// A residual block of two convolutions, whose batch norms have running statistics.
    pub ConvBlock<N, C = 8, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        net first:  Conv2d<C, C, 3, PAD = 1>(bias = false);
        net norm_1: BatchNorm<C>;
        net second: Conv2d<C, C, 3, PAD = 1>(bias = false);
        net norm_2: BatchNorm<C>;
        relu(x + norm_2(second(relu(norm_1(first(x))))))
    }

    /// The same with half the pixels and twice the channels behind it.
    pub Halved<N, C = 8, H, W>(x: [N, C, H, W]) -> [N, 2 * C, ceil(H / 2), ceil(W / 2)] {
        net first:  Conv2d<C, 2 * C, 3, PAD = 1, STRIDE = 2>;
        net norm:   BatchNorm<2 * C>;
        net second: Conv2d<2 * C, 2 * C, 3, PAD = 1>;
        net short:  Conv2d<C, 2 * C, 1, STRIDE = 2>;
        relu(short(x) + second(relu(norm(first(x)))))
    }

    /// A residual network.
    pub Images<N, C = 8> {
        net conv:   Conv2d<1, C, 3, PAD = 1>;
        net blocks: [ConvBlock<C = C>; 2];
        net wide:   Halved<C = C>;
        net head:   Linear<2 * C, 4>;

        fn forward(x: [N, 1, 10, 10]) -> [N, 4] {
            let mut h = relu(conv(x));
            for block in blocks { h = block(h); }
            head(global_mean(wide(h)))
        }

        train fn step(x: [N, 1, 10, 10], y: i32[N], lr: []) -> [] {
            let loss = mean(cross_entropy(forward(x), y), over = N);
            minimize loss with momentum(lr = lr);
            loss
        }
    }

    /// One step of a recurrent network.
    pub Cell<B, D = 12>(x: [B, D], h: [B, D]) -> [B, D] {
        net of_x: Linear<D, D>;
        net of_h: Linear<D, 2 * D>;
        let (gate, new) = split(of_h(h), axis = -1, parts = 2);
        let gate = sigmoid(gate);
        gate * h + (1 - gate) * tanh(new + of_x(x))
    }

    /// A residual layer along a sequence.
    pub Recurrent<B, S, D = 12>(x: [B, S, D]) -> [B, S, D] {
        net norm: LayerNorm<D>;
        net cell: Cell<D = D>;
        net out:  Linear<D, D>;
        let mut h = expand(0, [B, D]);
        let y = scan x_t in norm(x) over S { h = cell(x_t, h); h };
        x + out(gelu(y))
    }

    /// Two of them.
    pub Sequences<B, S, D = 12> {
        net layers: [Recurrent<D = D>; 2];
        net head: Linear<D, 1>;

        fn forward(x: [B, S, D]) -> [B, S, 1] {
            let mut h = x;
            for layer in layers { h = layer(h); }
            head(h)
        }

        train fn step(x: [B, S, D], y: [B, S, 1], lr: []) -> [] {
            let loss = mean(mse(forward(x), y), over = (B, S));
            minimize loss with adamw(lr = lr);
            loss
        }
    }

    /// A residual layer of a deep network.
    pub Layer<B, D = 64>(x: [B, D]) -> [B, D] {
        net norm: LayerNorm<D>;
        net up:   Linear<D, 4 * D>;
        net down: Linear<4 * D, D>;
        x + down(gelu(up(norm(x))))
    }

    /// A deep network.
    pub Deep<B, D = 64, LAYERS = 12> {
        net layers: [Layer<D = D>; LAYERS];
        net head: Linear<D, 1>;

        fn forward(x: [B, D]) -> [B, 1] {
            let mut h = x;
            for layer in layers { h = layer(h); }
            head(h)
        }

        train fn step(x: [B, D], y: [B, 1], lr: []) -> [] {
            let loss = mean(mse(forward(x), y), over = B);
            minimize loss with sgd(lr = lr);
            loss
        }
    }

    /// One layer that is used twice.
    pub Shared<B, D = 16> {
        net layer: Layer<D = D>;
        net head: Linear<D, 1>;

        fn forward(x: [B, D]) -> [B, 1] { head(layer(layer(x))) }

        train fn step(x: [B, D], y: [B, 1], lr: []) -> [] {
            let loss = mean(mse(forward(x), y), over = B);
            minimize loss with sgd(lr = lr);
            loss
        }
    }
}

/// How two trainings are compared: options, and what makes steps by them and gives what they left.
fn are_the_same(name: &str, nets: &[&str], run: &dyn Fn(&TrainOptions, Target) -> Trained) {
    for target in levels().map(|isa| Target::host().with_isa(isa).unwrap()) {
        let plain = run(&TrainOptions::new().threads(1), target);
        for threads in [1, 2] {
            let options = nets.iter().fold(TrainOptions::new().threads(threads), |o, net| o.recompute(net));
            let again = run(&options, target);
            assert!(plain.graph != again.graph, "{name}: nothing is computed again");
            assert_eq!(plain.losses, again.losses, "losses of {name} on {target:?}");
            assert_eq!(plain.states.len(), again.states.len());
            for ((name, a), (_, b)) in plain.states.iter().zip(&again.states) {
                assert!(same_bits(a, b), "{name} on {threads} threads, {target:?}");
            }
        }
    }
}

/// What a few steps left.
struct Trained {
    /// The bits of the losses.
    losses: Vec<u32>,
    states: Vec<(String, tancho::Tensor)>,
    graph: Graph,
}

impl Trained {
    fn new(losses: Vec<f32>, training: &Trainer) -> Trained {
        let session = training.session("step").unwrap();
        let compiled = session.compiled();
        let graph = compiled.graph();
        let state = |name: &String| (name.clone(), session.state(name).unwrap().unwrap());
        Trained {
            losses: losses.into_iter().map(f32::to_bits).collect(),
            states: graph.states.iter().map(|s| state(&s.name)).collect(),
            graph: graph.clone(),
        }
    }
}

/// Texts, and what follows each of their words.
fn texts(rng: &mut Rng, batch: usize, words: usize) -> (Vec<i32>, Vec<i32>) {
    let ids = (0..batch * words).map(|_| rng.below(20) as i32).collect::<Vec<_>>();
    (ids.clone(), ids.into_iter().map(|id| (id * 7 + 3) % 20).collect())
}

fn gpt(options: &TrainOptions, target: Target) -> Trained {
    let mut training = Gpt::init(5).unwrap().compile_train_with(target, options).unwrap();
    training.session_mut("step").unwrap().divide_all();
    let mut rng = Rng::new(8);
    let mut losses = Vec::new();
    for (batch, words) in [(3, 16), (3, 16), (2, 9), (3, 16)] {
        let (ids, next) = texts(&mut rng, batch, words);
        let (ids, next) = (ids.view([batch, words]), next.view([batch, words]));
        losses.push(training.step(ids, next, 1e-2).unwrap().0);
    }
    Trained::new(losses, &training)
}

fn images(options: &TrainOptions, target: Target) -> Trained {
    let mut training = Images::init(5).unwrap().compile_train_with(target, options).unwrap();
    training.session_mut("step").unwrap().divide_all();
    let mut rng = Rng::new(9);
    let mut losses = Vec::new();
    for _ in 0..3 {
        let x = rng.floats(&[6, 1, 10, 10]);
        losses.push(training.step(x.as_view().unwrap(), [0, 1, 2, 3, 0, 1].view([6]), 1e-2).unwrap());
    }
    Trained::new(losses, &training)
}

fn sequences(options: &TrainOptions, target: Target) -> Trained {
    let mut training = Sequences::init(5).unwrap().compile_train_with(target, options).unwrap();
    training.session_mut("step").unwrap().divide_all();
    let mut rng = Rng::new(10);
    let mut losses = Vec::new();
    for _ in 0..3 {
        let (x, y) = (rng.floats(&[4, 7, 12]), rng.floats(&[4, 7, 1]));
        losses.push(training.step(x.as_view().unwrap(), y.as_view().unwrap(), 1e-2).unwrap());
    }
    Trained::new(losses, &training)
}

fn shared(options: &TrainOptions, target: Target) -> Trained {
    let mut training = Shared::init(5).unwrap().compile_train_with(target, options).unwrap();
    training.session_mut("step").unwrap().divide_all();
    let mut rng = Rng::new(11);
    let mut losses = Vec::new();
    for _ in 0..3 {
        let (x, y) = (rng.floats(&[10, 16]), rng.floats(&[10, 1]));
        losses.push(training.step(x.as_view().unwrap(), y.as_view().unwrap(), 1e-2).unwrap());
    }
    Trained::new(losses, &training)
}

#[test]
fn a_decoder_with_dropout_has_the_same_bits() {
    are_the_same("a GPT", &["layers.*"], &gpt);
    are_the_same("two layers of a GPT", &["layers.0", "layers.2"], &gpt);
    let accumulated = |options: &TrainOptions, target| gpt(&options.clone().accumulate(2), target);
    are_the_same("a GPT with accumulated gradients", &["*"], &accumulated);
}

#[test]
fn convolutions_with_running_statistics_have_the_same_bits() {
    are_the_same("blocks", &["blocks.*", "wide"], &images);
    are_the_same("all nets", &["*"], &images);
}

#[test]
fn loops_have_the_same_bits() {
    are_the_same("layers with a loop", &["layers.*"], &sequences);
    are_the_same("one layer with a loop", &["layers.0"], &sequences);
    are_the_same("a net in a loop", &["layers.*.cell"], &sequences);
}

#[test]
fn a_net_that_is_used_twice_has_the_same_bits() {
    are_the_same("a layer that is used twice", &["layer"], &shared);
}

#[test]
fn steps_are_those_of_the_interpreter() {
    let options = TrainOptions::new().recompute("layers.*");
    let training = Gpt::init(5).unwrap().compile_train_with(Target::host(), &options).unwrap();
    let (ids, next) = texts(&mut Rng::new(3), 2, 11);
    let report = training.check_step(ids.view([2, 11]), next.view([2, 11]), 1e-2).unwrap();
    assert!(report.is_ok(), "{report}");
}

/// The price of a step of the deep network.
fn price_of_deep(layers: usize, options: &TrainOptions, batch: usize) -> StepPrice {
    let deep = Deep::with(DeepDims { LAYERS: layers, ..Default::default() }).init(1).unwrap();
    let training = deep.compile_train_with(Target::host(), options).unwrap();
    training.price("step", &[("B", batch)]).unwrap()
}

#[test]
fn memory_falls_by_what_all_layers_but_one_keep() {
    const BATCH: usize = 512;
    // Numbers of a row that comes into a layer.
    let stream = BATCH * 64 * 4;
    let (one, all) = (TrainOptions::new().threads(1), TrainOptions::new().threads(1).recompute("layers.*"));
    let [few, many] = [6, 12].map(|layers| price_of_deep(layers, &one, BATCH));
    let [few_again, many_again] = [6, 12].map(|layers| price_of_deep(layers, &all, BATCH));
    // Of what a layer keeps, what comes into it stays.
    let per_layer = (many.kept_bytes() - few.kept_bytes()) / 6;
    let per_layer_again = (many_again.kept_bytes() - few_again.kept_bytes()) / 6;
    assert_eq!(per_layer_again, stream, "{many_again}");
    assert!(per_layer >= 9 * stream, "{many}");
    let saved = many.run.memory - many_again.run.memory;
    let expected = 11 * (per_layer - stream);
    let off = saved.abs_diff(expected) as f64 / expected as f64;
    assert!(off < 0.1, "{saved} bytes are saved, and {expected} expected\n{many}\n{many_again}");
    assert_eq!(many.run.states, many_again.run.states);

    // Both products of a layer are computed again, of which the backward pass makes four.
    assert_eq!((many.recomputed_share(), many.recomputed.len()), (0.0, 0), "{many}");
    let share = many_again.recomputed_share();
    assert!((0.1..=0.25).contains(&share), "{share}\n{many_again}");
    let flops: f64 = many_again.recomputed.iter().map(|r| r.cost.flops).sum();
    assert_eq!(many_again.run.total().flops, many.run.total().flops + flops);
}

#[test]
fn a_price_names_what_is_kept_and_what_is_computed_again() {
    let options = TrainOptions::new().threads(2);
    let training = Gpt::init(5).unwrap().compile_train_with(Target::host(), &options).unwrap();
    let plain = training.price("step", &[("B", 4), ("S", 64)]).unwrap();
    assert!(plain.kept.is_sorted_by(|a, b| a.bytes >= b.bytes));
    let of_gelu = |price: &StepPrice| price.kept.iter().filter(|k| k.source.text.starts_with("gelu")).count();
    assert!(of_gelu(&plain) >= 3, "{plain}");
    let text = plain.to_string();
    assert!(text.contains("computed again: nothing") && text.contains("3 x `"), "{text}");
    assert!(text.contains("recompute.rs:") && text.contains(" in layers.*"), "{text}");

    let again =
        Gpt::init(5).unwrap().compile_train_with(Target::host(), &options.recompute("layers.*")).unwrap();
    let price = again.price("step", &[("B", 4), ("S", 64)]).unwrap();
    assert_eq!(of_gelu(&price), 0, "{price}");
    assert!(price.kept_bytes() < plain.kept_bytes() / 3, "{price}\n{plain}");
    assert!(price.peak() < plain.peak(), "{price}\n{plain}");
    let text = price.to_string();
    assert!(text.contains("% of the multiply-adds of the step"), "{text}");
    let graph = again.session("step").unwrap().compiled().graph().clone();
    for phase in [Phase::Forward, Phase::Backward, Phase::Recomputation, Phase::Update] {
        assert!(graph.nodes.iter().any(|n| n.source.phase == phase), "{phase:?}");
    }
    let read = tancho::Graph::parse(&graph.to_string()).unwrap();
    assert_eq!(read, graph);

    match again.price("walk", &[]) {
        Err(Error::NoTrainFn { entry, known }) => assert_eq!((&*entry, &*known), ("walk", "step")),
        other => panic!("{other:?}"),
    }
    assert!(matches!(again.price("step", &[("B", 4)]), Err(Error::Dim { dim, .. }) if dim == "S"));
}

#[test]
fn runs_that_wait_for_an_update_have_memory_too() {
    let options = TrainOptions::new().threads(1);
    let one = price_of_deep(4, &options, 64);
    let four = price_of_deep(4, &options.accumulate(4), 64);
    assert_eq!(one.waiting, 0);
    assert!(four.waiting > one.run.memory / 2 && four.peak() > one.peak() + four.waiting, "{four}");
    assert!(four.to_string().contains("of the runs before an update"), "{four}");
}

#[test]
fn nets_that_are_not_there_are_named() {
    let fails = |pattern: &str| {
        let options = TrainOptions::new().recompute(pattern);
        match Gpt::init(5).unwrap().compile_train_with(Target::host(), &options) {
            Err(Error::TrainOption { option, why }) => (option, why),
            other => panic!("{other:?}"),
        }
    };
    let (option, why) = fails("layers.1.nrm_1");
    assert_eq!(option, "recompute(\"layers.1.nrm_1\")");
    assert!(why.contains("did you mean `layers.1.norm_1`?"), "{why}");
    assert!(why.contains("there are layers.0, layers.0.down, layers.0.norm_1"), "{why}");
    // An array of nets is none, and weights are none.
    for pattern in ["layers", "embed", "", "layers.*.weight"] {
        assert!(fails(pattern).1.starts_with("no net of that path is in a step"), "{pattern}");
    }
}

/// A batch that memory cannot hold is an error before and in the step, and leaves the training as it was.
/// With recomputation it fits.
#[test]
fn a_batch_that_memory_cannot_hold_is_an_error() {
    alone_with("ulimit -v 1572864", || {
        const BATCH: usize = 50_000;
        let deep = || Deep::with(DeepDims { LAYERS: 12, ..Default::default() }).init(1).unwrap();
        let options = TrainOptions::new().threads(1);
        let (x, y) = (Rng::new(7).floats(&[BATCH, 64]).as_f32().unwrap().to_vec(), vec![1.0f32; BATCH]);
        let mut training = deep().compile_train_with(Target::host(), &options).unwrap();
        let expected = training.step(x[..64 * 8].view([8, 64]), y[..8].view([8, 1]), 0.0).unwrap();
        for error in [
            training.price("step", &[("B", BATCH)]).map(drop).unwrap_err(),
            training.step(x.view([BATCH, 64]), y.view([BATCH, 1]), 0.0).map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Memory { bytes } if bytes > 1 << 30), "{error}");
            assert!(error.to_string().contains("of memory are needed"), "{error}");
        }
        assert_eq!(training.steps(), 1);
        let after = training.step(x[..64 * 8].view([8, 64]), y[..8].view([8, 1]), 0.0).unwrap();
        assert_eq!(after.to_bits(), expected.to_bits());
        drop(training);
        let options = options.recompute("layers.*");
        let mut again = deep().compile_train_with(Target::host(), &options).unwrap();
        again.price("step", &[("B", BATCH)]).unwrap();
        assert!(again.step(x.view([BATCH, 64]), y.view([BATCH, 1]), 0.0).unwrap().is_finite());
    });
}
