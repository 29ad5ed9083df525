//! States that are updated in place, and those that must not be.

use tancho::inspect::Stage;
use tancho::{AsView, Error, Tensor, network};
use tancho_support::targets;

network! {
    /// Momentum: both states are done with when the kernel writes them.
    Momentum<B>(x: [B]) -> [] {
        state speed: [B];
        state at: [B];
        speed = 0.5 * speed + x;
        at = at - 2.0 * speed;
        sum(x)
    }

    /// Each of two states is computed from the other as it was.
    Crossed<B>(x: [B]) -> [] {
        state a: [B];
        state b: [B];
        let old = a;
        a = b * 2.0 + x;
        b = old - b;
        sum(x)
    }

    /// What a state was is read by a sum of all that comes after the update.
    ReadLater<B>(x: [B]) -> [] {
        state a: [B];
        let old = a;
        a = a + x;
        sum(old * tanh(sum(a)))
    }

    /// A state that is not read takes the shape of each run.
    Overwritten<B>(x: [B]) -> [] {
        state a: [B];
        a = x + 1.0;
        sum(x)
    }

    /// The update reads the state in the order of other elements.
    Turned<N = 3>(x: [N, N]) -> [] {
        state a: [N, N];
        a = a.t + x;
        sum(x)
    }

    /// An id that is out of range is found after the state could be updated.
    FailsLater<B, N = 4>(x: [B], id: i32[]) -> [] {
        state a: [B];
        param table: [N, 2] = ones;
        a = a + x;
        sum(table[id]) * sum(a)
    }
}

/// How many states are written in place, and how many beside what they were.
fn written(plan: &str) -> [usize; 2] {
    let all = |what: &str| plan.lines().filter(|l| l.contains("writes") && l.contains(what)).count();
    let beside = all("new state");
    [all("state ") - beside, beside]
}

/// A network's states by both, after runs that the interpreter agrees with.
macro_rules! states_are {
    ($network:ident, $written:expr, $inputs:expr, $($state:literal: $want:expr),+) => {
        for target in targets() {
            let compiled = $network::init(1)?.compile(target)?;
            let plan = compiled.stage(&Stage::Plan)?;
            assert_eq!(written(&plan), $written, "{plan}");
            let mut session = compiled.session();
            for (x, shape) in $inputs {
                assert!(session.check(x.view(shape))?.is_ok());
                session.run(x.view(shape))?;
            }
            $(assert_eq!(session.state($state)?.expect("it has run").as_f32(), Some(&$want[..]));)+
        }
    };
}

#[test]
fn updates_are_in_place_where_nothing_reads_the_old_elements() -> Result<(), Error> {
    let inputs = [([1.0, -2.0, 4.0], [3]), ([2.0, 1.0, 0.0], [3])];
    states_are!(Momentum, [2, 0], inputs, "speed": [2.5, 0.0, 2.0], "at": [-7.0, 4.0, -12.0]);
    Ok(())
}

#[test]
fn a_state_that_others_read_is_not_overwritten_before() -> Result<(), Error> {
    let inputs = [([1.0, -2.0, 4.0], [3]), ([2.0, 1.0, 0.0], [3]), ([1.0, 1.0, 1.0], [3])];
    // The first is computed while the second still needs it; the second comes after all that reads it.
    states_are!(Crossed, [1, 1], inputs, "a": [3.0, -3.0, 9.0], "b": [1.0, 3.0, -4.0]);
    Ok(())
}

#[test]
fn a_state_whose_old_elements_are_read_later_is_kept_until_then() -> Result<(), Error> {
    let inputs = [([1.0, -2.0, 4.0], [3]), ([2.0, 1.0, 0.0], [3])];
    states_are!(ReadLater, [0, 1], inputs, "a": [3.0, -1.0, 4.0]);
    let inputs = [([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], [3, 3]); 2];
    states_are!(Turned, [0, 1], inputs, "a": [2.0, 6.0, 10.0, 6.0, 10.0, 14.0, 10.0, 14.0, 18.0]);
    Ok(())
}

#[test]
fn a_state_that_is_not_read_takes_another_shape() -> Result<(), Error> {
    for target in targets() {
        let compiled = Overwritten::init(1)?.compile(target)?;
        assert_eq!(written(&compiled.stage(&Stage::Plan)?), [0, 1]);
        let mut session = compiled.session();
        for n in [1, 5000, 3, 0, 70_000] {
            session.run(vec![1.0; n].view([n]))?;
            assert_eq!(session.state("a")?, Some(Tensor::new(vec![2.0f32; n], [n])?));
        }
    }
    Ok(())
}

#[test]
fn a_run_that_fails_late_changes_no_state() -> Result<(), Error> {
    for target in targets() {
        let compiled = FailsLater::init(1)?.compile(target)?;
        assert_eq!(written(&compiled.stage(&Stage::Plan)?), [0, 1]);
        let mut session = compiled.session();
        session.run([1.0, 2.0].view([2]), [3].view([]))?;
        let error =
            session.run([1.0, 2.0].view([2]), [4].view([])).map(drop).expect_err("there are four rows");
        assert!(matches!(error, Error::IdOutOfRange { .. }), "{error}");
        assert_eq!(session.state("a")?, Some(Tensor::new(vec![1.0f32, 2.0], [2])?));
    }
    Ok(())
}
