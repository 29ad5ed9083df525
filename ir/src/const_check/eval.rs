//! Values of polynomials from their texts, in `const` evaluation: no heap, no canonical forms.
//!
//! rustc interprets this, and a call costs it more than a loop: texts are bytes, read once for all samples.

use crate::builder::DimSig;

/// As many samples as there may be.
pub const SAMPLES: usize = 5;

/// The number of a dim at each sample.
pub type Row = [i64; SAMPLES];

/// Stands for a number that is not known.
pub const UNKNOWN: i64 = i64::MIN;

/// Nothing is known at any sample.
pub const NOTHING: Row = [UNKNOWN; SAMPLES];

/// Quotients and parentheses deeper than this are not evaluated.
const MAX_DEPTH: usize = 64;

/// Whether two texts are equal.
pub const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// The number of the dim of that name.
pub const fn find(dims: &[DimSig], name: &str) -> Option<usize> {
    find_in(dims, name.as_bytes(), 0, name.len())
}

const fn find_in(dims: &[DimSig], text: &[u8], from: usize, to: usize) -> Option<usize> {
    let mut i = 0;
    while i < dims.len() {
        let name = dims[i].name.as_bytes();
        if name.len() == to - from {
            let mut k = 0;
            while k < name.len() && name[k] == text[from + k] {
                k += 1;
            }
            if k == name.len() {
                return Some(i);
            }
        }
        i += 1;
    }
    None
}

/// The values of a polynomial, as [`Dim::eval`](crate::Dim::eval) finds them. Not known where a dim in it has
/// no value, an exact quotient is not exact, or it does not fit.
pub const fn eval(text: &str, dims: &[DimSig], rows: &[Row]) -> Row {
    let bytes = text.as_bytes();
    // Most are one name.
    if word_in(bytes, 0) == bytes.len()
        && let Some(d) = find_in(dims, bytes, 0, bytes.len())
    {
        return rows[d];
    }
    let mut r = Reader { text: bytes, at: 0, dims, rows, depth: 0, failed: false };
    let v = r.sum();
    r.skip();
    if r.at == bytes.len() && !r.failed { v } else { NOTHING }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    dims: &'a [DimSig],
    rows: &'a [Row],
    depth: usize,
    failed: bool,
}

impl Reader<'_> {
    const fn skip(&mut self) {
        while self.at < self.text.len() && self.text[self.at] == b' ' {
            self.at += 1;
        }
    }

    const fn eat(&mut self, c: u8) -> bool {
        self.skip();
        let found = self.at < self.text.len() && self.text[self.at] == c;
        if found {
            self.at += 1;
        }
        found
    }

    const fn fail(&mut self) -> Row {
        // Nothing is read any more.
        (self.failed, self.at) = (true, self.text.len());
        NOTHING
    }

    const fn sum(&mut self) -> Row {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail();
        }
        let mut v = self.product();
        loop {
            if self.eat(b'+') {
                v = combine(b'+', v, self.product());
            } else if self.eat(b'-') {
                v = combine(b'-', v, self.product());
            } else {
                self.depth -= 1;
                return v;
            }
        }
    }

    const fn product(&mut self) -> Row {
        let mut v = self.dividend();
        while self.eat(b'/') {
            v = combine(b'/', v, self.factor());
            while self.eat(b'*') {
                v = combine(b'*', v, self.factor());
            }
        }
        v
    }

    /// Factors up to the first `/`, which may be one to round.
    const fn dividend(&mut self) -> Row {
        let mut v = self.factor();
        while self.eat(b'*') {
            v = combine(b'*', v, self.factor());
        }
        v
    }

    const fn factor(&mut self) -> Row {
        let mut negative = false;
        while self.eat(b'-') {
            negative = !negative;
        }
        let mut v = self.atom();
        if self.eat(b'^') {
            v = combine(b'^', v, self.atom());
        }
        if negative { combine(b'-', [0; SAMPLES], v) } else { v }
    }

    const fn atom(&mut self) -> Row {
        if self.eat(b'(') {
            let v = self.sum();
            return if self.eat(b')') { v } else { self.fail() };
        }
        let (from, to) = (self.at, word_in(self.text, self.at));
        if from == to {
            return self.fail();
        }
        self.at = to;
        if self.text[from].is_ascii_digit() {
            return match integer(self.text, from, to) {
                Some(n) => [n; SAMPLES],
                None => self.fail(),
            };
        }
        if let Some(d) = find_in(self.dims, self.text, from, to) {
            return self.rows[d];
        }
        let round = if is_word(self.text, from, to, b"floor") {
            b'f'
        } else if is_word(self.text, from, to, b"ceil") {
            b'c'
        } else {
            return self.fail();
        };
        if !self.eat(b'(') {
            return self.fail();
        }
        let p = self.dividend();
        if !self.eat(b'/') {
            return self.fail();
        }
        let c = self.factor();
        if self.eat(b')') { combine(round, p, c) } else { self.fail() }
    }
}

