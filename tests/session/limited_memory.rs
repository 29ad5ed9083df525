//! Memory that cannot be had, and sizes of any kind: a typed error or the right result, never an abort. The
//! tests run in processes of their own with 2 GiB of address space, where an abort would show as a signal.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use tancho::inspect::Interpreter;
use tancho::weights::{Gguf, Metadata};
use tancho::{
    AnyView, AsView, DType, Error, LoadOptions, Target, Tensor, TensorData, View, ViewError, Weights, bf16,
    network,
};
use tancho_support::alone::alone_with;

network! {
    pub Two<B, D = 4>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        x @ w.t
    }

    pub Pairs<N>(x: [N], y: [N]) -> [N, N] { reshape(x, [N, 1]) @ reshape(y, [1, N]) }

    pub Cast<B, D = 4>(x: [B, D]) -> [B, D] {
        param w: bf16[D, D];
        x @ cast(w, f32).t
    }
}

/// Runs a test in a process of its own that may use 2 GiB of address space.
#[track_caller]
fn limited(body: impl FnOnce()) {
    alone_with("ulimit -v 2097152", body);
}

/// A file that begins with this and is as long as that; the rest are zeros that take no room on the disk.
fn sparse(dir: &Path, name: &str, head: &[u8], len: u64) -> PathBuf {
    let path = dir.join(name);
    let mut f = File::create(&path).unwrap();
    f.write_all(head).unwrap();
    f.set_len(len).unwrap();
    path
}

