//! Compiled networks: code, plan and packed weights, shared by sessions.

use crate::compile::{Compilation, Stats, compile};
use crate::error::Error;
use crate::options::Options;
use crate::run::gathered::Gathered;
use crate::run::layout::Layout;
use crate::weights::pack::Packs;
use crate::weights::{WeightData, Weights};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tancho_ir::{Graph, Value};
use tancho_jit::Step;
use tancho_jit::spec::StepSpec;

/// A network as native code. It is cheap to clone, `Send` and `Sync`; each thread makes a
/// [`Session`](crate::Session) of its own.
#[derive(Clone)]
pub struct Compiled {
    inner: Arc<Inner>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compilation { graph, target, stats, packed, .. } = &self.inner.compilation;
        let mut line = f.debug_struct("Compiled");
        line.field("network", &graph.name);
        if !graph.entry.is_empty() {
            line.field("entry", &graph.entry);
        }
        line.field("isa", &target.isa()).field("kernels", &stats.kernels);
        line.field("code_bytes", &stats.code_bytes).field("packed_bytes", &packed.len()).finish()
    }
}

/// What clones of a compiled network share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub weights: Arc<Weights>,
    /// What the stages of compiling made of it.
    pub compilation: Compilation,
    /// The sizes, as polynomials of the run-time dims.
    pub layout: Layout,
    /// The weights of which only some rows are decoded, by the numbers of the weights in ascending order.
    pub gathered: Vec<Gathered>,
    /// Results that are an earlier result as well, with the number of that.
    pub twice: Vec<(usize, usize)>,
    /// The bodies of its loops and experts.
    pub bodies: Vec<Inner>,
    /// For each body the first of its form: itself, or an expert of the same mixture that differs from it in
    /// its weights alone.
    pub firsts: Vec<usize>,
}

impl Inner {
    fn new(weights: &Arc<Weights>, compilation: Compilation) -> Inner {
        let gathered = Gathered::of(&compilation, weights);
        Inner { gathered, ..Inner::of_body(weights, compilation) }
    }

    /// The body of a loop: its ids are known while it runs alone, so that tables are decoded whole.
    fn of_body(weights: &Arc<Weights>, mut compilation: Compilation) -> Inner {
        let bodies = std::mem::take(&mut compilation.bodies);
        let bodies: Vec<Inner> = bodies.into_iter().map(|body| Inner::of_body(weights, body)).collect();
        let firsts = firsts(&compilation, &bodies);
        let layout = Layout::new(&compilation.graph, &compilation);
        let twice = twice(&compilation.fused.graph.outputs);
        Inner { weights: weights.clone(), compilation, layout, gathered: Vec::new(), twice, bodies, firsts }
    }

    /// Whether a run may stop in the middle, at an id that is out of range.
    pub fn may_fail(&self) -> bool {
        let finds_ids = |step: &Step| step.spec.finds_ids();
        self.compilation.schedule.steps.iter().any(finds_ids) || self.bodies.iter().any(Inner::may_fail)
    }

    /// Whether it runs the same code on the same memory as another, and has other weights at most.
    fn runs_as(&self, other: &Inner) -> bool {
        let (one, two) = (&self.compilation, &other.compilation);
        let same_step = |(a, b): (&Step, &Step)| {
            (&a.spec, &a.binding.params, &a.units, &a.columns, &a.scratch)
                == (&b.spec, &b.binding.params, &b.units, &b.columns, &b.scratch)
        };
        one.schedule.steps.len() == two.schedule.steps.len()
            && one.schedule.steps.iter().zip(&two.schedule.steps).all(same_step)
            && one.plan.blocks == two.plan.blocks
            && self.bodies.len() == other.bodies.len()
            && self.bodies.iter().zip(&other.bodies).all(|(a, b)| a.runs_as(b))
    }

    /// Bytes of the packed weights of it and of all its bodies.
    fn packed_bytes(&self) -> usize {
        self.compilation.packed.len() + self.bodies.iter().map(Inner::packed_bytes).sum::<usize>()
    }

    /// It, then the bodies of its loops and experts, and of theirs. Of experts that differ in their weights
    /// alone there is one.
    pub fn all(&self) -> Vec<&Inner> {
        let mut all = vec![self];
        let first = |body: &usize| self.firsts[*body] == *body;
        (0..self.bodies.len()).filter(first).for_each(|body| all.extend(self.bodies[body].all()));
        all
    }

