//! GPT-2: PyTorch's answers for a block, and the cache.

#[path = "../../examples/gpt2.rs"]
#[allow(dead_code, missing_docs)]
mod example;

use example::{Gpt2, Gpt2Dims};
use tancho::{AsView, Error, Target};
use tancho_support::levels;

fn small() -> Gpt2Dims {
    Gpt2Dims { D: 48, HEADS: 4, LAYERS: 3, V: 61, T: 40 }
}

#[test]
fn a_prompt_gives_the_same_in_chunks_of_any_size() -> Result<(), Error> {
    let net = Gpt2::with(small()).init(5)?;
    let ids: Vec<i32> = (0..2 * 20).map(|i| (i * i * 7 + 3) % 61).collect();
    let part = |from: usize, to: usize| -> Vec<i32> { [&ids[from..to], &ids[20 + from..20 + to]].concat() };
    for isa in levels() {
        let compiled = net.compile(Target::host().with_isa(isa)?)?;
        let mut whole = compiled.session();
        assert!(whole.check(ids.view([2, 20]))?.is_ok(), "{isa}");
        let want = whole.run(ids.view([2, 20]))?.data().to_vec();
        for chunk in [1, 3, 7, 16] {
            let mut session = compiled.session();
            let mut last = Vec::new();
            for from in (0..20).step_by(chunk) {
                let to = (from + chunk).min(20);
                let ids = part(from, to);
                let report = session.check(ids.view([2, to - from]))?;
                assert!(report.is_ok(), "{isa} {from}..{to}: {report}");
                last = session.run(ids.view([2, to - from]))?.data().to_vec();
            }
            assert_eq!(session.rows("P")?, 20);
            let error = last.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 1e-5, "{isa} in {chunk}: {error}");
        }
    }
    Ok(())
}

#[test]
fn weights_lie_as_conv1d_has_them_and_a_full_cache_is_an_error() -> Result<(), Error> {
    let net = Gpt2::with(Gpt2Dims { T: 24, ..small() }).init(1)?;
    let stored = net.weights().get("h.1.attn.c_attn.weight").map(|w| w.shape().to_vec());
    assert_eq!(stored, Some(vec![48, 144]));
    let mut session = net.compile(Target::host().with_checked(true))?.session();
    let ids: Vec<i32> = (0..24).map(|i| (7 * i + 3) % 61).collect();
    assert!(session.check(ids.view([1, 24]))?.is_ok());
    session.run(ids.view([1, 24]))?;
    assert_eq!(session.state("h.1.values")?.map(|t| t.shape().to_vec()), Some(vec![1, 4, 24, 12]));
    let full = session.run([5].view([1, 1])).map(|_| ()).expect_err("it is full");
    assert!(matches!(full, Error::Full { held: 24, capacity: 24, .. }), "{full}");
    Ok(())
}
