//! Constants: tables, and values that Rust gives with the dims.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, Error, Format, Target, Tensor, network, weights::ConstantProblem};
use tancho_support::{run, tensors};

network! {
    /// Numbers, and numbers that are made of static dims.
    pub Normalised<B, C = 3, D = 8>(x: [B, C]) -> ([B, C], [2, 3], i32[4], [], [0], [D / 2])
        where D % 2 == 0
    {
        /// Of ImageNet.
        const mean: [C] = [0.485, 0.456, 0.406];
        const scale: [C] = [1 / 0.25, -2^3 / 4, sqrt(D * 2)];
        const rows: [2, 3] = [[1, 2, 3], [-1, -2.5, 1e-3]];
        const order: i32[4] = [3, -1, D, 2^31 - 1];
        const half: [] = 0.5;
        const none: [0] = [];
        const slopes: [D / 2] = [2^(-8 / 4), 2^(-16 / 4), 2^(-D), 1 / D];
        ((x - mean) * scale * half, rows + 0, order + 0, half + 0, none + 0, slopes + 0)
    }

    pub Rotate<B, H, S, HD = 4>(x: [B, H, S, HD]) -> [B, H, S, HD] where HD % 2 == 0 {
        const inv_freq: [HD / 2];
        rope(x, freqs = inv_freq)
    }

    pub Layer<B, H, S, HD = 4>(x: [B, H, S, HD]) -> [B, H, S, HD] where HD % 2 == 0 {
        net rot: Rotate<HD = HD>;
        param gain: [HD] = ones;
        rot(x) * gain
    }

    pub Stack<B, H, S, HD = 4, N = 2>(x: [B, H, S, HD]) -> [B, H, S, HD] where HD % 2 == 0 {
        net block: [Layer<HD = HD>; N];
        const bias: [HD];
        const ids: i32[2, HD];
        let mut x = x + bias * cast(ids[1], f32);
        for layer in block { x = layer(x); }
        x
    }

    /// A table of each iteration, and one that all share.
    pub Iterations<B, N = 3>(x: [B, 2]) -> [B, 2] {
        const step: [2] = [1, 10];
        let mut x = x;
        repeat i in 0..N {
            const power: [2] = [2^i, -i];
            x = x + power * step;
        }
        x
    }

    /// Two entry points with one constant; matrices and arithmetic of constants alone.
    pub Shared<B, D = 4, K = 16> {
        const basis: [D, K];
        const shift: [K] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        param w: [K] = ones;
        fn forward(x: [B, D]) -> [B, K] { x @ (basis * 2) + shift / 4 + w }
        fn back(y: [B, K]) -> [B, D] { y @ basis.t }
    }

    pub Decayed<B, D = 2>(x: [B, D]) -> [B, D] {
        const decay: [D];
        x * decay
    }

    /// Constants of the body that iterations run, and of a net in it.
    pub Faded<B, S, D = 2>(x: [B, S, D]) -> ([B, D], [B, S, D]) {
        net fade: Decayed<D = D>;
        const gain: [D] = [1, 2];
        let mut h = sum(x, over = S) * 0;
        let all = scan row in x over S { h = fade(h) + row * gain; h };
        (h, all)
    }

    pub Rows<B>(ids: i32[B]) -> [B, 2] {
        const table: [3, 2] = [[1, 2], [3, 4], [5, 6]];
        table[ids]
    }
}

