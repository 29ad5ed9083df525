//! Random numbers by keys and counters: the same bits on every vector level and in the interpreter.

use tancho::inspect::Interpreter;
use tancho::{Compiled, Graph, Tensor};
use tancho_support::{Rng, compile_for, run_on, same_bits, targets};

fn parse(text: &str) -> Graph {
    Graph::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn key(key: i32) -> Tensor {
    Tensor::new(vec![key], []).expect("fits")
}

/// The results of the interpreter, whose bits every level has, on one thread and on two.
#[track_caller]
fn check(g: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let interpreter = Interpreter::for_inputs(g, inputs).unwrap_or_else(|e| panic!("{e}\n{g}"));
    let want =
        interpreter.run(inputs, &|_| unreachable!("no weights")).unwrap_or_else(|e| panic!("{e}\n{g}"));
    for target in targets() {
        let c = compile_for(g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
        for threads in [1, 2] {
            let got = run_on(&c, threads, inputs).unwrap_or_else(|e| panic!("{e}"));
            let same = want.iter().zip(&got).all(|(a, b)| same_bits(a, b));
            assert!(same, "{target:?} on {threads} threads\n{g}");
        }
    }
    want
}

#[test]
fn numbers_by_keys_and_counters_have_the_same_bits_everywhere() {
    let g = parse(
        "network A<B, S>\ninput k: i32[B, S]\ninput l: i32[S]\ninput x: i32[B, S]\ninput y: i32[]\n\
         %0: i32[B, S] = input(index = 0)\n%1: i32[S] = input(index = 1)\n%2: i32[B, S] = input(index = 2)\n\
         %3: i32[] = input(index = 3)\n%4: f32[B, S] = threefry(%0, %1, %2, %3)\nreturn %4",
    );
    let mut rng = Rng::new(1);
    for (b, s) in [(1, 1), (2, 3), (3, 17), (1, 64), (2, 101), (0, 5)] {
        let mut words = |shape: &[usize]| {
            let n = shape.iter().product();
            Tensor::new((0..n).map(|_| rng.bits() as i32).collect::<Vec<_>>(), shape).expect("fits")
        };
        check(&g, &[words(&[b, s]), words(&[s]), words(&[b, s]), words(&[])]);
    }
    // The first words of the known answers of Random123 for 13 rounds, without their lowest 8 bits.
    let [zero, ones] = [0, -1].map(|k| Tensor::new(vec![k], [1, 1]).expect("fits"));
    let [row, row_of_ones] = [0, -1].map(|k| Tensor::new(vec![k], [1]).expect("fits"));
    for (inputs, word) in [
        ([zero.clone(), row, zero, key(0)], 0x009d_1c5e),
        ([ones.clone(), row_of_ones, ones, key(-1)], 0x00fd_36d0),
    ] {
        let y = check(&g, &inputs).remove(0);
        assert_eq!(y.as_f32(), Some(&[word as f32 / (1 << 24) as f32][..]));
    }
}

const KEYS: &str =
    "input k: i32[]\ninput l: i32[]\n%0: i32[] = input(index = 0)\n%1: i32[] = input(index = 1)\n";

/// The numbers of a shape without run-time dims.
fn uniform(shape: &[usize], keys: [i32; 2]) -> Vec<f32> {
    let text = format!("network A<>\n{KEYS}%2: f32{shape:?} = uniform(%0, %1, shape = {shape:?})\nreturn %2");
    check(&parse(&text), &keys.map(key)).remove(0).as_f32().expect("f32").to_vec()
}

#[test]
fn numbers_of_a_shape_are_uniform() {
    let x = uniform(&[40, 30, 50], [7, -3]);
    assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
    // The bounds are 5 standard deviations of the mean and of the share in each of ten parts.
    let n = x.len() as f64;
    let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    assert!((mean - 0.5).abs() < 5.0 / (12.0 * n).sqrt(), "{mean}");
    for part in 0..10 {
        let share = x.iter().filter(|x| (**x * 10.0) as usize == part).count() as f64 / n;
        assert!((share - 0.1).abs() < 5.0 * (0.09 / n).sqrt(), "{share} in part {part}");
    }
    // Neighbours along each axis have nothing to do with each other.
    for apart in [1, 50, 1500] {
        let pairs = x.iter().zip(&x[apart..]);
        let products: f64 = pairs.map(|(a, b)| (f64::from(*a) - 0.5) * (f64::from(*b) - 0.5)).sum();
        assert!((products * 12.0 / n).abs() < 5.0 / n.sqrt(), "{apart} apart: {products}");
    }
}

#[test]
fn shapes_and_keys_of_all_kinds() {
    assert_eq!(uniform(&[], [1, 2]).len(), 1);
    assert_eq!(uniform(&[0], [1, 2]).len(), 0);
    assert_eq!(uniform(&[3, 0], [1, 2]).len(), 0);
    // The axes of rows may be joined, and a shorter value is the beginning of a longer one.
    let long = uniform(&[6, 17], [1, 2]);
    assert_eq!(uniform(&[2, 3, 17], [1, 2]), long);
    assert_eq!(uniform(&[17], [1, 2]), long[..17]);
    for keys in [[1, 3], [2, 1], [2, 2], [i32::MIN, i32::MAX], [0, 0]] {
        let other = uniform(&[6, 17], keys);
        let same = other.iter().zip(&long).filter(|(a, b)| a == b).count();
        assert!(same < 3, "{same} numbers are the same with {keys:?}");
    }
}

/// A dropout reads its argument, and whatever surrounds it is in one kernel with it.
#[test]
fn dropout_is_one_pass_with_what_surrounds_it() {
    let text = format!(
        "network A<B, S>\n{}",
        "input x: f32[B, S, 24]\ninput r: f32[B, S, 24]\ninput k: i32[]\ninput l: i32[]\n\
         %0: f32[B, S, 24] = input(index = 0)\n%1: f32[B, S, 24] = input(index = 1)\n\
         %2: i32[] = input(index = 2)\n%3: i32[] = input(index = 3)\n%4: f32[B, S, 24] = tanh(%0)\n\
         %5: f32[B, S, 24] = keyed_dropout(%4, %2, %3, p = 0.4)\n%6: f32[B, S, 24] = add(%5, %1)\n\
         %7: f32[B, S, 24] = layer_norm(%6, over = (2,))\nreturn %7"
    );
    let g = parse(&text);
    for target in targets() {
        let c = compile_for(&g, target).expect("compiles");
        let groups: Vec<String> = kernels(&c);
        // The two others number columns and rows.
        assert_eq!(groups.iter().filter(|name| *name == "row+arange").count(), 2, "{groups:?}");
        assert_eq!(groups.len(), 3, "{}", c.fused_ir());
        let mut rng = Rng::new(5);
        let inputs = [rng.floats(&[2, 5, 24]), rng.floats(&[2, 5, 24]), key(3), key(4)];
        let report = c.check_inputs(&tancho_support::views(&inputs)).expect("runs");
        assert!(report.is_ok(), "{target:?}\n{report}");
    }
}

/// The names of the kernels of a network.
fn kernels(c: &Compiled) -> Vec<String> {
    let text = c.fused_ir();
    let lines = text.lines().filter_map(|line| line.strip_prefix("kernel "));
    lines.filter_map(|line| line.split(' ').nth(1)).map(Into::into).collect()
}
