//! Loops, entry points, storage of weights, buffers, `where` with `==`: by values, natively in checked mode
//! and against the interpreter.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use safetensors::{Dtype, View};
use std::borrow::Cow;
use tancho::{AsView, Target, Tensor, bf16, network};
use tancho_support::run;

network! {
    /// Layers without a network of their own: the weights of an iteration are declared in it.
    pub Tower<B, D = 2, N = 3>(x: [B, D]) -> [B, D] {
        let mut x = x;
        repeat i in 0..N {
            /// What the iteration multiplies by.
            param scale: [D] = ones;
            #[weights("mix.{i}.dense")] net mix: Linear<D, D>(bias = false);
            x = x * scale * (i + 1) + mix(x) * 0;
        }
        x
    }

    pub Grid<B, D = 2>(x: [B, D]) -> [B, D] {
        let mut x = x;
        repeat row in 1..3 {
            repeat column in 0..2 {
                param w: [D] = ones;
                x = x + w * (row * 10 + column);
            }
        }
        x
    }

    pub Scaled<B, D = 2>(x: [B, D]) -> [B, D] {
        param w: [D] = ones;
        x * w
    }

    /// Items inside a `for` are one per iteration, too.
    pub Gated<B, D = 2, N = 2>(x: [B, D]) -> [B, D] {
        net layers: [Scaled<D = D>; N];
        let mut x = x;
        for layer in layers {
            param gate: [D] = ones;
            x = layer(x) + gate;
        }
        x
    }

    /// Its weight has the number of the iteration that uses it.
    pub Leaf<B, D = 2, L = _>(x: [B, D]) -> [B, D] {
        #[weights("scale{L}")] param scale: [D] = ones;
        let scale = scale * L;
        x * scale
    }

    /// The path of the array tells nothing: those in it do.
    pub Leaves<B, D = 2, N = 3>(x: [B, D]) -> [B, D] {
        #[weights("")] net leaves: [Leaf<D = D, L = i + 1>; N];
        let mut y = x;
        for leaf in leaves { y = leaf(y); }
        y
    }

    /// Nets by their number, several arrays at once, and dims and paths that follow the iteration.
    pub Numbered<B, D = 2, N = 3>(x: [B, D]) -> ([B, D], [B, D], [B, 7 * D]) {
        #[weights("even.{2 * i}")]    net first: [Scaled<D = D>; N];
        #[weights("odd.{2 * i + 1}")] net second: [Scaled<D = D>; N];
        net wide: [Wide<D = D, TIMES = 2^i>; N];
        let mut y = x;
        for (a, b) in (first, second) { y = a(y) + b(y); }
        let mut z = x;
        repeat k in 0..N { z = first[k](z) + second[N - 1 - k](z); }
        (y, z, concat(wide[0](x), wide[1](x), wide[2](x), axis = 1))
    }

    /// Paths count through two loops, and by a static dim.
    pub Counted<B, D = 2, N = 3, FIRST = 5>(x: [B, D]) -> [B, D] {
        #[weights("head.{FIRST}")] net head: Scaled<D = D>;
        let mut y = head(x);
        repeat block in 0..2 {
            repeat i in 0..N {
                #[weights("layers.{block * N + i}")] net layer: Scaled<D = D>;
                y = layer(y);
            }
        }
        y
    }

    pub Wide<B, D = 2, TIMES = 1>(x: [B, D]) -> [B, TIMES * D] {
        param w: [TIMES * D] = ones;
        reshape(expand(reshape(x, [B, 1, D]), [B, TIMES, D]), [B, TIMES * D]) * w
    }

    /// Weights as `Conv1D` stores them, and a projection that is stored in one matrix with others.
    #[unused_weights("rest.*")]
    pub Stored<B, D = 2>(x: [B, D]) -> ([B, D], [B, D], [B, D], [B, 3]) {
        #[weights("c_attn", transposed, rows = 0..D)]         net q: Linear<D, D>;
        #[weights("c_attn", transposed, rows = D..2 * D)]     net k: Linear<D, D>;
        #[weights("in_proj", rows = 2 * D..3 * D)]            param v: [D, D];
        #[weights("head", transposed)]                        param head: [3, D];
        (q(x), k(x), x @ v.t, x @ head.t)
    }

    pub Marked<B, D = 2>(x: [B, D]) -> [B, D] {
        #[frozen] net scale: Scaled<D = D>;
        #[no_decay] param gain: [D] = ones;
        buffer mean: [D] = zeros;
        scale(x - mean) * gain
    }

    /// `H` is `2 * D` wherever it stands, and both sequences have one length.
    pub Promised<B, S, T, D = 2, H = 2 * D>(x: [B, S, H], y: [B, T, D]) -> [B, S, D]
        where H == 2 * D, S == T
    {
        let (a, b) = split(x, axis = H, parts = 2);
        a + b * y + S * 0 + T * 0
    }

    pub Promises<B, N, D = 2>(x: [B, N, 2 * D], y: [B, N, D]) -> [B, N, D] {
        net p: Promised<D = D, H = 2 * D>;
        p(x, y)
    }

    /// Where both are one, the branch may use either.
    pub Either<B, D = 2, E = 2>(x: [B, D], y: [B, E]) -> [B, E] {
        if D == E { x + y } else { y }
    }

    /// Weights of every type.
    pub Typed<B, V = 3, D = 2>(ids: i32[B]) -> ([B, D], i32[B], bool[B], [B, D]) {
        param table: bf16[V, D] = ones;
        buffer next: i32[V];
        buffer known: bool[V] = ones;
        param w: bf16[D, D];
        let rows = cast(table[ids], f32);
        (rows, next[ids], known[ids], rows @ cast(w, f32).t)
    }

    /// Inputs as callers have them, which are i32 and f32 inside, also for a net around.
    pub Given<B, V = 3, D = 2>(image: u8[B, D], ids: u32[B], others: i64[B], x: f16[B, D])
        -> ([B, D], i32[B])
    {
        param table: [V, D] = ones;
        (cast(image, f32) / 255 + x * table[ids], ids + others)
    }

    pub Around<B, D = 2>(image: u8[B, D], ids: i64[B], x: [B, D]) -> ([B, D], i32[B]) {
        net given: Given<D = D>;
        given(image, ids, ids + 1, x = x)
    }

    /// Over everything, where nothing else is said.
    pub Whole<B, D = 3>(x: [B, D], keep: bool[B, D]) -> ([], [], [1, 1], []) {
        (mean(x), max(x), sum(x, keep = true), mean(x, where = keep))
    }

    /// Two ways in, one set of weights.
    pub Coder<B, D = 2, H = 3> {
        param up: [D, H] = ones;
        /// Goes back.
        param down: [H, D] = ones;

        /// Into the hidden layer.
        fn encode(x: [B, D]) -> [B, H] { relu(x @ up) }
        fn decode(h: [B, H]) -> ([B, D], [B]) { (h @ down, sum(h, over = H)) }
        pub fn forward(x: [B, D]) -> [B, D] { let (y, _sum) = decode(encode(x)); y }
    }

    pub Recoder<B, D = 2>(x: [B, D]) -> ([B, D], [B, 4]) {
        net c: Coder<D = D, H = 4>;
        (c(x), c.encode(x))
    }
}

