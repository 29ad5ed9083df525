//! The messages about loops, entry points, states and training.

use super::{body, errors_in, one};

#[test]
fn loops() {
    assert!(body("let mut y = x; repeat i in 0..3 { param w: [D]; y = y * w + i; } y").is_empty());
    assert!(
        body("let mut y = x; repeat i in 1..D { #[weights(\"l.{i}\")] net l: Linear<D, D>; y = l(y); } y")
            .is_empty()
    );
    one(body("let mut y = x; repeat i in 0..3 { y = y[S = 0..i]; } y"), {
        "`y` changes shape inside the loop: it enters as [B, S, D (8)] and leaves as [B, i, D (8)]\nhelp: every iteration must give back the shape it was given; use `let` for a value of another shape"
    });
    one(body("repeat i in 0..S { let _y = x; } x"), {
        "`repeat` is unrolled when the graph is built, but `S` is a run-time dimension\nhelp: give `S` a default, `S = 4`, or loop along an axis: `scan x_t in x over S { .. }`"
    });
    one(body("repeat D in 0..2 { let _y = x; } x"), {
        "the iteration of a `repeat` cannot be called `D`: that is a dimension\nhelp: dimensions, options, inputs and items share one namespace; only `let` may use the name of an input, of a net, of a weight or of another `let` again"
    });
    one(body("repeat i in 3..2 { let _y = x; } x"), "`repeat` from 3 to 2 ends before it begins");
    one(body("repeat i in 0..2 { #[weights(\"w\")] param w: [D]; let _y = x * w; } x"), {
        "all iterations of `w` would load the same tensors \"w\"\nhelp: put the iteration's number in the path: #[weights(\"w.{i}\")]"
    });
    one(body("repeat k in 0..2 { #[weights(\"w.{i}\")] param w: [D]; let _y = x * w; } x"), {
        "`{i}` is not a loop variable of `w`\nhelp: its loop variables are `{k}`; static dims may stand in a path too"
    });
    one(body("repeat k in 0..2 { #[weights(\"w.{i}.{k}\")] param w: [D]; let _y = x * w; } x"), {
        "`{i}` is not a loop variable of `w`\nhelp: its loop variables are `{k}`; static dims may stand in a path too"
    });
    one(body("repeat i in 0..2 { net _l: [Linear<D, D>; 2]; } x"), {
        "two iterations of `_l` are called `{i}`\nhelp: an array of nets counts its iterations by `{i}`; call the iteration of the `repeat` something else, or declare the item outside of the loop"
    });
    one(
        body("repeat i in 0..2 { x }; x"),
        "the value of `x` is not used\nhelp: leave the `;` out if it is the result, or else the line",
    );
    one(
        body("repeat i in 0 { let _y = x; } x"),
        "expected `..` between the first iteration and the end, found `{`",
    );
}

#[test]
fn each_name_of_a_tuple_is_mutable_by_itself() {
    assert!(body("let (mut a, b) = (x, x); a = a + b; a").is_empty());
    assert!(body("let mut (a, b) = (x, x); a = b; b = a; b").is_empty());
    one(body("let (mut a, b) = (x, x); a = b; b = a; b"), {
        "`b` cannot be assigned to\nhelp: declare it with `let mut b = ..;`"
    });
}

#[test]
fn loops_that_change_nothing() {
    one(body("let mut y = x; repeat i in 0..3 { let y = y * i; } y"), {
        "`repeat i in 0..3` changes nothing: it assigns to no variable\nhelp: `let` makes a new value in each iteration; assign to the stream instead: `y = ..;`"
    });
    one(body("net ls: [Linear<D, D>; 2]; for l in ls { let y = l(x); } x"), {
        "`for l in ls` changes nothing: it assigns to no variable\nhelp: declare the stream before it, `let mut x = x;`, and assign to it: `x = ..;`"
    });
}

