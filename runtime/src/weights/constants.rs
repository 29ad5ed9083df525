//! The values of constants: tables of the declaration, and those that Rust computes once and gives with the
//! dims.

use super::data::WeightData;
use super::init;
use super::names::{cut, matches, nearest};
use super::set::{shape_of, weight_text};
use crate::error::Error;
use crate::reserve::copied;
use crate::tensor::Tensor;
use crate::tensor::element::Element;
use crate::tensor::shape::{TensorType, ViewError, element_count};
use crate::tensor::view::View;
use std::fmt;
use tancho_ir::Graph;
use tancho_ir::graph::{Init, WeightDecl};

/// Values that a constant can be given: a vector, a slice or an array is one axis, `values.view([2, 3])` and
/// a [`Tensor`] have any shape.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the values of a constant",
    label = "constants are given as f32 or i32",
    note = "a `Vec`, a slice or an array of f32 or i32 is one axis; `values.view([2, 3])` and a `Tensor` have several"
)]
pub trait ConstantValues {
    /// The values as a tensor.
    ///
    /// # Errors
    /// They do not fit the shape of a view, or there is no memory for a copy.
    #[doc(hidden)]
    fn into_tensor(self) -> Result<Tensor, Error>;
}

impl ConstantValues for Tensor {
    fn into_tensor(self) -> Result<Tensor, Error> {
        Ok(self)
    }
}

impl<T: Element> ConstantValues for View<'_, T> {
    fn into_tensor(self) -> Result<Tensor, Error> {
        self.check()?;
        Ok(Tensor::from_parts(T::wrap(copied(self.data())?), self.shape()))
    }
}

impl<T: Element> ConstantValues for Vec<T> {
    fn into_tensor(self) -> Result<Tensor, Error> {
        let shape = [self.len()];
        Ok(Tensor::from_parts(T::wrap(self), &shape))
    }
}

impl<T: Element> ConstantValues for &[T] {
    fn into_tensor(self) -> Result<Tensor, Error> {
        copied(self)?.into_tensor()
    }
}

impl<T: Element> ConstantValues for &Vec<T> {
    fn into_tensor(self) -> Result<Tensor, Error> {
        self.as_slice().into_tensor()
    }
}

impl<T: Element, const N: usize> ConstantValues for [T; N] {
    fn into_tensor(self) -> Result<Tensor, Error> {
        self.as_slice().into_tensor()
    }
}

impl<T: Element, const N: usize> ConstantValues for &[T; N] {
    fn into_tensor(self) -> Result<Tensor, Error> {
        self.as_slice().into_tensor()
    }
}

/// The values that a network was given, by the names or patterns they were given for.
#[derive(Clone, Default)]
pub struct Given {
    list: Vec<(String, Result<WeightData, ConstantProblem>)>,
}

impl Given {
    /// Adds values. What is wrong with them is reported with everything else.
    pub fn add(&mut self, name: &str, values: impl ConstantValues) {
        let values = values.into_tensor().map(WeightData::from).map_err(|e| {
            let name = name.to_string();
            match e {
                Error::View(why) => ConstantProblem::View { name, why },
                Error::Memory { bytes } => ConstantProblem::Memory { name, bytes },
                // Copying has no other error.
                _ => ConstantProblem::Memory { name, bytes: u128::MAX },
            }
        });
        self.list.push((name.into(), values));
    }

    /// The names and types given, in short.
    fn shown(&self) -> impl Iterator<Item = String> {
        let ty = |values: &Result<WeightData, ConstantProblem>| match values {
            Ok(w) => w.ty().to_string(),
            Err(_) => "invalid".into(),
        };
        self.list.iter().map(move |(name, values)| format!("{name}: {}", ty(values)))
    }

    /// The values of every constant, by its number among the weights; `None` for weights.
    ///
    /// # Errors
    /// Everything that does not fit, in one error; or there is no memory for a table.
    pub fn values(&self, graph: &Graph) -> Result<Vec<Option<WeightData>>, Error> {
        let mut problems = Vec::new();
        let mut all = Vec::with_capacity(graph.weights.len());
        for decl in &graph.weights {
            all.push(match &decl.init {
                Init::Given => self.one(decl, &mut problems)?,
                Init::Table(_) => {
                    let shape = shape_of(decl)?;
                    let t = init::tensor(decl, &shape, 0);
                    Some(t.map_err(|e| e.of_weight(&weight_text(decl, &shape)))?.into())
                }
                _ => None,
            });
        }
        self.strangers(graph, &mut problems);
        if problems.is_empty() {
            return Ok(all);
        }
        Err(Error::Constants { network: graph.name.clone(), problems })
    }