fn count(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

fn names(w: &tancho::Weights) -> Vec<&str> {
    w.names().collect()
}

fn set(w: &mut tancho::Weights, name: &str, x: &[f32]) {
    let shape = w.get(name).unwrap_or_else(|| panic!("{name}")).shape().to_vec();
    w.set(name, Tensor::new(x.to_vec(), shape).unwrap()).unwrap();
}

#[test]
fn items_of_a_net_tell_its_iterations_apart() {
    let mut leaves = Leaves::init(0).unwrap();
    let names: Vec<&str> = leaves.weights().names().collect();
    assert_eq!(names, ["scale1", "scale2", "scale3"]);
    leaves.weights_mut().set("scale2", Tensor::new(vec![1.0, 10.0], [2]).unwrap()).unwrap();
    assert_eq!(run!(leaves, [1.0, 1.0].view([1, 2])), [6.0, 60.0]);
}

#[test]
fn inputs_are_given_as_callers_have_them() {
    let (image, x) = ([0u8, 255, 51, 102], [1.0f32, 2.0, 3.0, 4.0]);
    let want = (vec![1.0, 3.0, 51.0 / 255.0 + 3.0, 102.0 / 255.0 + 4.0], vec![3, 1]);
    let halves = x.map(tancho::f16::from_f32);
    let given = Given::init(0).unwrap();
    let (image, x) = (image.view([2, 2]), x.view([2, 2]));
    assert_eq!(run!(given, image, [2u32, 0].view([2]), [1i64, 1].view([2]), halves.view([2, 2])), want);
    let around = Around::init(0).unwrap();
    assert_eq!(names(around.weights()), ["given.table"]);
    assert_eq!(run!(around, image, [1i64, 0].view([2]), x), want);
}

#[test]
fn paths_have_static_dims_in_them() {
    let n = Counted::init(0).unwrap();
    let layers = (0..6).map(|i| format!("layers.{i}.w"));
    assert_eq!(names(n.weights()), std::iter::once("head.5.w".to_string()).chain(layers).collect::<Vec<_>>());
    let other = Counted::with(CountedDims { N: 1, FIRST: 0, ..Default::default() }).init(0).unwrap();
    assert_eq!(names(other.weights()), ["head.0.w", "layers.0.w", "layers.1.w"]);
    assert_eq!(run!(n, [3.0f32, 4.0].view([1, 2])), [3.0, 4.0]);
}

#[test]
fn repeat_declares_items_per_iteration() {
    let mut n = Tower::init(0).unwrap();
    let iteration = |i| [format!("scale.{i}"), format!("mix.{i}.dense.weight")];
    assert_eq!(names(n.weights()), (0..3).flat_map(iteration).collect::<Vec<_>>());
    set(n.weights_mut(), "scale.1", &[10.0, 1.0]);
    assert_eq!(run!(n, [1.0f32, 1.0].view([1, 2])), [60.0, 6.0]);
    let none = Tower::with(TowerDims { N: 0, ..Default::default() }).init(0).unwrap();
    assert_eq!(run!(none, count(2).view([1, 2])), [0.0, 1.0]);
    let grid = Grid::init(0).unwrap();
    assert_eq!(names(grid.weights()), ["w.1.0", "w.1.1", "w.2.0", "w.2.1"]);
    assert_eq!(run!(grid, count(2).view([1, 2])), [62.0, 63.0]);
    let gated = Gated::init(0).unwrap();
    assert_eq!(names(gated.weights()), ["gate.0", "layers.0.w", "gate.1", "layers.1.w"]);
    assert_eq!(run!(gated, count(2).view([1, 2])), [2.0, 3.0]);
    let numbered = Numbered::init(1).unwrap();
    let (y, z, wide) = run!(numbered.clone(), count(2).view([1, 2]));
    assert_eq!((y, z, wide), (vec![0.0, 8.0], vec![0.0, 8.0], [0.0, 1.0].repeat(7)));
    let names: Vec<&str> = numbered.weights().names().collect();
    assert!(
        names.contains(&"even.4.w") && names.contains(&"odd.5.w") && names.contains(&"wide.2.w"),
        "{names:?}"
    );
    let few = Numbered::with(NumberedDims { N: 2, ..Default::default() }).init(1).unwrap_err().to_string();
    assert!(few.contains("none of them with the number 2"), "{few}");
    let iterations =
        |n: usize| Tower::with(TowerDims { N: n, ..Default::default() }).init(0).unwrap_err().to_string();
    let (many, beyond) = (iterations(i64::MAX as usize), iterations(usize::MAX));
    assert!(many.contains("iterations: loops are unrolled"), "{many}");
    assert!(beyond.contains("`N`") && beyond.contains("a length cannot be 18446744073709551615"), "{beyond}");
}

/// An f32 tensor for a file.
struct Stock(Vec<usize>, Vec<f32>);

impl View for Stock {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.0
    }
    fn data(&self) -> Cow<'_, [u8]> {
        self.1.iter().flat_map(|x| x.to_le_bytes()).collect()
    }
    fn data_len(&self) -> usize {
        4 * self.1.len()
    }
}

