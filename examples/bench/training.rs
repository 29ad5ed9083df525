//! The cases that train: their networks, what a step costs, and the step.

use super::numbers::{floats, ids};
use std::ops::Deref;
use std::time::Duration;
use tancho::train::{TrainOptions, Trainer};
use tancho::{AsView, Blueprint, Dim, Error, Graph, Session, Target, Tensor, ViewError, Weights, network};

network! {
    /// `x + W2 gelu(W1 LN(x) + b1) + b2`.
    pub Mlp<B, D = 768, H = 4 * D> {
        net norm: LayerNorm<D>;
        net up:   Linear<D, H>;
        net down: Linear<H, D>;

        fn forward(x: [B, D]) -> [B, D] {
            residual(x) { down(gelu(up(norm(x)))) }
        }

        train fn step(x: [B, D], wanted: [B, D], lr: []) -> [] {
            let loss = mean(mse(forward(x), wanted), over = B);
            minimize loss with sgd(lr = lr);
            loss
        }
    }

    /// A block of GPT-2 that reads whole texts.
    pub GptBlock<B, S, D = 768, HEADS = 12>(x: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0
    {
        net ln_1: LayerNorm<D>;
        net qkv:  Linear<D, 3 * D>;
        net proj: Linear<D, D>;
        net ln_2: LayerNorm<D>;
        net up:   Linear<D, 4 * D>;
        net down: Linear<4 * D, D>;

        let heads = rearrange(qkv(ln_1(x)), [b, s, (three h d)] -> [three, b, h, s, d], three = 3, h = HEADS);
        let a = attention(heads[0], heads[1], heads[2], heads = HEADS, causal = true);
        let x = x + proj(rearrange(a, [b, h, s, d] -> [b, s, (h d)]));
        x + down(gelu_tanh(up(ln_2(x))))
    }

    /// A GPT that reads whole texts. `tied` makes its output matrix the embedding.
    pub Gpt<B, S: ..=T, D = 768, HEADS = 12, LAYERS = 12, V = 50257, T = 1024>(option tied = true)
        where D % HEADS == 0
    {
        param wte: [V, D] = normal(0.02);
        param wpe: [T, D] = normal(0.02);
        net blocks: [GptBlock<D = D, HEADS = HEADS>; LAYERS];
        net ln_f: LayerNorm<D>;

        fn loss(ids: i32[B, S], next: i32[B, S]) -> [] {
            let mut x = wte[ids] + wpe[0..S];
            for block in blocks { x = block(x); }
            let x = ln_f(x);
            let scores = if tied {
                x @ wte.t
            } else {
                net head: Linear<D, V>(bias = false);
                head(x)
            };
            mean(cross_entropy(scores, next), over = (0, 1))
        }

        train fn step(ids: i32[B, S], next: i32[B, S], lr: []) -> [] {
            let loss = loss(ids, next);
            minimize loss with adamw(lr = lr);
            loss
        }
    }
}

/// The seed of random weights.
const SEED: u64 = 1;
/// The learning rate of every step.
const RATE: f32 = 1e-3;
/// Sets what is wanted apart from what is given.
const WANTED: u32 = 1 << 20;

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trained {
    /// The feed-forward layer, by SGD.
    Mlp,
    /// A GPT of characters, by AdamW.
    CharGpt,
    /// GPT-2 small, by AdamW.
    Gpt2,
}

/// A training at a size.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    pub what: Trained,
    /// Texts, or 1.
    pub batch: usize,
    /// Rows, or tokens of a text.
    pub rows: usize,
    /// The width of a layer.
    pub width: usize,
}

/// A compiled step with its inputs.
pub struct Steps {
    pub compile: Duration,
    pub pack: Duration,
    /// Makes a step and gives its loss.
    pub run: Box<dyn FnMut() -> Result<f32, Error>>,
}

impl Steps {
    /// Those of a training whose `train fn` is `step`.
    fn of<T>(mut training: T, run: impl Fn(&mut T) -> Result<f32, Error> + 'static) -> Steps
    where
        T: Deref<Target = Trainer> + 'static,
    {
        let compiled = training.session("step").map(Session::compiled);
        let compile = compiled.map_or(Duration::ZERO, |c| c.stats().total());
        let pack = compiled.map_or(Duration::ZERO, |c| c.pack_time());
        Steps { compile, pack, run: Box::new(move || run(&mut training)) }
    }
}

impl Training {
    fn mlp(&self) -> Blueprint<Mlp> {
        Mlp::with(MlpDims { D: self.width, ..Default::default() })
    }

