//! The cases: networks, sizes, inputs, and what of each the machine's limits are about.

use super::sentences::{BertLayer, BertLayerDims, MiniLm};
use tancho::{Error, Graph, Tensor, ViewError, network};

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

    /// `x + W2 gelu(W1 LN(x) + b1) + b2`.
    pub Mlp<B, D = 768, H = 4 * D>(x: [B, D]) -> [B, D] {
        net norm: LayerNorm<D>;
        net up:   Linear<D, H>;
        net down: Linear<H, D>;
        residual(x) { down(gelu(up(norm(x)))) }
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
}

/// A network at a size.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The name it is asked for by.
    pub name: String,
    net: Net,
    /// Sequences, or 1.
    batch: usize,
    /// Rows, or the length of a sequence.
    rows: usize,
    width: usize,
}

/// Arithmetic and memory that a case cannot do without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Two for each multiply-add of a product.
    pub flops: u64,
    /// Bytes of inputs and weights.
    pub read: u64,
    /// Bytes of results.
    pub written: u64,
}

/// The named cases.
pub fn named() -> Vec<Case> {
    let case = |name: &str, net, batch, rows, width| Case { name: name.into(), net, batch, rows, width };
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
    ]
}

impl Case {
    /// The same at sizes nearby, which nobody tuned for: other widths of the linear and feed-forward
    /// layers, other numbers of rows, other lengths of a sequence.
    pub fn neighbours(&self) -> Vec<Case> {
        let widths: &[usize] = if matches!(self.net, Net::LinearNorm | Net::Mlp) { &[640, 1000, 1024] } else { &[] };
        let rows: &[usize] = match (self.net, self.batch, self.rows) {
            (Net::LinearNorm | Net::Mlp, _, 1) => &[3],
            (Net::LinearNorm | Net::Mlp, _, 128) => &[17, 100],
            (Net::Bert | Net::MiniLm, 1, 128) => &[77, 197, 384],
            _ => &[],
        };
        let wide = widths.iter().map(|d| Case { name: format!("{}_d{d}", self.name), width: *d, ..self.clone() });
        let base = self.name.trim_end_matches(|c: char| c.is_ascii_digit());
        wide.chain(rows.iter().map(|n| Case { name: format!("{base}{n}"), rows: *n, ..self.clone() })).collect()
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
        }
    }

    /// Inputs that look random and are the same on every machine.
    pub fn inputs(&self) -> Result<Vec<Tensor>, ViewError> {
        let (b, s, d) = (self.batch, self.rows, self.width);
        let numbers = |n: usize, seed: u32| (0..n as u32).map(move |i| (i ^ seed).wrapping_mul(2_654_435_761) >> 8);
        let floats = |shape: Vec<usize>, seed| {
            let data: Vec<f32> = numbers(shape.iter().product(), seed).map(|x| x as f32 / (1 << 23) as f32 - 1.0).collect();
            Tensor::new(data, shape)
        };
        let mask = || Tensor::new(vec![true; b * s], [b, s]);
        Ok(match self.net {
            Net::LinearNorm | Net::Norm | Net::Mlp => vec![floats(vec![s, d], 0)?],
            Net::AddNorm => vec![floats(vec![s, d], 0)?, floats(vec![s, d], 1 << 20)?],
            Net::Bert => vec![floats(vec![b, s, d], 0)?, mask()?],
            Net::MiniLm => {
                let ids: Vec<i32> = numbers(b * s, 0).map(|x| (x as usize % MiniLm::V) as i32).collect();
                vec![Tensor::new(ids, [b, s])?, mask()?]
            }
        })
    }

    /// What it costs at least. Norms, gelu, softmax, biases, ids and masks are not counted.
    pub fn cost(&self) -> Cost {
        let (s, d) = (self.rows as u64, self.width as u64);
        let n = self.batch as u64 * s;
        // Four projections, scores and their product with the values, two layers of 4 * d.
        let layer = 8 * n * d * d + 4 * n * s * d + 16 * n * d * d;
        let rows = 4 * n * d;
        let (flops, weights, inputs) = match self.net {
            Net::LinearNorm => (2 * n * d * d, d * d, rows),
            Net::Norm => (0, 0, rows),
            Net::AddNorm => (0, 0, 2 * rows),
            Net::Mlp => (16 * n * d * d, 8 * d * d, rows),
            Net::Bert => (layer, 12 * d * d, rows),
            // The rows of the embedding that the ids name are its inputs.
            Net::MiniLm => (MiniLm::LAYERS as u64 * layer, MiniLm::LAYERS as u64 * 12 * d * d, rows),
        };
        Cost { flops, read: 4 * weights + inputs, written: rows }
    }
}