/// A file of such tensors, each counting from 0.
fn file(tensors: &[(&str, &[usize])]) -> tempfile::TempPath {
    let f = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap().into_temp_path();
    let all = tensors.iter().map(|(n, s)| (*n, Stock(s.to_vec(), count(s.iter().product()))));
    safetensors::serialize_to_file(all, None, &f).unwrap();
    f
}

#[test]
fn weights_stored_otherwise() {
    // `c_attn` is [IN, OUT] with q, k and v side by side; `in_proj` is [OUT, IN] with them one under another.
    let path =
        file(&[("c_attn.weight", &[2, 6]), ("c_attn.bias", &[6]), ("in_proj", &[6, 2]), ("head", &[2, 3])]);
    let n = Stored::load(&path).unwrap();
    let x = [1.0f32, 10.0];
    let expect = (vec![60.0, 72.0], vec![84.0, 96.0], vec![98.0, 120.0], vec![30.0, 41.0, 52.0]);
    assert_eq!(run!(n.clone(), x.view([1, 2])), expect);
    assert!(n.weights().names().any(|n| n == "c_attn.weight[:, 0..2]"), "{:?}", names(n.weights()));
    // Parts are saved as weights of their own, and found again under those names.
    n.weights().save(&path).unwrap();
    assert_eq!(run!(Stored::load(&path).unwrap(), x.view([1, 2])), expect);
    let short = file(&[("c_attn.weight", &[2, 3]), ("c_attn.bias", &[6]), ("in_proj", &[2])]);
    let e = Stored::load(&short).unwrap_err().to_string();
    for part in [
        "no such part: `c_attn.weight[:, 2..4]` is declared",
        "no such part: `in_proj[4..6]`",
        "missing: `head`",
    ] {
        assert!(e.contains(part), "{part}: {e}");
    }
    let products = n.compile(Target::host()).unwrap().fused_ir();
    assert!(!products.contains("transpose("), "a stored transposition is no work at run time:\n{products}");
}