    /// The sizes of the GPT that is trained.
    fn dims(&self) -> GptDims {
        match self.what {
            Trained::CharGpt => GptDims { D: self.width, HEADS: 4, LAYERS: 4, V: 65, T: self.rows },
            Trained::Mlp | Trained::Gpt2 => GptDims { D: self.width, ..Default::default() },
        }
    }

    fn gpt(&self) -> Blueprint<Gpt> {
        Gpt::with(self.dims()).option("tied", self.what == Trained::Gpt2)
    }

    /// The graph of the loss or of what is trained, with all weights.
    pub fn graph(&self) -> Result<Graph, Error> {
        match self.what {
            Trained::Mlp => self.mlp().graph(),
            Trained::CharGpt | Trained::Gpt2 => self.gpt().graph(),
        }
    }

    /// Two for each multiply-add of the matmuls of a step.
    pub fn flops(&self) -> u64 {
        let (s, d, GptDims { LAYERS, V, .. }) = (self.rows as u64, self.width as u64, self.dims());
        let n = self.batch as u64 * s;
        // Four projections and two layers of 4 * d. A query sees the keys up to its own.
        let layer = 24 * n * d * d + 2 * n * (s + 1) * d;
        let forward = match self.what {
            Trained::Mlp => 16 * n * d * d,
            Trained::CharGpt | Trained::Gpt2 => LAYERS as u64 * layer + 2 * n * d * V as u64,
        };
        // The gradient of each side of a product is a product of as many.
        3 * forward
    }

    /// The bytes that a step reads and writes: weights, and the two numbers that AdamW keeps for each.
    pub fn bytes(&self) -> Result<u64, Error> {
        let count = |shape: &[Dim]| shape.iter().map(|d| d.as_const().unwrap_or(0) as u64).product::<u64>();
        let weights: u64 = self.graph()?.weights.iter().map(|w| count(&w.ty.shape)).sum();
        Ok(match self.what {
            Trained::Mlp => 4 * weights,
            Trained::CharGpt | Trained::Gpt2 => 12 * weights,
        })
    }

    /// The weights that training begins with.
    pub fn weights(&self) -> Result<Weights, Error> {
        Ok(match self.what {
            Trained::Mlp => self.mlp().init(SEED)?.weights().clone(),
            Trained::CharGpt | Trained::Gpt2 => self.gpt().init(SEED)?.weights().clone(),
        })
    }

    /// What a step is given: what the network sees, and what it should say.
    pub fn inputs(&self) -> Result<[Tensor; 2], ViewError> {
        let vocabulary = self.dims().V;
        let given = |seed| match self.what {
            Trained::Mlp => Tensor::new(floats(self.rows * self.width, seed), [self.rows, self.width]),
            Trained::CharGpt | Trained::Gpt2 => {
                Tensor::new(ids(self.batch * self.rows, vocabulary, seed), [self.batch, self.rows])
            }
        };
        Ok([given(0)?, given(WANTED)?])
    }

    /// Compiles the step.
    pub fn compile(&self, target: Target, threads: usize) -> Result<Steps, Error> {
        let options = TrainOptions::new().threads(threads);
        match self.what {
            Trained::Mlp => {
                let (shape, len) = ([self.rows, self.width], self.rows * self.width);
                let (x, wanted) = (floats(len, 0), floats(len, WANTED));
                let training = self.mlp().init(SEED)?.compile_train_with(target, &options)?;
                Ok(Steps::of(training, move |t| t.step(x.view(shape), wanted.view(shape), RATE)))
            }
            Trained::CharGpt | Trained::Gpt2 => {
                let (shape, len) = ([self.batch, self.rows], self.batch * self.rows);
                let (given, next) = (ids(len, self.dims().V, 0), ids(len, self.dims().V, WANTED));
                let training = self.gpt().init(SEED)?.compile_train_with(target, &options)?;
                Ok(Steps::of(training, move |t| t.step(given.view(shape), next.view(shape), RATE)))
            }
        }
    }
}
