//! A text that is put together in `const` evaluation.

use super::eval::{Row, UNKNOWN, between, find, same, word_end};
use crate::builder::DimSig;

const CAPACITY: usize = 1024;

/// A message under construction; what does not fit is left out.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Text {
    /// An empty text.
    pub const fn new() -> Text {
        Text { bytes: [0; CAPACITY], len: 0 }
    }

    /// The text so far.
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(s) => s,
            Err(_) => "",
        }
    }

    /// With more after it, whole or not at all.
    pub const fn and(mut self, more: &str) -> Text {
        if self.len + more.len() > CAPACITY {
            return self;
        }
        let mut i = 0;
        while i < more.len() {
            self.bytes[self.len] = more.as_bytes()[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    /// With a name in backticks.
    pub const fn name(self, name: &str) -> Text {
        self.and("`").and(name).and("`")
    }

    /// With a number that is no less than 0.
    pub const fn number(self, n: i64) -> Text {
        let mut digits = [0u8; 20];
        let (mut at, mut left) = (digits.len(), n);
        while at > 0 && (left > 0 || at == digits.len()) {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        match std::str::from_utf8(digits.split_at(at).1) {
            Ok(s) => self.and(s),
            Err(_) => self,
        }
    }

    /// With `D = 770, HEADS = 12` at sample 0 for the dims of two polynomials, after `lead`.
    pub const fn values(self, lead: &str, sides: [&str; 2], dims: &[DimSig], rows: &[Row]) -> Text {
        let (mut t, mut side, mut some) = (self, 0, false);
        while side < 2 {
            let mut at = 0;
            while let Some((d, next)) = next_dim(sides[side], at, dims) {
                let again = side == 1 && mentions(sides[0], d, dims, sides[0].len())
                    || mentions(sides[side], d, dims, at);
                if !again && rows[d][0] != UNKNOWN {
                    t = t.and(if some { ", " } else { lead }).and(dims[d].name).and(" = ").number(rows[d][0]);
                    some = true;
                }
                at = next;
            }
            side += 1;
        }
        t
    }
}

impl Default for Text {
    fn default() -> Text {
        Text::new()
    }
}

/// The next dim that a polynomial names, from a position on, and the position after it.
pub const fn next_dim(text: &str, from: usize, dims: &[DimSig]) -> Option<(usize, usize)> {
    let mut at = from;
    while at < text.len() {
        let end = word_end(text, at);
        if end > at
            && let Some(d) = find(dims, between(text, at, end))
        {
            return Some((d, end));
        }
        at = if end > at { end } else { at + 1 };
    }
    None
}

/// Whether a polynomial names a dim before a position.
const fn mentions(text: &str, dim: usize, dims: &[DimSig], before: usize) -> bool {
    let mut at = 0;
    while let Some((d, end)) = next_dim(text, at, dims) {
        if end > before {
            return false;
        }
        if d == dim {
            return true;
        }
        at = end;
    }
    false
}

/// A dim as the macro shows it, `4*D (3072)`, without its number.
pub const fn without_number(shown: &str) -> &str {
    let b = shown.as_bytes();
    if b.is_empty() || b[b.len() - 1] != b')' {
        return shown;
    }
    let mut at = b.len() - 1;
    while at > 0 && b[at - 1].is_ascii_digit() {
        at -= 1;
    }
    if at >= 2 && at < b.len() - 1 && b[at - 1] == b'(' && b[at - 2] == b' ' {
        between(shown, 0, at - 2)
    } else {
        shown
    }
}

/// Whether a polynomial is a number.
pub const fn is_number(text: &str) -> bool {
    !text.is_empty() && text.as_bytes()[0].is_ascii_digit() && same(between(text, 0, word_end(text, 0)), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::DimKind;

    #[test]
    fn puts_texts_together() {
        const T: Text = Text::new().name("a").and(" is ").number(0).and(", ").number(3072);
        assert_eq!(T.as_str(), "`a` is 0, 3072");
        let long = "ä".repeat(CAPACITY);
        assert_eq!(T.and(&long).as_str(), T.as_str());
        let dims = ["D", "HEADS", "B"].map(|name| DimSig { name, kind: DimKind::Run });
        let t = Text::new().values(
            "with ",
            ["D + 2*D + B", "D / HEADS"],
            &dims,
            &[[770; 5], [12; 5], [UNKNOWN; 5]],
        );
        assert_eq!(t.as_str(), "with D = 770, HEADS = 12");
    }

    #[test]
    fn numbers_behind_dims_go() {
        for (shown, bare) in [
            ("4*D (3072)", "4*D"),
            ("D", "D"),
            ("A + (D / 2)", "A + (D / 2)"),
            ("A + (D / 2) (9)", "A + (D / 2)"),
            ("7", "7"),
        ] {
            assert_eq!(without_number(shown), bare);
        }
        assert!(is_number("768") && !is_number("7*D") && !is_number("D") && !is_number(""));
    }
}