/// `+ - *`, `^`, exact `/`, and the quotients `f` and `c` that are rounded down and up.
const fn combine(op: u8, a: Row, b: Row) -> Row {
    let (mut out, mut s) = (NOTHING, 0);
    while s < SAMPLES {
        if a[s] != UNKNOWN && b[s] != UNKNOWN {
            let (x, y) = (a[s] as i128, b[s] as i128);
            let v = match op {
                b'+' => x + y,
                b'-' => x - y,
                b'*' => x * y,
                b'^' => power(a[s], b[s]),
                _ if y <= 0 => i128::MAX,
                b'/' if x % y != 0 => i128::MAX,
                b'f' if x % y < 0 => x / y - 1,
                b'c' if x % y > 0 => x / y + 1,
                _ => x / y,
            };
            if v > i64::MIN as i128 && v <= i64::MAX as i128 {
                out[s] = v as i64;
            }
        }
        s += 1;
    }
    out
}

const fn power(base: i64, exponent: i64) -> i128 {
    if base < 1 || exponent < 0 {
        return i128::MAX;
    }
    if base == 1 {
        return 1;
    }
    let v = if exponent < 64 { base.checked_pow(exponent as u32) } else { None };
    match v {
        Some(v) => v as i128,
        None => i128::MAX,
    }
}

const fn is_word(text: &[u8], from: usize, to: usize, word: &[u8]) -> bool {
    let mut i = 0;
    while i < word.len() && from + i < to && text[from + i] == word[i] {
        i += 1;
    }
    i == word.len() && from + i == to
}

const fn integer(text: &[u8], from: usize, to: usize) -> Option<i64> {
    let (mut v, mut i): (i128, usize) = (0, from);
    while i < to {
        if text[i].is_ascii_digit() {
            v = v * 10 + (text[i] - b'0') as i128;
            if v > i64::MAX as i128 {
                return None;
            }
        } else if text[i] != b'_' {
            return None;
        }
        i += 1;
    }
    Some(v as i64)
}

/// Where the word at a position ends; there, if none stands there.
pub const fn word_end(text: &str, at: usize) -> usize {
    word_in(text.as_bytes(), at)
}

const fn word_in(text: &[u8], at: usize) -> usize {
    let mut end = at;
    // Names may be of any letters: a byte of a longer character belongs to a word.
    while end < text.len()
        && matches!(text[end], b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'#' | 0x80..)
    {
        end += 1;
    }
    end
}

