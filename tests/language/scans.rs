//! Loops along an axis, by values: recurrent networks beside plain Rust.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, Target, network};

network! {
    /// `torch.nn.LSTMCell`.
    pub LstmCell<B, D = 4, H = 3>(x: [B, D], h: [B, H], c: [B, H]) -> ([B, H], [B, H]) {
        param weight_ih: [4 * H, D];
        param weight_hh: [4 * H, H];
        param bias_ih: [4 * H] = uniform(-0.5, 0.5);
        param bias_hh: [4 * H] = uniform(-0.5, 0.5);
        let gates = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh);
        let (i, f, g, o) = split(gates, axis = -1, parts = 4);
        let c = sigmoid(f) * c + sigmoid(i) * tanh(g);
        (sigmoid(o) * tanh(c), c)
    }

    /// One direction of `torch.nn.LSTM`, which goes on where the call before has ended.
    pub Lstm<B, S, D = 4, H = 3>(x: [B, S, D]) -> ([B, S, H], [B, H]) {
        net cell: LstmCell<D = D, H = H>;
        state h: [B, H];
        state c: [B, H];
        let y = scan x_t in x over S {
            let (h_t, c_t) = cell(x_t, h, c);
            h = h_t;
            c = c_t;
            h
        };
        (y, c)
    }

    /// The same step by step.
    pub Steps<B, D = 4, H = 3>(x: [B, D], h: [B, H], c: [B, H]) -> ([B, H], [B, H]) {
        net cell: LstmCell<D = D, H = H>;
        cell(x, h, c)
    }

    /// Both directions, the first axis in front, and a layer for each net of an array.
    pub Both<S, B, D = 4, N = 2>(x: [S, B, D]) -> [S, B, D] {
        net cells: [LstmCell<D = D, H = D>; N];
        net back: LstmCell<D = D, H = D>;
        let mut y = x;
        for cell in cells {
            let mut h = expand(0, [B, D]);
            let mut c = h;
            y = scan y_t in y over S {
                let (h_t, c_t) = cell(y_t, h, c);
                h = h_t;
                c = c_t;
                residual(y_t) { h_t }
            };
        }
        let mut h = expand(0, [B, D]);
        let mut c = h;
        let reversed = scan y_t in y over S backwards {
            let (h_t, c_t) = back(y_t, h, c);
            h = h_t;
            c = c_t;
            h
        };
        y + reversed
    }

    /// The selective state space of Mamba: `h = exp(dt * a) * h + dt * b * x`, `y = sum(c * h) + d * x`.
    pub Selective<B, S, D = 4, N = 3>(x: [B, S, D], dt: [B, S, D], b: [B, S, N], c: [B, S, N]) -> [B, S, D] {
        param a_log: [D, N] = uniform(0.0, 1.0);
        param d: [D] = ones;
        let a = -exp(a_log);
        let mut h = expand(0, [B, D, N]);
        scan (x_t, dt_t, b_t, c_t) in (x, softplus(dt), b, c) over S {
            let step = expand(reshape(dt_t, [B, D, 1]), [B, D, N]);
            let b_t = expand(reshape(b_t, [B, 1, N]), [B, D, N]);
            let c_t = expand(reshape(c_t, [B, 1, N]), [B, D, N]);
            h = exp(step * a) * h + step * b_t * expand(reshape(x_t, [B, D, 1]), [B, D, N]);
            sum(c_t * h, over = N) + d * x_t
        }
    }

    /// What loops inside of loops see, leading axes, tuples and several results.
    pub Forms<S, T, D = 2>(x: [S, T, D], keep: bool[S, T]) -> ([S, T, D], [S, T], i32[S]) {
        let mut all = expand(0, [D]);
        scan (row, kept, s) in (x, keep, arange(S)) over S {
            let sums = scan (x_t, kept_t) in (row, kept) over T {
                let now = select(kept_t, x_t, 0 * x_t);
                all += now;
                all
            };
            (sums, sum(row, over = D), 2 * s)
        }
    }

    /// Constants in a loop: a table, and one that is given.
    pub Scaled<S, D = 2>(x: [S, D]) -> [S, D] {
        const fade: [D] = [0.5, 2.0];
        const gain: [D];
        let mut h = expand(0, [D]);
        scan x_t in x over S { h = fade * h + gain * x_t; h }
    }

    /// Any leading axes.
    pub Fading<S, D = 2>(x: [.., S, D]) -> [.., S, D] {
        let mut h = 0 * x[S = 0];
        scan x_t in x over S { h = 0.5 * h + x_t; h }
    }
}

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7 + seed * 13) % 19) as f32 / 10.0 - 0.9).collect()
}

