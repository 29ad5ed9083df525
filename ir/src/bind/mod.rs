//! Binding: what the dims of a network stand for where it is used.
//!
//! The macro binds when it checks a call, the graph builder when it makes one. Both bind here and word their
//! own messages from the typed errors. The checks that rustc evaluates ([`const_check`](crate::const_check))
//! have no heap and bind numbers in place of polynomials; a test there compares the two.

mod option;
#[cfg(test)]
mod tests;

use crate::dim::{Dim, DimError};
use crate::graph::{Constraint, Relation};
use crate::types::{Facts, Type};
use std::collections::BTreeMap;

pub use option::OptionValue;

/// What kind of dim a network declares. `D` is a polynomial: a [`Dim`], its text, or the user's expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DimKind<D> {
    /// Taken from the inputs at each call.
    Run,
    /// The same with an upper bound.
    Bounded(D),
    /// A number fixed when the network is built, with its default.
    Static(D),
    /// A number that every use must give.
    Required,
}

impl<D> DimKind<D> {
    /// Whether its number is known when the network is built.
    pub const fn is_static(&self) -> bool {
        matches!(self, DimKind::Static(_) | DimKind::Required)
    }
}

/// A dim of a signature.
#[derive(Clone, Debug)]
pub struct DimDecl {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: DimKind<Dim>,
}

impl DimDecl {
    /// Whether its number is known when the network is built.
    pub fn is_static(&self) -> bool {
        self.kind.is_static()
    }
}

/// The signature of one entry point of a network. Leading axes `..` are a symbol of that name.
#[derive(Clone, Debug, Default)]
pub struct Signature {
    /// The name of the network.
    pub name: String,
    /// The name of the entry point.
    pub entry: String,
    /// Dims in the order of declaration.
    pub dims: Vec<DimDecl>,
    /// Options with their defaults.
    pub options: Vec<(String, OptionValue)>,
    /// Inputs by name.
    pub inputs: Vec<(String, Type)>,
    /// Results.
    pub outputs: Vec<Type>,
    /// `where` clauses.
    pub wheres: Vec<Constraint>,
}

impl Signature {
    /// The dim of that name.
    pub fn dim(&self, name: &str) -> Option<&DimDecl> {
        self.dims.iter().find(|d| d.name == name)
    }

    /// The dims whose numbers are known when the network is built.
    pub fn static_dims(&self) -> impl Iterator<Item = &DimDecl> {
        self.dims.iter().filter(|d| d.is_static())
    }

    /// Whether a dim stands alone on an axis of an input, from which its length follows.
    pub fn is_on_input(&self, dim: &str) -> bool {
        self.inputs.iter().any(|(_, ty)| ty.shape.iter().any(|d| d.as_sym() == Some(dim)))
    }

    /// What the `==` of `where` clauses lets dims be written as.
    pub fn equalities(&self) -> Vec<(String, Dim)> {
        let is_run_time = |name: &str| self.dims.iter().any(|d| d.name == name && !d.is_static());
        let mut facts = Facts::default();
        for w in self.wheres.iter().filter(|w| w.relation == Relation::Equal) {
            facts.equate(&w.left, &w.right, &is_run_time);
        }
        facts.equal
    }
}

/// Whether a type begins with the leading axes `..`.
pub fn is_open(t: &Type) -> bool {
    t.shape.first().and_then(Dim::as_sym) == Some("..")
}

/// The axes of a type that are written, without `..`.
fn written(t: &Type) -> &[Dim] {
    &t.shape[usize::from(is_open(t))..]
}

/// The value of an option as its network sees it: an integer is a number.
///
/// # Errors
/// The option takes no such value; the text says what it takes.
pub fn option(default: OptionValue, value: OptionValue) -> Result<OptionValue, &'static str> {
    match (option_takes(default, value), default, value) {
        (Some(takes), ..) => Err(takes),
        (None, OptionValue::Float(_), OptionValue::Int(i)) => Ok(OptionValue::Float(i as f64)),
        (None, ..) => Ok(value),
    }
}

/// What an option with this default takes, if not such a value.
pub(crate) const fn option_takes(default: OptionValue, value: OptionValue) -> Option<&'static str> {
    match (default, value) {
        (OptionValue::Bool(_), OptionValue::Bool(_))
        | (OptionValue::Int(_), OptionValue::Int(_))
        | (OptionValue::Float(_), OptionValue::Float(_) | OptionValue::Int(_)) => None,
        (OptionValue::Bool(_), _) => Some("`true` or `false`"),
        (OptionValue::Int(_), _) => Some("an integer"),
        (OptionValue::Float(_), _) => Some("a number"),
    }
}

/// Values of dims by name.
pub type Values = BTreeMap<String, Dim>;

/// Why a given dim is none of the signature's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSuchDim {
    /// More are given by position than there are static dims.
    TooMany,
    /// There is no dim of that name.
    Unknown,
}

/// How an argument differs from the input it is given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The element type.
    DType,
    /// The number of axes.
    Rank,
    /// The leading axes `..` are not those of the first input that has them.
    Leading,
    /// One axis, the first that differs.
    Axis {
        /// As the signature writes it.
        declared: Dim,
        /// In the caller's names.
        wanted: Dim,
        /// What is given.
        given: Dim,
    },
    /// An axis cannot be written in the caller's names.
    Dim(DimError),
}

/// An argument that an input does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The number of the input.
    pub input: usize,
    /// What it takes, in the caller's names.
    pub wanted: Type,
    /// How the argument differs from that.
    pub difference: Difference,
}

