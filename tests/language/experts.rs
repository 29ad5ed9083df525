//! Mixtures of experts: `experts[ids](x)` beside the experts called one by one.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, Error, Target, network};

network! {
    /// An expert with two weights, for rows of any value.
    pub Expert<D = _, H = _>(x: [.., D]) -> [.., D] {
        net up: Linear<D, H>;
        param gain: [D] = uniform(0.5, 1.5);
        net down: Linear<H, D>(bias = false);
        gain * down(relu(up(x)))
    }

    /// As many experts for each row as `K` says.
    pub Mixture<B, S, K, D = 6, H = 9, EXPERTS = 5>(x: [B, S, D], ids: i32[B, S, K]) -> [B, S, K, D] {
        net experts: [Expert<D, H>; EXPERTS];
        experts[ids](x)
    }

    /// The same with any leading axes, one expert for each row, and ids that are computed.
    pub Open<N, D = 6, H = 9, EXPERTS = 5>(x: [.., N, D], ids: i32[.., N]) -> [.., N, D] {
        net experts: [Expert<D, H>; EXPERTS];
        experts[min(ids, EXPERTS - 1)](x)
    }

    /// Every expert for every row.
    pub All<B, S, D = 6, H = 9, EXPERTS = 5>(x: [B, S, D]) -> [B, S, EXPERTS, D] {
        net experts: [Expert<D, H>; EXPERTS];
        let mut y = expand(0, [B, S, EXPERTS, D]);
        repeat e in 0..EXPERTS {
            let own = expand(reshape(experts[e](x), [B, S, 1, D]), [B, S, EXPERTS, D]);
            let here = expand(reshape(arange(EXPERTS) == e, [EXPERTS, 1]), [B, S, EXPERTS, D]);
            y = select(here, own, y);
        }
        y
    }

    /// A convolution of images, and a value beside each.
    pub Branch<N, C = 2>(image: [N, C, 4, 4], gate: [N, C]) -> [N, C, 4, 4] {
        net conv: Conv2d<C, C, 3, PAD = 1>;
        conv(image) * expand(reshape(sigmoid(gate), [N, C, 1, 1]), [N, C, 4, 4])
    }

    /// Whole images through the branch that is named for each.
    pub Branches<B, C = 2, N = 3>(image: [B, C, 4, 4], gate: [B, C], which: i32[B]) -> [B, C, 4, 4] {
        net branches: [Branch<C>; N];
        branches[which](image, gate)
    }

    /// An expert in each iteration of a loop, as in a recurrent network with experts.
    pub Recurrent<B, S, D = 6, H = 9, EXPERTS = 5>(x: [B, S, D], ids: i32[S, B]) -> [B, D] {
        net experts: [Expert<D, H>; EXPERTS];
        let mut h = expand(0, [B, D]);
        scan (x_t, id) in (rearrange(x, [b, s, d] -> [s, b, d]), ids) over 0 {
            h = tanh(x_t + experts[id](h));
        }
        h
    }
}

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7 + seed * 13) % 19) as f32 / 10.0 - 0.9).collect()
}

fn ids(count: usize, seed: usize) -> Vec<i32> {
    (0..count).map(|i| ((i * i + seed) % 5) as i32).collect()
}

/// What all experts make of all rows, `[B, S, EXPERTS, D]`, with the weights of the other network.
fn all_of(weights: &tancho::Weights, x: &[f32], b: usize, s: usize) -> Result<Vec<f32>, Error> {
    let mut all = All::init(8)?;
    let names: Vec<String> = weights.names().map(str::to_string).collect();
    for name in names {
        let w = weights.get(&name).expect("a weight");
        all.weights_mut().set(&name, tancho::Tensor::new(w.data().to_vec(), w.shape())?)?;
    }
    Ok(all.compile(Target::host())?.session().run(x.view([b, s, 6]))?.data().to_vec())
}

#[test]
fn the_experts_that_ids_name() -> Result<(), Error> {
    let net = Mixture::init(3)?;
    let compiled = net.compile(Target::host().with_checked(true))?;
    let mut session = compiled.session();
    for (call, (b, s, k)) in [(2, 5, 2), (1, 1, 3), (1, 40, 1), (0, 3, 2), (2, 3, 0)].into_iter().enumerate()
    {
        let (x, ids) = (numbers(b * s * 6, call), ids(b * s * k, call));
        compiled.check(x.view([b, s, 6]), ids.view([b, s, k]))?.into_result()?;
        let y = session.run(x.view([b, s, 6]), ids.view([b, s, k]))?;
        assert_eq!(y.shape(), [b, s, k, 6]);
        let all = all_of(net.weights(), &x, b, s)?;
        for (at, id) in ids.iter().enumerate() {
            let want = &all[(at / k * 5 + *id as usize) * 6..][..6];
            let got = &y.data()[at * 6..][..6];
            assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-5), "{got:?} {want:?}");
        }
    }
    Ok(())
}

#[test]
fn leading_axes_images_and_loops() -> Result<(), Error> {
    let open = Open::init(3)?.compile(Target::host())?;
    open.check(numbers(4 * 3 * 6, 1).view([4, 3, 6]), ids(12, 2).view([4, 3]))?.into_result()?;
    let branches = Branches::init(3)?.compile(Target::host())?;
    let (images, gates) = (numbers(6 * 32, 1), numbers(6 * 2, 2));
    for which in [[0, 1, 2, 0, 1, 2], [2; 6]] {
        let report = branches.check(images.view([6, 2, 4, 4]), gates.view([6, 2]), which.view([6]))?;
        report.into_result()?;
    }
    let recurrent = Recurrent::init(3)?.compile(Target::host())?;
    for (b, s) in [(3, 7), (1, 1), (2, 0)] {
        let (x, ids) = (numbers(b * s * 6, 4), ids(s * b, 5));
        recurrent.check(x.view([b, s, 6]), ids.view([s, b]))?.into_result()?;
    }
    Ok(())
}

#[test]
fn an_id_of_no_expert_leaves_the_session_as_it_was() -> Result<(), Error> {
    let compiled = Mixture::init(3)?.compile(Target::host())?;
    let mut session = compiled.session();
    let x = numbers(6 * 6, 1);
    let before = session.run(x.view([2, 3, 6]), [0, 1, 2, 3, 4, 0].view([2, 3, 1]))?.data().to_vec();
    let error = session.run(x.view([2, 3, 6]), [0, 1, 2, 3, 5, 0].view([2, 3, 1])).expect_err("there are 5");
    let text = error.to_string();
    assert!(matches!(error, Error::IdOutOfRange { id: 5, rows: 5, .. }), "{text}");
    assert!(text.contains("experts[ids](x)") && text.contains("[1, 1, 0]"), "{text}");
    let after = session.run(x.view([2, 3, 6]), [0, 1, 2, 3, 4, 0].view([2, 3, 1]))?.data().to_vec();
    assert_eq!(before, after);
    Ok(())
}

#[test]
fn experts_that_no_row_chose_cost_nothing() -> Result<(), Error> {
    let net = Mixture::with(MixtureDims { EXPERTS: 3, ..Default::default() }).init(3)?;
    let compiled = net.compile(Target::host())?;
    // A loop or an expert is one step; the bodies of experts share their code.
    let text = compiled.fused_ir();
    assert_eq!(text.matches("network Mixture in").count(), 2, "{text}");
    assert_eq!(text.matches("experts over [B*S, K, 6]").count(), 1, "{text}");
    Ok(())
}
