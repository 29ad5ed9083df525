//! Products of operands that lie transposed, and whose right operand another kernel makes, on every vector
//! level, against the interpreter. The backward pass of a training step is made of them.

use tancho::{Graph, Tensor};
use tancho_support::{Rng, compile_for, targets, views};

/// `exp(x)` turned where a flag says so, times `exp(y)` turned likewise. An operand of `[B, M, K]` has the
/// axes in `dims`.
fn graph(dims: &str, batch: &str, [m, k, n]: [&str; 3], [left, right]: [bool; 2]) -> Graph {
    let ty = |a: &str, b: &str| format!("f32[{batch}{a}, {b}]");
    let axes = if batch.is_empty() { "(1, 0)" } else { "(0, 2, 1)" };
    let (x, y) = (if left { ty(k, m) } else { ty(m, k) }, if right { ty(n, k) } else { ty(k, n) });
    let turned =
        |v: &str, t: bool| if t { format!("transpose({v}, axes = {axes})") } else { format!("neg({v})") };
    let text = format!(
        "network A<{dims}>\ninput x: {x}\ninput y: {y}\n%0: {x} = input(index = 0)\n%1: {y} = input(index = 1)
%2: {x} = sqrt(%0)\n%3: {y} = exp(%1)\n%4: {} = {}\n%5: {} = {}\n%6: {} = matmul(%4, %5)\nreturn %6",
        ty(m, k),
        turned("%2", left),
        ty(k, n),
        turned("%3", right),
        ty(m, n),
    );
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Runs on every level and with two threads, which must make no difference to a bit.
fn check(g: &Graph, x: &[Tensor]) {
    for target in targets() {
        let c = compile_for(g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
        let report = c.check_inputs(&views(x)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
        assert!(report.is_ok(), "{target:?} of {:?}\n{report}\n{g}", x[0].shape());
        let run = |threads: usize| {
            let mut session = c.session_with_threads(threads).expect("threads");
            session.run_inputs(&views(x)).expect("runs");
            let result = session.tensor(0).expect("a result");
            result.as_f32().expect("floats").iter().map(|x| x.to_bits()).collect::<Vec<u32>>()
        };
        assert_eq!(run(1), run(2), "{target:?}\n{g}");
    }
}

const WAYS: [[bool; 2]; 4] = [[false, false], [true, false], [false, true], [true, true]];

/// Positive numbers, of which a root can be taken.
fn inputs(rng: &mut Rng, batch: &[usize], [m, k, n]: [usize; 3], [left, right]: [bool; 2]) -> [Tensor; 2] {
    let mut matrix = |a: usize, b: usize, turned: bool| {
        let shape: Vec<usize> = batch.iter().copied().chain(if turned { [b, a] } else { [a, b] }).collect();
        let x = rng.floats(&shape);
        let x = x.as_f32().expect("floats").iter().map(|x| x.abs()).collect::<Vec<f32>>();
        Tensor::new(x, shape).expect("fits")
    };
    [matrix(m, k, left), matrix(k, n, right)]
}

/// Sizes with and without remainders of tiles, panels and unrolled iterations, and without elements.
const SIZES: [[usize; 3]; 10] = [
    [1, 1, 1],
    [6, 4, 16],
    [7, 5, 17],
    [13, 33, 31],
    [1, 40, 48],
    [3, 17, 64],
    [64, 2, 5],
    [130, 70, 50],
    [0, 3, 4],
    [5, 0, 20],
];

#[test]
fn sizes_known_when_run() {
    let mut rng = Rng::new(1);
    for way in WAYS {
        let g = graph("M, K, N", "", ["M", "K", "N"], way);
        for size in SIZES {
            check(&g, &inputs(&mut rng, &[], size, way));
        }
    }
}

#[test]
fn sizes_known_when_compiled() {
    let mut rng = Rng::new(2);
    for way in WAYS {
        for size in SIZES {
            let [m, k, n] = size.map(|n| n.to_string());
            // As in training: the sums run over as many examples as a call has.
            for k in [k.as_str(), "K"] {
                let dims = if k == "K" { "K" } else { "" };
                let g = graph(dims, "", [&m, k, &n], way);
                check(&g, &inputs(&mut rng, &[], size, way));
            }
        }
    }
}

#[test]
fn matrices_of_a_batch() {
    let mut rng = Rng::new(3);
    for way in WAYS {
        for (dims, names) in [("B, M, K, N", ["M", "K", "N"]), ("B, K", ["7", "K", "20"])] {
            let g = graph(dims, "B, ", names, way);
            for (b, k) in [(1, 5), (3, 18), (2, 0), (0, 4)] {
                check(&g, &inputs(&mut rng, &[b], [7, k, 20], way));
            }
        }
    }
}

/// Sums of more than a part, and work that is enough for two threads.
#[test]
fn long_sums() {
    let mut rng = Rng::new(4);
    for way in WAYS {
        for (m, k, n) in [(9, 2051, 24), (70, 1031, 96)] {
            let g = graph("K", "", [&m.to_string(), "K", &n.to_string()], way);
            check(&g, &inputs(&mut rng, &[], [m, k, n], way));
        }
    }
}

/// The transposed operand is read where it lies: no kernel copies it.
#[test]
fn no_copy_of_a_transposed_left_operand() {
    let g = graph("K", "", ["9", "K", "24"], [true, false]);
    let target = targets()[0];
    let text = compile_for(&g, target).expect("compiles").fused_ir().to_string();
    assert!(!text.contains("move"), "{text}");
}
