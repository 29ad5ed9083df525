//! Tokens back to source text, on one line.

use proc_macro2::{Delimiter, LineColumn, Spacing, Span, TokenTree};

/// Longer texts are cut: they stand in messages, dumps and profiles.
const WIDTH: usize = 80;
/// Groups inside groups deeper than this are not shown.
const DEPTH: usize = 64;

/// The source text of tokens, whitespace folded, at most some eighty characters.
pub fn source(tokens: &[TokenTree]) -> String {
    within(tokens, WIDTH)
}

/// The same, long enough for a whole signature.
pub fn header(tokens: &[TokenTree]) -> String {
    within(tokens, 10 * WIDTH)
}

fn within(tokens: &[TokenTree], width: usize) -> String {
    let mut p = Printer { out: String::new(), width, before: None };
    for t in tokens {
        p.tree(t, 0);
    }
    if p.out.chars().count() <= width {
        return p.out;
    }
    let cut: String = p.out.chars().take(width - 3).collect();
    format!("{}...", cut.trim_end())
}

struct Printer {
    out: String,
    width: usize,
    /// The span before, and whether the token before binds tightly to what follows.
    before: Option<(Span, bool)>,
}

impl Printer {
    fn full(&self) -> bool {
        // In bytes: an upper bound that also stops the walk over a huge body.
        self.out.len() > 4 * self.width
    }

    fn tree(&mut self, t: &TokenTree, depth: usize) {
        if self.full() || depth > DEPTH {
            return;
        }
        match t {
            TokenTree::Group(g) => {
                let (open, close) = match g.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                self.word(open, g.span_open(), true);
                for t in g.stream() {
                    self.tree(&t, depth + 1);
                }
                self.word(close, g.span_close(), false);
            }
            TokenTree::Punct(p) => {
                let tight = p.spacing() == Spacing::Joint || p.as_char() == '.';
                self.word(&p.as_char().to_string(), p.span(), tight);
            }
            TokenTree::Ident(i) => self.word(&i.to_string(), i.span(), false),
            TokenTree::Literal(l) => self.word(&l.to_string(), l.span(), false),
        }
    }

    fn word(&mut self, text: &str, span: Span, tight: bool) {
        if let Some((before, joined)) = self.before
            && self.apart(before, joined, span, text)
        {
            self.out.push(' ');
        }
        self.out.push_str(text);
        self.before = Some((span, tight));
    }

    /// Whether a space stands between the token before and this one: as written, or by
    /// the usual habits where tokens have no places of their own (a macro's output).
    fn apart(&self, before: Span, joined: bool, span: Span, text: &str) -> bool {
        let (a, b) = (before.end(), span.start());
        if placed(before.start(), b) {
            return a != b;
        }
        let opens_call =
            matches!(text, "(" | "[") && self.out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let opens = self.out.ends_with(['(', '[', '<']);
        !(joined || opens_call || opens || matches!(text, "," | ";" | "." | ")" | "]" | ":" | "<" | ">" | ""))
    }
}

fn placed(a: LineColumn, b: LineColumn) -> bool {
    a != b && (a.line, a.column) < (b.line, b.column)
}
