//! burn on its CPU back end, with its modules where it has them.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d, RmsNorm,
    RmsNormConfig,
};
use burn::tensor::activation::{gelu, gelu_approximate, relu, silu};
use burn::tensor::module::{attention, max_pool2d};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Int, Tensor, TensorData};
use compare::{Case, Data, Failure, program, stride};
use std::collections::BTreeMap;
use std::time::Instant;

fn main() {
    program(run);
}

fn device() -> Device {
    Device::default()
}

fn tensor<const N: usize>(of: &compare::Tensor) -> Tensor<N> {
    let floats = of.floats().unwrap_or_default();
    Tensor::from_data(TensorData::new(floats, of.shape.clone()), &device())
}

#[derive(Default)]
struct Net {
    weights: BTreeMap<String, compare::Tensor>,
    tables: BTreeMap<String, Tensor<2>>,
    linears: BTreeMap<String, Linear>,
    norms: BTreeMap<String, LayerNorm>,
    rms_norms: BTreeMap<String, RmsNorm>,
    convs: BTreeMap<String, Conv2d>,
    batch_norms: BTreeMap<String, BatchNorm>,
    channel_norms: BTreeMap<String, (Tensor<4>, Tensor<4>)>,
    cache: BTreeMap<String, Tensor<4>>,
    cached: usize,
    mask: Option<Tensor<4>>,
    turns: Option<(Tensor<4>, Tensor<4>)>,
}

impl Net {
    fn one<const N: usize>(&self, name: &str) -> Option<Tensor<N>> {
        self.weights.get(name).map(tensor)
    }

    fn weight<const N: usize>(&self, name: &str) -> Tensor<N> {
        tensor(&self.weights[&format!("{name}.weight")])
    }

    fn add_conv(&mut self, name: &str, [cout, cin, k]: [usize; 3], step: usize) {
        let padding = PaddingConfig2d::Explicit(k / 2, k / 2, k / 2, k / 2);
        let config = Conv2dConfig::new([cin, cout], [k, k]).with_stride([step, step]);
        let mut conv = config.with_padding(padding).with_bias(false).init(&device());
        conv.weight = Param::from_tensor(self.weight(name));
        self.convs.insert(name.into(), conv);
    }

    fn add_linear(&mut self, name: &str, [rows, columns]: [usize; 2]) {
        // GPT-2's layers have their weights as burn has them; the others are turned.
        let weight: Tensor<2> = self.weight(name);
        let turned = name.starts_with("h.");
        let (i, o) = if turned { (rows, columns) } else { (columns, rows) };
        let mut linear = LinearConfig::new(i, o).init(&device());
        linear.weight = Param::from_tensor(if turned { weight } else { weight.transpose() });
        linear.bias = self.one::<1>(&format!("{name}.bias")).map(Param::from_tensor);
        self.linears.insert(name.into(), linear);
    }

    fn add_norm(&mut self, name: &str, d: usize, eps: f64) {
        let gain = Param::from_tensor(self.weight::<1>(name));
        let part = |part: &str| self.one::<1>(&format!("{name}.{part}"));
        match (part("bias"), part("running_mean").zip(part("running_var"))) {
            (Some(bias), Some((mean, var))) => {
                let mut norm = BatchNormConfig::new(d).init(&device());
                (norm.gamma, norm.beta) = (gain, Param::from_tensor(bias));
                norm.running_mean = burn::module::RunningState::new(mean);
                norm.running_var = burn::module::RunningState::new(var);
                self.batch_norms.insert(name.into(), norm);
            }
            (Some(bias), None) => {
                let mut norm = LayerNormConfig::new(d).with_epsilon(eps).init(&device());
                (norm.gamma, norm.beta) = (gain, Some(Param::from_tensor(bias)));
                self.norms.insert(name.into(), norm);
            }
            (None, _) => {
                let mut norm = RmsNormConfig::new(d).with_epsilon(1e-5).init(&device());
                norm.gamma = gain;
                self.rms_norms.insert(name.into(), norm);
            }
        }
    }

