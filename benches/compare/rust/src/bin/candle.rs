//! candle, with the layers of candle-nn where it has them.

use candle_core::{D, Device::Cpu, IndexOp, Module, ModuleT, Result, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::rope_i;
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, LayerNorm, Linear};
use compare::{Case, Data, Failure, program, stride};
use std::collections::BTreeMap;
use std::time::Instant;

fn main() {
    program(run);
}

fn tensor(of: &compare::Tensor) -> Result<Tensor> {
    match &of.data {
        Data::F32(x) => Tensor::from_vec(x.clone(), &of.shape[..], &Cpu),
        Data::I32(x) => {
            Tensor::from_vec(x.iter().map(|id| *id as u32).collect::<Vec<_>>(), &of.shape[..], &Cpu)
        }
    }
}

struct Net {
    weights: BTreeMap<String, Tensor>,
    convs: BTreeMap<String, Conv2d>,
    cache: BTreeMap<String, Tensor>,
    cached: usize,
    rope: Option<(Tensor, Tensor)>,
}

impl Net {
    fn w(&self, name: &str) -> Tensor {
        self.weights[name].clone()
    }

    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let bias = self.weights.get(&format!("{name}.bias")).cloned();
        Linear::new(self.w(&format!("{name}.weight")), bias).forward(x)
    }

    fn norm(&self, name: &str, x: &Tensor, eps: f64) -> Result<Tensor> {
        LayerNorm::new(self.w(&format!("{name}.weight")), self.w(&format!("{name}.bias")), eps).forward(x)
    }

    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Result<Tensor> {
        let (b, h, s, d) = q.dims4()?;
        let mut scores = (q.matmul(&k.t()?)? / (d as f64).sqrt())?;
        if causal {
            let mask: Vec<f32> =
                (0..s * s).map(|i| if i % s > i / s { f32::NEG_INFINITY } else { 0.0 }).collect();
            scores = scores.broadcast_add(&Tensor::from_vec(mask, (s, s), &Cpu)?)?;
        }
        softmax_last_dim(&scores)?.matmul(v)?.transpose(1, 2)?.contiguous()?.reshape((b, s, h * d))
    }

    fn with_cache(&self, name: &str, new: Tensor) -> Result<Tensor> {
        match self.cache.get(name) {
            Some(old) => Tensor::cat(&[old, &new], 2),
            None => Ok(new),
        }
    }

    fn bert_layer(&self, p: &str, x: &Tensor) -> Result<Tensor> {
        let part = |name: &str| heads(&self.linear(&format!("{p}attention.self.{name}"), x)?, 12);
        let a = self.attention(&part("query")?, &part("key")?, &part("value")?, false)?;
        let x = (self.linear(&format!("{p}attention.output.dense"), &a)? + x)?;
        let x = self.norm(&format!("{p}attention.output.LayerNorm"), &x, 1e-12)?;
        let h = self.linear(&format!("{p}intermediate.dense"), &x)?.gelu_erf()?;
        self.norm(
            &format!("{p}output.LayerNorm"),
            &(self.linear(&format!("{p}output.dense"), &h)? + x)?,
            1e-12,
        )
    }

    fn minilm(&self, ids: &Tensor) -> Result<Tensor> {
        let s = ids.dim(1)?;
        let e = |name: &str| self.w(&format!("embeddings.{name}_embeddings.weight"));
        let place = e("position").narrow(0, 0, s)?.broadcast_add(&e("token_type").narrow(0, 0, 1)?)?;
        let x = self.norm("embeddings.LayerNorm", &rows(&e("word"), ids)?.broadcast_add(&place)?, 1e-12)?;
        (0..6).try_fold(x, |x, i| self.bert_layer(&format!("encoder.layer.{i}."), &x))
    }

    fn gpt2(&self, ids: &Tensor) -> Result<Tensor> {
        let s = ids.dim(1)?;
        let place = self.w("wpe.weight").narrow(0, self.cached, s)?;
        let mut x = rows(&self.w("wte.weight"), ids)?.broadcast_add(&place)?;
        for i in 0..12 {
            let p = format!("h.{i}.");
            let qkv = self.linear(&format!("{p}attn.c_attn"), &self.norm(&format!("{p}ln_1"), &x, 1e-5)?)?;
            let part = |i: usize| heads(&qkv.narrow(2, 768 * i, 768)?, 12);
            let k = self.with_cache(&format!("state.{p}keys"), part(1)?)?;
            let v = self.with_cache(&format!("state.{p}values"), part(2)?)?;
            let a = self.attention(&part(0)?, &k, &v, self.cached == 0)?;
            x = (x + self.linear(&format!("{p}attn.c_proj"), &a)?)?;
            let h =
                self.linear(&format!("{p}mlp.c_fc"), &self.norm(&format!("{p}ln_2"), &x, 1e-5)?)?.gelu()?;
            x = (x + self.linear(&format!("{p}mlp.c_proj"), &h)?)?;
        }
        let last = self.norm("ln_f", &x.i((.., s - 1, ..))?.contiguous()?, 1e-5)?;
        last.matmul(&self.w("wte.weight").t()?)
    }

    fn smollm2(&self, ids: &Tensor) -> Result<Tensor> {
        let s = ids.dim(1)?;
        let mut x = rows(&self.w("token_embd.weight"), ids)?;
        let turned = |x: Tensor| match &self.rope {
            Some((cos, sin)) => rope_i(&x, cos, sin),
            None => Ok(x),
        };
        let wide = |x: Tensor| -> Result<Tensor> {
            let (b, h, s, d) = x.dims4()?;
            x.unsqueeze(2)?.expand((b, h, 3, s, d))?.contiguous()?.reshape((b, 3 * h, s, d))
        };
        for i in 0..30 {
            let p = format!("blk.{i}.");
            let n = rms_norm(&x, &self.w(&format!("{p}attn_norm.weight")), 1e-5)?;
            let q = turned(heads(&self.linear(&format!("{p}attn_q"), &n)?, 9)?)?;
            let k = turned(heads(&self.linear(&format!("{p}attn_k"), &n)?, 3)?)?;
            let v = heads(&self.linear(&format!("{p}attn_v"), &n)?, 3)?;
            let k = wide(self.with_cache(&format!("state.{p}keys"), k)?)?;
            let v = wide(self.with_cache(&format!("state.{p}values"), v)?)?;
            let a = self.attention(&q, &k, &v, self.cached == 0)?;
            x = (x + self.linear(&format!("{p}attn_output"), &a)?)?;
            let n = rms_norm(&x, &self.w(&format!("{p}ffn_norm.weight")), 1e-5)?;
            let gate = silu(&self.linear(&format!("{p}ffn_gate"), &n)?)?;
            let h = (gate * self.linear(&format!("{p}ffn_up"), &n)?)?;
            x = (x + self.linear(&format!("{p}ffn_down"), &h)?)?;
        }
        let last = rms_norm(&x.i((.., s - 1, ..))?.contiguous()?, &self.w("output_norm.weight"), 1e-5)?;
        last.matmul(&self.w("token_embd.weight").t()?)
    }

    /// A convolution; batch norm is part of it, as candle-nn offers it.
    fn conv(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        self.convs[name].forward(x)
    }

    fn channel_norm(&self, name: &str, x: Tensor) -> Result<Tensor> {
        let Some(gamma) = self.weights.get(&format!("{name}.gamma")) else { return Ok(x) };
        let c = gamma.dim(0)?;
        let d = x.broadcast_sub(&x.mean_keepdim(1)?)?;
        let root = (d.sqr()?.mean_keepdim(1)?.sqrt()? + 1e-5)?;
        let y = d.broadcast_div(&root)?.broadcast_mul(&gamma.reshape((1, c, 1, 1))?)?;
        y.broadcast_add(&self.w(&format!("{name}.beta")).reshape((1, c, 1, 1))?)
    }

    fn block(&self, p: &str, x: &Tensor) -> Result<Tensor> {
        let y = self.channel_norm("norm1", self.conv(&format!("{p}conv1"), x)?)?.relu()?;
        let y = self.channel_norm("norm2", self.conv(&format!("{p}conv2"), &y)?)?;
        let shortcut = [format!("{p}conv"), format!("{p}downsample.0")];
        let x = match shortcut.iter().find(|name| self.convs.contains_key(*name)) {
            Some(name) => self.channel_norm("norm", self.conv(name, x)?)?,
            None => x.clone(),
        };
        (y + x)?.relu()
    }

    fn resnet18(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.conv("conv1", x)?.relu()?;
        // None of it is below 0.
        let y = y.pad_with_zeros(D::Minus1, 1, 1)?.pad_with_zeros(D::Minus2, 1, 1)?;
        let mut y = y.max_pool2d_with_stride(3, 2)?;
        for (layer, i) in (1..=4).flat_map(|layer| [(layer, 0), (layer, 1)]) {
            y = self.block(&format!("layer{layer}.{i}."), &y)?;
        }
        self.linear("fc", &y.mean(D::Minus1)?.mean(D::Minus1)?)
    }

    fn result(&self, case: &str, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        match &case[..2] {
            "W1" => self.norm("norm", &(x + self.linear("linear", x)?)?, 1e-5),
            "W2" if inputs.len() > 1 => self.norm("norm", &(x + &inputs[1])?, 1e-5),
            "W2" => self.norm("norm", x, 1e-5),
            "W3" => x + self.linear("down", &self.linear("up", &self.norm("norm", x, 1e-5)?)?.gelu_erf()?)?,
            "W4" if case.contains("minilm") => self.minilm(x),
            "W4" => self.bert_layer("", x),
            "W5" if case.contains("gpt2") => self.gpt2(x),
            "W5" => self.smollm2(x),
            _ if case == "W6_resnet18" => self.resnet18(x),
            _ => self.block("", x),
        }
    }
}