    /// The values of a constant that is given: of several names and patterns that fit, the last counts.
    fn one(
        &self,
        decl: &WeightDecl,
        problems: &mut Vec<ConstantProblem>,
    ) -> Result<Option<WeightData>, Error> {
        let shape = shape_of(decl)?;
        let expected = TensorType { element: decl.ty.dtype.into(), shape: &shape };
        let given = self.list.iter().rev().find(|(pattern, _)| matches(pattern, &decl.name));
        match given {
            None => {
                problems.push(ConstantProblem::Missing {
                    name: decl.name.clone(),
                    expected: expected.to_string(),
                });
                Ok(None)
            }
            Some((_, Ok(w))) if w.dtype() == decl.ty.dtype && w.shape() == shape => Ok(Some(w.clone())),
            Some((_, Ok(w))) => {
                let flat = w.shape().len() == 1 && element_count(w.shape()) == element_count(&shape);
                problems.push(ConstantProblem::Type {
                    name: decl.name.clone(),
                    expected: expected.to_string(),
                    found: w.ty().to_string(),
                    shape: (flat && w.dtype() == decl.ty.dtype).then_some(shape),
                });
                Ok(None)
            }
            // It is reported where the values were given.
            Some((_, Err(_))) => Ok(None),
        }
    }

    /// What was given and is wrong in itself, or given for no constant that takes values.
    fn strangers(&self, graph: &Graph, problems: &mut Vec<ConstantProblem>) {
        let named = |init: fn(&Init) -> bool| {
            graph.weights.iter().filter(move |d| init(&d.init)).map(|d| d.name.as_str())
        };
        for (pattern, values) in &self.list {
            if let Err(problem) = values {
                problems.push(problem.clone());
            }
            if named(|i| *i == Init::Given).any(|name| matches(pattern, name)) {
                continue;
            }
            let table = named(|i| matches!(i, Init::Table(_))).find(|name| matches(pattern, name));
            problems.push(match table {
                Some(name) => ConstantProblem::HasTable { name: name.into() },
                None => ConstantProblem::Unknown {
                    name: pattern.clone(),
                    suggestion: nearest(pattern, named(|i| *i == Init::Given)),
                },
            });
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.shown()).finish()
    }
}

/// One thing in which the constants of a declaration and what was given do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConstantProblem {
    /// A constant without a table was not given.
    Missing {
        /// Its name.
        name: String,
        /// Its declared type.
        expected: String,
    },
    /// What was given has another element type or shape.
    Type {
        /// The constant.
        name: String,
        /// Its declared type.
        expected: String,
        /// What was given.
        found: String,
        /// The declared shape, if what was given has as many elements on one axis.
        shape: Option<Vec<usize>>,
    },
    /// There is no such constant.
    Unknown {
        /// The name or pattern that was given.
        name: String,
        /// The nearest there is.
        suggestion: Option<String>,
    },
    /// The constant has a table in its declaration.
    HasTable {
        /// Its name.
        name: String,
    },
    /// The values do not fit the shape of their view.
    View {
        /// The name or pattern that was given.
        name: String,
        /// What is wrong.
        why: ViewError,
    },
    /// There is no memory for a copy of the values.
    Memory {
        /// The name or pattern that was given.
        name: String,
        /// How many bytes.
        bytes: u128,
    },
}

impl fmt::Display for ConstantProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConstantProblem::Missing { name, expected } => write!(f, "missing: `{name}`, {expected}"),
            ConstantProblem::Type { name, expected, found, shape } => {
                write!(f, "wrong type: `{name}` is declared {expected}, but {found} was given")?;
                match shape {
                    Some(shape) => write!(f, "; give it its shape, `values.view({shape:?})`"),
                    None => Ok(()),
                }
            }
            ConstantProblem::Unknown { name, suggestion } => {
                write!(f, "unknown: there is no constant `{}` to give", cut(name))?;
                match suggestion {
                    Some(s) => write!(f, "; did you mean `{s}`?"),
                    None => Ok(()),
                }
            }
            ConstantProblem::HasTable { name } => {
                write!(f, "not to be given: `{name}` has its values in the declaration")
            }
            ConstantProblem::View { name, why } => {
                write!(f, "no tensor: the values of `{}`: {why}", cut(name))
            }
            ConstantProblem::Memory { name, bytes } => {
                write!(f, "no memory: {bytes} bytes for the values of `{}`", cut(name))
            }
        }
    }
}

/// The problems, one a line, and what to write if something is missing.
pub fn lines(problems: &[ConstantProblem]) -> String {
    const SHOWN: usize = 50;
    let mut out: String = problems.iter().take(SHOWN).map(|p| format!("\n  {p}")).collect();
    if problems.len() > SHOWN {
        out += &format!("\n  {} more", problems.len() - SHOWN);
    }
    let missing: Vec<&str> = problems
        .iter()
        .filter_map(
            |p| if let ConstantProblem::Missing { name, .. } = p { Some(name.as_str()) } else { None },
        )
        .collect();
    let Some(first) = missing.first() else { return out };
    // Those of an array of nets are one constant in many places.
    let end = first.rsplit('.').next().unwrap_or(first);
    let alike = missing.len() > 1 && missing.iter().all(|n| n.rsplit('.').next() == Some(end));
    let name = if alike { format!("*.{end}") } else { (*first).to_string() };
    out += &format!(
        "\nhelp: give them with the dims: `Name::with(NameDims {{ .. }}).constant(\"{name}\", values)`"
    );
    out
}