    fn attention(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<3> {
        let [b, h, s, d] = q.dims();
        let mask = self.mask.clone().map(|mask| mask.expand([b, h, s, s]));
        attention(q, k, v, None, mask, Default::default()).swap_dims(1, 2).reshape([b, s, h * d])
    }

    fn with_cache(&self, name: &str, new: Tensor<4>) -> Tensor<4> {
        match self.cache.get(name) {
            Some(old) => Tensor::cat(vec![old.clone(), new], 2),
            None => new,
        }
    }

    fn bert_layer(&self, p: &str, x: Tensor<3>) -> Tensor<3> {
        let linear = |name: &str| &self.linears[&format!("{p}{name}")];
        let part = |name: &str| heads(linear(&format!("attention.self.{name}")).forward(x.clone()), 12);
        let a = self.attention(part("query"), part("key"), part("value"));
        let x = self.norms[&format!("{p}attention.output.LayerNorm")]
            .forward(linear("attention.output.dense").forward(a) + x);
        let h = linear("output.dense").forward(gelu(linear("intermediate.dense").forward(x.clone())));
        self.norms[&format!("{p}output.LayerNorm")].forward(h + x)
    }

    fn rows(&self, table: &str, ids: &Tensor<2, Int>) -> Tensor<3> {
        let [b, s] = ids.dims();
        let taken = self.tables[table].clone().select(0, ids.clone().reshape([b * s]));
        let d = taken.dims()[1];
        taken.reshape([b, s, d])
    }

    fn minilm(&self, ids: &Tensor<2, Int>) -> Tensor<3> {
        let s = ids.dims()[1];
        let e = |name: &str| format!("embeddings.{name}_embeddings.weight");
        let kind = self.tables[&e("token_type")].clone().narrow(0, 0, 1);
        let place = self.tables[&e("position")].clone().narrow(0, 0, s) + kind;
        let x =
            self.norms["embeddings.LayerNorm"].forward(self.rows(&e("word"), ids) + place.unsqueeze::<3>());
        (0..6).fold(x, |x, i| self.bert_layer(&format!("encoder.layer.{i}."), x))
    }

    fn gpt2(&self, ids: &Tensor<2, Int>) -> Tensor<2> {
        let s = ids.dims()[1];
        let place = self.tables["wpe.weight"].clone().narrow(0, self.cached, s);
        let mut x = self.rows("wte.weight", ids) + place.unsqueeze::<3>();
        for i in 0..12 {
            let p = format!("h.{i}.");
            let linear = |name: &str| &self.linears[&format!("{p}{name}")];
            let qkv = linear("attn.c_attn").forward(self.norms[&format!("{p}ln_1")].forward(x.clone()));
            let part = |j: usize| heads(qkv.clone().narrow(2, j * 768, 768), 12);
            let k = self.with_cache(&format!("state.{p}keys"), part(1));
            let v = self.with_cache(&format!("state.{p}values"), part(2));
            x = x + linear("attn.c_proj").forward(self.attention(part(0), k, v));
            let h = linear("mlp.c_fc").forward(self.norms[&format!("{p}ln_2")].forward(x.clone()));
            x = x + linear("mlp.c_proj").forward(gelu_approximate(h));
        }
        let last = self.norms["ln_f"].forward(x.narrow(1, s - 1, 1).reshape([1, 768]));
        last.matmul(self.tables["wte.weight"].clone().transpose())
    }

    fn turned(&self, x: Tensor<4>) -> Tensor<4> {
        let Some((cos, sin)) = &self.turns else { return x };
        let [b, h, s, d] = x.dims();
        let pairs = x.reshape([b * h, s, d / 2, 2]);
        let (first, second) = (pairs.clone().narrow(3, 0, 1), pairs.narrow(3, 1, 1));
        let turned = vec![
            first.clone() * cos.clone() - second.clone() * sin.clone(),
            first * sin.clone() + second * cos.clone(),
        ];
        Tensor::cat(turned, 3).reshape([b, h, s, d])
    }

    fn smollm2(&self, ids: &Tensor<2, Int>) -> Tensor<2> {
        let s = ids.dims()[1];
        let mut x = self.rows("token_embd.weight", ids);
        let wide = |x: Tensor<4>| x.repeat_dim(2, 1).unsqueeze_dim::<5>(2).repeat_dim(2, 3);
        for i in 0..30 {
            let p = format!("blk.{i}.");
            let linear = |name: &str| &self.linears[&format!("{p}{name}")];
            let n = self.rms_norms[&format!("{p}attn_norm")].forward(x.clone());
            let q = self.turned(heads(linear("attn_q").forward(n.clone()), 9));
            let k = self.turned(heads(linear("attn_k").forward(n.clone()), 3));
            let v = heads(linear("attn_v").forward(n), 3);
            let k = self.with_cache(&format!("state.{p}keys"), k);
            let v = self.with_cache(&format!("state.{p}values"), v);
            let [b, h, t, d] = k.dims();
            let (k, v) = (wide(k).reshape([b, 3 * h, t, d]), wide(v).reshape([b, 3 * h, t, d]));
            x = x + linear("attn_output").forward(self.attention(q, k, v));
            let n = self.rms_norms[&format!("{p}ffn_norm")].forward(x.clone());
            let h = silu(linear("ffn_gate").forward(n.clone())) * linear("ffn_up").forward(n);
            x = x + linear("ffn_down").forward(h);
        }
        let last = self.rms_norms["output_norm"].forward(x.narrow(1, s - 1, 1).reshape([1, 576]));
        last.matmul(self.tables["token_embd.weight"].clone().transpose())
    }

    fn normed(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        if let Some(norm) = self.batch_norms.get(name) {
            return norm.forward(x);
        }
        let (gamma, beta) = self.channel_norms[name].clone();
        let d = x.clone() - x.mean_dim(1);
        let root = (d.clone() * d.clone()).mean_dim(1).sqrt() + 1e-5;
        d / root * gamma + beta
    }

    fn block(&self, p: &str, x: Tensor<4>) -> Tensor<4> {
        let names = if self.channel_norms.is_empty() {
            ["bn1", "bn2", "downsample.0", "downsample.1"]
        } else {
            ["norm1", "norm2", "conv", "norm"]
        };
        let [n1, n2, shortcut, n] = names.map(|name| format!("{p}{name}"));
        let y = relu(self.normed(&n1, self.convs[&format!("{p}conv1")].forward(x.clone())));
        let y = self.normed(&n2, self.convs[&format!("{p}conv2")].forward(y));
        let x = match self.convs.get(&shortcut) {
            Some(conv) => self.normed(&n, conv.forward(x)),
            None => x,
        };
        relu(y + x)
    }

    fn resnet18(&self, x: Tensor<4>) -> Tensor<2> {
        let options = MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]);
        let mut y = max_pool2d(relu(self.normed("bn1", self.convs["conv1"].forward(x))), options);
        for (layer, i) in (1..=4).flat_map(|layer| [(layer, 0), (layer, 1)]) {
            y = self.block(&format!("layer{layer}.{i}."), y);
        }
        self.linears["fc"].forward(y.reshape([1, 512, 49]).mean_dim(2).reshape([1, 512]))
    }
}

