//! Small graphs in text form, run natively in checked mode and compared with the interpreter.

use tancho::model::model_of;
use tancho::{AnyView, Graph, Target, Tensor};

fn check(text: &str, inputs: &[Tensor]) {
    let g = Graph::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let c = model_of(g, 7).unwrap().compile(Target::host().checked(true)).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let views: Vec<AnyView<'_>> = inputs.iter().map(AnyView::from).collect();
    let report = c.check_inputs(&views).unwrap_or_else(|e| panic!("{e}\n{}", c.fused_ir()));
    assert!(report.ok(), "{report}\n{}", c.fused_ir());
}

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let n: usize = shape.iter().product();
    let data: Vec<f32> = (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::new(data, shape.to_vec()).unwrap()
}

#[test]
fn elementwise_chain() {
    for b in [0, 1, 3, 5] {
        check(
            "network A<B>
input x: f32[B, 13]
weight \"w\": f32[13] = normal(1.0)
%0: f32[B, 13] = input(index = 0)
%1: f32[13] = weight(index = 0)
%2: f32[B, 13] = add(%0, %1)
%3: f32[B, 13] = gelu(%2)
%4: f32[B, 13] = softmax(%3, over = (1,))
%5: f32[B, 13] = layer_norm(%2, gain = %1, over = (1,))
%6: f32[B] = mean(%5, over = (1,))
return %4, %6",
            &[random(&[b, 13], 1)],
        );
    }
}

#[test]
fn products() {
    for (m, k, n) in [(1, 7, 5), (3, 16, 16), (33, 19, 50), (5, 0, 3), (0, 4, 4), (70, 48, 48)] {
        check(
            &format!(
                "network A<B>
input x: f32[B, {k}]
input r: f32[B, {n}]
weight \"w\": f32[{n}, {k}] = normal(1.0)
weight \"b\": f32[{n}] = normal(1.0)
%0: f32[B, {k}] = input(index = 0)
%1: f32[{n}, {k}] = weight(index = 0)
%2: f32[{n}] = weight(index = 1)
%3: f32[B, {n}] = linear(%0, %1, b = %2)
%4: f32[B, {n}] = input(index = 1)
%5: f32[B, {n}] = add(%3, %4)
%6: f32[B, {n}] = layer_norm(%5, gain = %2, bias = %2, over = (1,))
return %6"
            ),
            &[random(&[m, k], 1), random(&[m, n], 2)],
        );
    }
}

#[test]
fn attention() {
    for (b, s) in [(1, 1), (2, 5), (1, 40)] {
        let keep: Vec<bool> = (0..b * s).map(|i| i % 3 != 1).collect();
        check(
            "network A<B, S>
input x: f32[B, S, 24]
input keep: bool[B, S]
%0: f32[B, S, 24] = input(index = 0)
%1: bool[B, S] = input(index = 1)
%2: f32[B, S, 24] = exp(%0)
%3: f32[B, S, 24] = attention(%0, %2, %2, mask = %1, heads = 4, causal = true)
%4: f32[B, S, 24] = attention(%0, %2, %2, heads = 2)
%5: f32[B, 24] = mean(%3, where = %1, over = (1,), keep = false)
%6: f32[B, S, S] = matmul(%0, %7)
return %3, %4, %5"
                .replace("%6: f32[B, S, S] = matmul(%0, %7)\n", "")
                .as_str(),
            &[random(&[b, s, 24], 1), Tensor::new(keep, [b, s]).unwrap()],
        );
    }
}

#[test]
fn run_time_products_and_moves() {
    check(
        "network A<B, S>
input x: f32[B, S, 24]
input ids: i32[B, S]
weight \"t\": f32[11, 24] = normal(1.0)
%0: f32[B, S, 24] = input(index = 0)
%1: i32[B, S] = input(index = 1)
%2: f32[11, 24] = weight(index = 0)
%3: f32[B, S, 24] = gather(%2, %1)
%4: f32[B, S, 24] = add(%0, %3)
%5: f32[B, S, 24] = layer_norm(%4, over = (2,))
%6: f32[B, 24, S] = transpose(%5, axes = (0, 2, 1))
%7: f32[B, S, S] = matmul(%5, %6)
%8: f32[B, S, S] = softmax(%7, over = (2,))
%9: f32[B, S, 24] = matmul(%8, %5)
%10: f32[B, S, 48] = concat(%9, %0, axis = (2,))
%11: f32[B, S, 48] = layer_norm(%10, over = (1, 2))
%12: i32[B, S] = argmax(%10, over = (2,))
%13: f32[B, 48, S] = transpose(%11, axes = (0, 2, 1))
return %13, %12, %3",
        &[random(&[2, 7, 24], 1), Tensor::new((0..14).map(|i| i % 11).collect::<Vec<i32>>(), [2, 7]).unwrap()],
    );
}
