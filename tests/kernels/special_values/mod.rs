//! NaN, infinities, signed zeros, subnormal and huge numbers through every op: native code in checked
//! mode against the interpreter, element by element.
//!
//! One limit is the f32 arithmetic itself: where an intermediate result (a square in a norm, a partial
//! sum, a score) is beyond f32's range, native code gives what that infinity gives. So norms take rows
//! up to 1e18 here, whose squares and their sum are finite.

mod elementwise;
mod fused;
mod products;
mod rows;

use tancho::inspect::Interpreter;
use tancho::{DType, Dim, Graph, Target, Tensor, bf16};
use tancho_ir::graph::InputDecl;
use tancho_ir::op::*;
use tancho_ir::{Source, Type};
use tancho_support::{Rng, compile, compile_for, levels, same_bits, views};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

/// The numbers that functions go wrong at.
#[rustfmt::skip]
const SPECIAL: [f32; 44] = [
    NAN,
    INF,
    -INF,
    0.0,
    -0.0,
    1e-45,
    -1e-45,
    1e-40,
    -1e-40,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE,
    f32::MAX,
    f32::MIN,
    1e30,
    -1e30,
    1e20,
    -1e20,
    1e10,
    -1e10,
    1e-10,
    -1e-10,
    1e-20,
    -1e-20,
    88.7,
    88.8,
    -87.3,
    -88.8,
    -103.0,
    -105.0,
    7.9,
    -7.9,
    9.5,
    -9.5,
    4.1,
    -4.1,
    3.0,
    -3.0,
    6.0,
    1.0,
    -1.0,
    2_147_483_648.0,
    -2_147_483_648.0,
    0.999_999_94,
    -2.5,
];

fn f(data: &[f32], shape: &[usize]) -> Tensor {
    Tensor::new(data.to_vec(), shape).expect("fits")
}

fn graph_of(op: &Op, args: &[Tensor]) -> Graph {
    let mut g = Graph { name: "Op".into(), ..Graph::default() };
    let mut values = Vec::new();
    for (n, t) in args.iter().enumerate() {
        let ty = Type::new(t.dtype(), t.shape().iter().map(|&n| Dim::from(n)).collect());
        g.inputs.push(InputDecl::new(format!("x{n}"), ty));
        values.push(g.push(Op::Input(n), &[], Source::default()).expect("an input"));
    }
    let out = g.push(op.clone(), &values, Source::default()).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    g.outputs = vec![out];
    g
}

/// The native result of one op, which is that of the interpreter.
#[track_caller]
fn op(op: &Op, args: &[Tensor]) -> Tensor {
    let g = graph_of(op, args);
    let c = compile(&g).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    let bad = c.first_divergence(&views(args)).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    if let Some(bad) = bad {
        panic!("{op:?} of {args:?}\n{}", bad.report);
    }
    let mut s = c.session();
    s.run_inputs(&views(args)).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    s.tensor(0).expect("a result")
}

/// An elementwise op, each element a row of its own (lane by lane, errors relative to that element) and
/// all in one row (four lanes at a time): the same bits.
#[track_caller]
fn elementwise(o: &Op, args: &[Tensor]) {
    let n = args[0].len();
    let as_shape = |s: &[usize]| -> Vec<Tensor> {
        args.iter().map(|t| Tensor::new(t.data().clone(), s).expect("fits")).collect()
    };
    let narrow = op(o, &as_shape(&[n, 1]));
    let wide = op(o, &as_shape(&[1, n]));
    let wide = Tensor::new(wide.into_data(), [n, 1]).expect("fits");
    assert!(same_bits(&narrow, &wide), "{o:?}: {narrow:?}\nand\n{wide:?}");
}

/// Rows of moderate numbers, each with special ones at some places: near the front, in the middle of
/// the vectors, in the tail.
fn rows(len: usize, special: &[f32]) -> Tensor {
    let mut rng = Rng::new(len as u64);
    let mut data = Vec::new();
    for (i, s) in special.iter().enumerate() {
        for at in [0, len / 2, len - 1] {
            let mut row: Vec<f32> = (0..len).map(|_| rng.float()).collect();
            row[at] = *s;
            if i % 2 == 1 {
                row[(at + 3) % len] = special[(i + 5) % special.len()];
            }
            data.extend(row);
        }
    }
    let n = data.len() / len;
    f(&data, &[n, len])
}