    /// The weight of that number.
    pub fn weight(&self, i: usize) -> Result<&WeightData, Error> {
        self.weights.at(i).ok_or_else(|| Error::Graph(format!("weight {i} is missing")))
    }
}

/// The first body of the form of each.
fn firsts(compilation: &Compilation, bodies: &[Inner]) -> Vec<usize> {
    let mut firsts: Vec<usize> = (0..bodies.len()).collect();
    for step in &compilation.schedule.steps {
        let StepSpec::Experts(spec) = &step.spec else { continue };
        for body in spec.body..spec.body + spec.experts {
            let mut before = (spec.body..body).filter(|first| firsts[*first] == *first);
            let same = before.find(|first| bodies[*first].runs_as(&bodies[body]));
            firsts[body] = same.unwrap_or(body);
        }
    }
    firsts
}

impl Compiled {
    /// Compiles a graph and packs its weights.
    ///
    /// # Errors
    /// The graph has a form that no kernel does, a weight cannot be packed, or the machine has no memory or
    /// instructions for it.
    pub(crate) fn new(
        graph: Arc<Graph>,
        weights: Arc<Weights>,
        options: Options,
        packs: &mut Packs,
    ) -> Result<Compiled, Error> {
        let compilation = compile(graph, &weights, options, packs)?;
        Ok(Compiled { inner: Arc::new(Inner::new(&weights, compilation)) })
    }

    /// The parts that it is made of.
    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// The graph it was compiled from: as declared, but for the element type of states and of what is made of
    /// them where [`Target::with_bf16_states`](crate::Target::with_bf16_states) rounds them.
    /// [`Model::graph`](crate::Model::graph) has the graph as declared.
    pub fn graph(&self) -> &Graph {
        &self.inner.compilation.graph
    }

    /// The weights it was compiled with.
    pub fn weights(&self) -> &Weights {
        &self.inner.weights
    }

    /// The graph in kernels, as text: what was fused, and what was not and why. The bodies of loops follow.
    pub fn fused_ir(&self) -> String {
        let texts: Vec<String> =
            self.inner.all().iter().map(|inner| inner.compilation.fused.to_string()).collect();
        texts.join("\n")
    }

    /// The graph after each pass, by the pass's name.
    ///
    /// # Errors
    /// A pass could not infer a shape.
    pub fn ir_after_passes(&self) -> Result<Vec<(String, Graph)>, Error> {
        let mut all = Vec::new();
        let seen = &mut |name: &str, g: &Graph| all.push((name.to_string(), g.clone()));
        tancho_ir::passes::run_all(&self.inner.compilation.graph, seen)?;
        Ok(all)
    }

    /// Times and sizes of the compilation.
    pub fn stats(&self) -> Stats {
        self.inner.compilation.stats
    }

    /// How long packing the weights took.
    pub fn pack_time(&self) -> Duration {
        self.inner.compilation.pack_time
    }

    /// Bytes of packed weights.
    pub fn packed_bytes(&self) -> usize {
        self.inner.packed_bytes()
    }

    /// The same network with other outputs.
    pub(crate) fn with_outputs(&self, outputs: Vec<Value>) -> Result<Compiled, Error> {
        self.with_graph(Graph { outputs, ..(*self.inner.compilation.graph).clone() })
    }

    /// Another graph with the same weights.
    pub(crate) fn with_graph(&self, graph: Graph) -> Result<Compiled, Error> {
        let options = self.inner.compilation.options.clone();
        self.with_options(Arc::new(graph), options, &mut Packs::default())
    }

    /// Another graph with the same weights, compiled in another way.
    pub(crate) fn with_options(
        &self,
        graph: Arc<Graph>,
        options: Options,
        packs: &mut Packs,
    ) -> Result<Compiled, Error> {
        Compiled::new(graph, self.inner.weights.clone(), options, packs)
    }
}

/// Results that are an earlier result as well, with the number of that.
fn twice(outputs: &[Value]) -> Vec<(usize, usize)> {
    let mut first = HashMap::new();
    let pairs = outputs.iter().enumerate().map(|(i, o)| (i, *first.entry(*o).or_insert(i)));
    pairs.filter(|(i, first)| first < i).collect()
}
