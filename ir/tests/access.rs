//! Views as addresses, against the definition of each view: random chains of views of a stored value,
//! element by element.

// A dependency on that crate would be one on all of tancho.
#[allow(dead_code)] // a part is used
#[path = "../../tests/support/src/rng.rs"]
mod rng;

use rng::Rng;
use tancho_ir::access::{Access, is_view, resolve};
use tancho_ir::graph::{InputDecl, RunDim};
use tancho_ir::op::Op;
use tancho_ir::{Dim, Graph, Source, Type, Value};

const B: i64 = 3;
const S: i64 = 4;

fn value(d: &Dim) -> i64 {
    d.eval(&|s| Some(if s == "B" { B } else { S })).expect("B and S are known")
}

fn values(shape: &[Dim]) -> Vec<i64> {
    shape.iter().map(value).collect()
}

/// All indices of a shape in row-major order.
fn indices(shape: &[i64]) -> Vec<Vec<i64>> {
    shape.iter().fold(vec![Vec::new()], |all, n| {
        let longer = |i: &Vec<i64>| (0..*n).map(|x| [i.as_slice(), &[x]].concat()).collect::<Vec<_>>();
        all.iter().flat_map(longer).collect()
    })
}

fn flat(index: &[i64], shape: &[i64]) -> i64 {
    index.iter().zip(shape).fold(0, |at, (i, n)| at * n + i)
}

/// The number of the input's element that each element of a view is, by what the ops say.
fn elements(g: &Graph, v: Value) -> Vec<i64> {
    let node = g.node(v);
    let to = values(&node.ty.shape);
    let Some(&x) = node.args.first() else { return (0..to.iter().product()).collect() };
    let (from, inner) = (values(&g.ty(x).shape), elements(g, x));
    let one = |i: &Vec<i64>| -> i64 {
        let at: Vec<i64> = match &node.op {
            Op::Reshape(_) => return inner[flat(i, &to) as usize],
            Op::Transpose(p) => {
                (0..from.len()).map(|a| i[p.iter().position(|x| *x == a).expect("a permutation")]).collect()
            }
            Op::Expand(_) => from
                .iter()
                .zip(&i[to.len() - from.len()..])
                .map(|(n, i)| if *n == 1 { 0 } else { *i })
                .collect(),
            Op::Slice { axis, start, .. } => {
                (0..from.len()).map(|a| if a == *axis { i[a] + value(start) } else { i[a] }).collect()
            }
            other => panic!("{other:?} is no view"),
        };
        inner[flat(&at, &from) as usize]
    };
    indices(&to).iter().map(one).collect()
}

/// The same by the address function.
fn addresses(a: &Access, shape: &[Dim]) -> Vec<i64> {
    let strides = values(&a.strides);
    indices(&values(shape))
        .iter()
        .map(|i| value(&a.offset) + i.iter().zip(&strides).map(|(i, s)| i * s).sum::<i64>())
        .collect()
}

fn random_view(g: &mut Graph, rng: &mut Rng, x: Value) -> Option<Value> {
    let mut s = g.ty(x).shape.clone();
    let n = Dim::constant;
    let op = match rng.below(8) {
        0 => {
            let mut p: Vec<usize> = (0..s.len()).collect();
            (1..p.len()).for_each(|i| p.swap(i, rng.below(i + 1)));
            Op::Transpose(p)
        }
        1 => {
            s.insert(rng.below(s.len() + 1), n(1));
            Op::Reshape(s)
        }
        2 | 3 if s.len() >= 2 => {
            let at = rng.below(s.len() - 1);
            let joined = s[at].times(&s[at + 1]).ok()?;
            s.splice(at..at + 2, [joined]);
            Op::Reshape(s)
        }
        4 => {
            let at = s.iter().position(|d| d.as_const().is_some_and(|c| c > 2 && c % 2 == 0))?;
            let half = s[at].exact_div(&n(2)).ok()?;
            s.splice(at..at + 1, [n(2), half]);
            Op::Reshape(s)
        }
        5 => {
            let (i, j) = (rng.below(s.len()), rng.below(s.len()));
            if s.is_empty() {
                return None;
            }
            s.swap(i, j);
            Op::Reshape(s)
        }
        6 => {
            let new = [Dim::sym("B"), n(2)];
            for d in s.iter_mut().filter(|d| d.is(1)) {
                *d = new[rng.below(2)].clone();
            }
            if rng.below(2) == 0 {
                s.insert(0, new[rng.below(2)].clone());
            }
            Op::Expand(s)
        }
        _ => {
            let axis = rng.below(s.len());
            let len = value(s.get(axis)?);
            let start = rng.below(len as usize + 1) as i64;
            let end = start + rng.below((len - start) as usize + 1) as i64;
            let end = if s[axis].as_const().is_none() && end == len { s[axis].clone() } else { n(end) };
            Op::Slice { axis, start: n(start), end, step: n(1) }
        }
    };
    let ty = g.infer(&op, &[x]).ok()?;
    let size: i64 = values(&ty.shape).iter().product();
    (ty.rank() <= 6 && size <= 2000).then(|| g.push_typed(op, &[x], ty, Source::default()))
}

#[test]
fn addresses_are_what_the_views_say() {
    let rng = &mut Rng::new(1);
    let (mut resolved, mut contiguous, mut copied) = (0, 0, 0);
    for _ in 0..3000 {
        let mut g = Graph { name: "Views".into(), ..Graph::default() };
        g.dims = ["B", "S"].map(|name| RunDim { name: name.into(), bound: None }).to_vec();
        let shapes = [
            vec![Dim::sym("B"), Dim::sym("S"), Dim::constant(12)],
            vec![Dim::sym("B"), Dim::constant(1), Dim::sym("S")],
            vec![Dim::constant(6), Dim::constant(4)],
            vec![Dim::sym("S")],
        ];
        let shape = shapes[rng.below(4)].clone();
        g.inputs.push(InputDecl::new("x", Type::f32(shape)));
        let mut v = g.push(Op::Input(0), &[], Source::default()).expect("an input");
        for _ in 0..1 + rng.below(6) {
            v = random_view(&mut g, rng, v).unwrap_or(v);
        }
        let shape = g.ty(v).shape.clone();
        let want = elements(&g, v);
        match resolve(&g, v, &|_| false) {
            Some(a) => {
                resolved += 1;
                assert_eq!(a.root, Value(0));
                assert_eq!(addresses(&a, &shape), want, "{a:?}\n{g}");
                if a.is_contiguous(&shape) {
                    contiguous += 1;
                    let first = want.first().copied().unwrap_or(0);
                    assert!(want.iter().enumerate().all(|(i, x)| *x == first + i as i64), "{a:?}\n{g}");
                }
            }
            // Only a reshape of what does not lie in order has no address.
            None => {
                copied += 1;
                assert!(g.nodes.iter().any(|n| matches!(n.op, Op::Reshape(_))), "{g}");
            }
        }
        // With every value stored but this one, a view is one step.
        if is_view(&g.node(v).op) {
            let a = resolve(&g, v, &|u| u != v).expect("one step from what lies in order");
            assert_eq!(a.root, g.node(v).args[0]);
        }
    }
    assert!(resolved > 2000 && contiguous > 200 && copied > 50, "{resolved} {contiguous} {copied}");
}
