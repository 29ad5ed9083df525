//! Input that no one would write by hand: every piece of it is an error at a place, or nothing at all, and
//! soon.

use super::{body, errors_in, errors_of, one, tokens};

/// Enough for a quadratic walk to be noticed and a cubic one to fail the run's patience.
const MANY: usize = 2000;

fn any(found: &[String], part: &str) {
    assert!(found.iter().any(|m| m.contains(part)), "no `{part}` in {found:#?}");
}

#[test]
fn networks_that_contain_each_other() {
    let chain = |n: usize| -> String {
        (0..n).map(|i| format!("N{i}<B>(x: [B]) -> [B] {{ net a: N{}; a(x) }}", (i + 1) % n)).collect()
    };
    one(
        errors_in(&chain(1)),
        "`N0` contains itself\nhelp: a network is unrolled where it is used; repeat a layer with an array: `net layers: [Layer; LAYERS];`",
    );
    assert_eq!(errors_in(&chain(3)).len(), 1);
    assert_eq!(errors_in(&chain(300)).len(), 1);
    // Twice as many uses in each as in the one before: nothing is unrolled here.
    let doubling: String = (0..60)
        .map(|i| format!("N{i}<B>(x: [B]) -> [B] {{ net a: N{0}; net b: N{0}; a(b(x)) }}", i + 1))
        .chain(["N60<B>(x: [B]) -> [B] { x }".to_string()])
        .collect();
    assert!(errors_in(&doubling).is_empty());
    one(errors_in("N<B> { fn f(x: [B]) -> [B] { g(x) } fn g(x: [B]) -> [B] { f(x) } }"), {
        "`f` calls itself\n  f -> g -> f\nhelp: an entry point is unrolled where it is called; repeat with `for` or `repeat`"
    });
}

#[test]
fn dims_by_the_thousand() {
    let named =
        |p: &dyn Fn(usize) -> String| (0..MANY).map(|i| format!(", D{i} = {}", p(i))).collect::<String>();
    let network = |dims: &str| errors_in(&format!("N<B{dims}>(x: [B, D0]) -> [B, D0] {{ relu(x) }}"));
    // All but the first are too many to be named.
    let unused = network(&named(&|i| i.to_string()));
    assert!(unused.iter().all(|e| e.contains("is never used")), "{unused:#?}");
    assert!(network(&named(&|i| i.to_string()).replace(", D", ", _D").replace("_D0", "D0")).is_empty());
    // Each from the next, from the first, all in one ring, and all of one name.
    let next = |i: usize| if i + 1 == MANY { "8".into() } else { format!("D{}", i + 1) };
    assert!(network(&named(&next)).is_empty());
    let ring = network(&named(&|i| format!("D{}", (i + 1) % MANY)));
    assert_eq!(ring.len(), 1, "{}", ring.len());
    any(&ring, "depend on each other");
    let same: String = (0..MANY).map(|_| ", D0 = 8").collect();
    any(&network(&same), "`D0` is declared twice");
    // Each twice the next: 2^2000 fits into nothing.
    any(
        &network(&named(&|i| if i + 1 == MANY { "8".into() } else { format!("2 * D{}", i + 1) })),
        "does not fit into 64 bits",
    );
}

#[test]
fn dims_of_many_terms() {
    let sum = |n: usize| vec!["D"; n].join(" + ");
    assert!(body(&format!("let _y: [B, S, ({})] = x; x", sum(100))).len() == 1);
    for long in [sum(10_000), vec!["D"; 10_000].join(" * "), format!("{}D", "- ".repeat(10_000))] {
        let found = body(&format!("let _y: [B, S, {long}] = x; x"));
        any(&found, "nested too deeply");
        assert_eq!(found.len(), 1, "{found:#?}");
    }
    // (A + B)^64 has 65 terms, of two dims; of sixteen, more than anybody could compare.
    let many: String = (0..16).map(|i| format!(", A{i} = 1")).collect();
    let base = (0..16).map(|i| format!("A{i}")).collect::<Vec<_>>().join(" + ");
    let product = vec![format!("({base})"); 16].join(" * ");
    let found = errors_in(&format!("N<B{many}>(x: [B]) -> [B] {{ let _y: [{product}] = x; x }}"));
    any(&found, "the expression is too large");
    // Floors in floors.
    let floors = (0..60).fold("D".to_string(), |d, i| format!("floor(({d} + {i} * S) / 3)"));
    assert!(body(&format!("let _y: [{floors}] = x; x")).len() == 1);
}

#[test]
fn numbers_at_the_ends() {
    for p in [
        "9223372036854775807 * 2",
        "-9223372036854775807 - 2",
        "9223372036854775807 * D * 9223372036854775807",
    ] {
        any(&body(&format!("let _y: [{p}] = x; x")), "does not fit into 64 bits");
    }
    any(&body("let _y: [-9223372036854775808] = x; x"), "it does not fit into 64 bits");
    any(&body("let _y: [D / 0] = x; x"), "cannot divide by `0`");
    any(&body("let _y: [floor(9223372036854775807 / 9223372036854775807) - 2] = x; x"), "cannot be -1");
    any(&body("clamp(x, -1e308, 1e309)"), "it is too large");
    any(&body("sum(x, over = 9223372036854775807)"), "has no axis");
    any(&body("sum(x, over = -9223372036854775807)"), "has no axis");
    any(&body("x[9223372036854775807]"), "`N` promises");
    any(&body("split(x, axis = D, parts = 9223372036854775807)"), "`parts` takes a positive integer");
    assert!(body("repeat i in 0..9223372036854775807 { let _y = x * i; } x").is_empty());
}

