//! The cases: networks, sizes, inputs, and what of each the machine's limits are about.

use super::chat::SmolLm2;
use super::gpt2::Gpt2;
use super::numbers;
use super::resnet::{BasicBlock, BasicBlockDims, NormBlock, NormBlockDims, ResNet};
use super::sentences::{BertLayer, BertLayerDims, MiniLm};
use super::training::{Mlp, MlpDims, Trained, Training};
use tancho::{DType, Error, Format, Graph, Target, Tensor, ViewError, network};

network! {
    /// `LN(x + x W^T + b)`.
    pub LinearNorm<B, D = 768>(x: [B, D]) -> [B, D] {
        net linear: Linear<D, D>;
        net norm:   LayerNorm<D>;
        norm(x + linear(x))
    }

    /// Layer norm alone.
    pub Norm<B, D = 768>(x: [B, D]) -> [B, D] {
        net norm: LayerNorm<D>;
        norm(x)
    }

    /// `LN(x + r)`.
    pub AddNorm<B, D = 768>(x: [B, D], r: [B, D]) -> [B, D] {
        net norm: LayerNorm<D>;
        norm(x + r)
    }
}

/// The network of a case.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Net {
    LinearNorm,
    Norm,
    AddNorm,
    Mlp,
    Bert,
    MiniLm,
    /// The article's block with batch norm: from a number of channels, at a stride.
    Block(usize),
    /// The same with layer norm over the channels.
    NormBlock(usize),
    Images,
    /// GPT-2 small.
    Gpt2,
    /// SmolLM2-135M.
    SmolLm2,
    /// A step of training.
    Train(Trained),
}

/// A network at a size.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The name it is asked for by.
    pub name: String,
    net: Net,
    /// Sequences, images, or 1.
    batch: usize,
    /// Rows, the length of a sequence, or the side of an image.
    rows: usize,
    /// The width of a layer, or the channels of an image.
    width: usize,
    /// Positions that are cached when a run begins.
    pub cached: usize,
}

/// Arithmetic and memory that a case cannot do without.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Two for each multiply-add of a matmul.
    pub flops: u64,
    /// Bytes of inputs and weights; of a step of training weights, and what the optimiser keeps for them.
    pub read: u64,
    /// Bytes of results; of a step of training the same as are read.
    pub written: u64,
}

/// The named cases.
pub fn named() -> Vec<Case> {
    let case =
        |name: &str, net, batch, rows, width| Case { name: name.into(), net, batch, rows, width, cached: 0 };
    let token = |name: &str, net, cached, width| Case { cached, ..case(name, net, 1, 1, width) };
    vec![
        case("W1_lin_ln_n1", Net::LinearNorm, 1, 1, 768),
        case("W1_lin_ln_n128", Net::LinearNorm, 1, 128, 768),
        case("W1_lin_ln_n512", Net::LinearNorm, 1, 512, 768),
        case("W2_ln_4096", Net::Norm, 1, 4096, 768),
        case("W2_addln_4096", Net::AddNorm, 1, 4096, 768),
        case("W3_mlp_n1", Net::Mlp, 1, 1, 768),
        case("W3_mlp_n128", Net::Mlp, 1, 128, 768),
        case("W4_bertlayer_s128", Net::Bert, 1, 128, 768),
        case("W4_minilm_b1s16", Net::MiniLm, 1, 16, 384),
        case("W4_minilm_b1s128", Net::MiniLm, 1, 128, 384),
        case("W4_minilm_b32s128", Net::MiniLm, 32, 128, 384),
        case("W5_gpt2_prefill128", Net::Gpt2, 1, 128, 768),
        token("W5_gpt2_decode", Net::Gpt2, 128, 768),
        token("W5_gpt2_decode_p990", Net::Gpt2, 990, 768),
        case("W5_smollm2_prefill128", Net::SmolLm2, 1, 128, 576),
        token("W5_smollm2_decode", Net::SmolLm2, 128, 576),
        case("W6_block_s1_bn", Net::Block(1), 1, 56, 64),
        case("W6_block_s2_bn", Net::Block(2), 1, 56, 64),
        case("W6_resnet18", Net::Images, 1, 224, 3),
        case("W7_block_s1_cln", Net::NormBlock(1), 1, 56, 64),
        case("W7_block_s2_cln", Net::NormBlock(2), 1, 56, 64),
        case("W8_train_mlp_n128", Net::Train(Trained::Mlp), 1, 128, 768),
        case("W8_train_chargpt", Net::Train(Trained::CharGpt), 32, 64, 128),
        case("W8_train_gpt2_b4s64", Net::Train(Trained::Gpt2), 4, 64, 768),
    ]
}

