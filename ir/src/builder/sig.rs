//! The signature of a network as constant data, and what goes wrong when it is built.

use super::*;

/// A dim of a network's signature.
#[derive(Clone, Copy, Debug)]
pub struct DimSig {
    /// Its name.
    pub name: &'static str,
    /// Its kind; polynomials are texts.
    pub kind: DimKind<&'static str>,
}

/// An option of a network's signature.
#[derive(Clone, Copy, Debug)]
pub struct OptionSig {
    /// Its name.
    pub name: &'static str,
    /// Its default.
    pub default: OptionValue,
}

/// An input of a network's signature.
#[derive(Clone, Copy, Debug)]
pub struct InputSig {
    /// Its name.
    pub name: &'static str,
    /// The type of its value as text, `i32[B, S]`, which is what a network that calls this one gives.
    pub ty: &'static str,
    /// The element type in which a caller of the entry point gives it, if it is converted.
    pub given: Option<ElementType>,
    /// Line of its declaration, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// The signature of a network, as constant data.
#[derive(Clone, Copy, Debug)]
pub struct Sig {
    /// Its name.
    pub name: &'static str,
    /// The entry point; empty in the short form, which has one.
    pub entry: &'static str,
    /// The file it is declared in.
    pub file: &'static str,
    /// Dims in the order of declaration.
    pub dims: &'static [DimSig],
    /// Options in order.
    pub options: &'static [OptionSig],
    /// Inputs in order.
    pub inputs: &'static [InputSig],
    /// Type texts of the results.
    pub outputs: &'static [&'static str],
    /// `where` clauses: left side, relation, right side.
    pub wheres: &'static [(&'static str, Relation, &'static str)],
    /// Patterns of `#[unused_weights(..)]`.
    pub unused_weights: &'static [&'static str],
    /// For each result the first op without a gradient between it and a weight or an input; empty if there is
    /// none. What networks of other macro calls have in them is not known here: the graph says it.
    pub flat: &'static [&'static str],
    /// The declaration has an error: calls of it are not judged by `cargo check`.
    pub broken: bool,
}

impl Sig {
    /// The same with its texts read.
    pub(crate) fn read(&self) -> Result<Signature> {
        let dim = |d: &DimSig| {
            let kind = match d.kind {
                DimKind::Run => DimKind::Run,
                DimKind::Bounded(text) => DimKind::Bounded(Dim::parse(text)?),
                DimKind::Static(text) => DimKind::Static(Dim::parse(text)?),
                DimKind::Required => DimKind::Required,
            };
            Ok(DimDecl { name: d.name.into(), kind })
        };
        let constraint = |(left, relation, right): &(&str, Relation, &str)| {
            Ok(Constraint { left: Dim::parse(left)?, relation: *relation, right: Dim::parse(right)? })
        };
        let input = |i: &InputSig| Ok((i.name.to_string(), read_type(i.ty)?));
        Ok(Signature {
            name: self.name.into(),
            entry: self.entry.into(),
            dims: self.dims.iter().map(dim).collect::<Result<_>>()?,
            options: self.options.iter().map(|o| (o.name.to_string(), o.default)).collect(),
            inputs: self.inputs.iter().map(input).collect::<Result<_>>()?,
            outputs: self.outputs.iter().map(|t| read_type(t)).collect::<Result<_>>()?,
            wheres: self.wheres.iter().map(constraint).collect::<Result<_>>()?,
        })
    }
}

/// A type from its text; leading axes `..` are a symbol of that name.
pub(super) fn read_type(text: &str) -> Result<Type> {
    let (dtype, axes) = split_type(text).ok_or_else(|| BuildError::new(format!("`{text}` is no type")))?;
    Ok(Type { dtype, shape: axes.iter().map(|a| read_axis(a)).collect::<Result<_, _>>()? })
}

/// One axis of such a type.
pub(super) fn read_axis(text: &str) -> Result<Dim, DimError> {
    if text == ".." { Ok(Dim::sym(text)) } else { Dim::parse(text) }
}

/// A network declared by `network!`.
///
/// The macro implements it; there is no need to do so by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a network",
    label = "not declared by `network!`",
    note = "only items declared by `network!` (or types implementing `Network`) can be called in a network body"
)]
pub trait Network {
    /// The signature as declared.
    const SIG: Sig;

    /// Adds the body to a graph and returns the results.
    ///
    /// # Errors
    /// A shape does not fit; only possible where the macro could not see both sides.
    #[doc(hidden)]
    fn build(scope: &mut Scope<'_>, args: &[Value]) -> Result<Vec<Value>, BuildError>;
}

/// A network as a value: what the macro needs of one it knows by its path alone.
#[derive(Clone, Copy, Debug)]
pub struct NetworkRef {
    /// Its signature.
    pub sig: &'static Sig,
    /// Its [`Network::build`].
    pub build: fn(&mut Scope<'_>, &[Value]) -> Result<Vec<Value>, BuildError>,
}

/// Why a network could not be built into a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// What is wrong.
    pub message: String,
    /// Where it was written.
    pub source: Box<Source>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if self.source.line > 0 || !self.source.text.is_empty() {
            write!(f, "\n  at {}", self.source)?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

impl BuildError {
    pub(crate) fn new(message: impl Into<String>) -> BuildError {
        BuildError { message: message.into(), source: Box::default() }
    }
}

impl From<DimError> for BuildError {
    fn from(e: DimError) -> BuildError {
        BuildError::new(e.to_string())
    }
}

impl From<ShapeError> for BuildError {
    fn from(e: ShapeError) -> BuildError {
        BuildError::new(e.to_string())
    }
}

impl From<CallError> for BuildError {
    fn from(e: CallError) -> BuildError {
        BuildError::new(e.to_string())
    }
}
