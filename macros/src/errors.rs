//! The error collector: what is wrong, where, and how it reaches rustc.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// More errors than this are only counted.
const CAP: usize = 20;

/// A stretch of the user's source, from the first token to the last.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The first token.
    pub first: Span,
    /// The last token.
    pub last: Span,
}

impl Place {
    /// One token.
    pub fn of(span: Span) -> Place {
        Place { first: span, last: span }
    }

    /// From the start of one place to the end of another.
    pub fn to(self, other: Place) -> Place {
        Place { first: self.first, last: other.last }
    }

    /// Line and column of the first token, both from 1.
    pub fn line_column(self) -> (u32, u32) {
        let at = self.first.start();
        (u32::try_from(at.line).unwrap_or(0), u32::try_from(at.column).unwrap_or(0).saturating_add(1))
    }

    /// What two equal places have in common; spans themselves cannot be compared.
    fn key(self) -> [usize; 4] {
        let (a, b) = (self.first.start(), self.last.end());
        [a.line, a.column, b.line, b.column]
    }
}

/// The place behind a token.
pub fn behind(token: Span) -> Span {
    if proc_macro::is_available() { token.unwrap().end().into() } else { token }
}

/// One sentence with the names, then facts, then a repair.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The sentence: lower case, no full stop.
    pub text: String,
    /// The facts that explain the sentence, one on each line.
    pub facts: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// Said once in a network: the same sentence at other places has the same cause.
    pub once: bool,
}

impl Message {
    /// A message without facts.
    pub fn new(text: impl Into<String>) -> Message {
        Message { text: text.into(), ..Message::default() }
    }

    /// Adds a fact.
    pub fn fact(mut self, fact: impl Into<String>) -> Message {
        self.facts.push(fact.into());
        self
    }

    /// Adds the repair.
    pub fn help(mut self, help: impl Into<String>) -> Message {
        self.help = Some(help.into());
        self
    }

    /// Says it once in each network.
    pub fn once(mut self) -> Message {
        self.once = true;
        self
    }

    /// The whole text; rustc aligns the lines under the first.
    pub fn render(&self) -> String {
        let mut out = self.text.clone();
        for f in &self.facts {
            out.push_str("\n  ");
            out.push_str(f);
        }
        if let Some(h) = &self.help {
            out.push_str("\nhelp: ");
            out.push_str(h);
        }
        out
    }
}

/// A message at its place.
#[derive(Clone, Debug)]
pub struct Error {
    /// Where.
    pub place: Place,
    /// What.
    pub message: Message,
}

/// All errors of one macro call. The one who makes it must report them.
#[derive(Debug, Default)]
pub struct Errors {
    list: RefCell<Vec<Error>>,
    read: Cell<bool>,
}

impl Errors {
    /// Reports an error.
    pub fn push(&self, place: Place, message: Message) {
        self.list.borrow_mut().push(Error { place, message });
    }

    /// How many there are so far.
    pub fn count(&self) -> usize {
        self.list.borrow().len()
    }

    /// The errors in the order of the source, one a place, no more than [`CAP`]. `networks` are the places
    /// where networks begin.
    pub fn finish(self, networks: &[Place]) -> Vec<Error> {
        self.read.set(true);
        let mut list = self.list.take();
        list.sort_by_key(|e| e.place.key());
        list.dedup_by_key(|e| e.place.key());
        let mut said = BTreeSet::new();
        list.retain(|e| {
            let network = networks.iter().filter(|n| n.key() <= e.place.key()).count();
            !e.message.once || said.insert((network, e.message.text.clone()))
        });
        let more = list.len().saturating_sub(CAP);
        list.truncate(CAP);
        if let (Some(last), true) = (list.last_mut(), more > 0) {
            last.message.facts.push(format!("and {more} more errors, not shown"));
        }
        list
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        debug_assert!(self.read.get() || std::thread::panicking(), "errors were collected and never read");
    }
}

/// A `compile_error!` that rustc underlines from the first token to the last.
pub fn compile_error(error: &Error) -> TokenStream {
    let Place { first, last } = error.place;
    let ends: TokenStream =
        [first, last].map(|span| TokenTree::from(Ident::new("_", span))).into_iter().collect();
    syn::Error::new_spanned(ends, error.message.render()).to_compile_error()
}