/// The dims of a signature with what they stand for at one use: first those that are given, then the defaults
/// of static dims, then run-time dims by the shapes of arguments.
#[derive(Clone, Debug)]
pub struct Binding<'s> {
    sig: &'s Signature,
    /// The values so far, in the caller's names.
    pub dims: Values,
    /// What `..` stands for, once an argument determines it.
    pub leading: Option<Vec<Dim>>,
    /// How many dims were given by position.
    positions: usize,
}

impl<'s> Binding<'s> {
    /// Nothing is bound but these dims.
    pub fn new(sig: &'s Signature, dims: Values) -> Binding<'s> {
        Binding { sig, dims, leading: None, positions: 0 }
    }

    /// The dim that a given one is for: that of its name, or for an empty name the next static one.
    ///
    /// # Errors
    /// There is none.
    pub fn target(&mut self, name: &str) -> Result<&'s DimDecl, NoSuchDim> {
        if !name.is_empty() {
            return self.sig.dim(name).ok_or(NoSuchDim::Unknown);
        }
        self.positions += 1;
        self.sig.static_dims().nth(self.positions - 1).ok_or(NoSuchDim::TooMany)
    }

    /// Adds the defaults of static dims, which may use each other in any order.
    ///
    /// # Errors
    /// The first default that has no value; all others are added nevertheless.
    pub fn add_defaults(&mut self) -> Result<(), DimError> {
        let mut outcome = Ok(());
        for _ in 0..=self.sig.dims.len() {
            let before = self.dims.len();
            for d in &self.sig.dims {
                let DimKind::Static(default) = &d.kind else { continue };
                if self.dims.contains_key(&d.name) || !self.knows(default) {
                    continue;
                }
                match self.dim(default) {
                    Ok(value) => drop(self.dims.insert(d.name.clone(), value)),
                    Err(e) => outcome = outcome.and(Err(e)),
                }
            }
            if self.dims.len() == before {
                break;
            }
        }
        outcome
    }

    /// Static dims that are neither given nor have a default that is known.
    pub fn missing(&self) -> impl Iterator<Item = &'s DimDecl> {
        self.sig.static_dims().filter(|d| !self.dims.contains_key(&d.name))
    }

    /// Binds run-time dims to the axes where they stand alone, and compares every axis. Gives the arguments
    /// that do not fit, in the order of the inputs.
    pub fn bind_inputs(&mut self, args: &[&Type]) -> Vec<Mismatch> {
        let inputs = self.sig.inputs.iter().zip(args);
        for ((_, declared), given) in inputs.clone() {
            self.bind_input(declared, given);
        }
        let differ = |(input, ((_, declared), given)): (usize, (&(String, Type), &&Type))| {
            let difference = self.difference(declared, given)?;
            Some(Mismatch { input, wanted: self.ty(declared), difference })
        };
        inputs.enumerate().filter_map(differ).collect()
    }

    fn bind_input(&mut self, declared: &Type, given: &Type) {
        let axes = written(declared);
        let Some(lead) = given.rank().checked_sub(axes.len()) else { return };
        let (head, tail) = given.shape.split_at(lead);
        // How many axes the caller's `..` has is not known: it is none of those that are written.
        if tail.iter().any(|d| d.as_sym() == Some("..")) {
            return;
        }
        if is_open(declared) {
            self.leading.get_or_insert_with(|| head.to_vec());
        }
        for (axis, given) in axes.iter().zip(tail) {
            if let Some(name) = axis.as_sym()
                && !self.dims.contains_key(name)
            {
                self.dims.insert(name.into(), given.clone());
            }
        }
    }

    fn difference(&self, declared: &Type, given: &Type) -> Option<Difference> {
        let axes = written(declared);
        if declared.dtype != given.dtype {
            return Some(Difference::DType);
        }
        let lead = match given.rank().checked_sub(axes.len()) {
            Some(lead) if is_open(declared) || lead == 0 => lead,
            _ => return Some(Difference::Rank),
        };
        let (head, tail) = given.shape.split_at(lead);
        if is_open(declared) && self.leading.as_deref() != Some(head) {
            return Some(Difference::Leading);
        }
        axes.iter().zip(tail).find_map(|(declared, given)| match self.dim(declared) {
            Ok(wanted) if wanted == *given => None,
            Ok(wanted) => Some(Difference::Axis { declared: declared.clone(), wanted, given: given.clone() }),
            Err(e) => Some(Difference::Dim(e)),
        })
    }

    /// Adds the dims that a `where` clause equates with others, once those are known.
    ///
    /// # Errors
    /// Such a dim has no value.
    pub fn add_equal(&mut self) -> Result<(), DimError> {
        for (name, d) in self.sig.equalities() {
            if !self.dims.contains_key(&name) && self.knows(&d) {
                let value = self.dim(&d)?;
                self.dims.insert(name, value);
            }
        }
        Ok(())
    }

    /// The first dim that has no value.
    pub fn unbound(&self) -> Option<&'s DimDecl> {
        self.sig.dims.iter().find(|d| !self.dims.contains_key(&d.name))
    }

    fn knows(&self, d: &Dim) -> bool {
        d.syms().iter().all(|s| self.dims.contains_key(s))
    }

    /// A dim of the signature in the caller's names.
    ///
    /// # Errors
    /// It cannot be written in them.
    pub fn dim(&self, d: &Dim) -> Result<Dim, DimError> {
        d.subst(&|s| self.dims.get(s).cloned())
    }

    /// A type of the signature in the caller's names; what cannot be written in them stays as it is.
    pub fn ty(&self, t: &Type) -> Type {
        let mut shape = Vec::new();
        for d in &t.shape {
            match (d.as_sym(), &self.leading) {
                (Some(".."), Some(leading)) => shape.extend(leading.iter().cloned()),
                _ => shape.push(self.dim(d).unwrap_or_else(|_| d.clone())),
            }
        }
        Type::new(t.dtype, shape)
    }
}