impl Case {
    /// The same at sizes nearby, which nobody tuned for: other widths of the linear and feed-forward
    /// layers, other numbers of rows, other lengths of a sequence.
    pub fn neighbours(&self) -> Vec<Case> {
        let widths: &[usize] = match self.net {
            Net::LinearNorm | Net::Mlp | Net::Train(Trained::Mlp) => &[640, 1000, 1024],
            Net::Train(Trained::CharGpt) => &[96, 160],
            Net::Block(_) | Net::NormBlock(_) => &[48, 100],
            _ => &[],
        };
        let rows: &[usize] = match (self.net, self.batch, self.rows) {
            (Net::LinearNorm | Net::Mlp, _, 1) => &[3],
            (Net::LinearNorm | Net::Mlp | Net::Train(Trained::Mlp), _, 128) => &[17, 100],
            (Net::Train(Trained::CharGpt), ..) => &[50, 128],
            (Net::Bert | Net::MiniLm, 1, 128) => &[77, 197, 384],
            (Net::Block(_) | Net::NormBlock(_), ..) => &[14, 61],
            (Net::Images, ..) => &[160, 231],
            _ => &[],
        };
        let wide =
            widths.iter().map(|d| Case { name: format!("{}_d{d}", self.name), width: *d, ..self.clone() });
        let base = match self.net {
            Net::Block(_) | Net::NormBlock(_) | Net::Images => format!("{}_h", self.name),
            Net::Train(Trained::CharGpt) => format!("{}_s", self.name),
            _ => self.name.trim_end_matches(|c: char| c.is_ascii_digit()).to_string(),
        };
        wide.chain(rows.iter().map(|n| Case { name: format!("{base}{n}"), rows: *n, ..self.clone() }))
            .collect()
    }

    /// The same at other sizes.
    pub fn at(&self, batch: usize, rows: usize, cached: usize) -> Case {
        Case { batch, rows, cached, ..self.clone() }
    }

    /// The graph.
    pub fn graph(&self) -> Result<Graph, Error> {
        let d = self.width;
        match self.net {
            Net::LinearNorm => LinearNorm::with(LinearNormDims { D: d }).graph(),
            Net::Norm => Norm::with(NormDims { D: d }).graph(),
            Net::AddNorm => AddNorm::with(AddNormDims { D: d }).graph(),
            Net::Mlp => Mlp::with(MlpDims { D: d, ..Default::default() }).graph(),
            Net::Bert => BertLayer::with(BertLayerDims { D: d, ..Default::default() }).graph(),
            Net::MiniLm => MiniLm::with(Default::default()).graph(),
            // At a stride of 2 the channels double.
            Net::Block(s) => BasicBlock::with(BasicBlockDims { CIN: d, COUT: s * d, STRIDE: s }).graph(),
            Net::NormBlock(s) => NormBlock::with(NormBlockDims { CIN: d, COUT: s * d, STRIDE: s }).graph(),
            Net::Images => ResNet::with(Default::default()).graph(),
            Net::Gpt2 => Gpt2::with(Default::default()).graph(),
            Net::SmolLm2 => SmolLm2::with(Default::default()).graph(),
            Net::Train(what) => self.of(what).graph(),
        }
    }

    /// The training whose step this is, if it is one.
    pub fn training(&self) -> Option<Training> {
        match self.net {
            Net::Train(what) => Some(self.of(what)),
            _ => None,
        }
    }

    fn of(&self, what: Trained) -> Training {
        Training { what, batch: self.batch, rows: self.rows, width: self.width }
    }

    /// Inputs of the run that fills the cache.
    pub fn prompt(&self) -> Result<Vec<Tensor>, ViewError> {
        Case { rows: self.cached, ..self.clone() }.inputs()
    }

    /// The inputs. A training has its own.
    pub fn inputs(&self) -> Result<Vec<Tensor>, ViewError> {
        let (b, s, d) = (self.batch, self.rows, self.width);
        let floats =
            |shape: Vec<usize>, seed| Tensor::new(numbers::floats(shape.iter().product(), seed), shape);
        let mask = || Tensor::new(vec![true; b * s], [b, s]);
        let ids = |v: usize| Tensor::new(numbers::ids(b * s, v, 0), [b, s]);
        Ok(match self.net {
            Net::LinearNorm | Net::Norm | Net::Mlp => vec![floats(vec![s, d], 0)?],
            Net::AddNorm => vec![floats(vec![s, d], 0)?, floats(vec![s, d], 1 << 20)?],
            Net::Bert => vec![floats(vec![b, s, d], 0)?, mask()?],
            Net::MiniLm => vec![ids(MiniLm::V)?, mask()?],
            Net::Gpt2 => vec![ids(Gpt2::V)?],
            Net::SmolLm2 => vec![ids(SmolLm2::V)?],
            Net::Block(_) | Net::NormBlock(_) | Net::Images => vec![floats(vec![b, d, s, s], 0)?],
            Net::Train(_) => Vec::new(),
        })
    }

