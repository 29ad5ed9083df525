//! Layers of transformers as the text of graphs.

/// A post-LN encoder layer with PyTorch's names.
pub const BERT_LAYER: &str = r#"network BertLayer<B, S>
input x: f32[B, S, 48]
input keep: bool[B, S]
weight "self_attn.in_proj_weight": f32[144, 48] = xavier
weight "self_attn.in_proj_bias": f32[144] = zeros
weight "self_attn.out_proj.weight": f32[48, 48] = xavier
weight "self_attn.out_proj.bias": f32[48] = zeros
weight "norm1.weight": f32[48] = ones
weight "norm1.bias": f32[48] = zeros
weight "linear1.weight": f32[192, 48] = xavier
weight "linear1.bias": f32[192] = zeros
weight "linear2.weight": f32[48, 192] = xavier
weight "linear2.bias": f32[48] = zeros
weight "norm2.weight": f32[48] = ones
weight "norm2.bias": f32[48] = zeros
%0: f32[B, S, 48] = input(index = 0)
%1: bool[B, S] = input(index = 1)
%2: f32[144, 48] = weight(index = 0)
%3: f32[144] = weight(index = 1)
%4: f32[B, S, 144] = linear(%0, %2, b = %3)
%5: f32[B, S, 48] = slice(%4, axis = (2,), start = 0, end = 48)
%6: f32[B, S, 48] = slice(%4, axis = (2,), start = 48, end = 96)
%7: f32[B, S, 48] = slice(%4, axis = (2,), start = 96, end = 144)
%8: f32[B, S, 48] = attention(%5, %6, %7, mask = %1, heads = 4)
%9: f32[48, 48] = weight(index = 2)
%10: f32[48] = weight(index = 3)
%11: f32[B, S, 48] = linear(%8, %9, b = %10)
%12: f32[B, S, 48] = add(%0, %11)
%13: f32[48] = weight(index = 4)
%14: f32[48] = weight(index = 5)
%15: f32[B, S, 48] = layer_norm(%12, gain = %13, bias = %14, over = (2,), eps = 1e-12)
%16: f32[192, 48] = weight(index = 6)
%17: f32[192] = weight(index = 7)
%18: f32[B, S, 192] = linear(%15, %16, b = %17)
%19: f32[B, S, 192] = gelu(%18)
%20: f32[48, 192] = weight(index = 8)
%21: f32[48] = weight(index = 9)
%22: f32[B, S, 48] = linear(%19, %20, b = %21)
%23: f32[B, S, 48] = add(%15, %22)
%24: f32[48] = weight(index = 10)
%25: f32[48] = weight(index = 11)
%26: f32[B, S, 48] = layer_norm(%23, gain = %24, bias = %25, over = (2,), eps = 1e-12)
return %26"#;

/// A pre-LN decoder block.
pub const GPT2_BLOCK: &str = r#"network Gpt2Block<B, S>
input x: f32[B, S, 48]
weight "ln_1.weight": f32[48] = ones
weight "ln_1.bias": f32[48] = zeros
weight "qkv.weight": f32[144, 48] = xavier
weight "qkv.bias": f32[144] = zeros
weight "proj.weight": f32[48, 48] = xavier
weight "proj.bias": f32[48] = zeros
weight "ln_2.weight": f32[48] = ones
weight "ln_2.bias": f32[48] = zeros
weight "up.weight": f32[192, 48] = xavier
weight "up.bias": f32[192] = zeros
weight "down.weight": f32[48, 192] = xavier
weight "down.bias": f32[48] = zeros
%0: f32[B, S, 48] = input(index = 0)
%1: f32[48] = weight(index = 0)
%2: f32[48] = weight(index = 1)
%3: f32[B, S, 48] = layer_norm(%0, gain = %1, bias = %2, over = (2,), eps = 1e-5)
%4: f32[144, 48] = weight(index = 2)
%5: f32[144] = weight(index = 3)
%6: f32[B, S, 144] = linear(%3, %4, b = %5)
%7: f32[B, S, 3, 4, 12] = reshape(%6, shape = [B, S, 3, 4, 12])
%8: f32[3, B, 4, S, 12] = transpose(%7, axes = (2, 0, 3, 1, 4))
%9: f32[1, B, 4, S, 12] = slice(%8, axis = (0,), start = 0, end = 1)
%10: f32[B, 4, S, 12] = reshape(%9, shape = [B, 4, S, 12])
%11: f32[1, B, 4, S, 12] = slice(%8, axis = (0,), start = 1, end = 2)
%12: f32[B, 4, S, 12] = reshape(%11, shape = [B, 4, S, 12])
%13: f32[1, B, 4, S, 12] = slice(%8, axis = (0,), start = 2, end = 3)
%14: f32[B, 4, S, 12] = reshape(%13, shape = [B, 4, S, 12])
%15: f32[B, 4, S, 12] = attention(%10, %12, %14, heads = 4, causal = true)
%16: f32[B, S, 4, 12] = transpose(%15, axes = (0, 2, 1, 3))
%17: f32[B, S, 48] = reshape(%16, shape = [B, S, 48])
%18: f32[48, 48] = weight(index = 4)
%19: f32[48] = weight(index = 5)
%20: f32[B, S, 48] = linear(%17, %18, b = %19)
%21: f32[B, S, 48] = add(%0, %20)
%22: f32[48] = weight(index = 6)
%23: f32[48] = weight(index = 7)
%24: f32[B, S, 48] = layer_norm(%21, gain = %22, bias = %23, over = (2,), eps = 1e-5)
%25: f32[192, 48] = weight(index = 8)
%26: f32[192] = weight(index = 9)
%27: f32[B, S, 192] = linear(%24, %25, b = %26)
%28: f32[B, S, 192] = gelu_tanh(%27)
%29: f32[48, 192] = weight(index = 10)
%30: f32[48] = weight(index = 11)
%31: f32[B, S, 48] = linear(%28, %29, b = %30)
%32: f32[B, S, 48] = add(%21, %31)
return %32"#;
