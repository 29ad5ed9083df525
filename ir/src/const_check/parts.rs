//! Types taken apart, in `const` evaluation.

use super::eval::{between, same};

/// A type with more axes is not checked.
const MAX_AXES: usize = 16;

/// A type taken apart.
pub struct Parts<'a> {
    text: &'a str,
    /// Where the axes begin, after `[`.
    begin: usize,
    from: [usize; MAX_AXES],
    to: [usize; MAX_AXES],
    /// How many axes are written, `..` among them.
    pub axes: usize,
    /// 1 if the first is `..`, else 0.
    pub open: usize,
}

impl<'a> Parts<'a> {
    /// The parts of a type, or of the beginning of a longer one.
    pub const fn of(text: &'a str) -> Parts<'a> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && bytes[at] != b'[' {
            at += 1;
        }
        at += 1;
        let mut p = Parts { text, begin: at, from: [0; MAX_AXES], to: [0; MAX_AXES], axes: 0, open: 0 };
        while p.axes < MAX_AXES && at < bytes.len() {
            while at < bytes.len() && bytes[at] == b' ' {
                at += 1;
            }
            let from = at;
            while at < bytes.len() && bytes[at] != b',' && bytes[at] != b']' {
                at += 1;
            }
            if from == at {
                return p;
            }
            (p.from[p.axes], p.to[p.axes]) = (from, at);
            p.axes += 1;
            at += 1;
        }
        p.open = (p.axes > 0 && bytes[p.from[0]] == b'.') as usize;
        p
    }

    /// The axis of that number, from 0, as text: a polynomial or `..`.
    pub const fn axis(&self, number: usize) -> &'a str {
        between(self.text, self.from[number], self.to[number])
    }

    /// Whether some axes may be left out.
    pub const fn cut(&self) -> bool {
        self.axes == MAX_AXES
    }

    /// The element type: `i32` of `i32[B, S]`.
    pub const fn dtype(&self) -> &'a str {
        if self.begin < 2 { "f32" } else { between(self.text, 0, self.begin - 1) }
    }

    /// The type without `f32`, as users write it.
    pub const fn shown(&self) -> &'a str {
        if same(self.dtype(), "f32") {
            between(self.text, self.begin - 1, self.text.len())
        } else {
            self.text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_types_apart() {
        let of = |ty: &'static str| Parts::of(ty);
        assert_eq!(
            (of("bool[B, S]").dtype(), of("[B]").dtype(), of("f32[]").dtype()),
            ("bool", "f32", "f32")
        );
        assert_eq!((of("f32[B]").shown(), of("i32[B]").shown(), of("[]").shown()), ("[B]", "i32[B]", "[]"));
        let ty = of("[.., floor((H - 1) / 2), 4*D]");
        assert_eq!((ty.axes, [ty.axis(0), ty.axis(1), ty.axis(2)]), (3, ["..", "floor((H - 1) / 2)", "4*D"]));
        assert_eq!((of("[]").axes, of("i32[..]").axes, of("[B,]").axes), (0, 1, 1));
        assert_eq!((ty.open, of("i32[..]").open, of("[B]").open, of("[]").open), (1, 1, 0, 0));
        let long = format!("[{}]", "B, ".repeat(40));
        assert!(Parts::of(&long).cut() && !ty.cut());
    }
}
