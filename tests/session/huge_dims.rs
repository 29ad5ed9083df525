//! Dims as large as numbers go, over inputs without rows: each network is refused with an error, or it
//! compiles and runs. Nothing panics, nothing overflows, nothing takes long.

use tancho::Model;
use tancho::{DType, Dim, Error, Graph, Target, Tensor};
use tancho_support::{levels, views};

const SIZES: [u64; 12] = [
    1,
    2,
    1 << 31,
    (1 << 31) + 1,
    1 << 43,
    1 << 44,
    1 << 45,
    1 << 60,
    1 << 61,
    1 << 62,
    (1 << 62) + 1,
    i64::MAX as u64,
];

/// Compiles a graph and runs it over inputs without elements, where it can be compiled.
fn run(text: &str, target: Target) -> Result<(), String> {
    let g = Graph::parse(text).map_err(|e| e.to_string())?;
    let compiled = Model::from_graph(g.clone(), 1)
        .map_err(|e| e.to_string())?
        .compile(target)
        .map_err(|e| e.to_string())?;
    let empty = |dtype: DType, dims: &[Dim]| {
        let shape: Vec<usize> = dims.iter().map(|d| d.as_const().map_or(0, |n| n as usize)).collect();
        match dtype {
            DType::I32 => Tensor::new(Vec::<i32>::new(), shape),
            _ => Tensor::new(Vec::<f32>::new(), shape),
        }
    };
    let inputs = g
        .inputs
        .iter()
        .map(|i| empty(i.ty.dtype, &i.ty.shape))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    compiled.session().run_inputs(&views(&inputs)).map_err(|e| e.to_string())
}

fn columns(n: u64) -> u64 {
    if n >> 31 == 1 { n << 16 } else { n }
}

/// Networks over a run-time dim `B`, 0 here, and a dim of the size at hand.
fn texts(n: u64) -> Vec<String> {
    let one = |inputs: &str, op: &str, out: &str| {
        let mut text = String::from("network Op<B>\n");
        let list: Vec<&str> = inputs.split("; ").collect();
        list.iter().enumerate().for_each(|(i, t)| text += &format!("input x{i}: {t}\n"));
        list.iter().enumerate().for_each(|(i, t)| text += &format!("%{i}: {t} = input(index = {i})\n"));
        let at = list.len();
        text + &format!("%{at}: {out} = {op}\nreturn %{at}")
    };
    vec![
        one(&format!("f32[B, {n}]"), "relu(%0)", &format!("f32[B, {n}]")),
        one(&format!("f32[B, {n}]"), "softmax(%0, over = 1)", &format!("f32[B, {n}]")),
        one(&format!("f32[B, {n}]"), "sum(%0, over = 1)", "f32[B]"),
        // Its result has as many elements: those of 2^31 take 8 GiB, and could be had.
        one(&format!("f32[B, {}]", columns(n)), "sum(%0, over = 0)", &format!("f32[{}]", columns(n))),
        one(&format!("f32[B, {n}]; i32[B]"), "cross_entropy(%0, %1)", "f32[B]"),
        one(&format!("f32[B, {n}]; f32[{n}, B]"), "matmul(%0, %1)", "f32[B, B]"),
        one(&format!("f32[B, 2]; f32[2, {n}]"), "matmul(%0, %1)", &format!("f32[B, {n}]")),
        one(&format!("f32[{n}, B]; f32[B, {n}]"), "matmul(%0, %1)", &format!("f32[{n}, {n}]")),
        one(&format!("f32[B, {n}]"), "transpose(%0, perm = [1, 0])", &format!("f32[{n}, B]")),
        one("f32[B]", &format!("expand(%0, shape = [{n}, B])"), &format!("f32[{n}, B]")),
        one(
            "f32[B, 1, 1, 4]",
            &format!(
                "max_pool2d(%0, kernel = [1, 1], stride = [{n}, {n}], pad = [0, 0, 0, 0], dilation = [1, 1], layout = nhwc)"
            ),
            "f32[B, 1, 1, 4]",
        ),
        one(
            "f32[B, 4, 4, 1]",
            &format!(
                "max_pool2d(%0, kernel = [1, 2], stride = [1, 1], pad = [0, 0, {n}, 0], dilation = [1, 1], layout = nhwc)"
            ),
            "f32[B, 4, 4, 1]",
        ),
    ]
}

#[test]
fn sizes_up_to_the_largest_number() {
    let (mut ran, mut refused) = (0, 0);
    for isa in levels() {
        let target = Target::host().with_isa(isa).expect("a level of this machine");
        for n in SIZES {
            for text in texts(n) {
                match run(&text, target) {
                    Ok(()) => ran += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(ran > 20 && refused > 20, "{ran} ran, {refused} refused");
}

/// Classes are counted by a value that a pass adds: where its size leaves 64 bits, the network is refused
/// with its name.
#[test]
fn classes_beyond_memory_are_refused() {
    tancho::network! { Loss<B, C = 6>(x: [B, C], y: i32[B]) -> [B] { cross_entropy(x, y) } }
    for c in [1usize << 45, 1 << 60, 1 << 61, 1 << 62, usize::MAX / 2] {
        let net = Loss::with(LossDims { C: c }).init(1).expect("no weights");
        let error = net.compile(Target::host()).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("more elements than memory can hold"), "{c}: {error}");
    }
    // A size that memory could have at most is asked for, and not to be had or not needed.
    let net = Loss::with(LossDims { C: 1 << 43 }).init(1).expect("no weights");
    let compiled = net.compile(Target::host()).expect("compiles");
    let (x, y) = (
        Tensor::new(Vec::<f32>::new(), [0, 1 << 43]).expect("empty"),
        Tensor::new(Vec::<i32>::new(), [0]).expect("empty"),
    );
    let outcome = compiled.session().run_inputs(&views(&[x, y]));
    assert!(matches!(outcome, Ok(()) | Err(Error::Memory { .. })), "{outcome:?}");
}