#[test]
fn storage() {
    one(body("buffer n: i32[D] = normal(1.0); x * cast(n, f32)"), {
        "a weight of type i32 cannot start as `normal(1.0)`\nhelp: it starts as `zeros` or `ones`"
    });
    assert!(body("buffer n: i32[D] = ones; param t: bf16[D]; x * cast(n, f32) * cast(t, f32)").is_empty());
    one(
        body("buffer b: [D]; x"),
        "buffer `b` is never used\nhelp: remove it, or write `buffer _b` to keep a weight the body ignores",
    );
    one(errors_in("#[frozen] N<B>(x: [B]) -> [B] { x }"), "`#[frozen]` belongs before an item");
    one(body("#[unused_weights(\"a\")] param w: [D]; x * w"), "`#[unused_weights]` belongs before a network");
}

#[test]
fn entry_points() {
    let coder = |members: &str| errors_in(&format!("N<B, D = 8> {{ param w: [D]; {members} }}"));
    assert!(
        coder("fn a(x: [B, D]) -> [B, D] { x * w } pub(crate) fn b(x: [B, D]) -> [B, D] { a(a(x)) }")
            .is_empty()
    );
    one(errors_in("N<B, D = 8> { param w: [D]; }"), {
        "`N` has neither a signature nor an entry point\nhelp: write `N<B, D = 768>(x: [B, D]) -> [B, D] { .. }`, or a `fn forward(x: [B, D]) -> [B, D] { .. }` in it"
    });
    one(
        coder("fn a(x: [B, D]) -> [B, D] { x }"),
        "parameter `w` is never used\nhelp: remove it, or write `param _w` to keep a weight the body ignores",
    );
    one(coder("fn a(x: [B, D]) -> [B, D] { x * w } fn a(x: [B]) -> [B] { x }"), "`a` is declared twice");
    one(coder("fn D(x: [B, D]) -> [B, D] { x * w }"), {
        "an entry point cannot be called `D`: that is a dimension\nhelp: dimensions, options, inputs and items share one namespace; only `let` may use the name of an input, of a net, of a weight or of another `let` again"
    });
    one(coder("fn a(x: [B, D]) -> [B, D] { x * w } fn a_into(x: [B]) -> [B] { x }"), {
        "an entry point cannot be called `a_into`: the compiled network has another method of that name\nhelp: choose another name"
    });
    one(coder("fn a(x: [B, D]) -> [B, D] { x * w } fn b(x: [B]) -> [B, D] { a(x) }"), {
        "`a` does not accept `x` for `x`\n  `x` takes [B, D (8)]\n  `x` is [B]"
    });
    one(
        coder("let y = w;  fn a(x: [B, D]) -> [B, D] { x * w }"),
        "expected `param`, `buffer`, `const`, `net`, `state` or `fn`, found `let`",
    );
    one(coder("fn a<S>(x: [B, S, D]) -> [B, S, D] where S <= D, D % 2 == 0 { x * w }"), {
        "`a` cannot have a `where` of its own\nhelp: promises stand in the header of the network, `Name<B, S, T = 64> where S <= T { .. }`; the run-time dimensions in them are declared there too, and each holds for the entry points that have its dimensions"
    });
    one(body("fn g(x: [B]) -> [B] { x } x"), {
        "`fn` cannot stand in the body of a network with a signature\nhelp: leave the signature out and declare every entry point: `Name<B, D = 768> { fn forward(..) -> .. { .. } }`"
    });
    let twice = body("/// Docs. \n fn g(x: [B]) -> [B] { x } fn h(x: [B]) -> [B] { x } h(g(x))");
    assert!(twice.len() == 1 && twice[0].starts_with("`fn` cannot stand"), "{twice:?}");
    let used = |call: &str| {
        errors_in(&format!(
            "C<B> {{ fn forward(x: [B]) -> [B] {{ x }} fn half(x: [B]) -> [B] {{ x / 2 }} }} N<B>(x: [B]) -> [B] {{ net c: C; {call} }}"
        ))
    };
    assert!(used("c.half(c(x))").is_empty());
    one(used("c.hulf(x)"), "`C` has no entry point `hulf`\nhelp: did you mean `half`?");
    one(
        used("c(x).half(x)"),
        "there is no `.half`\nhelp: `c(x).t` swaps the last two axes; everything else is a call, `f(c(x))`",
    );
    one(errors_in("N<B>(x: [B]) -> [B] { net c: other::C; c.half(x) }"), {
        "`half` of `other::C` cannot be called: `other::C` is declared by another `network!`\nhelp: only its main entry point is known there; call the net itself"
    });
}