#[test]
fn tables_have_the_numbers_that_are_written() {
    let net = Normalised::init(1).expect("tables have all their values");
    let y = tensors!(net, [0.485, 1.456, 0.906].view([1, 3]));
    let near = |y: &Tensor, want: &[f32]| {
        let y = y.as_f32().expect("f32");
        assert!(y.len() == want.len() && y.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{y:?}");
    };
    near(&y[0], &[0.0, -1.0, 1.0]);
    near(&y[1], &[1.0, 2.0, 3.0, -1.0, -2.5, 1e-3]);
    assert_eq!(y[2].as_i32(), Some(&[3, -1, 8, i32::MAX][..]));
    near(&y[3], &[0.5]);
    near(&y[4], &[]);
    near(&y[5], &[0.25, 0.0625, 1.0 / 256.0, 0.125]);
    let y = tensors!(Iterations::init(1).expect("tables"), [0.0, 0.0].view([1, 2]));
    near(&y[0], &[7.0, -30.0]);
    let y = tensors!(Rows::init(1).expect("a table"), [2, 0].view([2]));
    near(&y[0], &[5.0, 6.0, 1.0, 2.0]);
}

#[test]
fn iterations_of_a_scan_read_constants() {
    let net =
        Faded::with(FadedDims::default()).constant("fade.decay", [0.5f32, 0.25]).init(1).expect("given");
    let (last, all) = run!(net, [1.0, 1.0, 2.0, 2.0, 4.0, 4.0].view([1, 3, 2]));
    assert_eq!((last, all), (vec![5.25, 9.125], vec![1.0, 2.0, 2.5, 4.5, 5.25, 9.125]));
}

/// What follows from other dims is known when the network is built.
#[test]
fn a_table_that_no_longer_fits_is_an_error() {
    let with = |dims| Normalised::with(dims).init(1).map(|_| ()).expect_err("dims that do not fit");
    let e = with(NormalisedDims { C: 4, D: 8 });
    assert!(matches!(e, Error::Build(_)), "{e}");
    assert!(e.to_string().contains("constant `mean` is f32[4], but its table is [3]"), "{e}");
    let e = with(NormalisedDims { C: 3, D: 10 });
    assert!(e.to_string().contains("constant `slopes` is f32[5], but its table is [4]"), "{e}");
    let e = Iterations::with(IterationsDims { N: 200 }).init(1).map(|_| ()).expect_err("2^199 is no f32");
    assert!(e.to_string().contains("in constant `power.128` is no f32"), "{e}");
}

fn given() -> tancho::Blueprint<Stack> {
    Stack::with(StackDims { N: 2, ..Default::default() })
        .constant("block.*.inv_freq", [1.0f32, 0.1])
        .constant("block.1.rot.inv_freq", vec![0.5f32, 0.0])
        .constant("bias", &[1.0f32, 2.0, 3.0, 4.0][..])
        .constant("ids", [0, 0, 0, 0, 1, 2, 3, 4].view([2, 4]))
}

#[test]
fn constants_are_given_once_with_the_dims() {
    let net = given().init(1).expect("all constants are given");
    let x = [0.0; 8];
    let y = run!(net, x.view([1, 1, 2, 4]));
    let (start, mut want) = ([1.0f32, 4.0, 9.0, 16.0], Vec::new());
    for s in [0.0f32, 1.0] {
        let mut row = start;
        for f in [[1.0f32, 0.1], [0.5, 0.0]] {
            for i in 0..2 {
                let ((sin, cos), (a, b)) = ((s * f[i]).sin_cos(), (row[i], row[i + 2]));
                (row[i], row[i + 2]) = (a * cos - b * sin, b * cos + a * sin);
            }
        }
        want.extend(row);
    }
    assert!(y.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-4), "{y:?} {want:?}");
    // One declaration may be built several times, with others too.
    let other = given().constant("bias", [0.0f32; 4]).init(1).expect("the last counts");
    assert_eq!(run!(other, x.view([1, 1, 2, 4])), [0.0; 8]);
    assert!(format!("{:?}", given()).contains("bias: f32[4]"), "{:?}", given());
}

#[test]
fn constants_are_no_weights() {
    let net = given().init(1).expect("all constants are given");
    let names = ["block.0.gain", "block.1.gain"];
    assert_eq!(net.weights().names().collect::<Vec<_>>(), names);
    assert_eq!(net.weights().iter().map(|(n, _)| n).collect::<Vec<_>>(), names);
    assert_eq!((net.weights().len(), net.ir().parameter_count()), (2, 8));
    assert!(net.weights().get("bias").is_none() && net.weights().data("ids").is_none());
    assert!(net.ir().weights.iter().filter(|w| w.is_constant()).all(|w| !w.marks.learns()));
    let e = net.clone().weights_mut().set("bias", Tensor::new(vec![0.0f32; 4], [4]).expect("fits"));
    assert!(matches!(e, Err(Error::NoWeight { .. })), "{e:?}");

    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("m.safetensors");
    net.weights().save(&path).expect("saves");
    let file = std::fs::read(&path).expect("the file");
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("safetensors");
    let mut saved = tensors.names();
    saved.sort_unstable();
    assert_eq!(saved, names);
    let loaded = given().load(&path).expect("loads");
    assert_eq!((loaded.load_report().weights, loaded.load_report().bytes), (2, 32));
    let x: Vec<f32> = (0..8).map(|i| i as f32).collect();
    assert_eq!(run!(loaded, x.view([1, 1, 2, 4])), run!(net, x.view([1, 1, 2, 4])));
    // Without its constants the same file does not load.
    let e = Stack::load(&path).map(|_| ()).expect_err("nothing is given");
    assert!(matches!(e, Error::Constants { .. }), "{e}");
}

