//! The search for the stage of compiling that makes a result wrong: pass by pass, then by halving the fusions
//! that are made.

use crate::compile::Compilation;
use crate::compiled::Inner;
use crate::error::Error;
use crate::inspect::bisect::{Bisection, WrongStage};
use crate::inspect::judge::Judge;
use crate::inspect::report::TensorReport;
use crate::options::{Fusions, Options};
use crate::run::session::Session;
use crate::tensor::Tensor;
use crate::tensor::view::AnyView;
use crate::weights::pack::Packs;
use std::sync::Arc;
use tancho_ir::fuse::Limit;
use tancho_ir::graph::Source;
use tancho_ir::op::Op;
use tancho_ir::passes::{self, Pass};
use tancho_ir::table::name_of;
use tancho_ir::{Graph, Value};
use tancho_jit::spec::StepSpec;

/// A wrong stage with the part of the graph that it concerns.
pub struct Narrowed {
    pub bisection: Bisection,
    /// The graph after all passes, if the passes are right.
    pub graph: Option<Arc<Graph>>,
    /// The nodes of the wrong kernel in that graph; none if it is in a body.
    pub nodes: Vec<Value>,
}

/// A call whose results are wrong, while the stage is looked for.
pub struct Search<'a> {
    pub session: &'a Session,
    pub inputs: &'a [AnyView<'a>],
    /// The values of the inputs.
    pub given: &'a [Tensor],
    pub judge: Judge<'a>,
    /// How far each op is off by itself.
    pub errors: Vec<f64>,
    /// What is packed once is not packed again.
    pub packs: Packs,
}

/// A group of several nodes, of the network or of a body in it.
struct Unit<'a> {
    /// The numbers of the bodies that lead to its graph.
    path: Vec<usize>,
    inner: &'a Inner,
    /// Its number in this graph.
    group: usize,
    /// Where the op with this body stands.
    within: Option<Source>,
}

impl Search<'_> {
    /// The first wrong stage, and `None` if all stages are right by themselves.
    ///
    /// # Errors
    /// A stage fails, which it did not when the network was compiled and run before.
    pub fn run(mut self) -> Result<Option<Narrowed>, Error> {
        let mut graph = self.session.compiled().graph().clone();
        for (number, pass) in self.passes().iter().enumerate() {
            let after = (pass.run)(&graph)?;
            if after != graph
                && let Some(report) = self.changed_by(&after)?
            {
                let stage = WrongStage::Pass { name: pass.name.into(), number, within: None };
                let bisection = Bisection { stage, report };
                return Ok(Some(Narrowed { bisection, graph: None, nodes: Vec::new() }));
            }
            graph = after;
        }
        let graph = Arc::new(graph);
        if self.wrong_with(&graph, Fusions::default())?.is_some() {
            return self.in_kernels(&graph);
        }
        self.in_fusions(&graph)
    }

    fn passes(&self) -> &'static [Pass] {
        self.session.compiled().inner().compilation.options.stages.passes
    }

    /// The first result that the interpreter gives otherwise for a graph that a pass has made.
    fn changed_by(&mut self, graph: &Graph) -> Result<Option<TensorReport>, Error> {
        match self.session.judge_of(graph, self.given) {
            Ok(other) => Ok(first_wrong(self.judge.within_reach(other.right(), &self.errors)?)),
            Err(e @ (Error::Memory { .. } | Error::WeightMemory { .. })) => Err(e),
            // The graph before the pass has results.
            Err(e) => {
                let reports = self.judge.by_rows(self.judge.right());
                Ok(reports.into_iter().next().map(|r| TensorReport { mismatch: Some(e.to_string()), ..r }))
            }
        }
    }

    /// The first wrong result of the graph after all passes with some fusions.
    fn wrong_with(&mut self, graph: &Arc<Graph>, fusions: Fusions) -> Result<Option<TensorReport>, Error> {
        let results = self.compiled(graph, fusions)?.results(self.inputs)?;
        Ok(first_wrong(self.judge.within_reach(&results, &self.errors)?))
    }

    /// A session of the graph after all passes with some fusions.
    fn compiled(&mut self, graph: &Arc<Graph>, fusions: Fusions) -> Result<Session, Error> {
        let compiled = self.session.compiled();
        let options = compiled.inner().compilation.options.clone();
        let options = Options { is_passed: true, fusions: Some(fusions), ..options };
        self.session.beside(compiled.with_options(graph.clone(), options, &mut self.packs)?)
    }

    /// The op whose kernel is wrong though nothing is fused.
    fn in_kernels(&mut self, graph: &Arc<Graph>) -> Result<Option<Narrowed>, Error> {
        let session = self.compiled(graph, Fusions::default())?;
        let Some((v, op)) = session.errors_of_ops(self.inputs)?.1 else { return Ok(None) };
        let bisection = match self.in_body_passes(graph, v)? {
            Some(bisection) => bisection,
            None => Bisection { stage: of_kernel(graph, v), report: op.report },
        };
        Ok(Some(Narrowed { bisection, graph: Some(graph.clone()), nodes: vec![v] }))
    }

    /// The pass that makes the body of an op wrong, if it has one.
    fn in_body_passes(&mut self, graph: &Graph, v: Value) -> Result<Option<Bisection>, Error> {
        let node = graph.node(v);
        let (Op::Scan { body, .. } | Op::Experts { body, .. }) = node.op else { return Ok(None) };
        let mut after = graph.clone();
        for (number, pass) in self.passes().iter().enumerate() {
            let Some(before) = after.bodies.get(body) else { return Ok(None) };
            let new = (pass.run)(before)?;
            if new == *before {
                continue;
            }
            after.bodies[body] = new;
            if let Some(report) = self.changed_by(&after)? {
                let within = Some(node.source.clone());
                let stage = WrongStage::Pass { name: pass.name.into(), number, within };
                return Ok(Some(Bisection { stage, report }));
            }
        }
        Ok(None)
    }

    /// The first fusion that makes a result wrong, where without fusions all are right.
    fn in_fusions(&mut self, graph: &Arc<Graph>) -> Result<Option<Narrowed>, Error> {
        let session = self.session;
        let inner = session.compiled().inner();
        let mut units = Vec::new();
        units_of(inner, &mut Vec::new(), None, &mut units);
        // Before all of these units everything is right.
        let (mut right, mut wrong) = (0, units.len());
        let Some(mut report) = self.wrong_with(graph, fusions(inner, &units, None))? else {
            return Ok(None);
        };
        while right + 1 < wrong {
            let middle = right.midpoint(wrong);
            match self.wrong_with(graph, fusions(inner, &units[..middle], None))? {
                Some(now) => (wrong, report) = (middle, now),
                None => right = middle,
            }
        }
        let Some(unit) = units.get(right) else { return Ok(None) };
        let fused = &unit.inner.compilation.fused;
        let nodes = &fused.groups[unit.group].nodes;
        // With so many nodes of the group everything is right.
        let (mut alone, mut joined) = (1, nodes.len());
        while alone + 1 < joined {
            let middle = alone.midpoint(joined);
            match self.wrong_with(graph, fusions(inner, &units[..right], Some((unit, middle))))? {
                Some(now) => (joined, report) = (middle, now),
                None => alone = middle,
            }
        }
        // What the passes have made, and not what a stage after them may have changed.
        let body = &unit.inner.compilation.graph;
        let of = match unit.path.is_empty() {
            true => graph.clone(),
            false => Arc::new(passes::run(self.passes(), body, &mut |_, _| ())?),
        };
        let node = of.node(nodes[alone]);
        let stage = WrongStage::Fusion {
            kernel: unit.group,
            group: fused.groups[unit.group].name(&of),
            op: name_of(&node.op).into(),
            label: of.label(nodes[alone]),
            source: node.source.clone(),
            within: unit.within.clone(),
        };
        let nodes = if unit.path.is_empty() { nodes.clone() } else { Vec::new() };
        let bisection = Bisection { stage, report };
        Ok(Some(Narrowed { bisection, graph: Some(graph.clone()), nodes }))
    }
}