/// A safetensors file of one weight of zeros.
fn zeros(dir: &Path, dtype: &str, size: u64, d: u64) -> PathBuf {
    let n = d * d * size;
    let mut header = format!(r#"{{"w":{{"dtype":"{dtype}","shape":[{d},{d}],"data_offsets":[0,{n}]}}}}"#);
    // Then the elements are aligned, and f32 can stay in the file.
    header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
    let head = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    sparse(dir, &format!("{dtype}.safetensors"), &head, head.len() as u64 + n)
}

fn told_as_weights(e: &Error, what: &str) {
    let text = e.to_string();
    assert!(
        matches!(e, Error::WeightMemory { .. }) && text.contains(what) && !text.contains("inputs"),
        "{text}"
    );
}

#[test]
fn weights_that_memory_cannot_hold() {
    limited(|| {
        for d in [30_000, 1 << 20, 1 << 24, 1 << 29, 1 << 31, 1 << 40, i64::MAX as usize] {
            let e = Two::with(TwoDims { D: d }).init(1).unwrap_err();
            told_as_weights(&e, &format!("weight `w` f32[{d}, {d}]"));
            told_as_weights(
                &Cast::with(CastDims { D: d.max(40_000) }).init(1).unwrap_err(),
                "weight `w` bf16[",
            );
        }
        let dir = tempfile::tempdir().unwrap();
        // 800 MB in the file, 1.6 GB as f32.
        for (dtype, size) in [("F16", 2), ("BF16", 2)] {
            let e =
                Two::with(TwoDims { D: 20_000 }).load(zeros(dir.path(), dtype, size, 20_000)).unwrap_err();
            told_as_weights(&e, "weight `w` f32[20000, 20000]: 1600000000 bytes");
        }
        // A file that does not fit is told as that, for which no memory is missing.
        let e = Two::with(TwoDims { D: 20_000 })
            .load_with(zeros(dir.path(), "F16", 2, 20_000), &LoadOptions::new().prefix("p."))
            .unwrap_err();
        assert!(matches!(e, Error::Load(_)), "{e}");
        // What is mapped takes no memory, but its packed form does.
        let net = Two::with(TwoDims { D: 17_000 }).load(zeros(dir.path(), "F32", 4, 17_000)).unwrap();
        assert_eq!(net.weights().get("w").unwrap().shape(), [17_000, 17_000]);
        told_as_weights(&net.compile(Target::host()).unwrap_err(), "the packed weights");
        told_as_weights(
            &net.weights().data("w").unwrap().to_tensor().unwrap_err(),
            "a weight f32[17000, 17000]",
        );
    });
}

/// Coded weights take a quarter of their elements' memory, until somebody wants those.
#[test]
fn blocks_that_memory_cannot_hold() {
    limited(|| {
        let d = 22_016u64;
        let text = |s: &str| [&(s.len() as u64).to_le_bytes()[..], s.as_bytes()].concat();
        let counts = [1u64.to_le_bytes(), 0u64.to_le_bytes()].concat();
        let shape =
            [2u32.to_le_bytes().to_vec(), d.to_le_bytes().to_vec(), d.to_le_bytes().to_vec()].concat();
        let place = [8u32.to_le_bytes().to_vec(), 0u64.to_le_bytes().to_vec()].concat();
        let mut head =
            [b"GGUF".to_vec(), 3u32.to_le_bytes().to_vec(), counts, text("w"), shape, place].concat();
        head.resize(head.len().next_multiple_of(32), 0);
        let dir = tempfile::tempdir().unwrap();
        let net = Two::with(TwoDims { D: d as usize })
            .load(sparse(dir.path(), "w.gguf", &head, head.len() as u64 + d * d / 32 * 34))
            .unwrap();
        let w = net.weights().data("w").unwrap();
        assert!(w.as_f32().is_none() && net.weights().get("w").is_none());
        for e in [w.floats().map(drop), w.to_tensor().map(drop), w.bytes().map(drop)] {
            told_as_weights(&e.unwrap_err(), "a weight f32[22016, 22016]: 1938817024 bytes");
        }
        told_as_weights(&net.compile(Target::host()).unwrap_err(), "the packed weights");
    });
}

/// Lists lie in the file until they are asked for.
#[test]
fn lists_of_metadata_take_no_memory() {
    limited(|| {
        let (dir, n) = (tempfile::tempdir().unwrap(), 400u64 << 20);
        let key = [
            1u64.to_le_bytes().to_vec(),
            b"k".to_vec(),
            9u32.to_le_bytes().to_vec(),
            0u32.to_le_bytes().to_vec(),
            n.to_le_bytes().to_vec(),
        ]
        .concat();
        let head = [
            b"GGUF".to_vec(),
            3u32.to_le_bytes().to_vec(),
            0u64.to_le_bytes().to_vec(),
            1u64.to_le_bytes().to_vec(),
            key,
        ]
        .concat();
        let g = Gguf::open(sparse(dir.path(), "k.gguf", &head, head.len() as u64 + n)).unwrap();
        let Some(Metadata::List(list)) = g.get("k") else { panic!("a list") };
        assert_eq!((list.len() as u64, list.iter().nth(1000)), (n, Some(Metadata::Integer(0))));
        // As 64-bit integers they would be 3.4 GB.
        let e = g.integers("k").unwrap_err().to_string();
        assert!(e.contains("too long for memory"), "{e}");
    });
}

#[test]
fn values_that_memory_cannot_hold() {
    limited(|| {
        let compiled = Pairs::init(1).unwrap().compile(Target::host()).unwrap();
        let x = vec![1.0f32; 40_000];
        let (x, y) = (x.view([40_000]), x.view([40_000]));
        for e in [
            compiled.session().run(x, y).map(drop),
            compiled.interpret(x, y).map(drop),
            compiled.check(x, y).map(drop),
        ] {
            assert!(matches!(e, Err(Error::Memory { bytes: 6_400_000_000 })), "{e:?}");
        }
        assert_eq!(
            compiled.interpret(x.data()[..3].view([3]), y.data()[..3].view([3])).unwrap()[0].as_f32(),
            Some(&[1.0; 9][..])
        );
        // Memory that is not written to is not taken, but a copy would be.
        let large = vec![0.0f32; 300_000_000];
        let e = AnyView::from(large.view([300_000_000])).to_tensor().unwrap_err();
        assert_eq!(e, ViewError::Overflow { shape: vec![300_000_000] });
        drop(large);
        assert_eq!(Tensor::zeros(DType::F32, [1 << 40]), Err(ViewError::Overflow { shape: vec![1 << 40] }));
    });
}

/// Every function that allocates or converts by a number that it is given.
#[test]
fn sizes_of_any_kind() {
    limited(|| {
        const SIZES: [usize; 8] = [0, 1, 1 << 31, 1 << 32, 1 << 62, 1 << 63, usize::MAX - 1, usize::MAX];
        let small = |n: usize| n <= 1;
        let types = [DType::F32, DType::I32, DType::Bool, DType::Bf16];
        let net = Two::init(1).unwrap();
        let one = [1.0f32];
        for n in SIZES {
            for dtype in types {
                assert_eq!(
                    TensorData::zeros(dtype, n).map(|d| d.len()),
                    if small(n) { Ok(n) } else { Err(ViewError::Overflow { shape: vec![n] }) }
                );
                for shape in [vec![n], vec![1, n], vec![n, 1, 1]] {
                    let want =
                        if small(n) { Ok(n) } else { Err(ViewError::Overflow { shape: shape.clone() }) };
                    assert_eq!(Tensor::zeros(dtype, shape).map(|t| t.len()), want);
                }
                for shape in [vec![0, n], vec![n, 0], vec![n, n, 0, n], vec![0, n, n]] {
                    let zeros = Tensor::zeros(dtype, shape.clone());
                    // Dims are 63-bit.
                    if i64::try_from(n).is_err() {
                        assert_eq!(zeros, Err(ViewError::Overflow { shape }));
                        continue;
                    }
                    let t = zeros.unwrap();
                    assert_eq!((t.len(), t.shape(), t.any_view().len()), (0, shape.as_slice(), 0));
                    assert_eq!(t.any_view().to_tensor().as_ref(), Ok(&t));
                    assert_eq!(t.to_string(), format!("{dtype}{shape:?} {{}}"));
                }
            }
            // Elements that are not as many as the shape has.
            let fits = n == 1;
            assert_eq!(Tensor::new(one.to_vec(), [n]).is_ok(), fits);
            assert_eq!(Tensor::new(vec![bf16::ONE], [n, n]).is_ok(), fits);
            assert_eq!(View::new(&one, &[n, 1]).is_ok(), fits);
            assert_eq!(View::named(&one, &[("A", n), ("B", n)]).is_ok(), fits);
            assert_eq!(one.view_named([("A", n)]).is_ok(), fits);
            assert_eq!(one.view([n, n]).check().is_ok(), fits);
            assert_eq!(AnyView::from(one.view([n])).to_tensor().is_ok(), fits);
            let mut out = vec![0.0f32; 4];
            assert!(
                net.compile(Target::host()).unwrap().session().run_into(one.view([n, 4]), &mut out).is_err()
            );
            // Weights by number and by range.
            assert_eq!(net.weights().at(n).is_some(), n == 0);
            let w = net.weights().data("w").unwrap();
            w.release_part(0..n);
            w.release_part(n..usize::MAX);
            assert_eq!(w.as_f32().unwrap().len(), 16);
            // Weights by dims; no weight of any length is one of none.
            let made = Two::with(TwoDims { D: n }).init(7);
            assert_eq!(made.is_ok(), small(n), "{n}");
            let mut weights = Two::init(1).unwrap();
            if let Ok(none) = Tensor::zeros(DType::F32, [0, n]) {
                assert!(weights.weights_mut().set("w", none).is_err());
            }
            // Inputs of no elements, through the interpreter and compiled.
            let none: [f32; 0] = [];
            let compiled = Pairs::init(1).unwrap().compile(Target::host()).unwrap();
            let run = compiled.interpret(none.view([n]), none.view([n]));
            assert_eq!(run.map(|y| y[0].shape().to_vec()).ok(), (n == 0).then(|| vec![0, 0]));
        }
        // Mapped weights and coded ones, by range.
        let dir = tempfile::tempdir().unwrap();
        let net = Two::load(zeros(dir.path(), "F32", 4, 4)).unwrap();
        for n in SIZES {
            net.weights().data("w").unwrap().release_part(0..n);
            net.weights().data("w").unwrap().release_part(n..usize::MAX);
            net.weights().data("w").unwrap().release_part(n..0);
        }
        assert_eq!(net.weights().get("w").unwrap().data(), [0.0; 16]);
    });
}

/// Graphs with an axis of any length and no elements: each op gives what its shape says, at once.
#[test]
fn ops_on_no_elements_beside_any_length() {
    limited(|| {
        for n in [2usize, 1 << 31, 1 << 60, (1 << 62) - 2] {
            for (x, line, out) in [
                (format!("[0, {n}]"), "softmax(%0, over = (1,))", format!("[0, {n}]")),
                (format!("[0, {n}]"), "log_softmax(%0, over = (1,))", format!("[0, {n}]")),
                (format!("[{n}, 0]"), "softmax(%0, over = (0,))", format!("[{n}, 0]")),
                (format!("[{n}, 0]"), "exp(%0)", format!("[{n}, 0]")),
                (format!("[{n}, 0, {n}]"), "mul(%0, %0)", format!("[{n}, 0, {n}]")),
                (format!("[{n}, 0, {n}]"), "transpose(%0, axes = (2, 1, 0))", format!("[{n}, 0, {n}]")),
                (format!("[{n}, 0]"), "sum(%0, over = (0,), keep = false)", "[0]".into()),
                (format!("[0, {n}, {n}]"), "sum(%0, over = (1, 2), keep = false)", "[0]".into()),
                (format!("[0, {n}]"), "argmax(%0, over = (1,))", "[0]".into()),
                (format!("[0, {n}]"), "l2_normalize(%0, over = (1,))", format!("[0, {n}]")),
                (format!("[{n}, 0, {n}]"), "concat(%0, %0, axis = (1,))", format!("[{n}, 0, {n}]")),
                (
                    format!("[{n}, {n}, 0]"),
                    "slice(%0, axis = (0,), start = 1, end = 2)",
                    format!("[1, {n}, 0]"),
                ),
                (format!("[0, {n}, {n}]"), "rms_norm(%0, over = (1, 2))", format!("[0, {n}, {n}]")),
                (format!("[0, {n}, {n}]"), "layer_norm(%0, over = (1, 2))", format!("[0, {n}, {n}]")),
            ] {
                let dtype = if line.starts_with("argmax") { "i32" } else { "f32" };
                let text = format!(
                    "network A<>\ninput x: f32{x}\n%0: f32{x} = input(index = 0)\n%1: {dtype}{out} = {line}\nreturn %1\n"
                );
                let g = tancho::Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
                let shape = |s: &str| {
                    s.trim_matches(['[', ']']).split(", ").map(|n| n.parse().unwrap()).collect::<Vec<usize>>()
                };
                let input = Tensor::zeros(DType::F32, shape(&x)).unwrap();
                let none = |_: usize| Err(Error::Graph("a weight".into()));
                let inputs = [input];
                let run = Interpreter::for_inputs(&g, &inputs).and_then(|i| i.run(&inputs, &none));
                let y = run.unwrap_or_else(|e| panic!("{e}\n{text}"));
                assert_eq!((y[0].shape(), y[0].len()), (shape(&out).as_slice(), 0), "{text}");
                let all = Interpreter::for_inputs(&g, &inputs).unwrap();
                all.error_scale(tancho_ir::Value(1), &[&inputs[0], &inputs[0]], &y[0]).unwrap();
            }
            // Sums over nothing of what there is too much of: an error, not an abort.
            let text = format!(
                "network A<>\ninput x: f32[0, {n}]\n%0: f32[0, {n}] = input(index = 0)\n%1: f32[{n}] = sum(%0, over = (0,), keep = false)\nreturn %1\n"
            );
            let g = tancho::Graph::parse(&text).unwrap();
            let inputs = [Tensor::zeros(DType::F32, [0, n]).unwrap()];
            let sum = Interpreter::for_inputs(&g, &inputs)
                .and_then(|i| i.run(&inputs, &|_| Err(Error::Graph(String::new()))));
            match n {
                2 => assert_eq!(sum.unwrap()[0].as_f32(), Some(&[0.0; 2][..])),
                _ => assert!(matches!(sum, Err(Error::Memory { .. })), "{sum:?}"),
            }
        }
        let g = tancho::Graph::parse(
            "network A<>\nweight \"w\": f32[0, 4611686018427387904] = ones\n%0: f32[0, 4611686018427387904] = weight(index = 0)\nreturn %0\n",
        );
        assert_eq!(Weights::init(&g.unwrap(), 1).unwrap().get("w").unwrap().shape(), [0, 1 << 62]);
    });
}
