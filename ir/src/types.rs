//! Element types, tensor types, and what is known about dims beside their form.

use crate::dim::{Dim, DimError};
use crate::element::ElementType;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The element type of a tensor. The enum is exhaustive on purpose: kernels, weights and generated code must
/// each state what they do with a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE binary32; what a shape without a type means.
    F32,
    /// bfloat16: a storage type; arithmetic wants a `cast` to f32 first.
    Bf16,
    /// 32-bit signed integer: ids and counts. Arithmetic wraps.
    I32,
    /// One byte, 0 or 1.
    Bool,
}

impl DType {
    /// All element types.
    pub const ALL: [DType; 4] = [DType::F32, DType::Bf16, DType::I32, DType::Bool];

    /// Their names, in the same order.
    pub const WORDS: &[&str] =
        &[DType::F32.name(), DType::Bf16.name(), DType::I32.name(), DType::Bool.name()];

    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            DType::F32 | DType::I32 => 4,
            DType::Bf16 => 2,
            DType::Bool => 1,
        }
    }

    /// The name in the language and in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::Bf16 => "bf16",
            DType::I32 => "i32",
            DType::Bool => "bool",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.name() == name)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The type of a value: element type and shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Element type.
    pub dtype: DType,
    /// One dim an axis, outermost first.
    pub shape: Vec<Dim>,
}

impl Type {
    /// A type from its parts.
    pub fn new(dtype: DType, shape: Vec<Dim>) -> Type {
        Type { dtype, shape }
    }

    /// An f32 tensor.
    pub fn f32(shape: Vec<Dim>) -> Type {
        Type { dtype: DType::F32, shape }
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, Shape(&self.shape))
    }
}

/// Axes that an input or a result of a network may have. Values between them may have more.
pub const MAX_RANK: usize = 8;

/// Prints a shape as `[B, 4*D]`.
pub struct Shape<'a>(pub &'a [Dim]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[")?;
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                write!(f, ", ")?;
            }
            write!(f, "{d}")?;
        }
        write!(f, "]")
    }
}

/// What a declaration promises about its dims: exact divisions that are allowed, and known values of static
/// dims. Shape rules use it, and messages show it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `(p, c)`: `where p % c == 0`.
    pub divides: Vec<(Dim, Dim)>,
    /// Default values of static dims, shown beside their names.
    pub values: BTreeMap<String, i64>,
    /// `where A == p`, or the condition of the branch: `A` is written as `p`. No right side has a name of a
    /// left side.
    pub equal: Vec<(String, Dim)>,
    /// The run-time dims.
    pub run_time: BTreeSet<String>,
}

impl Facts {
    /// Whether `c` divides `p`: visibly, or by a `where` clause, which holds for the multiples of what it is
    /// about too.
    pub fn divides(&self, p: &Dim, c: &Dim) -> bool {
        let follows = |(a, b): &(Dim, Dim)| {
            let rests = [p.minus(a), p.without_multiples(a)];
            b.divisible_by(c) && rests.iter().flatten().any(|rest| rest.divisible_by(c))
        };
        p.divisible_by(c) || self.divides.iter().any(follows)
    }

    /// The dim with what is promised to be equal written alike, and what is promised to divide divided.
    ///
    /// # Errors
    /// The result is too large.
    pub fn reduce(&self, d: &Dim) -> Result<Dim, DimError> {
        let mut d = match self.equal.is_empty() {
            true => d.clone(),
            false => d.subst(&|s| self.equal.iter().find(|(name, _)| name == s).map(|(_, d)| d.clone()))?,
        };
        if d.as_const().is_none() && d.as_sym().is_none() {
            for (p, by) in &self.divides {
                if let Some(name) = p.as_sym() {
                    d = d.with_multiple(name, by)?;
                }
            }
        }
        Ok(d)
    }

    /// The type with its axes written alike.
    pub fn reduce_type(&self, ty: Type) -> Type {
        let shape = ty.shape.into_iter().map(|d| self.reduce(&d).unwrap_or(d)).collect();
        Type { shape, ..ty }
    }

    /// Adds what `left == right` lets a dim be written as: a name alone on one side, which the other side
    /// does not have, becomes the other side. A run-time name goes first, since weights may be made of a
    /// static one. Equations of another form promise nothing that shapes could use.
    pub fn equate(&mut self, left: &Dim, right: &Dim, is_run_time: &dyn Fn(&str) -> bool) {
        let (Ok(l), Ok(r)) = (self.reduce(left), self.reduce(right)) else { return };
        let sides = [(&l, &r), (&r, &l)];
        let fits = |run: bool| {
            sides.iter().find_map(|(a, b)| {
                Some((a.as_sym().filter(|s| is_run_time(s) == run && !b.syms().contains(*s))?, *b))
            })
        };
        let Some((name, value)) = fits(true).or_else(|| fits(false)) else { return };
        for (_, d) in &mut self.equal {
            if let Ok(new) = d.subst(&|s| (s == name).then(|| value.clone())) {
                *d = new;
            }
        }
        self.equal.push((name.into(), value.clone()));
    }

    /// The number a dim has when every static dim keeps its default.
    pub fn value(&self, d: &Dim) -> Option<i64> {
        d.eval(&|s| self.values.get(s).copied()).ok()
    }

    /// Whether a dim follows from the inputs of a call.
    pub fn is_run_time(&self, d: &Dim) -> bool {
        d.syms().iter().any(|s| self.run_time.contains(s))
    }

    /// The dim as text, with its number beside it if that adds information: `4*D (3072)`.
    pub fn show(&self, d: &Dim) -> String {
        match self.value(d) {
            Some(n) if d.as_const().is_none() => format!("{d} ({n})"),
            _ => d.to_string(),
        }
    }
}

/// Element type and axis texts of `i32[B, 4*D]`; without a type it is f32.
pub(crate) fn split_type(text: &str) -> Option<(DType, Vec<&str>)> {
    let (element, axes) = split_element_type(text)?;
    (!element.is_converted()).then_some((element.dtype(), axes))
}

/// The same of an input, which may be given in a type that no value has: `i64[B, S]`.
pub(crate) fn split_element_type(text: &str) -> Option<(ElementType, Vec<&str>)> {
    let text = text.trim();
    let open = text.find('[')?;
    let element = if open == 0 { ElementType::F32 } else { ElementType::from_name(text[..open].trim())? };
    let inner = text[open + 1..].strip_suffix(']')?;
    Some((element, split_commas(inner)))
}

/// The parts between commas that stand in no bracket or string; a trailing comma is allowed.
pub(crate) fn split_commas(s: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start, mut quoted, mut escaped) = (Vec::new(), 0i32, 0, false, false);
    for (i, c) in s.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(s[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    let last = s[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}
