//! A network that writes text, one character after another: the model of `train_gpt` and `write`.

#![allow(dead_code)] // not every example needs all of it

use tancho::network;

network! {
    /// A block of a decoder: attention and a feed-forward layer, each added to the residual stream behind a
    /// layer norm (Radford et al. 2019), with rotary positions (Su et al. 2021).
    pub WriterBlock<B, S, P: ..=T, D = 128, HEADS = 4, T = 128>
        where D % HEADS == 0
    {
        net norm_1: LayerNorm<D>;
        net qkv:    Linear<D, 3 * D>;
        net out:    Linear<D, D>;
        net norm_2: LayerNorm<D>;
        net up:     Linear<D, 4 * D>;
        net down:   Linear<4 * D, D>;

        /// Whole texts at once.
        fn forward(x: [B, S, D]) -> [B, S, D] {
            let (q, k, v) = heads(x);
            let a = attention(rope(q), rope(k), v, heads = HEADS, causal = true);
            think(x + out(rearrange(a, [b, h, s, d] -> [b, s, (h d)])))
        }

        /// What follows the last `T` characters, whose keys and values are kept: a text may go on without
        /// end.
        fn next(x: [B, S, D]) -> [B, S, D] {
            state keys:   [B, HEADS, P, D / HEADS] last P;
            state values: [B, HEADS, P, D / HEADS] last P;
            state seen:   i32[];

            let at = arange(S) + seen;
            seen += S;
            let (q, k, v) = heads(x);
            let (q, k) = (rope(q, positions = at), keys.push(rope(k, positions = at)));
            let a = attention(q, k, values.push(v), heads = HEADS, causal = true, window = T);
            think(x + out(rearrange(a, [b, h, s, d] -> [b, s, (h d)])))
        }

        /// Queries, keys and values.
        fn heads(x: [B, S, D])
            -> ([B, HEADS, S, D / HEADS], [B, HEADS, S, D / HEADS], [B, HEADS, S, D / HEADS])
        {
            let all = qkv(norm_1(x));
            let all = rearrange(all, [b, s, (three h d)] -> [three, b, h, s, d], three = 3, h = HEADS);
            (all[0], all[1], all[2])
        }

        fn think(x: [B, S, D]) -> [B, S, D] { x + down(gelu(up(norm_2(x)))) }
    }

    /// Scores of the character that follows each.
    pub Writer<B, S, P: ..=T, V = 96, D = 128, HEADS = 4, LAYERS = 4, T = 128>
        where D % HEADS == 0
    {
        param embed: [V, D] = normal(0.02);
        net blocks: [WriterBlock<D = D, HEADS = HEADS, T = T, P = P>; LAYERS];
        net norm: LayerNorm<D>;

        /// The scores behind each character of texts.
        fn forward(ids: i32[B, S]) -> [B, S, V] {
            let mut x = embed[ids];
            for block in blocks { x = block(x); }
            norm(x) @ embed.t
        }

        /// The mean loss of the characters that follow, in nats.
        fn loss(ids: i32[B, S], next: i32[B, S]) -> [] {
            mean(cross_entropy(forward(ids), next), over = (0, 1))
        }

        /// A step of training.
        train fn step(ids: i32[B, S], next: i32[B, S], lr: []) -> [] {
            let loss = loss(ids, next);
            minimize loss with adamw(lr = lr, beta2 = 0.99, weight_decay = 0.1, clip_norm = 1);
            loss
        }

        /// The scores of the next character, behind the last `T` that were given.
        fn write(ids: i32[B, S]) -> [B, V] {
            let mut x = embed[ids];
            for block in blocks { x = block.next(x); }
            norm(x)[S = -1] @ embed.t
        }
    }
}

/// Characters as ids: the end of a line is 0, and the printable characters of ASCII follow. Others are left
/// out.
pub fn ids(text: &str) -> Vec<i32> {
    let id = |c: char| match c {
        '\n' => Some(0),
        ' '..='~' => Some(c as i32 - 31),
        _ => None,
    };
    text.chars().filter_map(id).collect()
}

/// The character of an id.
pub fn character(id: i32) -> char {
    u8::try_from(id + 31).ok().filter(|b| (32..127).contains(b)).map_or('\n', char::from)
}
