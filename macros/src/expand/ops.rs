//! The ops as functions: hover in an editor shows what one computes and how it is called.

use super::own;
use crate::forms::FORMS;
use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use std::collections::BTreeMap;
use tancho_ir::table::{Kind, OPS, usage};

/// `/// softmax(x, over = ..) .. pub fn softmax() {}` for everything that can be called.
pub fn ops() -> TokenStream {
    let rows = OPS.iter().filter(|o| o.callable && !o.name.starts_with("reduce_")).map(|o| {
        let options: Vec<String> =
            o.options.iter().map(|d| format!("- `{}`: {}", d.name, d.kind.describe())).collect();
        // `max` and `min` have a second form, over axes.
        let over = OPS.iter().find(|r| r.name.strip_prefix("reduce_") == Some(o.name));
        let over = over.map(|r| format!("\n\n`{}`\n\n{}", usage(r.name), r.formula)).unwrap_or_default();
        // So has `floor`, of dims.
        let form = FORMS.iter().find(|(name, ..)| *name == o.name);
        let over = form.map_or(over, |(_, usage, what)| format!("\n\n`{usage}`\n\n{what}"));
        (o.name, format!("`{}`\n\n{}{over}\n\n{}", usage(o.name), o.formula, options.join("\n")))
    });
    let is_row = |name: &str| OPS.iter().any(|o| o.callable && o.name == name);
    let forms = FORMS
        .iter()
        .filter(|(name, ..)| !is_row(name))
        .map(|(name, usage, what)| (*name, format!("`{usage}`\n\n{what}")));
    // Functions and not constants: a `let` may have any of these names.
    let words = words()
        .into_iter()
        // `linear` is an op as well, which says more.
        .filter(|(word, _)| !is_row(word))
        .map(|(word, options)| (word, format!("A word of the option {}.", options.join(", "))));
    rows.chain(forms)
        .chain(words)
        .map(|(name, doc)| {
            let name = Ident::new(name, own());
            quote_spanned!(own()=> #[doc = #doc] pub fn #name() {})
        })
        .collect()
}

/// The words that options take, each with `op(option)` it belongs to; element types among them.
fn words() -> BTreeMap<&'static str, Vec<String>> {
    let mut all: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in OPS.iter().filter(|o| o.callable) {
        for option in row.options {
            let words: &[&str] = match option.kind {
                Kind::Word(words) => words,
                Kind::Pad | Kind::Ends => &["same"],
                _ => continue,
            };
            for word in words {
                all.entry(word).or_default().push(format!("`{}` of `{}`", option.name, row.name));
            }
        }
    }
    all
}
