//! What editors see: every name of a declaration stands in the mirror with the span it was written with.

use super::tokens;
use crate::errors::Errors;
use crate::{expand, parse};
use proc_macro2::{TokenStream, TokenTree};

/// Identifiers with line and column, those in groups too.
fn identifiers(stream: TokenStream, out: &mut Vec<(String, usize, usize)>) {
    for t in stream {
        match t {
            TokenTree::Group(g) => identifiers(g.stream(), out),
            TokenTree::Ident(i) => out.push((i.to_string(), i.span().start().line, i.span().start().column)),
            _ => {}
        }
    }
}

fn of(stream: TokenStream) -> Vec<(String, usize, usize)> {
    let mut out = Vec::new();
    identifiers(stream, &mut out);
    out
}

/// How often each of some names stands in the mirror at a place where the user wrote it, each place counted
/// once.
fn linked(text: &str, names: &[&str]) -> Vec<usize> {
    let errors = Errors::default();
    let networks = parse::networks(tokens(text), &errors);
    errors.finish(&[]);
    let mirror = of(networks.iter().map(|n| expand::mirror(n, &networks)).collect());
    let written = of(tokens(text));
    let at_home = |name: &&str| written.iter().filter(|w| w.0 == **name && mirror.contains(w)).count();
    names.iter().map(at_home).collect()
}

const GOOD: &str = "
N<B, D = 8, H = 2 * D>(option eps = 1e-5)(x: [B, D]) -> [B, D] where H < 99 {
    net up: Linear<D, H>;
    #[weights(\"d\", rows = 0..D)]
    param gain: [D] = ones;
    let h = gelu(up(x));
    let mut y = residual(x) { let z = h[S = 0..D]; z @ gain.t };
    repeat i in 0..H { y = if H == D { y * i } else { -y }; }
    layer_norm(y, gain, over = D, eps = eps)
}
";

#[test]
fn every_name_is_there() {
    let names = [
        "B",
        "D",
        "H",
        "eps",
        "x",
        "up",
        "Linear",
        "gain",
        "h",
        "y",
        "z",
        "i",
        "gelu",
        "layer_norm",
        "residual",
    ];
    // Labels such as `over =` and words such as `ones` are no names; `eps = eps` is one label and one use.
    assert_eq!(linked(GOOD, &names), [3, 10, 5, 2, 3, 2, 1, 3, 2, 5, 2, 2, 1, 1, 1], "{names:?}");
}

#[test]
fn nothing_else_claims_a_place() {
    let errors = Errors::default();
    let networks = parse::networks(tokens(GOOD), &errors);
    assert_eq!(errors.finish(&[]).len(), 0);
    let written = of(tokens(GOOD));
    for i in of(expand::mirror(&networks[0], &networks)) {
        // What is the macro's own has no place in the text, and shows no other name where the user wrote one.
        let here = written.iter().find(|w| (w.1, w.2) == (i.1, i.2) && i.1 > 1);
        assert!(here.is_none_or(|w| w.0 == i.0), "{i:?} stands where {here:?} was written");
    }
}

#[test]
fn broken_lines_keep_their_names() {
    let body =
        |text: &str| format!("N<B, D = 8>(x: [B, D]) -> [B, D] {{\n net up: Linear<D, D>;\n {text}\n}}");
    // An error of meaning, a line that does not parse, one without its `;`, one that is cut off.
    assert_eq!(linked(&body("let h = rellu(up(x)); h @ x"), &["h", "up", "x", "rellu"]), [2, 2, 3, 1]);
    assert_eq!(linked(&body("let h = up(x) + ; let k = x; h"), &["h", "up", "x", "k"]), [2, 2, 3, 1]);
    assert_eq!(linked(&body("let h = ge\n up(x)"), &["h", "ge", "up", "x"]), [1, 1, 2, 2]);
    assert_eq!(linked(&body("x @ u"), &["x", "u"]), [2, 1]);
    assert_eq!(linked(&body("x @"), &["x", "up"]), [2, 1]);
    // A header that does not parse: its names, and the body all the same.
    assert_eq!(
        linked("N<B, D = >(x: [B, D]) -> [B, D] { param w: [D]; x * w }", &["B", "D", "x", "w"]),
        [3, 4, 2, 2]
    );
    // Members of a network with several entry points.
    let coder = "N<B> { param w: [1]; fn a(x: [B]) -> [B] { x * w } fn b(x: [B) -> [B] { a(x) } fn c(x: [B]) -> [B] { a(x) } }";
    assert!(coder.parse::<TokenStream>().is_err());
    let coder = coder.replace("[B)", "[B])");
    assert_eq!(linked(&coder, &["w", "a", "x"]), [2, 3, 6]);
}