/// A cache of rows: `N<B, S, P: ..=T, D = 8, T = 16>(x: [B, S, D]) -> [B, S, D]`.
fn cached(text: &str) -> Vec<String> {
    errors_in(&format!(
        "N<B, S, P: ..=T, D = 8, T = 16>(x: [B, S, D]) -> [B, S, D] {{ state k: [B, P, D] grow P; {text} }}"
    ))
}

#[test]
fn states() {
    assert!(
        cached("let all = k.push(x); x + expand(mean(all, over = 1, keep = true), [B, S, D])").is_empty()
    );
    assert!(cached("let old = mean(k, over = P); let _all = k.push(x); x + expand(reshape(old, [B, 1, D]), [B, S, D])").is_empty());
    assert!(cached("state h: [B, D]; let _a = k.push(x); h = h * 2 + sum(x, over = S); x").is_empty());
    one(
        cached("x"),
        "`k` grows but is never pushed to\nhelp: add the rows of this call: `let all = k.push(..);`",
    );
    one(cached("let _a = k.push(x); let _b = k.push(x); x"), {
        "`k` is pushed to twice in one call\nhelp: join the rows first: `k.push(concat(a, b, axis = ..))`"
    });
    one(cached("let mut y = x; repeat i in 0..2 { y = k.push(y)[0..B, 0..S]; } y"), {
        "`k` is pushed to in a loop it is declared outside of\nhelp: a state is pushed to once a call; declare it in the loop, and every iteration has one of its own"
    });
    one(cached("if D == T { k.push(x)[0..B, 0..S] } else { x }"), {
        "`k` is pushed to in one branch and not in the other\nhelp: it grows by the same rows in every call"
    });
    one(cached("let _a = k.push(x.t); x"), {
        "`x.t` cannot be pushed to `k`: only the axis `P` may differ\n  `k` is [B, P, D (8)]\n  `x.t` is [B, D (8), S]"
    });
    one(
        cached(
            "let _a = k.push(concat(x[S = 0..1], expand(x[S = 0..1], [B, 1, D]), axis = 1)[0..B, 0..1]); x @ k",
        ),
        {
            "inner dimensions of `@` differ: D (8) is not P\n  `x` is [B, S, D (8)]\n  `k` is [B, P, D (8)]\nhelp: `k` fits if transposed: `x @ k.t`"
        },
    );
    one(
        cached("k = x; x").into_iter().take(1).collect(),
        "`k` grows and cannot be assigned to\nhelp: add its new rows: `k.push(..)`",
    );
    one(cached("let _a = k.push(x); x.push(x)"), {
        "`x` is no state, and only a state can be pushed to\nhelp: `concat(x, .., axis = ..)` joins tensors; declare a state as `state keys: [B, P, D] grow P;`"
    });
    one(
        cached("let _a = k.push(x, x); x"),
        "`push` takes one tensor: the new rows\nhelp: for example `keys.push(k)`",
    );
    one(cached("state h: [B, D]; let _a = k.push(x); h.push(x)"), {
        "`h` does not grow\nhelp: declare along which dimension: `state h: [..] grow P;`; or assign, `h = ..;`"
    });
    one(
        cached("state v: [B, P, D] grow P; let _a = k.push(x); let _b = v.push(concat(x, x, axis = 1)); x"),
        {
            "states that grow along `P` must grow alike\n  `k` grows by S\n  `v` grows by 2*S\nhelp: give one of them a dimension of its own"
        },
    );
    one(
        cached(
            "let _a = k.push(expand(x[S = 0..1], [B, 1, D])[0..B, 0..1]); let _c = k; #[frozen] state h: [D]; x",
        ),
        {
            "the state `h` is no weight and has no attributes of one\nhelp: a state starts as zeros and lives in the session; leave the attribute out"
        },
    );
}

