//! What a user can get wrong at run time: a typed error that says what and where, nothing half-done,
//! and a session that goes on.

use tancho::{AsView, Error, LoadError, LoadOptions, OptionValue, Target, Tensor, View, network};

network! {
    pub Rows<B, S: ..=4, V = 5, D = 3>(ids: i32[B, S], x: [B, S, D]) -> [B, S, D]
        where S < V
    {
        param table: [V, D] = normal(1.0);
        table[ids] + x
    }

    /// Ids that are computed, so that only the kernel can see them.
    pub Late<B, V = 5, D = 3>(ids: i32[B]) -> ([B, D], [B, D]) {
        param table: [V, D] = normal(1.0);
        let first = table[ids];
        (first, table[ids + ids])
    }

    pub Two<B, D = 4>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        param b: [D] = ones;
        x @ w.t + b
    }

    pub Window<N>(x: [N, 2]) -> [3, 2] { x[0..3] }

    pub Conv<N, H, W>(x: [N, 2, H, W]) -> [N, 3, floor((H - 1) / 2), W - 4] {
        param w: [3, 2, 3, 5];
        conv2d(x, w, stride = (2, 1))
    }

    pub Pool<N, H, W>(x: [N, 2, H, W]) -> [N, 2, floor(H / 3), floor(W / 3)] { max_pool2d(x, kernel = 3) }

    pub Scaled<B, D = 2>(option eps = 1e-5)(x: [B, D]) -> [B, D] { layer_norm(x, over = D, eps = eps) }
}

fn rows() -> RowsSession {
    Rows::init(1).unwrap().compile(Target::host()).unwrap().session()
}

#[test]
fn inputs_of_the_wrong_shape_or_rank() {
    let mut s = rows();
    let (ids, x) = (vec![0i32; 6], vec![0.0f32; 18]);
    let message = |e: Error| e.to_string();
    let e = message(s.run(ids.view([2, 3]), x[..12].view([2, 2, 3])).unwrap_err());
    assert!(e.contains("input `x`") && e.contains("[B, S, D (3)]"), "{e}");
    let e = message(s.run(ids.view([2, 3]), x[..12].view([2, 3, 2])).unwrap_err());
    assert!(e.contains("axis 2 is 2, but `D` is 3 in this call"), "{e}");
    let e = message(s.run(ids.view([6]), x.view([2, 3, 3])).unwrap_err());
    assert!(e.contains("`ids` is declared i32[B, S]") && e.contains("i32[6]"), "{e}");
    let e = message(s.run(ids.view([2, 3]), x.view([2, 3, 4])).unwrap_err());
    assert!(e.contains("18") && e.contains("24"), "{e}");
    let e = message(
        s.run(ids.view([2, 3]), View::named(&x, &[("B", 2), ("T", 3), ("D", 3)]).unwrap()).unwrap_err(),
    );
    assert!(e.contains("called `T`, but it is `S`"), "{e}");
    assert!(s.run(ids.view([2, 3]), View::named(&x, &[("B", 2), ("S", 3), ("D", 3)]).unwrap()).is_ok());
}

#[test]
fn axes_longer_than_memory_are_said() {
    let (ids, x): ([i32; 0], [f32; 0]) = ([], []);
    let mut s = rows();
    for long in [1usize << 63, usize::MAX] {
        let e = s.run(ids.view([long, 0]), x.view([long, 0, 3])).unwrap_err();
        assert!(matches!(&e, Error::View(v) if v.to_string().contains(&long.to_string())), "{e}");
        let c = Rows::init(1).unwrap().compile(Target::host()).unwrap();
        let e = c.interpret(ids.view([long, 0]), x.view([long, 0, 3])).map(drop).unwrap_err();
        assert!(matches!(&e, Error::View(v) if v.to_string().contains(&long.to_string())), "{e}");
        assert!(Tensor::new(Vec::<f32>::new(), [0, long]).is_err());
        // Static dims too: the message has the number that was given.
        let e = Two::with(TwoDims { D: long }).graph().unwrap_err();
        assert!(
            matches!(&e, Error::Dim { dim, why, .. } if dim == "D" && why.contains(&long.to_string())),
            "{e}"
        );
    }
}

#[test]
fn bounds_and_where_clauses() {
    let mut s = rows();
    let (ids, x) = (vec![0i32; 10], vec![0.0f32; 30]);
    assert!(matches!(
        s.run(ids.view([2, 5]), x.view([2, 5, 3])),
        Err(Error::Bound { value: 5, bound: 4, .. })
    ));
    assert!(s.run(ids[..8].view([2, 4]), x[..24].view([2, 4, 3])).is_ok());
    let mut w = Window::init(0).unwrap().compile(Target::host()).unwrap().session();
    assert!(matches!(w.run(x[..4].view([2, 2])), Err(Error::Slice { start: 0, end: 3, len: 2, .. })));
    assert_eq!(w.run(x[..8].view([4, 2])).unwrap().shape(), [3, 2]);
    let few = Rows::with(RowsDims { V: 2, ..RowsDims::default() })
        .init(0)
        .unwrap()
        .compile(Target::host())
        .unwrap();
    assert!(matches!(
        few.session().run(ids[..2].view([1, 2]), x[..6].view([1, 2, 3])),
        Err(Error::Constraint { left: 2, right: 2, .. })
    ));
}

