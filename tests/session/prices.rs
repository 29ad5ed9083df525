//! The price of a run, before it is run.

use tancho::inspect::Roof;
use tancho::{AsView, Error, Target, network};

network! {
    /// A block of a decoder with a cache.
    Decoder<B, S, P: ..=64, D = 32, HEADS = 4>(x: [B, S, D]) -> [B, S, D] where D % HEADS == 0 {
        net norm: LayerNorm<D>;
        net q: Linear<D, D>;
        net k: Linear<D, D>;
        net up: Linear<D, 4 * D>;
        net down: Linear<4 * D, D>;
        state keys: [B, P, D] grow P;
        let n = norm(x);
        let all = keys.push(k(n));
        let h = x + attention(q(n), all, all, heads = HEADS, causal = true, window = 16);
        residual(h) { down(gelu(up(h))) }
    }

    /// Where only half of the keys are seen.
    Causal<S, D = 16>(x: [1, S, D]) -> [1, S, D] { attention(x, x, x, heads = 1, causal = true) }
}

#[test]
fn the_price_is_what_the_run_costs() -> Result<(), Error> {
    let compiled = Decoder::init(1)?.compile(Target::host())?;
    for threads in [1, 2] {
        let mut session = compiled.session_with_threads(threads)?;
        let mut rows = 0;
        for s in [9, 1, 1, 20] {
            let price = compiled.price(&[("B", 2), ("S", s), ("P", rows)], threads)?;
            session.set_profiling(true);
            session.run(vec![0.5; 2 * s * 32].view([2, s, 32]))?;
            let (total, profile) = (price.total(), session.profile());
            assert_eq!((total.flops, total.bytes), (profile.total().flops, profile.total().bytes));
            assert_eq!(price.kernels.len(), profile.kernels.len());
            assert_eq!(price.results, 2 * s * 32 * 4);
            assert_eq!(price.states, 2 * 64 * 32 * 4);
            assert_eq!(price.lines().len(), profile.lines().len());
            rows += s;
        }
    }
    Ok(())
}

#[test]
fn keys_that_no_query_sees_cost_nothing() -> Result<(), Error> {
    let compiled = Causal::init(1)?.compile(Target::host())?;
    let price = compiled.price(&[("S", 100)], 1)?;
    assert_eq!(price.total().flops, 4.0 * 16.0 * (100.0 * 101.0 / 2.0));
    let roof = Roof { gflops: 10.0, gbytes: 10.0 };
    assert!(price.nanos(roof) >= price.total().flops / 10.0);
    let table = price.table(roof);
    assert!(table.contains("attention(x, x, x") && table.contains("compute"), "{table}");
    Ok(())
}

#[test]
fn dims_that_do_not_fit_are_errors() -> Result<(), Error> {
    let compiled = Decoder::init(1)?.compile(Target::host())?;
    let e = |dims: &[(&str, usize)]| compiled.price(dims, 1).expect_err("no price").to_string();
    assert!(e(&[("B", 1), ("S", 1)]).contains("`P`"), "{}", e(&[("B", 1), ("S", 1)]));
    let unknown = e(&[("B", 1), ("S", 1), ("P", 0), ("T", 4)]);
    assert!(unknown.contains("there are B, S, P"), "{unknown}");
    assert!(matches!(compiled.price(&[("B", 1), ("S", 1), ("P", 65)], 1), Err(Error::Bound { .. })));
    let full = compiled.price(&[("B", 1), ("S", 1), ("P", 64)], 1);
    assert!(matches!(full, Err(Error::Full { held: 64, added: 1, .. })));
    Ok(())
}
