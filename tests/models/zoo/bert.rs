//! `transformers.models.bert.modeling_bert.BertForPreTraining`: 591 lines there, 35 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    pub BertLayer<B, S, D = 768, HEADS = 12, H = 3072>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D]
        where D % HEADS == 0
    {
        #[weights("attention.self.query")] net q: Linear<D, D>;
        #[weights("attention.self.key")] net k: Linear<D, D>;
        #[weights("attention.self.value")] net v: Linear<D, D>;
        #[weights("attention.output.dense")] net out: Linear<D, D>;
        #[weights("attention.output.LayerNorm")] net norm1: LayerNorm<D>(eps = 1e-12);
        #[weights("intermediate.dense")] net up: Linear<D, H>;
        #[weights("output.dense")] net down: Linear<H, D>;
        #[weights("output.LayerNorm")] net norm2: LayerNorm<D>(eps = 1e-12);

        let x = norm1(x + out(attention(q(x), k(x), v(x), heads = HEADS, mask = mask)));
        norm2(x + down(gelu(up(x))))
    }

    /// The logits of the masked words, whose layer is the embedding, and of the next sentence.
    pub Bert<B, S: ..=MAX, D = 768, HEADS = 12, H = 3072, LAYERS = 12, V = 30522, MAX = 512>
        (ids: i32[B, S], mask: bool[B, S], types: i32[B, S]) -> ([B, S, V], [B, 2])
        where D % HEADS == 0
    {
        #[weights("bert.embeddings.word_embeddings.weight")] param words: [V, D];
        #[weights("bert.embeddings.position_embeddings.weight")] param positions: [MAX, D];
        #[weights("bert.embeddings.token_type_embeddings.weight")] param kinds: [2, D];
        #[weights("bert.embeddings.LayerNorm")] net norm: LayerNorm<D>(eps = 1e-12);
        #[weights("bert.encoder.layer.{i}")] net layers: [BertLayer<D, HEADS, H>; LAYERS];
        #[weights("bert.pooler.dense")] net pooler: Linear<D, D>;
        #[weights("cls.predictions.transform.dense")] net transform: Linear<D, D>;
        #[weights("cls.predictions.transform.LayerNorm")] net transform_norm: LayerNorm<D>(eps = 1e-12);
        #[weights("cls.predictions.bias")] param bias: [V];
        #[weights("cls.seq_relationship")] net next: Linear<D, 2>;

        let mut x = norm(words[ids] + positions[0..S] + kinds[types]);
        for layer in layers { x = layer(x, mask); }
        (
            linear(transform_norm(gelu(transform(x))), words, bias),
            next(tanh(pooler(x[S = 0]))),
        )
    }
}

fn small() -> BertDims {
    BertDims { D: 16, HEADS: 2, H: 24, LAYERS: 2, V: 30, MAX: 12 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Bert::with(small()).load(weights("bert"))?;
    answers("bert", &["words", "next"], |target| net.compile(target))
}