/// The first report that is of a wrong result.
pub fn first_wrong(reports: Vec<TensorReport>) -> Option<TensorReport> {
    reports.into_iter().find(|report| !report.is_ok())
}

/// That the kernel of an op is wrong by itself.
pub fn of_kernel(graph: &Graph, v: Value) -> WrongStage {
    let node = graph.node(v);
    WrongStage::Kernel { op: name_of(&node.op).into(), label: graph.label(v), source: node.source.clone() }
}

/// Adds the groups of several nodes in the order they run; those of bodies before what follows their op.
fn units_of<'a>(inner: &'a Inner, path: &mut Vec<usize>, within: Option<&Source>, units: &mut Vec<Unit<'a>>) {
    let Compilation { fused, schedule, .. } = &inner.compilation;
    for (group, of) in fused.groups.iter().enumerate() {
        let bodies = schedule.steps.iter().find(|step| step.kernel == group).map(|step| match &step.spec {
            StepSpec::Kernel(_) => 0..0,
            StepSpec::Scan(scan) => scan.body..scan.body + 1,
            StepSpec::Experts(experts) => experts.body..experts.body + experts.experts,
        });
        let bodies = bodies.unwrap_or_default();
        if bodies.is_empty() && of.nodes.len() > 1 {
            units.push(Unit { path: path.clone(), inner, group, within: within.cloned() });
        }
        for body in bodies {
            let source = of.nodes.first().map(|v| &fused.graph.node(*v).source);
            path.push(body);
            units_of(&inner.bodies[body], path, source, units);
            path.pop();
        }
    }
}

/// The fusions of these groups, and of so many nodes of another.
fn fusions(inner: &Inner, whole: &[Unit<'_>], part: Option<(&Unit<'_>, usize)>) -> Fusions {
    fn of(inner: &Inner, path: &mut Vec<usize>, allowed: &[(&Unit<'_>, usize)]) -> Fusions {
        let mut limit = Limit::default();
        for (unit, count) in allowed.iter().filter(|(unit, _)| unit.path == *path) {
            limit.allow(&inner.compilation.fused, unit.group, *count);
        }
        let mut bodies = Vec::new();
        for (i, body) in inner.bodies.iter().enumerate() {
            path.push(i);
            bodies.push((body.compilation.graph.clone(), of(body, path, allowed)));
            path.pop();
        }
        Fusions { limit, bodies }
    }
    let allowed: Vec<(&Unit<'_>, usize)> = whole.iter().map(|unit| (unit, usize::MAX)).chain(part).collect();
    of(inner, &mut Vec::new(), &allowed)
}