fn heads(x: Tensor<3>, n: usize) -> Tensor<4> {
    let [b, s, d] = x.dims();
    x.reshape([b, s, n, d / n]).swap_dims(1, 2)
}

fn net(case: &Case) -> Result<Net, Failure> {
    let mut net = Net { weights: case.weights()?, ..Net::default() };
    let names: Vec<String> = net.weights.keys().cloned().collect();
    let eps = if case.name.starts_with("W4") { 1e-12 } else { 1e-5 };
    for full in &names {
        let shape = net.weights[full].shape.clone();
        let Some(name) = full.strip_suffix(".weight") else {
            if let Some(name) = full.strip_suffix(".gamma") {
                let all =
                    |part: &str| net.one::<1>(&format!("{name}.{part}")).map(|t| t.reshape([1, -1, 1, 1]));
                let both = all("gamma").zip(all("beta")).ok_or("a norm without beta")?;
                net.channel_norms.insert(name.into(), both);
            }
            continue;
        };
        match shape[..] {
            [cout, cin, k, _] => net.add_conv(name, [cout, cin, k], stride(&case.name, name)),
            [_, _] if name.contains("mbedd") || ["wte", "wpe", "token_embd"].contains(&name) => {
                net.tables.insert(full.clone(), net.one(full).ok_or("no weight")?);
            }
            [rows, columns] => net.add_linear(name, [rows, columns]),
            [d] => net.add_norm(name, d, eps),
            _ => return Err(format!("`{full}` has a shape that is not expected").into()),
        }
    }
    let blocks = (0..30).flat_map(|i| [format!("state.h.{i}."), format!("state.blk.{i}.")]);
    for name in blocks.flat_map(|block| ["keys", "values"].map(|of| format!("{block}{of}"))) {
        if let Some(of) = case.state(&name) {
            net.cached = of.shape[2];
            net.cache.insert(name, tensor(of));
        }
    }
    if case.name.starts_with("W5") {
        let s = case.inputs()[0].1.shape[1];
        if s > 1 {
            let mask: Vec<f32> = (0..s * s).map(|i| if i % s > i / s { -1e30 } else { 0.0 }).collect();
            net.mask = Some(Tensor::from_data(TensorData::new(mask, [1, 1, s, s]), &device()));
        }
        if case.name.contains("smollm2") {
            let angle = |i: usize| (net.cached + i / 32) as f32 * 1e5f32.powf(-((i % 32) as f32) / 32.0);
            let table = |of: fn(f32) -> f32| {
                let values: Vec<f32> = (0..32 * s).map(|i| of(angle(i))).collect();
                Tensor::from_data(TensorData::new(values, [1, s, 32, 1]), &device())
            };
            net.turns = Some((table(f32::cos), table(f32::sin)));
        }
    }
    Ok(net)
}