#[test]
fn ids_out_of_range_leave_nothing_behind() {
    let mut s = rows();
    let x = [1.0f32; 12];
    for bad in [5, -1, i32::MAX, i32::MIN] {
        let e = s.run([0, 1, 2, bad].view([2, 2]), x.view([2, 2, 3])).unwrap_err();
        let Error::IdOutOfRange { op, id, rows, position } = &e else { panic!("{e}") };
        assert_eq!((*id, *rows, position.as_slice()), (i64::from(bad), 5, &[1, 1][..]), "{e}");
        assert!(op.contains("table[ids]"), "{e}");
    }
    assert!(s.run([0, 1, 2, 4].view([2, 2]), x.view([2, 2, 3])).is_ok());

    let mut late = Late::init(1).unwrap().compile(Target::host()).unwrap().session();
    let (mut a, mut b) = (vec![7.0f32; 6], vec![7.0f32; 6]);
    let e = late.run_into([0, 3].view([2]), &mut a, &mut b).unwrap_err();
    assert!(matches!(e, Error::IdOutOfRange { id: 6, rows: 5, .. }), "{e}");
    assert!(a.iter().chain(&b).all(|x| *x == 7.0), "a failed run must not write results");
    late.run_into([0, 2].view([2]), &mut a, &mut b).unwrap();
    assert!(a.iter().chain(&b).all(|x| *x != 7.0));
}

#[test]
fn the_caller_s_buffer_has_the_size_of_the_result() {
    let mut s = Two::init(1).unwrap().compile(Target::host()).unwrap().session();
    let x = [0.5f32; 8];
    let mut small = [0.0f32; 7];
    let e = s.run_into(x.view([2, 4]), &mut small).unwrap_err();
    assert!(matches!(e, Error::OutputSize { .. }) && e.to_string().contains("f32[8]"), "{e}");
    let mut out = [0.0f32; 8];
    s.run_into(x.view([2, 4]), &mut out).unwrap();
    assert_eq!(s.run(x.view([2, 4])).unwrap().data(), out);
}

/// A safetensors file of f32 zeros, but for the types given.
fn file(tensors: &[(&str, &str, &[usize])]) -> tempfile::NamedTempFile {
    let size = |d: &str| {
        if d == "F64" || d == "I64" {
            8
        } else if d == "F32" {
            4
        } else {
            2
        }
    };
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    for (name, dtype, shape) in tensors {
        let bytes = shape.iter().product::<usize>() * size(dtype);
        header.insert(
            name.to_string(),
            serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [at, at + bytes]}),
        );
        at += bytes;
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut data = (header.len() as u64).to_le_bytes().to_vec();
    data.extend(header);
    data.resize(data.len() + at, 0);
    let f = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap();
    std::fs::write(f.path(), data).unwrap();
    f
}

#[test]
fn one_error_lists_everything_wrong_with_a_file() {
    let f = file(&[("w", "I64", &[4, 4]), ("bias", "F32", &[4]), ("extra", "F32", &[1])]);
    let e = Two::load(f.path()).unwrap_err().to_string();
    for part in ["`w`", "i64", "`b`", "`extra`", f.path().to_str().unwrap()] {
        assert!(e.contains(part), "{part} in: {e}");
    }
    let f = file(&[("w", "F32", &[4, 5]), ("b", "F32", &[4])]);
    let e = Two::load(f.path()).unwrap_err().to_string();
    assert!(e.contains("[4, 4]") && e.contains("[4, 5]"), "{e}");
    let f = file(&[("w", "BF16", &[4, 4]), ("b", "F64", &[4])]);
    let net = Two::load(f.path()).unwrap();
    assert_eq!(net.weights().get("b").unwrap().data(), [0.0; 4]);
}

#[test]
fn names_through_a_prefix_or_a_function() {
    let f = file(&[("model.W", "F32", &[4, 4]), ("model.B", "F32", &[4])]);
    let options = LoadOptions::new().prefix("model.").rename(|n| n.to_uppercase());
    assert!(Two::with(TwoDims::default()).load_with(f.path(), &options).is_ok());
    assert!(matches!(Two::load(f.path()), Err(Error::Load(_))));
}

