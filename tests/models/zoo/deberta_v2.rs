//! `transformers.models.deberta_v2.modeling_deberta_v2.DebertaV2ForSequenceClassification` (version 3, with
//! buckets of distances and shared keys): 624 lines there, 50 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    pub DebertaLayer<B, S, D = _, HEADS = _, H = _, BUCKETS = _, HD = D / HEADS>
        (x: [B, S, D], mask: bool[B, S], table: [2 * BUCKETS, D], rows: i32[S, S]) -> [B, S, D]
        where D % HEADS == 0, HD == D / HEADS
    {
        #[weights("attention.self.query_proj")] net query: Linear<D, D>;
        #[weights("attention.self.key_proj")] net key: Linear<D, D>;
        #[weights("attention.self.value_proj")] net value: Linear<D, D>;
        #[weights("attention.output.dense")] net out: Linear<D, D>;
        #[weights("attention.output.LayerNorm")] net norm1: LayerNorm<D>(eps = 1e-7);
        #[weights("intermediate.dense")] net up: Linear<D, H>;
        #[weights("output.dense")] net down: Linear<H, D>;
        #[weights("output.LayerNorm")] net norm2: LayerNorm<D>(eps = 1e-7);

        let q = rearrange(query(x), [b, s, (h d)] -> [b, h, s, d], h = HEADS);
        let k = rearrange(key(x), [b, s, (h d)] -> [b, h, s, d], h = HEADS);
        let v = rearrange(value(x), [b, s, (h d)] -> [b, h, s, d], h = HEADS);
        let place_q = rearrange(query(table), [r, (h d)] -> [h, d, r], h = HEADS);
        let place_k = rearrange(key(table), [r, (h d)] -> [h, d, r], h = HEADS);
        let place_q = expand(place_q, [B, HEADS, HD, 2 * BUCKETS]);
        let place_k = expand(place_k, [B, HEADS, HD, 2 * BUCKETS]);
        let rows = expand(rows, [B, HEADS, S, S]);
        let content_to_place = take_along(q @ place_k, rows, axis = -1);
        let place_to_content = take_along(k @ place_q, rows.t, axis = -1).t;
        let bias = (content_to_place + place_to_content) / sqrt(3 * HD);
        let a = attention(q, k, v, heads = HEADS, mask = mask, bias = bias, scale = 1 / sqrt(3 * HD));
        let x = norm1(x + out(rearrange(a, [b, h, s, d] -> [b, s, (h d)])));
        norm2(x + down(gelu(up(x))))
    }

    pub Deberta<B, S, D = 768, HEADS = 12, H = 3072, LAYERS = 12, V = 128100, BUCKETS = 256, MAX = 512,
        LABELS = 3>
        (ids: i32[B, S], mask: bool[B, S]) -> [B, LABELS]
        where D % HEADS == 0, BUCKETS % 2 == 0
    {
        #[weights("deberta.embeddings.word_embeddings")] net words: Embedding<V, D>;
        #[weights("deberta.embeddings.LayerNorm")] net norm: LayerNorm<D>(eps = 1e-7);
        #[weights("deberta.encoder.rel_embeddings.weight")] param distances: [2 * BUCKETS, D];
        #[weights("deberta.encoder.LayerNorm")] net table_norm: LayerNorm<D>(eps = 1e-7);
        #[weights("deberta.encoder.layer.{i}")] net layers: [DebertaLayer<D, HEADS, H, BUCKETS>; LAYERS];
        #[weights("pooler.dense")] net pooler: Linear<D, D>;
        net classifier: Linear<D, LABELS>;

        let keep = expand(reshape(cast(mask, f32), [B, S, 1]), [B, S, D]);
        // Distances up to half of the buckets are rows of the table, longer ones grow with their logarithm.
        let distance = cast(expand(reshape(arange(S), [S, 1]), [S, S]) - arange(S), f32);
        let long = log(abs(distance) / (BUCKETS / 2)) / log((MAX - 1.0) / (BUCKETS / 2));
        let long = BUCKETS / 2 - floor(-long * (BUCKETS / 2 - 1));
        let place = select(abs(distance) <= BUCKETS / 2, distance, sign(distance) * long);
        let rows = cast(clamp(place + BUCKETS, 0, 2 * BUCKETS - 1), i32);
        let table = table_norm(distances);
        let mut x = norm(words(ids)) * keep;
        for layer in layers { x = layer(x, mask, table, rows); }
        classifier(gelu(pooler(x[S = 0])))
    }
}

fn small() -> DebertaDims {
    DebertaDims { D: 16, HEADS: 2, H: 24, LAYERS: 2, V: 30, BUCKETS: 8, MAX: 24, LABELS: 3 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Deberta::with(small()).load(weights("deberta_v2"))?;
    answers("deberta_v2", &["logits"], |target| net.compile(target))
}
