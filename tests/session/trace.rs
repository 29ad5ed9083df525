//! Traces hold what has a name in the declaration, and the results.

use tancho::{AsView, Error, Target, network};

network! {
    pub Unnamed<B, D = 4>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        param b: [D] = ones;
        x @ w.t + b
    }

    pub Several<B, D = 4>(x: [B, D]) -> ([B, D], [B, D], [B, D]) {
        let h = relu(x);
        let y = h * 2;
        (y, y, x - 1)
    }

    pub Same<B>(x: [B]) -> [B] { x }

    /// Sums of the elements so far, in a loop of loops.
    pub Looped<S, T>(x: [S, T]) -> [S, T] {
        let mut total = expand(0, [T]);
        scan row in x over S {
            let mut all = sum(0 * row);
            let partial = scan e in row over T {
                let next = all + e;
                all = next;
                next
            };
            let doubled = 2 * partial;
            total += doubled;
            total
        }
    }
}

#[test]
fn results_are_traced_though_nothing_is_named() -> Result<(), Error> {
    let compiled = Unnamed::init(1)?.compile(Target::host())?;
    let mut session = compiled.session();
    let x = [1.0f32, -2.0, 3.0, 0.5, 0.0, 1.0, 1.0, 1.0];
    let want = session.run(x.view([2, 4]))?.to_vec();
    for _ in 0..2 {
        let trace = session.trace(x.view([2, 4]))?;
        assert_eq!(trace.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["x @ w.t + b"]);
        let got = trace.get("x @ w.t + b").expect("the result");
        assert_eq!((got.shape(), got.as_f32()), (&[2, 4][..], Some(&want[..])));
    }
    Ok(())
}

#[test]
fn each_value_is_traced_once() -> Result<(), Error> {
    let mut session = Several::init(1)?.compile(Target::host())?.session();
    let trace = session.trace([1.0f32, -2.0, 3.0, 0.5].view([1, 4]))?;
    let found: Vec<_> = trace.iter().map(|(name, t)| (name, t.as_f32().expect("f32").to_vec())).collect();
    let want = [
        ("h", vec![1.0, 0.0, 3.0, 0.5]),
        ("y", vec![2.0, 0.0, 6.0, 1.0]),
        ("x - 1", vec![0.0, -3.0, 2.0, -0.5]),
    ];
    assert_eq!(found, want);
    Ok(())
}

#[test]
fn a_network_without_ops_is_looked_into_as_others_are() -> Result<(), Error> {
    let compiled = Same::init(1)?.compile(Target::host())?;
    let x = [1.0f32, 2.0];
    let trace = compiled.session().trace(x.view([2]))?;
    assert_eq!(trace.get("x").and_then(|t| t.as_f32()), Some(&x[..]));
    assert!(compiled.check(x.view([2]))?.is_ok());
    assert_eq!(compiled.first_divergence(&[x.view([2]).into()])?, None);
    Ok(())
}

#[test]
fn values_of_loops_are_traced_in_every_iteration() -> Result<(), Error> {
    let mut session = Looped::init(1)?.compile(Target::host())?.session();
    let x = [1.0f32, 2.0, 3.0, 10.0, 20.0, 30.0];
    let want = session.run(x.view([2, 3]))?.to_vec();
    for _ in 0..2 {
        let trace = session.trace(x.view([2, 3]))?;
        let value = |name: &str| trace.get(name).expect("a value").clone();
        let (next, doubled) = (value("next"), value("doubled"));
        assert_eq!(
            (next.shape(), next.as_f32()),
            (&[2, 3][..], Some(&[1.0, 3.0, 6.0, 10.0, 30.0, 60.0][..]))
        );
        assert_eq!(doubled.as_f32(), Some(&[2.0, 6.0, 12.0, 20.0, 60.0, 120.0][..]));
        let (_, last) = trace.iter().last().expect("the result");
        assert_eq!(last.as_f32(), Some(&want[..]));
    }
    let empty = session.trace([0.0f32; 0].view([2, 0]))?;
    assert_eq!(empty.get("next").map(|t| t.shape().to_vec()), Some(vec![2, 0]));
    Ok(())
}