#[test]
fn dims_of_states() {
    let declared = |dims: &str, state: &str| {
        errors_in(&format!(
            "N<B, {dims}, D = 8>(x: [B, S, D]) -> [B, S, D] {{ {state} let _a = k.push(x); x }}"
        ))
    };
    one(declared("S, P", "state k: [B, P, D] grow P;"), {
        "`k` cannot grow along `P`, which is without a bound\nhelp: a session reserves memory for the longest: declare `P: ..=1024`"
    });
    one(declared("S, P = 4", "state k: [B, P, D] grow P;"), {
        "`k` cannot grow along `P`, which is static\nhelp: a session reserves memory for the longest: declare `P: ..=1024`"
    });
    one(declared("S, P: ..=4", "state k: [B, 2 * P, D] grow P;"), {
        "`k` grows along `P`, which must stand alone on one of its axes\n  `k` is [B, 2*P, D]"
    });
    // N19
    one(
        errors_in(
            "N<B, P: ..=T, D = 8, T = 1024>(x: [B, 2048, D]) -> [B, 2048, D] { state k: [B, P, D] grow P; let _a = k.push(x); x }",
        ),
        {
            "`k` holds at most T = 1024 rows, but this call alone adds 2048\nhelp: raise the bound, or push fewer rows in a call"
        },
    );
    one(
        errors_in(
            "M<B, P: ..=4>(x: [B]) -> [P] { state k: [P] grow P; k.push(x)[0..P] } N<B>(x: [B]) -> [B] { net m: M; m(x) }",
        ),
        {
            "`M` needs its dimension `P`, which follows from none of its inputs\nhelp: declare it in the header too, `P: ..=4`, and hand it on where the net is declared: `M<P = P>`"
        },
    );
}

/// `train fn step(x: [B, D], y: i32[B], lr: []) -> []` of a network with a layer, which need not use all of
/// it.
fn trained(text: &str) -> Vec<String> {
    let mut all = errors_in(&format!(
        "N<B, D = 8> {{ net up: Linear<D, D>; fn forward(x: [B, D]) -> [B, D] {{ up(x) }} train fn step(x: [B, D], y: i32[B], lr: []) -> [] {{ {text} }} }}"
    ));
    all.retain(|e| !e.contains("is never used"));
    all
}

#[test]
fn training() {
    let loss = "let loss = mean(forward(x), over = (0, 1));";
    assert!(
        trained(&format!("{loss} minimize loss with adamw(lr = lr, weight_decay = 0.01); loss")).is_empty()
    );
    assert!(
        trained(&format!("{loss} minimize loss * 2 with sgd(lr = 0.1, momentum = 0.9); loss")).is_empty()
    );
    one(trained(&format!("{loss} loss")), {
        "`train fn step` minimises nothing\nhelp: say what its weights learn: `minimize loss with adamw(lr = lr);`"
    });
    one(body("minimize sum(x, over = (0, 1, 2)) with sgd(lr = 0.1); x"), {
        "`minimize` stands in a `train fn`\nhelp: for example `train fn step(x: [B, D], y: i32[B], lr: []) -> [] { .. }`"
    });
    one(trained(&format!("{loss} minimize loss with sgd(lr = 1); minimize loss with sgd(lr = 1); loss")), {
        "a `train fn` minimises one loss\nhelp: minimise the sum: `minimize a + b with ..`"
    });
    one(trained(&format!("{loss} repeat i in 0..2 {{ minimize loss with sgd(lr = 1); }} loss")), {
        "`minimize` cannot stand in a loop\nhelp: add up the losses in the loop and minimise their sum after it"
    });
    one(
        trained(&format!(
            "let rows = sum(forward(x), over = D); minimize rows with sgd(lr = 1); {loss} loss"
        )),
        "a loss is one number, but `rows` is [B]\nhelp: `mean(rows, over = ..)` makes one of it",
    );
    one(
        trained(&format!("{loss} minimize loss with adam_w(lr = 1); loss")),
        "unknown optimiser `adam_w`\nhelp: did you mean `adamw`?",
    );
    one(
        trained(&format!("{loss} minimize loss with rmsprop(lr = 1); loss")),
        "unknown optimiser `rmsprop`\nhelp: there are `sgd`, `momentum`, `adam`, `adamw` and `lion`",
    );
    one(
        trained(&format!("{loss} minimize loss with adamw(weight_decay = 1); loss")),
        "`adamw` needs `lr`\nhelp: it is called as `adamw(lr = 1e-3)`",
    );
    one(trained(&format!("{loss} minimize loss with sgd(lr); loss")), {
        "settings of `sgd` are given by name\nhelp: for example `sgd(lr = 1e-3)`"
    });
    one(
        trained(&format!("{loss} minimize loss with sgd(lr = lr, momentun = 0.9); loss")),
        "`sgd` has no argument `momentun`\nhelp: did you mean `momentum`?",
    );
    one(
        trained(&format!("{loss} minimize loss with sgd(lr = x); loss")),
        "`lr` is one number, but `x` is [B, D (8)]\nhelp: declare it as `x: []`",
    );
    one(
        trained(&format!("{loss} minimize loss with adam(lr = lr, beta2 = 1); loss")),
        "`beta2` must be from 0 to below 1, but is 1\nhelp: leave it out to have its default",
    );
    one(
        trained(&format!("{loss} minimize loss with lion(lr = lr, weight_decay = lr); loss")),
        "`weight_decay` stays the same in all steps, but `lr` is no number\nhelp: write a number, or an option of the network; only `lr` may be a value of the step",
    );
}

