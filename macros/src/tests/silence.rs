//! Mistakes that would change results and nothing else: what is never used, and axes in the wrong order.

use super::{errors_in, one};

/// A network around a body that uses `mask`, `H`, `K`, `eps` and `y`, or not.
fn network(body: &str) -> Vec<String> {
    errors_in(&format!(
        "N<B, S, D = 8, H = 2, K = 3>(option eps = 1e-5)(x: [B, S, D], mask: bool[B, S]) -> [B, S, D] where D % H == 0 {{ {body} }}"
    ))
}

#[test]
fn nothing_is_declared_in_vain() {
    let norm = "layer_norm(x, over = D, eps = eps)";
    let all = "attention(y, y, y, heads = H, mask = mask)";
    assert!(network(&format!("let y = {norm} * K; {all}")).is_empty());
    one(network(&format!("let y = {norm} * K; attention(y, y, y, heads = H)")), {
        "input `mask` is never used\nhelp: `attention` takes it by name, `attention(.., mask = mask)`; or call it `_mask` to keep it unused"
    });
    one(network(&format!("let y = {norm} * K; y + select(mask, 1, 0)[0, 0]")), {
        "dimension `H` is never used\n  the promise `where D % H == 0` alone changes nothing\nhelp: remove it, or call it `_H` to keep it"
    });
    one(
        network(&format!("let y = {norm}; {all}")),
        "dimension `K` is never used\nhelp: remove it, or call it `_K` to keep it",
    );
    one(
        network(&format!("let y = layer_norm(x, over = D) * K; {all}")),
        "option `eps` is never used\nhelp: remove it, or write `option _eps` to keep it",
    );
    one(
        network(&format!("let y = {norm} * K; let y = relu(x); {all}")),
        "value `y` is never used\nhelp: remove it, or write `let _y` to keep it",
    );
    one(
        network(&format!("let y = {norm} * K; let mut z = y; z = y; {all}")),
        "value `z` is never used\nhelp: remove it, or write `let _z` to keep it",
    );
    let looped = |name: &str| {
        network(&format!(
            "net ls: [Linear<D, D>; 2]; let mut y = {norm} * K; for {name} in ls {{ y = relu(y); }} {all}"
        ))
    };
    one(looped("l"), {
        "loop variable `l` is never used\nhelp: call it, `x = l(x);`, or write `for _l in ..` to go through it unused"
    });
    assert!(looped("_l").is_empty());
    one(
        errors_in(
            "N<B, D = 8> { fn f(x: [B, D], y: [B, D]) -> [B, D] { x } fn g(y: [B, D]) -> [B, D] { y } }",
        ),
        "input `y` is never used\nhelp: remove it, or call it `_y` to keep it",
    );
    assert!(
        errors_in("N<B, S, _T, _D = 8, M = 4>(option _o = true)(x: [B, S], _y: [_T]) -> [B, S] where S <= M { let _z = x; x }")
            .is_empty()
    );
}

#[test]
fn lengths_and_heads_where_none_belong() {
    let table = |index: &str| {
        errors_in(&format!(
            "N<B, S, M = 9, D = 8>(x: [B, S, D]) -> [B, S, D] {{ param pos: [M, D]; x + pos[{index}] }}"
        ))
    };
    one(table("S"), {
        "`S` as an index is the one element with that number, and it is the length of an input\nhelp: the first S elements are `pos[0..S]`, the last of them `pos[S - 1]`; element S itself is `pos[M = S]`"
    });
    for good in ["0..S", "S - 1", "M = S", "M - 1"] {
        assert!(table(good).is_empty(), "{good}: {:#?}", table(good));
    }
    let rope = |shape: &str, axes: &str| {
        errors_in(&format!(
            "N<B, S, H = 2, E = 4>(x: {shape}) -> [B, H, S, E] {{ let q = transpose(rope(x), axes = {axes}); attention(q, q, q) }}"
        ))
    };
    one(rope("[B, S, H, E]", "(0, 2, 1, 3)"), {
        "`rope` takes `H` for positions: they are the third axis of [B, HEADS, S, HD]\n  `x` is [B, S, H (2), E (4)]\n  `attention` has `H` heads\nhelp: swap the two axes first: `rope(transpose(x, axes = (0, 2, 1, 3)))`"
    });
    assert!(rope("[B, H, S, E]", "(0, 1, 2, 3)").is_empty());
}

#[test]
fn what_divides_leaves_no_floor() {
    let vit = |wheres: &str| {
        errors_in(&format!(
            "V<B, S = 32, P = 8, D = 4>(x: [B, 3, S, S]) -> [B, D, S / P, S / P] where {wheres} {{ net c: Conv2d<3, D, K = P, STRIDE = P>; c(x) }}"
        ))
    };
    assert!(vit("S % P == 0").is_empty(), "{:#?}", vit("S % P == 0"));
    let unet = errors_in(
        "U<N, H, W>(x: [N, 3, H, W]) -> [N, 9, H, W] where H % 4 == 0, W % 4 == 0 {
            let half = max_pool2d(x, kernel = 2);
            let quarter = max_pool2d(half, kernel = 2);
            let up = concat(half, upsample_nearest(quarter, scale = 2), axis = 1);
            concat(x, upsample_nearest(up, scale = 2), axis = 1)
        }",
    );
    assert!(unet.is_empty(), "{unet:#?}");
    assert!(errors_in("N<B, S>(x: [B, S]) -> [B, S / 2] where S % 4 == 0 { x[.., 0..S / 2] }").is_empty());
}

#[test]
fn a_growing_dim_is_handed_on() {
    const BLOCK: &str = "M<B, S, P: ..=8, D = 4>(x: [B, S, D]) -> [B, D] { state k: [B, P, D] grow P; mean(k.push(x), over = 1) }";
    let used = |header: &str, dims: &str| {
        errors_in(&format!(
            "{BLOCK} N<B, S{header}, D = 4>(x: [B, S, D]) -> [B, D] {{ net m: M<D = D{dims}>; m(x) }}"
        ))
    };
    one(used("", ""), {
        "`M` needs its dimension `P`, which follows from none of its inputs\nhelp: declare it in the header too, `P: ..=8`, and hand it on where the net is declared: `M<P = P>`"
    });
    assert!(used(", P: ..=8", ", P = P").is_empty(), "{:#?}", used(", P: ..=8", ", P = P"));
}