#[test]
fn an_lstm_is_its_cell_again_and_again() {
    let lstm = Lstm::init(7).expect("builds");
    let compiled = lstm.compile(Target::host().with_checked(true)).expect("compiles");
    let mut steps = Steps::init(7).expect("builds");
    let names: Vec<String> = lstm.weights().names().map(str::to_string).collect();
    for name in &names {
        let w = lstm.weights().get(name).expect("a weight");
        let w = tancho::Tensor::new(w.data().to_vec(), w.shape()).expect("fits");
        steps.weights_mut().set(name, w).expect("the same weights");
    }
    let mut step = steps.compile(Target::host()).expect("compiles").session();
    let mut session = compiled.session();
    let (mut h, mut c) = (vec![0.0f32; 6], vec![0.0f32; 6]);
    for (call, s) in [5usize, 1, 0, 3].into_iter().enumerate() {
        let x = numbers(2 * s * 4, call);
        assert!(compiled.check(x.view([2, s, 4])).expect("runs").is_ok());
        let (y, last) = session.run(x.view([2, s, 4])).expect("runs");
        for t in 0..s {
            let x_t: Vec<f32> = (0..2).flat_map(|b| x[(b * s + t) * 4..][..4].to_vec()).collect();
            let (h_t, c_t) = step.run(x_t.view([2, 4]), h.view([2, 3]), c.view([2, 3])).expect("runs");
            (h, c) = (h_t.data().to_vec(), c_t.data().to_vec());
            for b in 0..2 {
                let got = &y.data()[(b * s + t) * 3..][..3];
                assert!(got.iter().zip(&h[b * 3..]).all(|(g, w)| (g - w).abs() < 1e-6), "{got:?} {h:?}");
            }
        }
        assert!(last.data().iter().zip(&c).all(|(g, w)| (g - w).abs() < 1e-6));
    }
}

#[test]
fn both_ways_and_layers() {
    let both = Both::init(3).and_then(|m| m.compile(Target::host())).expect("compiles");
    for (s, b) in [(6, 2), (1, 1), (0, 3), (40, 1)] {
        let report = both.check(numbers(s * b * 4, 1).view([s, b, 4])).expect("runs");
        assert!(report.is_ok(), "{report}");
    }
}

#[test]
fn a_selective_state_space() {
    let m = Selective::init(3).expect("builds");
    let a_log = m.weights().get("a_log").expect("a weight");
    let a: Vec<f32> = a_log.data().iter().map(|a| -a.exp()).collect();
    let compiled = m.compile(Target::host()).expect("compiles");
    let (s, d, n) = (9, 4, 3);
    let [x, dt, b, c] = [(d, 1), (d, 2), (n, 3), (n, 4)].map(|(w, seed)| numbers(s * w, seed));
    let shape = |w| [1, s, w];
    let report = compiled
        .check(x.view(shape(d)), dt.view(shape(d)), b.view(shape(n)), c.view(shape(n)))
        .expect("runs");
    assert!(report.is_ok(), "{report}");
    let mut session = compiled.session();
    let y =
        session.run(x.view(shape(d)), dt.view(shape(d)), b.view(shape(n)), c.view(shape(n))).expect("runs");
    let mut h = vec![0.0f64; d * n];
    for t in 0..s {
        for i in 0..d {
            let step = f64::from(dt[t * d + i]).exp().ln_1p();
            let x_t = f64::from(x[t * d + i]);
            let mut sum = x_t;
            for j in 0..n {
                let h = &mut h[i * n + j];
                *h = (step * f64::from(a[i * n + j])).exp() * *h + step * f64::from(b[t * n + j]) * x_t;
                sum += f64::from(c[t * n + j]) * *h;
            }
            assert!((f64::from(y.data()[t * d + i]) - sum).abs() < 1e-5, "{t} {i}");
        }
    }
}

#[test]
fn loops_inside_of_loops_and_several_results() {
    let forms = Forms::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let keep = [true, false, true, true];
    let x = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0];
    let mut session = forms.session();
    let (sums, rows, twice) = session.run(x.view([2, 2, 2]), keep.view([2, 2])).expect("runs");
    assert_eq!(sums.data(), [1.0, 10.0, 1.0, 10.0, 4.0, 40.0, 8.0, 80.0]);
    assert_eq!((rows.data(), twice.data()), (&[11.0, 22.0, 33.0, 44.0][..], &[0, 2][..]));
    assert!(forms.check(x.view([2, 2, 2]), keep.view([2, 2])).expect("runs").is_ok());
}

#[test]
fn leading_axes() {
    let fading = Fading::init(1).and_then(|m| m.compile(Target::host())).expect("compiles");
    let mut session = fading.session();
    let y = session.run([1.0, 2.0, 1.0, 2.0].view([1, 2, 2])).expect("runs");
    assert_eq!(y.data(), [1.0, 2.0, 1.5, 3.0]);
}

#[test]
fn constants_in_a_loop() {
    let blueprint = Scaled::with(ScaledDims::default()).constant("gain", [1.0f32, 3.0]);
    let scaled = blueprint.init(1).and_then(|m| m.compile(Target::host())).expect("compiles");
    let x = [1.0, 1.0, 2.0, 0.0, 0.0, 1.0];
    assert!(scaled.check(x.view([3, 2])).expect("runs").is_ok());
    let mut session = scaled.session();
    assert_eq!(session.run(x.view([3, 2])).expect("runs").data(), [1.0, 3.0, 2.5, 6.0, 1.25, 15.0]);
}