#[test]
fn names_from_elsewhere() {
    // Rust's identifiers may have any letters, and so may names here.
    assert!(
        errors_in("Réseau<Größe, 幅 = 8>(вход: [Größe, 幅]) -> [Größe, 幅] { let é = relu(вход); é }")
            .is_empty()
    );
    for name in [
        "r#type", "type", "Self", "self", "crate", "super", "async", "await", "dyn", "try", "yield", "gen",
        "abstract", "_",
    ] {
        assert!(!errors_in(&format!("N<{name}>(x: [{name}]) -> [{name}] {{ x }}")).is_empty(), "{name}");
        assert!(!errors_in(&format!("{name}<B>(x: [B]) -> [B] {{ x }}")).is_empty(), "{name}");
        assert!(!errors_in(&format!("N<B>({name}: [B]) -> [B] {{ {name} }}")).is_empty(), "{name}");
        assert!(!body(&format!("param {name}: [D]; x * {name}")).is_empty(), "{name}");
        assert!(!body(&format!("let {name} = x; {name}")).is_empty(), "{name}");
    }
    // Words of the language are words of its grammar only where they stand in it.
    for word in [
        "param", "net", "state", "buffer", "repeat", "residual", "train", "grow", "minimize", "with", "over",
        "option", "rows",
    ] {
        let found = body(&format!("let {word} = relu(x); {word} + x"));
        assert!(found.is_empty(), "{word}: {found:#?}");
        assert!(errors_in(&format!("N<B>({word}: [B]) -> [B] {{ {word} * 2 }}")).is_empty(), "{word}");
    }
    any(&errors_in("N<B>(__tancho_v0: [B]) -> [B] { __tancho_v0 }"), "`__tancho` is reserved");
    let long = "a".repeat(100_000);
    any(&body(&long), "unknown value");
}

#[test]
fn nested_deeply() {
    // On the stack of a test's thread, which is smaller than the compiler's.
    nested(500);
    // On one as large as the compiler's: syn's buffer of tokens recurses before anything here is asked.
    let deep = std::thread::Builder::new().stack_size(8 << 20).spawn(|| nested(10_000));
    deep.expect("a thread").join().expect("one clear error each");
}

/// One clear error each, of everything that can stand in itself, and of chains of operators.
fn nested(levels: usize) {
    let deep = |open: &str, inner: &str, close: &str| {
        body(&format!("{}{inner}{}", open.repeat(levels), close.repeat(levels)))
    };
    for found in [
        deep("(", "x", ")"),
        deep("[", "x", "]"),
        deep("relu(", "x", ")"),
        deep("x[", "0", "]"),
        deep("-", "x", ""),
        deep("x + ", "x", ""),
        deep("x @ ", "x", ""),
        deep("", "x", ".t"),
        deep("", "x", "[0]"),
        deep("residual(x) {", "x", "}"),
        deep("if flag {", "x", "} else { x }"),
        deep("if flag { x } else ", "{ x }", ""),
        deep("repeat i in 0..2 {", "let _y = x;", "}"),
        deep("for a in b {", "", "}"),
        body(&format!("let _y: [{}D{}] = x; x", "(".repeat(levels), ")".repeat(levels))),
        body(&format!("net l: {}A; x", "a::".repeat(levels))),
        body(&format!("net l: {}A{}; x", "[".repeat(levels), "; 2]".repeat(levels))),
        errors_in(&format!("N<B>(x: {}[B]{}) -> [B] {{ x }}", "(".repeat(levels), ")".repeat(levels))),
    ] {
        assert!(!found.is_empty() && found.len() < 5, "{found:#?}");
    }
}

#[test]
fn much_of_everything() {
    let statements: String = (0..5000).map(|i| format!("let _y{i} = x * {i};")).collect();
    assert!(body(&format!("{statements} x")).is_empty());
    let items: String = (0..MANY).map(|i| format!("param _w{i}: [D];")).collect();
    assert!(body(&format!("{items} x")).is_empty());
    let wrong: String = (0..MANY).map(|i| format!("let y{i} = rellu(x);")).collect();
    let found = body(&format!("{wrong} x"));
    assert_eq!(found.len(), 20);
    any(&found, "and 1980 more errors, not shown");
    let clauses = vec!["D <= H"; MANY].join(", ");
    assert!(
        errors_in(&format!("N<B, D = 8, H = 8>(x: [B, D]) -> [B, D] where {clauses} {{ x }}")).is_empty()
    );
    let docs = "/// doc\n".repeat(MANY);
    assert!(errors_in(&format!("{docs} N<B>(x: [B]) -> [B] {{ x }}")).is_empty());
    let arguments = vec!["x"; MANY].join(", ");
    assert!(body(&format!("concat({arguments}, axis = 0)[0..B]")).is_empty());
    let networks: String = (0..300).map(|i| format!("N{i}<B>(x: [B]) -> [B] {{ x }}")).collect();
    assert!(errors_of(tokens(&networks)).1.is_empty());
}