#[test]
fn marks_reach_the_weights() {
    let n = Marked::init(0).unwrap();
    let marks: Vec<(&str, bool, bool, bool)> = n
        .ir()
        .weights
        .iter()
        .map(|w| (w.name.as_str(), w.marks.buffer, w.marks.learns(), w.marks.no_decay))
        .collect();
    assert_eq!(
        marks,
        [("gain", false, true, true), ("mean", true, false, false), ("scale.w", false, false, false)]
    );
    assert_eq!(run!(n.clone(), count(2).view([1, 2])), [0.0, 1.0]);
    let text = n.ir().to_string();
    assert_eq!(tancho::Graph::parse(&text).as_ref(), Ok(n.ir()), "{text}");
}

#[test]
fn weights_of_every_type() {
    let mut n = Typed::init(0).unwrap();
    let b = |x: &[f32]| x.iter().map(|x| bf16::from_f32(*x)).collect::<Vec<_>>();
    n.weights_mut().set("table", Tensor::new(b(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), [3, 2]).unwrap()).unwrap();
    n.weights_mut().set("w", Tensor::new(b(&[1.0, 0.0, 0.5, 2.0]), [2, 2]).unwrap()).unwrap();
    n.weights_mut().set("next", Tensor::new(vec![1, 2, 0], [3]).unwrap()).unwrap();
    n.weights_mut().set("known", Tensor::new(vec![true, false, true], [3]).unwrap()).unwrap();
    let (rows, next, known, product) = run!(n, [2, 1].view([2]));
    assert_eq!((rows, next, known), (vec![4.0, 5.0, 2.0, 3.0], vec![0, 2], vec![true, false]));
    assert_eq!(product, [4.0, 12.0, 2.0, 7.0]);
}