fn problems(of: tancho::Blueprint<Stack>) -> (Vec<ConstantProblem>, String) {
    match of.init(1).map(|_| ()) {
        Err(e @ Error::Constants { .. }) => {
            let text = e.to_string();
            let Error::Constants { problems, network } = e else { return (Vec::new(), text) };
            assert_eq!(network, "Stack");
            (problems, text)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_that_does_not_fit_is_one_error() {
    let (all, text) = problems(Stack::with(StackDims::default()));
    let missing = |name: &str, ty: &str| ConstantProblem::Missing { name: name.into(), expected: ty.into() };
    assert_eq!(
        all,
        [
            missing("bias", "f32[4]"),
            missing("ids", "i32[2, 4]"),
            missing("block.0.rot.inv_freq", "f32[2]"),
            missing("block.1.rot.inv_freq", "f32[2]"),
        ]
    );
    assert!(
        text.ends_with(
            "help: give them with the dims: `Name::with(NameDims { .. }).constant(\"bias\", values)`"
        ),
        "{text}"
    );

    let (all, text) = problems(
        given()
            .constant("block.0.rot.inv_freq", [1.0f32; 3])
            .constant("bias", [1, 2, 3, 4])
            .constant("ids", [0; 8])
            .constant("biass", [1.0f32; 4])
            .constant("block.7.*", [1.0f32; 2])
            .constant("ids", [0; 8].view([2, 3])),
    );
    for part in [
        "the constants of `Stack` do not fit its declaration:",
        "wrong type: `block.0.rot.inv_freq` is declared f32[2], but f32[3] was given",
        "wrong type: `bias` is declared f32[4], but i32[4] was given",
        "unknown: there is no constant `biass` to give; did you mean `bias`?",
        "unknown: there is no constant `block.7.*` to give",
        "no tensor: the values of `ids`: ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(all.len(), 5, "{text}");
    let (_, text) = problems(given().constant("ids", vec![0; 8]));
    assert!(text.contains("i32[8] was given; give it its shape, `values.view([2, 4])`"), "{text}");

    let e = Iterations::with(IterationsDims::default()).constant("step", [1.0f32; 2]).init(1).map(|_| ());
    let e = e.expect_err("it has a table").to_string();
    assert!(e.contains("not to be given: `step` has its values in the declaration"), "{e}");
    let (_, text) = problems(
        Stack::with(StackDims::default()).constant("bias", [0.0f32; 4]).constant("ids", [0; 8].view([2, 4])),
    );
    assert!(text.contains(".constant(\"*.inv_freq\", values)`"), "{text}");
}

#[test]
fn arithmetic_on_constants_is_done_once() {
    let basis: Vec<f32> = (0..64).map(|i| (i % 7) as f32 - 3.0).collect();
    let net =
        Shared::with(SharedDims::default()).constant("basis", basis.view([4, 16])).init(1).expect("given");
    let x: Vec<f32> = (0..8).map(|i| i as f32 / 4.0).collect();
    for format in Format::ALL {
        let target = Target::host().with_weight_format(format).with_checked(true);
        let compiled = net.compile(target).expect("compiles");
        let report = compiled.check_forward(x.view([2, 4])).expect("runs");
        assert!(report.is_ok(), "{format:?}\n{report}");
        assert!(compiled.check_back([0.5; 32].view([2, 16])).expect("runs").is_ok());
        let forward = compiled.entry("forward").expect("an entry point");
        assert_eq!(forward.stats().kernels, 1, "{}", forward.fused_ir());
    }
    let mut session = net.compile(Target::host()).expect("compiles").session();
    let y = session.forward(x.view([2, 4])).expect("runs").to_vec();
    let want: f32 = (0..4).map(|k| x[k] * 2.0 * basis[k * 16 + 5]).sum::<f32>() + 5.0 / 4.0 + 1.0;
    assert!((y[5] - want).abs() < 1e-5, "{} {want}", y[5]);
}

#[test]
fn the_graph_has_its_constants_in_its_text() {
    let net = given().init(1).expect("given");
    let text = net.ir().to_string();
    assert!(text.contains("constant \"block.1.rot.inv_freq\": f32[2] = given\n"), "{text}");
    assert_eq!(tancho::Graph::parse(&text).as_ref(), Ok(net.ir()));
    let e = tancho::Model::from_graph(net.ir().clone(), 1).map(|_| ()).expect_err("values are not in it");
    assert!(matches!(e, Error::Constants { .. }), "{e}");
    let text = Normalised::init(1).expect("tables").ir().to_string();
    for line in [
        "constant \"mean\": f32[3] = [0.485, 0.456, 0.406]\n",
        "constant \"order\": i32[4] = [3, -1, 8, 2147483647]\n",
        "constant \"rows\": f32[2, 3] = [1, 2, 3, -1, -2.5, 0.001]\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let g = tancho::Graph::parse(&text).expect("a graph");
    assert_eq!(tancho::Model::from_graph(g, 1).expect("has its values").weights().len(), 0);
}
