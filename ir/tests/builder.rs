//! What the builder refuses of states. The macro says it first, so the networks here are implemented by hand.

use tancho_ir::Value;
use tancho_ir::builder::{BuildError, DimKind, DimSig, InputSig, Network, Scope, Sig, graph_of};

const DIM: DimSig = DimSig { name: "B", kind: DimKind::Run };

const SIG: Sig = Sig {
    name: "Wrong",
    entry: "",
    file: "",
    dims: &[DIM, DimSig { name: "P", kind: DimKind::Bounded("8") }],
    options: &[],
    inputs: &[InputSig { name: "x", ty: "[B, 1]", given: None, line: 1, column: 1 }],
    outputs: &["[B, 1]"],
    wheres: &[],
    unused_weights: &[],
    flat: &[],
    broken: false,
};

/// Pushes to a state that does not grow.
struct PushesToAKept;

impl Network for PushesToAKept {
    const SIG: Sig = SIG;

    fn build(scope: &mut Scope<'_>, args: &[Value]) -> Result<Vec<Value>, BuildError> {
        let (state, _) = scope.state("h", "[B, 1]", None, false)?;
        Ok(vec![scope.push(state, args[0])?])
    }
}

/// Keeps another value in a state that grows.
struct KeepsAGrowing;

impl Network for KeepsAGrowing {
    const SIG: Sig = SIG;

    fn build(scope: &mut Scope<'_>, args: &[Value]) -> Result<Vec<Value>, BuildError> {
        let (state, _) = scope.state("h", "[P, 1]", Some(0), false)?;
        scope.keep(state, args[0])?;
        Ok(vec![args[0]])
    }
}

#[test]
fn a_state_changes_by_push_exactly_if_it_grows() {
    let message = |built: Result<tancho_ir::Graph, BuildError>| match built {
        Ok(graph) => panic!("built {graph}"),
        Err(e) => e.message,
    };
    assert_eq!(
        message(graph_of::<PushesToAKept>(&[], &[])),
        "rows are pushed to the state `h`, which does not grow: declare the dim it grows along, `grow P`"
    );
    assert_eq!(
        message(graph_of::<KeepsAGrowing>(&[], &[])),
        "the state `h` grows, so it is given rows by `push`, not another value"
    );
}