fn heads(x: &Tensor, n: usize) -> Result<Tensor> {
    let (b, s, d) = x.dims3()?;
    x.reshape((b, s, n, d / n))?.transpose(1, 2)?.contiguous()
}

fn rows(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let (b, s) = ids.dims2()?;
    table.index_select(&ids.flatten_all()?, 0)?.reshape((b, s, ()))
}

fn net(case: &Case) -> std::result::Result<Net, Failure> {
    let mut weights = BTreeMap::new();
    for (name, of) in case.weights()? {
        let value = tensor(&of)?;
        // GPT-2's layers have their weights turned; candle's own example transposes them when it loads.
        let turned = name.starts_with("h.") && name.ends_with(".weight") && of.shape.len() == 2;
        weights.insert(name, if turned { value.t()?.contiguous()? } else { value });
    }
    let mut convs = BTreeMap::new();
    for (name, weight) in weights.iter().filter(|(_, w)| w.rank() == 4) {
        let name = name.trim_end_matches(".weight");
        let config = Conv2dConfig {
            padding: weight.dim(2)? / 2,
            stride: stride(&case.name, name),
            ..Default::default()
        };
        let mut conv = Conv2d::new(weight.clone(), None, config);
        let bn = match name.strip_suffix("downsample.0") {
            Some(before) => format!("{before}downsample.1"),
            None => name.replace("conv", "bn"),
        };
        if let Some(mean) = weights.get(&format!("{bn}.running_mean")) {
            let part = |name: &str| weights[&format!("{bn}.{name}")].clone();
            let (var, gain, bias) = (part("running_var"), part("weight"), part("bias"));
            conv = conv.absorb_bn(&BatchNorm::new(mean.dim(0)?, mean.clone(), var, gain, bias, 1e-5)?)?;
        }
        convs.insert(name.to_string(), conv);
    }
    let (mut cache, mut cached) = (BTreeMap::new(), 0);
    let blocks = (0..30).flat_map(|i| [format!("state.h.{i}."), format!("state.blk.{i}.")]);
    for name in blocks.flat_map(|block| ["keys", "values"].map(|of| format!("{block}{of}"))) {
        if let Some(of) = case.state(&name) {
            cached = of.shape[2];
            cache.insert(name, tensor(of)?);
        }
    }
    let rope = match case.name.contains("smollm2") {
        true => {
            let s = case.inputs()[0].1.shape[1];
            let angle = |i: usize| (cached + i / 32) as f32 * 1e5f32.powf(-((i % 32) as f32) / 32.0);
            let table = |of: fn(f32) -> f32| {
                Tensor::from_vec((0..32 * s).map(|i| of(angle(i))).collect(), (s, 32), &Cpu)
            };
            Some((table(f32::cos)?, table(f32::sin)?))
        }
        false => None,
    };
    Ok(Net { weights, convs, cache, cached, rope })
}

fn run(case: &Case) -> std::result::Result<(), Failure> {
    let start = Instant::now();
    let net = net(case)?;
    let inputs = case.inputs().iter().map(|(_, of)| tensor(of)).collect::<Result<Vec<_>>>()?;
    case.serve(start, &mut |wanted| {
        let result = std::hint::black_box(net.result(&case.name, &inputs)?);
        if wanted { Ok(result.flatten_all()?.to_vec1()?) } else { Ok(Vec::new()) }
    })
}