#[test]
fn reductions_of_everything() {
    let keep = [false, true, true, false, false, false];
    let found = run!(Whole::init(0).unwrap(), count(6).view([2, 3]), keep.view([2, 3]));
    assert_eq!(found, (vec![2.5], vec![5.0], vec![15.0], vec![1.5]));
}

#[test]
fn promised_equal() {
    let n = Promises::init(0).unwrap();
    let expect = vec![0.0, 4.0, 16.0, 26.0];
    assert_eq!(run!(n, count(8).view([1, 2, 4]), count(4).view([1, 2, 2])), expect);
    let p = Promised::init(0).unwrap();
    assert_eq!(run!(p, count(8).view([1, 2, 4]), count(4).view([1, 2, 2])), expect);
    let mut s = p.compile(Target::host()).unwrap().session();
    let e = s.run(count(8).view([1, 2, 4]), count(6).view([1, 3, 2])).unwrap_err().to_string();
    assert!(e.contains("input `y`") && e.contains('2') && e.contains('3'), "{e}");
    let e =
        Promised::with(PromisedDims { H: Some(5), ..Default::default() }).init(0).unwrap_err().to_string();
    assert!(e.contains("`Promised` requires"), "{e}");
    assert_eq!(run!(Either::init(0).unwrap(), count(2).view([1, 2]), count(2).view([1, 2])), [0.0, 2.0]);
    let other = Either::with(EitherDims { E: 1, ..Default::default() }).init(0).unwrap();
    assert_eq!(run!(other, count(2).view([1, 2]), count(1).view([1, 1])), [0.0]);
}

#[test]
fn entry_points_share_weights() {
    let mut n = Coder::init(0).unwrap();
    assert_eq!(names(n.weights()), ["up", "down"]);
    set(n.weights_mut(), "down", &[1.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
    let compiled = n.compile(Target::host().with_checked(true)).unwrap();
    assert!(compiled.check_encode(count(2).view([1, 2])).unwrap().is_ok());
    assert!(compiled.check_decode(count(3).view([1, 3])).unwrap().is_ok());
    let mut session = compiled.session();
    assert_eq!(session.encode(count(4).view([2, 2])).unwrap().to_vec(), [1.0, 1.0, 1.0, 5.0, 5.0, 5.0]);
    let (y, sum) = session.decode(count(3).view([1, 3])).unwrap();
    assert_eq!((y.to_vec(), sum.to_vec()), (vec![0.0, 2.0], vec![3.0]));
    assert_eq!(session.forward(count(2).view([1, 2])).unwrap().to_vec(), [1.0, 2.0]);
    let mut out = [0.0; 3];
    session.encode_into(count(2).view([1, 2]), &mut out).unwrap();
    assert_eq!(out, [1.0; 3]);
    assert!(compiled.encode().fused_ir().contains("relu"), "{}", compiled.encode().fused_ir());
    assert_eq!(n.ir_of("decode").unwrap().inputs[0].name, "h");
    assert!(n.ir_of("nothing").is_none() && n.ir().to_string().starts_with("network Coder.forward<B>"));
    let (y, h) = run!(Recoder::init(0).unwrap(), count(2).view([1, 2]));
    assert_eq!((y, h), (vec![4.0, 4.0], vec![1.0; 4]));
}