fn run(case: &Case) -> Result<(), Failure> {
    let start = Instant::now();
    let net = net(case)?;
    let inputs = case.inputs();
    let given = &inputs[0].1;
    let ids: Option<Tensor<2, Int>> = match &given.data {
        Data::I32(x) => Some(Tensor::from_data(TensorData::new(x.clone(), given.shape.clone()), &device())),
        Data::F32(_) => None,
    };
    let second: Option<Tensor<2>> =
        inputs.get(1).filter(|_| case.name.starts_with("W2")).map(|(_, of)| tensor(of));
    let name = &case.name[..];
    let (flat, text, image): (Option<Tensor<2>>, Option<Tensor<3>>, Option<Tensor<4>>) =
        match (&ids, given.shape.len()) {
            (None, 2) => (Some(tensor(given)), None, None),
            (None, 3) => (None, Some(tensor(given)), None),
            (None, 4) => (None, None, Some(tensor(given))),
            _ => (None, None, None),
        };
    let once = || -> TensorData {
        match (flat.clone(), text.clone(), image.clone(), &ids) {
            (Some(x), ..) if name.starts_with("W1") => {
                net.norms["norm"].forward(x.clone() + net.linears["linear"].forward(x)).into_data()
            }
            (Some(x), ..) if name.starts_with("W2") => {
                let x = match &second {
                    Some(r) => x + r.clone(),
                    None => x,
                };
                net.norms["norm"].forward(x).into_data()
            }
            (Some(x), ..) => {
                let h = gelu(net.linears["up"].forward(net.norms["norm"].forward(x.clone())));
                (x + net.linears["down"].forward(h)).into_data()
            }
            (_, Some(x), ..) => net.bert_layer("", x).into_data(),
            (_, _, Some(x), _) if name == "W6_resnet18" => net.resnet18(x).into_data(),
            (_, _, Some(x), _) => net.block("", x).into_data(),
            (_, _, _, Some(ids)) if name.contains("minilm") => net.minilm(ids).into_data(),
            (_, _, _, Some(ids)) if name.contains("gpt2") => net.gpt2(ids).into_data(),
            (_, _, _, Some(ids)) => net.smollm2(ids).into_data(),
            _ => TensorData::new(Vec::<f32>::new(), [0]),
        }
    };
    case.serve(start, &mut |wanted| {
        let result = std::hint::black_box(once());
        if wanted { Ok(result.try_to_vec::<f32>().map_err(|e| format!("{e:?}"))?) } else { Ok(Vec::new()) }
    })
}
