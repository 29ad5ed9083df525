//! By choice: states that grow are kept as bf16, half the memory of a cache and half the bytes that attention
//! reads. What is pushed is rounded to nearest even; what is read is f32 again.

use super::Rewriter;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::Op;
use crate::types::DType;
use std::collections::HashMap;

/// Runs the pass.
///
/// # Errors
/// A shape could not be inferred, which is a fault of the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    let rounded = |i: usize| old.states[i].grows.is_some() && old.states[i].ty.dtype == DType::F32;
    let mut narrow = old.clone();
    for i in (0..old.states.len()).filter(|i| rounded(*i)) {
        narrow.states[i].ty.dtype = DType::Bf16;
    }
    // The bf16 value of each value of a rounded state.
    let mut kept: HashMap<Value, Value> = HashMap::new();
    let mut new = Rewriter::run(&narrow, |r, v, args| {
        let node = old.node(v);
        let bf16 = match &node.op {
            Op::State(i) if rounded(*i) => r.push(node.op.clone(), &[], v)?,
            Op::Push { .. } if kept.contains_key(&node.args[0]) => {
                let rows = r.push(Op::Cast(DType::Bf16), &[args[1]], v)?;
                r.push(node.op.clone(), &[kept[&node.args[0]], rows], v)?
            }
            _ => return Ok(None),
        };
        kept.insert(v, bf16);
        r.push(Op::Cast(DType::F32), &[bf16], v).map(Some)
    })?;
    for (i, s) in old.states.iter().enumerate() {
        if let Some(next) = s.next.and_then(|next| kept.get(&next)) {
            new.states[i].next = Some(*next);
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_rounded_and_what_is_read_is_f32() {
        let text = "network N<B, S, P <= 8>
input x: f32[B, S, 8]
state \"keys\": f32[B, P, 8] grow axis 1 = %2
%0: f32[B, S, 8] = input(index = 0)
%1: f32[B, P, 8] = state(index = 0)
%2: f32[B, P + S, 8] = push(%1, %0, axis = (1,))
%3: f32[B, S, 8] = attention(%0, %2, %2, heads = 2, causal = true)
return %3";
        let g = Graph::parse(text).unwrap();
        let n = run(&g).unwrap();
        assert_eq!(crate::verify::verify(&n), Ok(()), "{n}");
        let state = &n.states[0];
        assert_eq!((state.ty.dtype, n.ty(state.next.unwrap()).dtype), (DType::Bf16, DType::Bf16), "{n}");
        let attention = n.nodes.iter().find(|n| matches!(n.op, Op::Attention { .. })).unwrap();
        assert!(attention.args.iter().all(|a| n.ty(*a).dtype == DType::F32), "{n}");
        assert_eq!(Graph::parse(&n.to_string()).unwrap().to_string(), n.to_string());
    }
}
