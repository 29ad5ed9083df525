//! Which stage of compiling makes a result wrong.
//!
//! The interpreter runs the graph after each pass. If that is right, the graph that the passes end with is
//! compiled with every op as a kernel of its own, and then with more and more of its fusions.

use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::report::TensorReport;
use crate::inspect::search::{Narrowed, Search, first_wrong, of_kernel};
use crate::run::inputs::values;
use crate::run::session::Session;
use crate::tensor::view::AnyView;
use crate::weights::pack::Packs;
use std::fmt;
use tancho_ir::graph::Source;

/// The first stage of compiling that makes a result wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Bisection {
    /// The stage.
    pub stage: WrongStage,
    /// The first result that is wrong once this stage is done, or of [`WrongStage::Kernel`] the result of the
    /// op, beside the reference.
    pub report: TensorReport,
}

/// A stage of compiling that makes a result wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WrongStage {
    /// A pass: the interpreter gives other results for the graph after it than before it.
    Pass {
        /// Its name.
        name: String,
        /// Its place among all passes, from 0.
        number: usize,
        /// Of a pass that is wrong in the body of a loop or of experts, where the op with this body stands.
        within: Option<Source>,
    },
    /// The kernel of an op is wrong by itself, with nothing fused to it.
    Kernel {
        /// The op.
        op: String,
        /// How the user calls its value.
        label: String,
        /// Where it was written.
        source: Source,
    },
    /// An op that joins a kernel makes it wrong.
    Fusion {
        /// The number of the kernel in [`Compiled::fused_ir`].
        kernel: usize,
        /// What it is made of: `matmul+add+gelu`.
        group: String,
        /// The op that makes it wrong when it joins those before it.
        op: String,
        /// How the user calls its value.
        label: String,
        /// Where it was written.
        source: Source,
        /// Of a kernel in the body of a loop or of experts, where the op with this body stands.
        within: Option<Source>,
    },
    /// The results are wrong, but no stage could be named: each is right by itself.
    Unknown,
}

impl fmt::Display for Bisection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.stage, self.report)
    }
}

impl fmt::Display for WrongStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = |f: &mut fmt::Formatter<'_>, within: &Option<Source>| match within {
            Some(source) => write!(f, " in the body of {source}"),
            None => Ok(()),
        };
        match self {
            WrongStage::Pass { name, number, within } => {
                write!(f, "pass {number}, {name}, makes the results wrong")?;
                body(f, within)?;
                write!(f, ": the interpreter gives others for the graph after it")
            }
            WrongStage::Kernel { op, source, .. } => {
                write!(f, "the kernel of {op} for {source} is wrong by itself: nothing is fused to it")
            }
            WrongStage::Fusion { kernel, group, op, source, within, .. } => {
                write!(f, "kernel {kernel} ({group})")?;
                body(f, within)?;
                write!(f, " is wrong once {op} for {source} is fused into it: without it the kernel is right")
            }
            WrongStage::Unknown => f.write_str("the results are wrong, but each stage is right by itself"),
        }
    }
}

impl Compiled {
    /// The stage of compiling that makes a result of these inputs wrong: a pass, the kernel of an op, or the
    /// fusion of an op into a kernel. `None` if all results are right by [`Compiled::check_inputs`]. The
    /// network is compiled some times for it, and the interpreter runs it once for each pass that changes it.
    ///
    /// ```
    /// use tancho_runtime::{AsView, Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 4]\n%0: f32[B, 4] = input(index = 0)\n%1: f32[B, 4] = relu(%0)\nreturn %1",
    /// ).unwrap();
    /// let compiled = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap();
    /// let x = [1.0f32, -1.0, 2.0, 0.5];
    /// match compiled.bisect(&[x.view([1, 4]).into()]).unwrap() {
    ///     None => {} // every result is right
    ///     Some(wrong) => panic!("{wrong}"),
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Compiled::check_inputs`].
    pub fn bisect(&self, inputs: &[AnyView<'_>]) -> Result<Option<Bisection>, Error> {
        self.session().bisect(inputs)
    }
}

impl Session {
    /// As [`Compiled::bisect`], from the states of the session, which keep what they hold.
    ///
    /// # Errors
    /// As [`Compiled::check_inputs`].
    pub fn bisect(&self, inputs: &[AnyView<'_>]) -> Result<Option<Bisection>, Error> {
        Ok(self.narrow(inputs)?.map(|narrowed| narrowed.bisection))
    }

    /// The same, with the values that are involved.
    pub(crate) fn narrow(&self, inputs: &[AnyView<'_>]) -> Result<Option<Narrowed>, Error> {
        let graph = self.compiled().graph();
        let given = values(graph, inputs)?;
        let mut judge = self.judge(&given)?;
        let results = self.results(inputs)?;
        if first_wrong(judge.by_rows(&results)).is_none() {
            return Ok(None);
        }
        let (errors, diverging) = self.errors_of_ops(inputs)?;
        let diverging = diverging.map(|(v, op)| (v, op.report));
        let wrong = first_wrong(judge.within_reach(&results, &errors)?);
        // A result may be right by chance where an op is not.
        let Some(wrong) = wrong.or_else(|| diverging.clone().map(|(_, report)| report)) else {
            return Ok(None);
        };
        let search = Search { session: self, inputs, given: &given, judge, errors, packs: Packs::default() };
        let found = search.run()?;
        Ok(Some(found.unwrap_or_else(|| {
            let (stage, report) = match diverging {
                Some((v, report)) => (of_kernel(graph, v), report),
                None => (WrongStage::Unknown, wrong),
            };
            Narrowed { bisection: Bisection { stage, report }, graph: None, nodes: Vec::new() }
        })))
    }
}
