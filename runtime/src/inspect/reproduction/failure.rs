//! A call whose results are wrong, kept until its reproduction is asked for.

use super::Reproduction;
use super::cut::{Call, Cut, cut};
use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::report::Report;
use crate::options::Options;
use crate::run::inputs::values;
use crate::run::session::Session;
use crate::tensor::Tensor;
use crate::tensor::any::AnyTensor;
use crate::tensor::view::AnyView;
use crate::weights::Weights;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tancho_ir::{Graph, Value};

/// The variable that names a folder for the reproductions of checks that fail.
pub const REPRODUCTION_DIR: &str = "TANCHO_REPRO_DIR";

/// The call that a report is of, if its results were wrong. Reports are compared without it.
#[derive(Clone, Default)]
pub struct FailedCall(Option<Arc<Failure>>);

impl PartialEq for FailedCall {
    fn eq(&self, _: &FailedCall) -> bool {
        true
    }
}

impl fmt::Debug for FailedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_known() { "a call" } else { "no call" })
    }
}

impl FailedCall {
    /// Whether there is a call that can be written.
    pub fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Its reproduction.
    ///
    /// # Errors
    /// There is no call, or it cannot be run again.
    pub fn reproduction(&self, report: &Report) -> Result<Reproduction, Error> {
        let failure = self.0.as_ref().ok_or(Error::NothingToReproduce)?;
        failure.reproduction(format!("{report}"))
    }
}

/// Notes the call in a report of it whose results are wrong, and writes its reproduction if the environment
/// asks for it.
///
/// # Errors
/// Memory is short, or the reproduction cannot be written.
pub fn note(session: &Session, inputs: &[AnyView<'_>], report: &mut Report) -> Result<(), Error> {
    let failure = Failure {
        compiled: session.compiled().clone(),
        inputs: inputs.iter().map(AnyTensor::of).collect::<Result<_, _>>()?,
        states: session.held(),
        threads: session.threads(),
    };
    let name = failure.file_name();
    report.call = FailedCall(Some(Arc::new(failure)));
    let Some(folder) = std::env::var_os(REPRODUCTION_DIR).filter(|folder| !folder.is_empty()) else {
        return Ok(());
    };
    let path = Path::new(&folder).join(name);
    let made = std::fs::create_dir_all(&folder).map_err(|error| Error::Save { path: folder.into(), error });
    match made.and_then(|()| report.write_reproduction(&path)) {
        Ok(()) => report.reproduction = Some(path),
        Err(e) => {
            let report = Box::new(std::mem::take(report));
            return Err(Error::Reproduction { report, why: Box::new(e) });
        }
    }
    Ok(())
}

/// A call whose results are wrong.
struct Failure {
    compiled: Compiled,
    inputs: Vec<AnyTensor>,
    states: Vec<Option<Tensor>>,
    threads: usize,
}

impl Failure {
    /// A name that no other reproduction has.
    fn file_name(&self) -> PathBuf {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let Graph { name, entry, .. } = self.compiled.graph();
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
        let network: String =
            [name.as_str(), entry].join("_").trim_end_matches('_').chars().map(plain).collect();
        format!("{network}-{}-{number}.safetensors", std::process::id()).into()
    }

    fn options(&self) -> &Options {
        &self.compiled.inner().compilation.options
    }

    /// The smallest call that is known to be wrong: the first op that is wrong by itself, the kernel that is
    /// wrong by its fusions, or all of it.
    fn reproduction(&self, report: String) -> Result<Reproduction, Error> {
        let mut session = self.compiled.session_with_threads(self.threads)?;
        session.restore(&self.states)?;
        let inputs: Vec<AnyView<'_>> = self.inputs.iter().map(AnyTensor::view).collect();
        let graph = self.compiled.graph();
        if let Some((v, _)) = session.errors_of_ops(&inputs)?.1
            && let Some(found) = self.part(&session, &inputs, graph, &[v], &report)?
        {
            return Ok(found);
        }
        if let Some(narrowed) = session.narrow(&inputs)?
            && let Some(passed) = narrowed.graph
            && !narrowed.nodes.is_empty()
            && let Some(found) = self.part(&session, &inputs, &passed, &narrowed.nodes, &report)?
        {
            return Ok(found);
        }
        let all = Cut {
            graph: graph.clone(),
            inputs: self.inputs.clone(),
            states: self.states.clone(),
            weights: (0..graph.weights.len()).collect(),
        };
        self.made_of(all, "the whole network".into(), report)
    }

    /// The call of some nodes alone, if it is wrong as well.
    fn part(
        &self,
        session: &Session,
        inputs: &[AnyView<'_>],
        graph: &Graph,
        nodes: &[Value],
        report: &str,
    ) -> Result<Option<Reproduction>, Error> {
        let judge = session.judge_of(graph, &values(graph, inputs)?)?;
        let (dims, all) = (judge.dims(), judge.all());
        let call = Call { graph, dims, all, inputs: &self.inputs, states: &self.states };
        let Some(part) = cut(&call, nodes) else { return Ok(None) };
        let labels: Vec<String> = nodes.iter().map(|v| graph.label(*v)).collect();
        let of = format!("{} of {}", labels.join(", "), graph.name);
        let made = self.made_of(part, of, report.to_string())?;
        // What cannot even be compiled by itself is no reproduction.
        Ok(made.is_wrong(self.options().stages).unwrap_or(false).then_some(made))
    }

    fn made_of(&self, part: Cut, of: String, report: String) -> Result<Reproduction, Error> {
        let weight = |i: &usize| {
            let decl = &self.compiled.graph().weights[*i];
            Ok((decl.name.clone(), self.compiled.inner().weight(*i)?.clone()))
        };
        let weights = part.weights.iter().map(weight).collect::<Result<_, Error>>()?;
        Ok(Reproduction {
            weights: Arc::new(Weights::new(&part.graph, weights)),
            graph: Arc::new(part.graph),
            inputs: part.inputs,
            states: part.states,
            target: self.options().target.into(),
            threads: self.threads,
            version: env!("CARGO_PKG_VERSION").into(),
            of,
            report,
        })
    }
}