#[test]
fn gradients() {
    one(trained("let loss = mean(x, over = (0, 1)); minimize loss with sgd(lr = lr); loss"), {
        "the loss depends on no weight that could learn\nhelp: call a net or use a `param` that is not `#[frozen]`"
    });
    // N16
    one(
        trained(
            "let loss = mean(cast(argmax(forward(x), over = D), f32), over = B); minimize loss with sgd(lr = lr); loss",
        ),
        {
            "`argmax` has no gradient, so nothing before it would learn\nhelp: move it outside the loss, or mark it on purpose with `stop_gradient(argmax(forward(x), over = D))`"
        },
    );
    // Through another entry point, and through another network: the op is named where it stands.
    let text = "N<B, D = 8> { param w: [D]; fn pick(x: [B, D]) -> [B] { cast(argmax(x * w, over = D), f32) } train fn step(x: [B, D]) -> [] { let l = mean(pick(x), over = B); minimize l with sgd(lr = 1); l } }";
    one(errors_in(text), {
        "`argmax` has no gradient, so nothing before it would learn\nhelp: move it outside the loss, or mark it on purpose with `stop_gradient(argmax(x * w, over = D))`"
    });
    let picker = "Picker<B, D = _>(x: [B, D]) -> ([B], [B, D]) { param s: [D]; let y = x * s; (cast(argmax(y, over = D), f32), y) }";
    let trains = |loss: &str| {
        format!(
            "{picker} M<B, D = 8> {{ net p: Picker<D>; train fn step(x: [B, D]) -> [] {{ let (a, y) = p(x); let l = {loss}; minimize l with sgd(lr = 1); l }} }}"
        )
    };
    one(errors_in(&trains("mean(a, over = B) + mean(y, over = (0, 1))")), {
        "`argmax` has no gradient, so nothing before it would learn\nhelp: move it outside the loss, or mark it on purpose with `stop_gradient(argmax(y, over = D))`"
    });
    assert_eq!(
        errors_in(&trains("mean(stop_gradient(a), over = B) + mean(y, over = (0, 1))")),
        Vec::<String>::new()
    );
    // What no path joins to a loss must be frozen.
    let other = |mark: &str| {
        format!(
            "N<B, D = 8> {{ param w: [D]; {mark} param v: [D]; {mark} net up: Linear<D, D>; fn f(x: [B, D]) -> [B, D] {{ up(x * v) }} train fn step(x: [B, D]) -> [] {{ let l = sum(x * w, over = (0, 1)); minimize l with sgd(lr = 1); l }} }}"
        )
    };
    assert_eq!(
        errors_in(&other("")),
        [
            "`v` would learn nothing: no path leads from it to the loss of `train fn step`\nhelp: use it for the loss, or write `#[frozen]` before it, if `N` is to keep it as it is",
            "`up` would learn nothing: no path leads from it to the loss of `train fn step`\nhelp: use it for the loss, or write `#[frozen]` before it, if `N` is to keep it as it is",
        ]
    );
    assert_eq!(errors_in(&other("#[frozen]")), Vec::<String>::new());
    // What chooses needs no gradient: only what it chooses among.
    assert!(
        trained("let h = forward(x); let loss = mean(select(lt(h, 0), -h, h), over = (0, 1)); minimize loss with sgd(lr = lr); loss")
            .is_empty()
    );
    one(
        errors_in(
            "N<B> { param w: [1]; fn f(x: [B]) -> [B] { step(x) } train fn step(x: [B]) -> [B] { let l = sum(w, over = 0); minimize l with sgd(lr = 1); x } }",
        ),
        "`step` is a `train fn` and cannot be called\nhelp: it changes the weights; call what it calls",
    );
}