#[test]
fn paths_that_are_no_weights() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().join("missing.safetensors"), dir.path().to_path_buf()] {
        let e = Two::load(&path).unwrap_err();
        assert!(matches!(&e, Error::Load(l) if !matches!(**l, LoadError::Mismatch { .. })), "{e}");
        assert!(e.to_string().contains(dir.path().to_str().unwrap()), "{e}");
    }
    let whole = std::fs::read(file(&[("w", "F32", &[4, 4]), ("b", "F32", &[4])]).path()).unwrap();
    let broken = dir.path().join("broken.safetensors");
    for cut in [0, 3, 8, 20, whole.len() - 1] {
        std::fs::write(&broken, &whole[..cut]).unwrap();
        assert!(matches!(Two::load(&broken), Err(Error::Load(_))), "cut at {cut}");
    }
    let mut long = whole.clone();
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    std::fs::write(&broken, &long).unwrap();
    assert!(matches!(Two::load(&broken), Err(Error::Load(_))));
}

#[test]
fn dims_and_options_that_do_not_fit() {
    assert!(Rows::with(RowsDims { V: usize::MAX, D: 3 }).init(0).is_err());
    let b = Scaled::with(ScaledDims::default()).option("epsilon", OptionValue::Float(1.0));
    assert!(b.init(0).unwrap_err().to_string().contains("no option `epsilon`"));
    let ok = Scaled::with(ScaledDims::default()).option("eps", OptionValue::Float(1.0)).init(0).unwrap();
    assert!(ok.ir().to_string().contains("eps = 1.0"));
    let mut net = Two::init(0).unwrap();
    let e = net.weights_mut().set("w", Tensor::new(vec![0.0f32; 4], [4]).unwrap()).unwrap_err();
    assert!(matches!(e, Error::Weight { .. }), "{e}");
    assert!(matches!(
        net.weights_mut().set("ww", Tensor::scalar(1.0f32)),
        Err(Error::NoWeight { suggestion: Some(_), .. })
    ));
}

mod ring {
    tancho::network! {
        pub Odd<B>(x: [B]) -> [B] { net even: super::Even; let y: [B] = even(x); y }
    }
}

network! {
    /// Contains itself by way of another macro call, which neither of them can see.
    pub Even<B>(x: [B]) -> [B] { net odd: ring::Odd; let y: [B] = odd(x); y }

    pub Doubling<B>(x: [B]) -> [B] { net a: D5; a(x) }
    D5<B>(x: [B]) -> [B] { net n: [D4; 64]; let mut x = x; for l in n { x = l(x); } x }
    D4<B>(x: [B]) -> [B] { net n: [D3; 64]; let mut x = x; for l in n { x = l(x); } x }
    D3<B>(x: [B]) -> [B] { net n: [D2; 64]; let mut x = x; for l in n { x = l(x); } x }
    D2<B>(x: [B]) -> [B] { net n: [D1; 64]; let mut x = x; for l in n { x = l(x); } x }
    D1<B>(x: [B]) -> [B] { x * 2 }
}

#[test]
fn networks_without_end() {
    let e = Even::init(1).unwrap_err().to_string();
    assert!(e.contains("stands inside of 64 networks: does it contain itself?"), "{e}");
    let e = Doubling::init(1).unwrap_err().to_string();
    assert!(e.contains("the graph has more than 1048576 ops: nets and loops are unrolled"), "{e}");
}

#[test]
fn compiled_networks_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    fn moved<T: Send>() {}
    shared::<TwoCompiled>();
    moved::<TwoSession>();
    let compiled = Two::init(3).unwrap().compile(Target::host()).unwrap();
    let want = compiled.session().run([0.25f32; 8].view([2, 4])).unwrap().to_vec();
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                let mut session = compiled.session();
                for _ in 0..50 {
                    assert_eq!(session.run([0.25f32; 8].view([2, 4])).unwrap().data(), want);
                }
            });
        }
    });
}

/// Images smaller than a window, and no images at all; the session goes on.
#[test]
fn windows_larger_than_the_image() {
    let x = vec![1.0f32; 2 * 2 * 9 * 9];
    let mut s = Conv::init(1).unwrap().compile(Target::host()).unwrap().session();
    let e = s.run(x[..2 * 2 * 9].view([1, 2, 2, 9])).unwrap_err();
    assert!(matches!(e, Error::Window { axis: "rows", spans: 3, padded: 2, .. }), "{e}");
    assert!(e.to_string().contains("conv2d(x, w, stride = (2, 1))"), "{e}");
    let e = s.run(x[..2 * 9 * 4].view([1, 2, 9, 4])).unwrap_err();
    assert!(matches!(e, Error::Window { axis: "columns", spans: 5, padded: 4, .. }), "{e}");
    assert!(s.run(x[..0].view([1, 2, 0, 9])).is_err());
    assert_eq!(s.run(x[..0].view([0, 2, 9, 9])).unwrap().shape(), [0, 3, 4, 5]);
    assert_eq!(s.run(x.view([2, 2, 9, 9])).unwrap().shape(), [2, 3, 4, 5]);
    let mut s = Pool::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert!(matches!(s.run(x[..36].view([1, 2, 9, 2])), Err(Error::Window { axis: "columns", .. })));
    assert_eq!(s.run(x.view([2, 2, 9, 9])).unwrap().shape(), [2, 2, 3, 3]);
}