/// `text[from..to]`; both are boundaries of characters.
pub const fn between(text: &str, from: usize, to: usize) -> &str {
    text.split_at(to).0.split_at(from).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::DimKind;
    use crate::const_check::tests::Random;
    use crate::{Dim, DimError};

    const NAMES: [&str; 4] = ["B", "D", "HEADS", "größe"];

    fn dims() -> Vec<DimSig> {
        NAMES.iter().map(|name| DimSig { name, kind: DimKind::Run }).collect()
    }

    impl Random {
        fn poly(&mut self, depth: u64) -> String {
            if depth == 0 {
                return if self.below(3) == 0 {
                    self.below(30).to_string()
                } else {
                    NAMES[self.below(4) as usize].to_string()
                };
            }
            let divisor = |me: &mut Random| {
                if me.below(2) == 0 {
                    (1 + me.below(6)).to_string()
                } else {
                    NAMES[me.below(4) as usize].into()
                }
            };
            let (a, b) = (self.below(depth), self.below(depth));
            match self.below(9) {
                0 => format!("{} + {}", self.poly(a), self.poly(b)),
                1 => format!("{} - ({})", self.poly(a), self.poly(b)),
                2 => format!("({})*({})", self.poly(a), self.poly(b)),
                3 => format!("floor(({}) / {})", self.poly(a), divisor(self)),
                4 => format!("ceil(({})*2 / {})", self.poly(a), divisor(self)),
                5 => format!("({}) / {}", self.poly(a), divisor(self)),
                6 => format!("-({})", self.poly(a)),
                7 => format!("{}^({} - 3)", 1 + self.below(3), self.poly(0)),
                _ => format!("2 * ({}) / {} * {}", self.poly(a), divisor(self), self.poly(0)),
            }
        }
    }

    #[test]
    fn evaluates_as_dims_do() {
        let (dims, mut random) = (dims(), Random(7));
        let (mut known, mut not_exact) = (0, 0);
        for _ in 0..20_000 {
            let text = random.poly(4);
            let values: Vec<i64> = NAMES.iter().map(|_| 1 + random.below(60) as i64).collect();
            let env = |s: &str| NAMES.iter().position(|n| *n == s).map(|i| values[i]);
            let Ok(dim) = Dim::parse(&text) else { continue };
            let want = dim.eval(&env);
            // The canonical text is what signatures hold: there both must say the same.
            let canonical = dim.to_string();
            let rows: Vec<Row> = values.iter().map(|v| [*v, UNKNOWN, v + 1, 2 * v, 0]).collect();
            let found = eval(&canonical, &dims, &rows);
            for (s, found) in found.into_iter().enumerate() {
                let env = |n: &str| {
                    NAMES.iter().position(|x| *x == n).map(|i| rows[i][s]).filter(|v| *v != UNKNOWN)
                };
                let want = dim.eval(&env).unwrap_or(UNKNOWN);
                assert_eq!(found, want, "{canonical} of {text} with {values:?} at {s}");
            }
            known += usize::from(want.is_ok());
            not_exact += usize::from(matches!(want, Err(DimError::NotExact(..))));
            // Of a text as written the canonical form may have cancelled a quotient that is not exact.
            let v = eval(&text, &dims, &rows)[0];
            assert!(v == UNKNOWN || want == Ok(v), "{text} with {values:?}: {v}");
        }
        assert!(known > 5_000 && not_exact > 1_000, "{known} known, {not_exact} not exact");
    }

    #[test]
    fn what_has_no_value_is_nothing() {
        let dims = dims();
        let at = |text: &str| eval(text, &dims, &[[2; SAMPLES], [12; SAMPLES], NOTHING, [5; SAMPLES]]);
        assert_eq!(at("floor((D + 2 - 3) / B) + 1"), [6; SAMPLES]);
        assert_eq!(at("-1 * (B - 3)"), [1; SAMPLES]);
        assert_eq!(at("größe*D"), [60; SAMPLES]);
        for none in [
            "HEADS",
            "D / HEADS",
            "D / 5",
            "D / 0",
            "floor(D / 0)",
            "E",
            "",
            "D +",
            "(D",
            "D D",
            "9223372036854775807 + 1",
            "1x",
        ] {
            assert_eq!(at(none), NOTHING, "{none}");
        }
        assert_eq!(at(&"(".repeat(1000)), NOTHING);
    }
}
