//! Reports of how results differ from the reference.

use crate::error::Error;
use crate::inspect::numbers::element;
use crate::inspect::reproduction::Reproduction;
use crate::inspect::reproduction::failure::{FailedCall, REPRODUCTION_DIR};
use std::fmt;
use std::path::{Path, PathBuf};

/// The largest error that is right.
pub const BOUND: f64 = 1e-5;

/// One element that is wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Bad {
    /// Its index, one number an axis.
    pub index: Vec<usize>,
    /// What was computed.
    pub got: f64,
    /// The value of the reference.
    pub want: f64,
}

/// How one tensor differs from its reference.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[must_use = "a comparison says nothing until it is asked: `is_ok()`, `into_result()`, or print it"]
pub struct TensorReport {
    /// Its name.
    pub name: String,
    /// Element type and shape of the reference.
    pub shape: String,
    /// Largest distance, over elements that are finite on both sides.
    pub max_abs: f64,
    /// Largest distance in units in the last place of the element type, over the same elements.
    pub max_ulp: u64,
    /// Largest error by the [measure](crate::inspect::compare); infinite where NaN or an infinity is not met.
    pub max_rel: f64,
    /// Number of wrong elements.
    pub bad: usize,
    /// The first of them.
    pub first_bad: Option<Bad>,
    /// Why the elements could not be compared at all.
    pub mismatch: Option<String>,
}

impl TensorReport {
    /// Whether every element is right.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.bad == 0 && self.mismatch.is_none()
    }

    /// Nothing if every element is right, else the report as an error.
    ///
    /// # Errors
    /// An element is wrong, or the tensors cannot be compared.
    pub fn into_result(self) -> Result<(), Box<TensorReport>> {
        if self.is_ok() { Ok(()) } else { Err(Box::new(self)) }
    }
}

impl std::error::Error for TensorReport {}

impl fmt::Display for TensorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, std::slice::from_ref(self))
    }
}

/// The first op whose result differs although its arguments do not.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OpReport {
    /// How the user calls the value.
    pub label: String,
    /// The op and where it was written.
    pub place: String,
    /// How its result differs.
    pub report: TensorReport,
}

/// How the results of a network differ from the reference.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
#[must_use = "a report says nothing until it is asked: `is_ok()`, `into_result()`, or print it"]
pub struct Report {
    /// One a result, in order.
    pub tensors: Vec<TensorReport>,
    /// The first op that diverges, if one was looked for and found.
    pub diverges_at: Option<OpReport>,
    /// The file with the reproduction, if one was written: where `TANCHO_REPRO_DIR` names a folder, a check
    /// that fails writes one.
    pub reproduction: Option<PathBuf>,
    /// The call, if it failed.
    pub(crate) call: FailedCall,
}

impl Report {
    /// Whether every result is right.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.diverges_at.is_none() && self.tensors.iter().all(TensorReport::is_ok)
    }

    /// The call as a file that has all that is needed to run it again: the graph, the target, inputs, states
    /// and weights bit for bit, and this report. It is as small as could be found. The first op that is wrong
    /// by itself is written with the arguments it had, or the ops of the kernel that
    /// [`bisect`](crate::Compiled::bisect) finds, and that only if they are wrong alone as well. Otherwise it
    /// is the whole network with all its weights, however large they are.
    ///
    /// `cargo run --example inspect -- FILE --stage check` runs it, and [`Reproduction::read`] reads it. It
    /// is a safetensors file, whose metadata has the text.
    ///
    /// ```
    /// use tancho_runtime::{AsView, Error, Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B]\n%0: f32[B] = input(index = 0)\n%1: f32[B] = exp(%0)\nreturn %1",
    /// ).unwrap();
    /// let compiled = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap();
    /// let report = compiled.check_inputs(&[[1.0f32].view([1]).into()]).unwrap();
    /// if report.is_ok() {
    ///     let nothing = report.write_reproduction("wrong.safetensors").unwrap_err();
    ///     assert!(matches!(nothing, Error::NothingToReproduce));
    /// }
    /// ```
    ///
    /// # Errors
    /// The report is of no check that failed, or the file cannot be written.
    pub fn write_reproduction(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.reproduce()?.write(path)
    }

    /// The same without a file.
    ///
    /// # Errors
    /// The report is of no check that failed.
    pub fn reproduce(&self) -> Result<Reproduction, Error> {
        self.call.reproduction(self)
    }

    /// Nothing if every result is right, else the report as an error, which `?` turns into an
    /// [`Error`]: `compiled.check(x)?.into_result()?`.
    ///
    /// # Errors
    /// A result is wrong.
    pub fn into_result(self) -> Result<(), Box<Report>> {
        if self.is_ok() { Ok(()) } else { Err(Box::new(self)) }
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, &self.tensors)?;
        if let Some(op) = &self.diverges_at {
            write!(f, "\nthe first op that diverges is {}: {}\n{}", op.label, op.place, op.report)?;
        } else if !self.is_ok() {
            write!(
                f,
                "\nno op diverges by itself: the fault is in what was made of several, and `bisect` finds the stage that made it"
            )?;
        }
        match &self.reproduction {
            Some(path) => write!(f, "\nthe reproduction is {}", path.display()),
            None if self.call.is_known() => write!(
                f,
                "\n`Report::write_reproduction` writes a file that reproduces this, and {REPRODUCTION_DIR}=folder too"
            ),
            None => Ok(()),
        }
    }
}

pub(crate) fn table(f: &mut fmt::Formatter<'_>, rows: &[TensorReport]) -> fmt::Result {
    let widest = |text: fn(&TensorReport) -> &str| {
        rows.iter().map(|r| text(r).chars().count()).max().unwrap_or(0).max(6)
    };
    let (name, shape) = (widest(|r| &r.name), widest(|r| &r.shape));
    write!(
        f,
        "{:name$}  {:shape$}  {:>9}  {:>9}  {:>9}",
        "tensor", "shape", "max abs", "max ulp", "max rel"
    )?;
    for r in rows {
        write!(f, "\n{:name$}  {:shape$}  ", r.name, r.shape)?;
        if let Some(m) = &r.mismatch {
            write!(f, "{m}")?;
            continue;
        }
        write!(f, "{:>9.2e}  {:>9}  {:>9.2e}  ", r.max_abs, ulps_shown(r), r.max_rel)?;
        match &r.first_bad {
            None => write!(f, "ok")?,
            Some(b) => {
                let (got, want) = (element(b.got), element(b.want));
                write!(f, "{} wrong, the first at {:?}: {got}, not {want}", r.bad, b.index)?
            }
        }
    }
    Ok(())
}

/// The largest distance in units in the last place, for a reader. Elements near zero are many units from
/// their reference however small the distance is; where all are right by the measure, such a number means
/// nothing.
fn ulps_shown(report: &TensorReport) -> String {
    const MOST: u64 = (BOUND / f32::EPSILON as f64 * 2.0) as u64;
    if report.is_ok() && report.max_ulp > MOST { "near 0".into() } else { report.max_ulp.to_string() }
}