    /// What it costs at least. Norms, gelu, softmax, biases, ids and masks are not counted.
    pub fn cost(&self, target: Target) -> Cost {
        if let Net::Block(_) | Net::NormBlock(_) | Net::Images = self.net {
            return self.graph().map_or(Cost::default(), |g| self.cost_of(&g));
        }
        if let Some(training) = self.training() {
            let bytes = training.bytes().unwrap_or(0);
            return Cost { flops: training.flops(), read: bytes, written: bytes };
        }
        let (s, d) = (self.rows as u64, self.width as u64);
        let n = self.batch as u64 * s;
        // Four projections, scores and their matmul with the values, two layers of 4 * d.
        let layer = 8 * n * d * d + 4 * n * (s + self.cached as u64) * d + 16 * n * d * d;
        let rows = 4 * n * d;
        // Bytes of a key and its value, for each number of it; and half bits of a weight, with what its group
        // has of factors.
        let cached_bytes = if target.bf16_states() { 4 } else { 8 };
        let bits = match target.weight_format() {
            Format::F32 => 64,
            Format::Bf16 => 32,
            Format::Int8 => 17,
            Format::Q4 => 10,
        };
        let (flops, weights, inputs) = match self.net {
            Net::LinearNorm => (2 * n * d * d, d * d, rows),
            Net::Norm => (0, 0, rows),
            Net::AddNorm => (0, 0, 2 * rows),
            Net::Mlp => (16 * n * d * d, 8 * d * d, rows),
            Net::Bert => (layer, 12 * d * d, rows),
            // The rows of the embedding that the ids name are its inputs.
            Net::MiniLm => (MiniLm::LAYERS as u64 * layer, MiniLm::LAYERS as u64 * 12 * d * d, rows),
            Net::Gpt2 => {
                let (layers, logits) = (Gpt2::LAYERS as u64, Gpt2::V as u64 * d);
                // The cached keys and values are read as well.
                let cache = cached_bytes * layers * self.cached as u64 * d;
                (layers * layer + 2 * self.batch as u64 * logits, layers * 12 * d * d + logits, rows + cache)
            }
            Net::SmolLm2 => {
                let (layers, logits) = (SmolLm2::LAYERS as u64, SmolLm2::V as u64 * d);
                let kv = d * SmolLm2::KV as u64 / SmolLm2::HEADS as u64;
                // Queries and their output, keys and values, three of the feed-forward layer.
                let weights = 2 * d * d + 2 * d * kv + 3 * d * SmolLm2::H as u64;
                let cached = self.cached as u64;
                let flops =
                    layers * (2 * n * weights + 4 * n * (s + cached) * d) + 2 * self.batch as u64 * logits;
                (flops, layers * weights + logits, rows + cached_bytes * layers * cached * kv)
            }
            Net::Block(_) | Net::NormBlock(_) | Net::Images | Net::Train(_) => (0, 0, 0),
        };
        let written = match self.net {
            Net::Gpt2 => 4 * Gpt2::V as u64,
            Net::SmolLm2 => 4 * SmolLm2::V as u64,
            _ => rows,
        };
        Cost { flops, read: weights * bits / 16 + inputs, written }
    }

    /// The cost of a network of images, by the filters and results of its convolutions.
    fn cost_of(&self, g: &Graph) -> Cost {
        let value = |s: &str| Some(if s == "N" { self.batch } else { self.rows } as i64);
        let count =
            |shape: &[tancho::Dim]| shape.iter().map(|d| d.eval(&value).unwrap_or(0) as u64).product::<u64>();
        let (mut flops, mut weights) = (0, 0);
        for v in g.values() {
            let node = g.node(v);
            // The second argument of a convolution or a linear layer is a weight, with one number for each
            // term of a sum first.
            let Some(w) = node
                .args
                .get(1)
                .map(|w| &g.ty(*w).shape)
                .filter(|w| matches!(w.len(), 2 | 4) && node.ty.dtype == DType::F32)
            else {
                continue;
            };
            if w.iter().all(|d| d.as_const().is_some()) {
                flops += 2 * count(&node.ty.shape) * count(&w[1..]);
                weights += count(w);
            }
        }
        let input: u64 = g.inputs.iter().map(|i| count(&i.ty.shape)).sum();
        let written: u64 = g.outputs.iter().map(|o| count(&g.ty(*o).shape)).sum();
        Cost { flops, read: 4 * (weights + input), written: 4 * written }
    }
}
