//! The gradient of each op against finite differences.

use crate::{Case, inputs};
use std::collections::HashMap;
use tancho::inspect::Interpreter;
use tancho::{Graph, Tensor};
use tancho_ir::Value;
use tancho_ir::differentiate::differentiate;
use tancho_support::Rng;

/// Whether a dim is on an axis of an input.
fn has_dim(inputs: &str, dim: &str) -> bool {
    inputs.split(['[', ']', ',', '\n', ' ']).any(|word| word == dim)
}

/// A graph of these lines; the last one's value is the result.
fn graph(inputs: &str, weights: &str, lines: &str) -> Graph {
    let dims: Vec<&str> = ["B", "S"].into_iter().filter(|d| has_dim(inputs, d)).collect();
    let mut text = format!("network Op<{}>\n{inputs}\n{weights}\n", dims.join(", ")).replace("\n\n", "\n");
    let (mut number, mut last) = (0, String::new());
    for (i, line) in inputs.lines().enumerate() {
        let (_, ty) = line.split_once(": ").expect("an input has a type");
        text += &format!("%{i}: {ty} = input(index = {i})\n");
        number = i + 1;
    }
    for (i, line) in weights.lines().enumerate() {
        let ty = line.split_once(": ").and_then(|(_, rest)| rest.split_once(" = ")).expect("a type").0;
        text += &format!("%{}: {ty} = weight(index = {i})\n", number + i);
    }
    for line in lines.lines() {
        text += &format!("{}\n", line.trim());
        last = line.trim().split(':').next().expect("a line has a value").into();
    }
    text += &format!("return {last}");
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Checks a graph at a few sizes.
#[track_caller]
fn check(inputs_of: &str, weights: &str, lines: &str) {
    let graph = graph(inputs_of, weights, lines);
    let (case, mut rng) = (Case::new(&graph), Rng::new(7));
    for (b, s) in [(1, 1), (3, 4), (2, 7)] {
        let dims = HashMap::from([("B", b), ("S", s)]);
        case.check(&inputs(&graph, &dims, &mut rng), &mut rng);
    }
}

const X: &str = "input x: f32[B, S, 6]";
const XY: &str = "input x: f32[B, S, 6]\ninput y: f32[B, S, 6]";

#[test]
fn functions_of_one_argument() {
    for op in [
        "neg",
        "abs",
        "exp",
        "tanh",
        "erf",
        "sin",
        "cos",
        "relu",
        "sigmoid",
        "silu",
        "gelu",
        "gelu_tanh",
        "hard_swish",
        "softsign",
        "softplus",
        "mish",
        "softcap(%1, cap = 0.7)",
        "leaky_relu(%1, slope = 0.1)",
        "elu(%1, alpha = 0.5)",
        "pow(%1, exponent = 3.0)",
        "relu6",
        "hard_sigmoid",
    ] {
        let call = if op.contains('(') { op.to_string() } else { format!("{op}(%1)") };
        // Corners lie between the numbers that are tried.
        check(X, "", &format!("%1: f32[B, S, 6] = tanh(%0)\n%2: f32[B, S, 6] = {call}"));
    }
    for op in ["log", "sqrt", "rsqrt"] {
        check(X, "", &format!("%1: f32[B, S, 6] = exp(%0)\n%2: f32[B, S, 6] = {op}(%1)"));
    }
}

#[test]
fn functions_of_two_arguments() {
    for op in ["add", "sub", "mul", "max", "min", "swiglu"] {
        check(XY, "", &format!("%2: f32[B, S, 6] = {op}(%0, %1)"));
        check("input x: f32[B, S, 6]\ninput y: f32[6]", "", &format!("%2: f32[B, S, 6] = {op}(%0, %1)"));
        check("input x: f32[]\ninput y: f32[B, S]", "", &format!("%2: f32[B, S] = {op}(%0, %1)"));
        check("input x: f32[B, 64]\ninput y: f32[64]", "", &format!("%2: f32[B, 64] = {op}(%0, %1)"));
    }
    check(XY, "", "%2: f32[B, S, 6] = exp(%1)\n%3: f32[B, S, 6] = div(%0, %2)");
    check(
        "input x: f32[B, S, 6]\ninput m: bool[B, S, 6]\ninput y: f32[6]",
        "",
        "%3: f32[B, S, 6] = select(%1, %0, %2)",
    );
}

#[test]
fn equal_arguments_share_the_gradient_of_a_maximum() {
    let g = graph("input x: f32[3]", "", "%1: f32[3] = max(%0, %0)\n%2: f32[] = sum(%1, over = (0,))");
    let made = differentiate(&g, Value(2), &[Value(0)]).unwrap();
    let mut with = made.graph;
    with.outputs = vec![made.gradients[0].unwrap()];
    let x = tancho::Tensor::new(vec![1.0f32, -2.0, 0.0], [3]).unwrap();
    let run = tancho::inspect::Interpreter::for_inputs(&with, std::slice::from_ref(&x)).unwrap();
    let gradient = run.run(&[x], &|_| unreachable!()).unwrap();
    assert_eq!(gradient[0].as_f32().unwrap(), [1.0; 3]);
}

#[test]
fn reductions() {
    for (op, of, ty) in [
        ("sum", "over = (2,)", "f32[B, S]"),
        ("sum", "over = (0, 1)", "f32[6]"),
        ("mean", "over = (1, 2)", "f32[B]"),
        ("mean", "over = (2,), keep = true", "f32[B, S, 1]"),
        ("reduce_max", "over = (2,)", "f32[B, S]"),
        ("reduce_min", "over = (1,), keep = true", "f32[B, 1, 6]"),
    ] {
        check(X, "", &format!("%1: {ty} = {op}(%0, {of})"));
    }
    for op in ["sum", "mean", "reduce_max"] {
        let lines = format!("%2: f32[B] = {op}(%0, where = %1, over = (1,))\n%3: f32[B] = tanh(%2)");
        let of = "input x: f32[B, S]\ninput m: bool[B, S]";
        // A row whose mask leaves nothing has no largest element.
        let lines = if op == "reduce_max" {
            format!("{lines}\n%4: f32[] = dim(of = S)\n%5: f32[B] = mul(%3, %4)")
        } else {
            lines
        };
        check(of, "", &lines);
    }
    check(X, "", "%1: f32[B, S, 6] = cumsum(%0, over = 1)");
    check(X, "", "%1: f32[B, S, 6] = cumsum(%0, over = 2)");
}

#[test]
fn softmax_and_norms() {
    check(X, "", "%1: f32[B, S, 6] = softmax(%0, over = 2)");
    check(X, "", "%1: f32[B, S, 6] = softmax(%0, over = 1)");
    check(X, "", "%1: f32[B, S, 6] = log_softmax(%0, over = 2)");
    let affine = "weight \"g\": f32[6] = ones\nweight \"b\": f32[6] = zeros";
    for eps_on in ["var", "std"] {
        let norm = format!("layer_norm(%0, gain = %1, bias = %2, over = (2,), eps = 0.1, eps_on = {eps_on})");
        check(X, affine, &format!("%3: f32[B, S, 6] = {norm}"));
    }
    check(X, "", "%1: f32[B, S, 6] = layer_norm(%0, over = (1, 2), eps = 0.1)");
    check(
        X,
        "weight \"g\": f32[6] = ones",
        "%2: f32[B, S, 6] = rms_norm(%0, gain = %1, over = (2,), eps = 0.1)",
    );
    // Axes that are not the last, gains without biases, and rows without either.
    check(
        "input x: f32[5, S, 3]",
        "weight \"g\": f32[5] = ones\nweight \"b\": f32[5] = zeros",
        "%3: f32[5, S, 3] = layer_norm(%0, gain = %1, bias = %2, over = (0,), eps = 0.1)",
    );
    let gain = "weight \"g\": f32[6] = ones";
    check(X, gain, "%2: f32[B, S, 6] = layer_norm(%0, gain = %1, over = (2,), eps = 0.1, eps_on = std)");
    check(X, gain, "%2: f32[B, S, 6] = layer_norm(%0, bias = %1, over = (2,), eps = 0.1)");
    check(X, "", "%1: f32[B, S, 6] = rms_norm(%0, over = (1, 2), eps = 0.1)");
    // Enough rows and columns for the sums of a gain to be products.
    let wide = "weight \"g\": f32[64] = ones";
    check(
        "input x: f32[B, 70, 64]",
        wide,
        "%2: f32[B, 70, 64] = rms_norm(%0, gain = %1, over = (2,), eps = 0.1)",
    );
    check(X, "", "%1: f32[B, S, 6] = l2_normalize(%0, over = 2, eps = 0.001)");
    check(
        "input x: f32[B, 6, S]",
        affine,
        "%3: f32[B, 6, S] = group_norm(%0, gain = %1, bias = %2, groups = 3, eps = 0.1)",
    );
}

/// Where the formula of a gradient would divide 0 by 0, it is what PyTorch gives.
#[test]
fn rows_without_variance_and_powers_of_zero() {
    let given = |line: &str, x: &[f32], r: &[f32]| {
        let case = Case::new(&graph("input x: f32[2, 3]", "", line));
        let inputs = [x, r].map(|data| Tensor::new(data.to_vec(), [2, 3]).unwrap());
        case.check_code(&inputs);
        let interpreter = Interpreter::for_inputs(&case.with, &inputs).unwrap();
        let all = interpreter.run(&inputs, &|_| unreachable!("it has no weights")).unwrap();
        all[1].as_f32().unwrap().to_vec()
    };
    let (flat, r) = ([2.0, 2.0, 2.0, 0.0, 0.0, 0.0], [4.0, 1.0, 1.0, 0.0, 3.0, -3.0]);
    // The norm of a row of equal elements is the row without its mean over `eps`.
    let on_std = "%1: f32[2, 3] = layer_norm(%0, over = (1,), eps = 0.5, eps_on = std)";
    assert_eq!(given(on_std, &flat, &r), [4.0, -2.0, -2.0, 0.0, 6.0, -6.0]);
    let on_var = "%1: f32[2, 3] = layer_norm(%0, over = (1,), eps = 0.25, eps_on = var)";
    assert_eq!(given(on_var, &flat, &r), [4.0, -2.0, -2.0, 0.0, 6.0, -6.0]);
    // That of zeros is the row over `eps`.
    let unit = "%1: f32[2, 3] = l2_normalize(%0, over = (1,), eps = 0.5)";
    assert_eq!(given(unit, &[0.0; 6], &r), [8.0, 2.0, 2.0, 0.0, 6.0, -6.0]);
    assert_eq!(given("%1: f32[2, 3] = pow(%0, exponent = 0.0)", &flat, &r), [0.0; 6]);
    assert_eq!(given("%1: f32[2, 3] = pow(%0, exponent = 1.0)", &[0.0; 6], &r), r);
    assert_eq!(given("%1: f32[2, 3] = pow(%0, exponent = 2.0)", &[0.0; 6], &r), [0.0; 6]);
}

#[test]
fn views_and_moves() {
    for line in [
        "%1: f32[B*S, 6] = reshape(%0, shape = [B*S, 6])",
        "%1: f32[6, B, S] = transpose(%0, axes = (2, 0, 1))",
        "%1: f32[B, S, 2] = slice(%0, axis = (2,), start = 1, end = 3)",
        "%1: f32[B, S, 3] = slice(%0, axis = (2,), start = 1, end = 6, step = 2)",
        "%1: f32[B, S, 2] = slice(%0, axis = (2,), start = 1, end = 6, step = 3)",
        "%1: f32[B, S, 12] = concat(%0, %0, axis = (2,))",
        "%1: f32[B, S, 9] = pad(%0, axis = (2,), before = 1, after = 2)",
        "%1: f32[B, S, 6] = flip(%0, axis = (1,))",
        // What is waited for has no part in the gradient.
        "%1: f32[B, S, 6] = exp(%0)\n%2: f32[B, S, 6] = optimization_barrier(%0, %1)\n%3: f32[B, S, 6] = tanh(%2)",
        "%1: f32[B, S, 6] = stop_gradient(%0)\n%2: f32[B, S, 6] = mul(%1, %0)",
    ] {
        if !line.contains("stop_gradient") {
            check(X, "", line);
        }
    }
    check("input x: f32[B, 1, 6]", "", "%1: f32[3, B, 5, 6] = expand(%0, shape = [3, B, 5, 6])");
    check("input x: f32[5, 4]\ninput i: i32[B, S]", "", "%2: f32[B, S, 4] = gather(%0, %1)");
    check("input x: f32[5]\ninput i: i32[B]", "", "%2: f32[B] = gather(%0, %1)");
    check("input x: f32[5, 3, 2]\ninput i: i32[S, B]", "", "%2: f32[S, B, 3, 2] = gather(%0, %1)");
    check("input x: f32[4, 7]\ninput i: i32[]", "", "%2: f32[7] = gather(%0, %1)");
    check(
        "input x: f32[B, S, 6]\ninput i: i32[B, S]",
        "",
        "%2: f32[4, 6] = scatter_add(%0, %1, rows = 4)\n%3: f32[4, 6] = tanh(%2)",
    );
    check(
        X,
        "",
        "%1: f32[ceil(B * S / 2), 6] = sum_rows(%0, part = 2)\n%2: f32[ceil(B * S / 2), 6] = tanh(%1)",
    );
    check(X, "", "%1: f32[6] = sum_rows(%0, part = 0)\n%2: f32[6] = tanh(%1)");
    check("input x: f32[B, 4]\ninput i: i32[B, S]", "", "%2: f32[B, S] = take_along(%0, %1, axis = (1,))");
}

/// A bf16 is rounded too coarsely for differences, but a row of a table has as many ones as ids that name it.
#[test]
fn rows_of_a_table_of_bf16_count_their_ids() {
    let lines = "%2: bf16[3, 2] = cast(%0, to = bf16)\n%3: bf16[5, 2] = gather(%2, %1)\n\
        %4: f32[5, 2] = cast(%3, to = f32)\n%5: f32[] = sum(%4, over = (0, 1))";
    let g = graph("input x: f32[3, 2]\ninput i: i32[5]", "", lines);
    let made = differentiate(&g, Value(5), &[Value(0)]).unwrap();
    let mut with = made.graph;
    with.outputs = vec![made.gradients[0].unwrap()];
    let ids = tancho::Tensor::new(vec![2, 0, 2, 2, 0], [5]).unwrap();
    let inputs = [Rng::new(1).floats(&[3, 2]), ids];
    for target in tancho_support::targets() {
        let mut session = tancho_support::compile_for(&with, target).unwrap().session();
        session.run_inputs(&tancho_support::views(&inputs)).unwrap();
        assert_eq!(session.tensor(0).unwrap().as_f32(), Some(&[2.0, 2.0, 0.0, 0.0, 3.0, 3.0][..]));
    }
}

#[test]
fn no_gradient_goes_through_stop_gradient() {
    let lines = "%1: f32[3] = stop_gradient(%0)\n%2: f32[3] = mul(%1, %0)\n%3: f32[] = sum(%2, over = (0,))";
    let g = graph("input x: f32[3]", "", lines);
    let made = differentiate(&g, Value(3), &[Value(0)]).unwrap();
    let mut with = made.graph;
    with.outputs = vec![made.gradients[0].unwrap()];
    let x = tancho::Tensor::new(vec![1.0f32, -2.0, 3.0], [3]).unwrap();
    let run = tancho::inspect::Interpreter::for_inputs(&with, std::slice::from_ref(&x)).unwrap();
    assert_eq!(run.run(&[x], &|_| unreachable!()).unwrap()[0].as_f32().unwrap(), [1.0, -2.0, 3.0]);
}

#[test]
fn matrix_products() {
    check(X, "weight \"w\": f32[5, 6] = xavier", "%2: f32[B, S, 5] = linear(%0, %1)");
    check(
        X,
        "weight \"w\": f32[5, 6] = xavier\nweight \"b\": f32[5] = zeros",
        "%3: f32[B, S, 5] = linear(%0, %1, b = %2)",
    );
    check(X, "weight \"w\": f32[6, 7] = xavier", "%2: f32[B, S, 7] = matmul(%0, %1)");
    check("input x: f32[B, S, 6]\ninput y: f32[B, 6, S]", "", "%2: f32[B, S, S] = matmul(%0, %1)");
    check("input x: f32[S, 6]\ninput y: f32[6, S]", "", "%2: f32[S, S] = matmul(%0, %1)");
}

#[test]
fn attention_and_positions() {
    let qkv = "input q: f32[B, S, 8]\ninput k: f32[B, S, 8]\ninput v: f32[B, S, 8]";
    for options in [
        "heads = 2",
        "heads = 4, causal = true",
        "heads = 2, causal = true, window = 3",
        "heads = 2, softcap = 0.8",
    ] {
        check(qkv, "", &format!("%3: f32[B, S, 8] = attention(%0, %1, %2, {options})"));
    }
    let grouped = "input q: f32[B, S, 8]\ninput k: f32[B, S, 4]\ninput v: f32[B, S, 4]";
    check(grouped, "", "%3: f32[B, S, 8] = attention(%0, %1, %2, heads = 4, causal = true)");
    let biased = format!("{qkv}\ninput a: f32[2, S, S]");
    check(&biased, "", "%4: f32[B, S, 8] = attention(%0, %1, %2, bias = %3, heads = 2)");
    let masked = format!("{qkv}\ninput m: bool[B, S]");
    check(&masked, "", "%4: f32[B, S, 8] = attention(%0, %1, %2, mask = %3, heads = 2, causal = true)");
    for pairs in ["halves", "adjacent"] {
        let rope = format!("%1: f32[B, 2, S, 4] = rope(%0, base = 100.0, pairs = {pairs})");
        check("input x: f32[B, 2, S, 4]", "", &rope);
    }
}

#[test]
fn losses() {
    check("input x: f32[B, S, 5]\ninput i: i32[B, S]", "", "%2: f32[B, S] = cross_entropy(%0, %1)");
    check(
        "input x: f32[B, S, 5]\ninput i: i32[B, S]",
        "",
        "%2: f32[B, S] = cross_entropy(%0, %1, ignore = 1)",
    );
    check(XY, "", "%2: f32[B, S] = mse(%0, %1)");
}

#[test]
fn convolutions_and_pooling() {
    let x = "input x: f32[B, 4, 7, 6]";
    for (filters, options, out) in [
        ([3, 4, 3, 3], "stride = [1, 1], pad = [1, 1, 1, 1], dilation = [1, 1]", [7, 6]),
        ([6, 2, 3, 2], "stride = [2, 1], pad = [0, 1, 1, 0], dilation = [1, 2], groups = 2", [3, 5]),
        ([4, 1, 3, 3], "stride = [2, 2], pad = [1, 1, 1, 1], dilation = [1, 1], groups = 4", [4, 3]),
        ([5, 4, 1, 1], "stride = [1, 1], pad = [0, 0, 0, 0], dilation = [1, 1]", [7, 6]),
    ] {
        let (o, [h, w]) = (filters[0], out);
        let weights = format!("weight \"w\": f32{filters:?} = xavier\nweight \"b\": f32[{o}] = zeros");
        check(x, &weights, &format!("%3: f32[B, {o}, {h}, {w}] = conv2d(%0, %1, b = %2, {options})"));
    }
    check(
        x,
        "",
        "%1: f32[B, 4, 4, 3] = max_pool2d(%0, kernel = [3, 2], stride = [2, 2], pad = [1, 1, 0, 0])",
    );
    check(
        x,
        "",
        "%1: f32[B, 4, 3, 3] = avg_pool2d(%0, kernel = [3, 2], stride = [2, 2], pad = [0, 0, 0, 0])",
    );
    check(
        x,
        "",
        "%1: f32[B, 4, 4, 3] = avg_pool2d(%0, kernel = [3, 2], stride = [2, 2], pad = [1, 1, 0, 0])",
    );
    check(x, "", "%1: f32[B, 4] = global_mean(%0)");
    check(x, "", "%1: f32[B, 4, 14, 18] = upsample_nearest(%0, scale = [2, 3])");
}

#[test]
fn what_has_no_gradient_says_where() {
    let g = graph("input x: f32[B, S]", "", "%1: f32[B, S] = tanh(%0)");
    let error = differentiate(&g, Value(1), &[Value(0)]).unwrap_err().to_string();
    assert_eq!(error, "`%1` is f32[B, S]: gradients are those of one f32 number");
    let lines = "%1: f32[3] = dropout(%0, p = 0.1)\n%2: f32[] = sum(%1, over = (0,))";
    let g = graph("input x: f32[3]", "", lines);
    let error = differentiate(&g, Value(2), &[Value(0)]).unwrap_err().to_string();
    assert!(error.starts_with("`dropout` has no gradient: `%1`"), "{error}");
}

#[test]
fn every_op_is_tried_or_has_no_gradient() {
    // Sources and generators take nothing; conditions, ids and places are no numbers; steps are flat.
    const NONE: &[&str] = &[
        "input",
        "weight",
        "state",
        "const",
        "dim",
        "arange",
        "powers",
        "not",
        "and",
        "or",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "argmax",
        "topk_indices",
        "threefry",
        "uniform",
        "floor",
        "round",
        "sign",
    ];
    // The rows of a state are not learned from; experts have no gradients yet.
    const NOT_YET: &[&str] = &["push", "experts"];
    let tried = concat!(include_str!("gradients.rs"), include_str!("scans.rs"));
    let untried: Vec<&str> = tancho_ir::table::OPS
        .iter()
        .map(|row| row.name)
        .filter(|name| !NONE.contains(name) && !NOT_YET.contains(name))
        .filter(|name| !tried.contains(&format!("\"{name}\"")) && !tried.contains(&format!("{name}(%")))
        .collect();
    assert_eq!(untried, Vec::<&str>::new());
}

#[test]
fn other_moves_and_images() {
    check(X, "", "%1: f32[B, S, 6] = cast(%0, to = f32)");
    check("input x: f32[B, 5]", "", "%1: f32[B, 2] = topk(%0, k = 2, over = (1,))");
    check(
        "input x: f32[B, S, 6]\ninput y: f32[6]",
        "",
        "%2: f32[6] = exp(%1)\n%3: f32[B, S, 6] = rem(%0, %2)",
    );
    check("input x: f32[B, 6, S]", "", "%1: f32[B, 6*S] = flatten(%0, from = 1)");
    check(X, "", "%1: f32[B, S, 6] = dropout(%0, p = 0.0)");
    // One mask serves the forward and the backward pass.
    let keys = format!("{X}\ninput k: i32[]\ninput l: i32[]");
    for p in ["0.3", "0.9", "1.0"] {
        let dropped = format!("keyed_dropout(%3, %1, %2, p = {p})\n%5: f32[B, S, 6] = tanh(%4)");
        check(&keys, "", &format!("%3: f32[B, S, 6] = exp(%0)\n%4: f32[B, S, 6] = {dropped}"));
    }
    let images = "input x: f32[B, 4, 5, 3]";
    check(
        images,
        "",
        "%1: f32[B, 4, 2, 1] = sum_pool2d(%0, kernel = [2, 2], stride = [2, 2], pad = [0, 0, 0, 0])",
    );
    check(images, "", "%1: f32[B, 4, 7, 2] = resize(%0, size = [7, 2], mode = bilinear)");
    check(images, "", "%1: f32[B, 4, 10, 6] = upsample_bilinear(%0, scale = [2, 2])");
    let statistics = "weight \"g\": f32[4] = ones\nweight \"b\": f32[4] = zeros\nweight \"m\": f32[4] = zeros\nweight \"v\": f32[4] = ones";
    check(
        images,
        statistics,
        "%5: f32[4] = exp(%4)\n%6: f32[B, 4, 5, 3] = batch_norm(%0, %1, %2, %3, %5, eps = 0.1)",
    );
    check(
        "input x: f32[B, 4, 9]",
        "weight \"w\": f32[6, 2, 3] = xavier",
        "%2: f32[B, 6, 5] = conv1d(%0, %1, stride = 2, pad = [1, 1], dilation = 1, groups = 2)",
    );
    check(
        images,
        "weight \"w\": f32[4, 3, 2, 2] = xavier",
        "%2: f32[B, 3, 10, 6] = conv_transpose2d(%0, %1, stride = [2, 2], pad = [0, 0], output_pad = [0, 0], dilation = [1, 1], groups = 1)",
    );
    check(
        "input x: f32[B, 4, 5]",
        "weight \"w\": f32[4, 3, 2] = xavier",
        "%2: f32[B, 3, 10] = conv_transpose1d(%0, %1, stride = 2, pad = 0, output_pad = 0, dilation = 1, groups = 1)",
    );
}

#[test]
fn parts_of_a_value() {
    let part = |v: u32, start: &str, end: &str, ty: &str| {
        format!("%{v}: f32[{ty}] = slice(%0, axis = (2,), start = {start}, end = {end})\n")
    };
    // Two that tile it, two with a gap between and behind, two that overlap, and the same one twice.
    for [a, b] in [[(0, 3), (3, 6)], [(1, 3), (4, 5)], [(0, 4), (2, 6)], [(1, 4), (1, 4)]] {
        let (wide, long) = (format!("B, S, {}", a.1 - a.0), format!("B, S, {}", b.1 - b.0));
        let mut lines = part(1, &a.0.to_string(), &a.1.to_string(), &wide);
        lines += &part(2, &b.0.to_string(), &b.1.to_string(), &long);
        lines += &format!("%3: f32[{wide}] = tanh(%1)\n%4: f32[{long}] = exp(%2)\n");
        lines += &format!("%5: f32[B, S, {}] = concat(%4, %3, axis = (2,))", a.1 - a.0 + b.1 - b.0);
        check(X, "", &lines);
    }
    // Parts along two axes, and an empty one.
    check(
        X,
        "",
        "%1: f32[B, S, 2] = slice(%0, axis = (2,), start = 4, end = 6)\n\
         %2: f32[B, S, 0] = slice(%0, axis = (2,), start = 2, end = 2)\n\
         %3: f32[B, 1, 6] = slice(%0, axis = (1,), start = S - 1, end = S)\n\
         %4: f32[B, S, 2] = concat(%2, %1, axis = (2,))\n\
         %5: f32[B, S] = sum(%4, over = (2,))\n\
         %6: f32[B, 1] = sum(%3, over = (2,))\n\
         %7: f32[B, S + 1] = concat(%5, %6, axis = (1,))\n\
         %8: f32[B, S + 1] = tanh(%7)",
    );
}