/// The article's `ResidualBlock`.
#[test]
fn the_article_s_block() {
    let found = errors_in(
        r#"
        #[unused_weights("*.num_batches_tracked")]
        pub ResidualBlock<N, CIN = 64, COUT = 128, STRIDE = 2, H, W>
            (x: [N, CIN, H, W]) -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
        {
            net conv1: Conv2d<CIN, COUT, K = 3, STRIDE = STRIDE, PAD = 1>(bias = false);
            net bn1:   BatchNorm<COUT>;
            net conv2: Conv2d<COUT, COUT, K = 3, PAD = 1>(bias = false);
            net bn2:   BatchNorm<COUT>;

            let skip = if STRIDE == 1 && CIN == COUT { x } else {
                #[weights("shortcut.0")] net conv: Conv2d<CIN, COUT, K = 1, STRIDE = STRIDE>(bias = false);
                #[weights("shortcut.1")] net bn:   BatchNorm<COUT>;
                bn(conv(x))
            };
            relu(residual(skip) { bn2(conv2(relu(bn1(conv1(x))))) })
        }
        "#,
    );
    assert!(found.is_empty(), "{found:#?}");
}

/// What people write who come from Rust or from PyTorch.
#[test]
fn habits_from_elsewhere() {
    let first = |found: Vec<String>| found.into_iter().take(1).collect::<Vec<_>>();
    one(body("x ** 2"), "there is no operator `**`\nhelp: a constant power of a value is `pow(x, 2)`");
    one(body("cat(x, x)"), "unknown operation `cat`\nhelp: it is written `concat(a, b, axis = ..)` here");
    one(body("x.relu()"), "there is no `.relu`\nhelp: operations are called: `relu(x)`");
    one(body("x.T"), "there is no `.T`\nhelp: the last two axes are swapped by `x.t`");
    one(body("x.view(8)"), "there is no `.view`\nhelp: it is written `reshape(x, [..])` here");
    one(
        body("mean(x, S); x").into_iter().take(1).collect(),
        "`mean` takes its axis by name\nhelp: write `over = S`",
    );
    one(
        first(body("for i in 0..4 { let _y = x; } x")),
        "`for` goes through an array of nets\nhelp: to repeat a block N times, write `repeat i in 0..N { .. }`",
    );
    one(body("while true { } x"), {
        "`while` is no part of `network!`\nhelp: loops have a fixed number of iterations: `repeat i in 0..N { .. }`, or `for layer in layers { .. }`"
    });
    one(
        body("return x;"),
        "`return` is no part of `network!`\nhelp: the last line of the body, without a `;`, is the result",
    );
    one(
        first(body("match x { } x")),
        "`match` is no part of `network!`\nhelp: `if` chooses by options and static dimensions",
    );
    one(errors_in("fn f(x: [B]) -> [B] { x }"), {
        "expected the name of a network, found `fn`\nhelp: a network is `pub Name<B, D = 768>(x: [B, D]) -> [B, D] { .. }`; Rust's own items stand outside of `network!`"
    });
    one(errors_in("N<B, D: 8>(x: [B, D]) -> [B, D] { x }"), {
        "expected `..=` before the bound of `D`\nhelp: `D: ..=8` is a run-time dimension of at most 8, `D = 8` a static one"
    });
}
