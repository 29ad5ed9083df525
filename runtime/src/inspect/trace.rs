//! Looking inside: the reference check, the first op that diverges, and traces of named values.

use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::compare::compare;
use crate::inspect::judge::Judge;
use crate::inspect::report::{BOUND, OpReport, Report};
use crate::inspect::reproduction::failure::note;
use crate::interpreter::Interpreter;
use crate::run::inputs::values;
use crate::run::session::Session;
use crate::tensor::Tensor;
use crate::tensor::view::AnyView;
use std::fmt;
use tancho_ir::op::Op;
use tancho_ir::{Graph, Value, scan};

impl Compiled {
    /// The results of the reference interpreter on these inputs.
    ///
    /// # Errors
    /// An input does not fit, an id or a slice is out of range.
    pub fn interpret_inputs(&self, inputs: &[AnyView<'_>]) -> Result<Vec<Tensor>, Error> {
        self.session().interpret_inputs(inputs)
    }

    pub(crate) fn weight(&self, i: usize) -> Result<Tensor, Error> {
        self.inner().weight(i)?.to_tensor()
    }

    /// Runs the same inputs natively and through the interpreter and compares the results. Where they
    /// differ, walks the graph for the first op whose result is wrong for the arguments it was given. With
    /// `TANCHO_REPRO_DIR=folder` in the environment a file that reproduces it is written there.
    ///
    /// # Errors
    /// Neither way runs: an input does not fit, an id or a slice is out of range. Or results differ and their
    /// reproduction cannot be written ([`Error::Reproduction`]).
    pub fn check_inputs(&self, inputs: &[AnyView<'_>]) -> Result<Report, Error> {
        self.session().check_inputs(inputs)
    }

    /// The first op whose native result is not what the interpreter makes of the native arguments.
    ///
    /// # Errors
    /// As [`Compiled::check_inputs`].
    pub fn first_divergence(&self, inputs: &[AnyView<'_>]) -> Result<Option<OpReport>, Error> {
        self.session().first_divergence(inputs)
    }
}

impl Session {
    /// What the reference interpreter makes of these inputs and the states of the session, which keep what
    /// they hold.
    ///
    /// # Errors
    /// As [`Compiled::interpret_inputs`].
    pub fn interpret_inputs(&self, inputs: &[AnyView<'_>]) -> Result<Vec<Tensor>, Error> {
        let inputs = values(self.compiled().graph(), inputs)?;
        self.interpreter(&inputs)?.run(&inputs, &|i| self.compiled().weight(i))
    }

    fn interpreter(&self, inputs: &[Tensor]) -> Result<Interpreter<'_>, Error> {
        Interpreter::for_call(self.compiled().graph(), inputs, &self.held())
    }

    /// As [`Compiled::check_inputs`], from the states of the session, which keep what they hold. What the
    /// states would become is compared as well.
    ///
    /// # Errors
    /// As [`Compiled::check_inputs`].
    pub fn check_inputs(&self, inputs: &[AnyView<'_>]) -> Result<Report, Error> {
        let mut report = self.judge_inputs(inputs, &self.results(inputs)?)?;
        if !report.is_ok() {
            note(self, inputs, &mut report)?;
        }
        Ok(report)
    }

    /// The report of [`Session::check_inputs`] if a run gives these results, followed by the new states. For
    /// tests.
    ///
    /// # Errors
    /// As [`Compiled::check_inputs`].
    #[doc(hidden)]
    pub fn judge_inputs(&self, inputs: &[AnyView<'_>], results: &[Tensor]) -> Result<Report, Error> {
        let given = values(self.compiled().graph(), inputs)?;
        let mut judge = self.judge(&given)?;
        let mut report = Report { tensors: judge.by_rows(results), ..Report::default() };
        if report.is_ok() {
            return Ok(report);
        }
        match self.errors_of_ops(inputs)? {
            (_, Some((_, op))) => report.diverges_at = Some(op),
            (errors, None) => report.tensors = judge.within_reach(results, &errors)?,
        }
        Ok(report)
    }

    /// The right results of these values of inputs.
    pub(crate) fn judge(&self, given: &[Tensor]) -> Result<Judge<'_>, Error> {
        self.judge_of(self.compiled().graph(), given)
    }

    /// The same of a graph that passes have made of the session's.
    pub(crate) fn judge_of<'g>(&self, graph: &'g Graph, given: &[Tensor]) -> Result<Judge<'g>, Error> {
        let compiled = self.compiled();
        Judge::new(graph, given, &self.held(), &|i| compiled.weight(i))
    }

    /// The results of a run, followed by the new states. States keep what they hold.
    pub(crate) fn results(&self, inputs: &[AnyView<'_>]) -> Result<Vec<Tensor>, Error> {
        let mut session = self.fork()?;
        session.run_inputs(inputs)?;
        let count = session.compiled().graph().outputs.len();
        let mut results = (0..count).map(|i| session.tensor(i)).collect::<Result<Vec<_>, _>>()?;
        results.extend(session.held().into_iter().flatten());
        Ok(results)
    }

    /// As [`Compiled::first_divergence`], from the states of the session, which keep what they hold.
    ///
    /// # Errors
    /// As [`Compiled::check_inputs`].
    pub fn first_divergence(&self, inputs: &[AnyView<'_>]) -> Result<Option<OpReport>, Error> {
        Ok(self.errors_of_ops(inputs)?.1.map(|(_, op)| op))
    }

    /// Runs every op by itself and compares it with what the interpreter makes of the same arguments. Gives
    /// the largest error of each value by the measure of its op, and the first op that is wrong; behind that
    /// none is compared.
    pub(crate) fn errors_of_ops(&self, inputs: &[AnyView<'_>]) -> Result<(Vec<f64>, Option<WrongOp>), Error> {
        let g = self.compiled().graph();
        let mut errors = vec![0.0; g.nodes.len()];
        let read = g.read_states();
        // A state that is only replaced may hold a value of another shape.
        let given = |op: &Op| match op {
            Op::Input(_) | Op::Weight(_) => true,
            Op::State(i) => !read[*i],
            _ => false,
        };
        let ops: Vec<Value> = g.values().filter(|v| !given(&g.node(*v).op)).collect();
        if ops.is_empty() {
            return Ok((errors, None));
        }
        let compiled = if g.outputs == ops {
            self.compiled().clone()
        } else {
            self.compiled().with_outputs(ops.clone())?
        };
        let mut session = compiled.session();
        session.adopt(self.forked_states()?);
        session.run_inputs(inputs)?;
        let given = values(g, inputs)?;
        let interpreter = self.interpreter(&given)?;
        let mut values: Vec<Tensor> = Vec::with_capacity(g.nodes.len());
        for v in g.values() {
            let node = g.node(v);
            let value = match node.op {
                Op::Input(i) => given[i].clone(),
                Op::Weight(i) => self.compiled().weight(i)?,
                Op::State(i) if !read[i] => interpreter.eval_node(v, &[])?,
                _ => {
                    let args: Vec<&Tensor> = node.args.iter().map(|a| &values[a.index()]).collect();
                    let want = interpreter.eval_node(v, &args)?;
                    let scale = interpreter.error_scale(v, &args, &want)?;
                    let got = session.tensor(ops.binary_search(&v).unwrap_or(0))?;
                    let report = compare(&g.label(v), &got, &want, scale.as_deref(), BOUND);
                    if !report.is_ok() {
                        let (label, place) = (g.label(v), node.source.to_string());
                        return Ok((errors, Some((v, OpReport { label, place, report }))));
                    }
                    errors[v.index()] = report.max_rel;
                    got
                }
            };
            values.push(value);
        }
        Ok((errors, None))
    }
}

/// An op whose result is wrong, by the value that it makes.
pub(crate) type WrongOp = (Value, OpReport);

/// The values that have a name in the declaration, and the results, as a run computed them.
#[derive(Clone, Debug)]
pub struct Trace {
    values: Vec<(String, Tensor)>,
}

impl Trace {
    /// The value of that name: `h`, or `layers.3.x` inside of a net. A result without a name is called as it
    /// is written: `x @ w.t + b`. Of a `let mut` that is assigned to several times it is the first value;
    /// [`Trace::iter`] has all of them.
    ///
    /// ```
    /// use tancho_runtime::{AsView, Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B]\n%0: f32[B] = input(index = 0)\n%1: f32[B] = neg(%0) as \"h\"\n\
    ///      %2: f32[B] = abs(%1) as \"h\"\nreturn %2").unwrap();
    /// let mut session = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap().session();
    /// let trace = session.trace_inputs(&[[3.0f32].view([1]).into()]).unwrap();
    /// assert_eq!(trace.get("h").and_then(|h| h.as_f32()), Some(&[-3.0][..]));
    /// assert_eq!(trace.iter().last().and_then(|(_, h)| h.as_f32()), Some(&[3.0][..]));
    /// ```
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, t)| t)
    }

    /// Names and values in the order they are computed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.values.iter().map(|(n, t)| (n.as_str(), t))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, t) in &self.values {
            writeln!(f, "{name}: {t}")?;
        }
        Ok(())
    }
}

impl Session {
    /// Runs the network so that every named value and every result is kept; states keep what they hold. A
    /// value of a loop has the iterations as its first axis. What is inside of experts is not kept.
    /// Slower than a run, and compiled for it at the first call: fused values are stored as well.
    ///
    /// # Errors
    /// As [`Session::run_inputs`].
    pub fn trace_inputs(&mut self, inputs: &[AnyView<'_>]) -> Result<Trace, Error> {
        let mut session = match self.traced.take() {
            Some(s) => s,
            None => Box::new(Session::new(self.compiled().with_graph(self.traced_graph()?)?, self.threads())),
        };
        let g = session.compiled().graph();
        let names: Vec<String> = g.outputs.iter().map(|v| g.label(*v)).collect();
        session.adopt(self.forked_states()?);
        let done = session.run_inputs(inputs);
        let value = |(i, name)| Ok((name, session.tensor(i)?));
        let values = done.and_then(|()| names.into_iter().enumerate().map(value).collect());
        self.traced = Some(session);
        Ok(Trace { values: values? })
    }

    /// The graph with all that a trace has as its results: a value of a loop, as all iterations have it,
    /// stands before the results of the loop.
    fn traced_graph(&self) -> Result<Graph, Error> {
        let declared = self.compiled().graph();
        let mut g = declared.clone();
        let of_loops = scan::stack_named(&mut g)?;
        let is_named = |v: &Value| {
            let node = declared.node(*v);
            node.name.is_some() && !matches!(node.op, Op::Input(_) | Op::Weight(_))
        };
        let mut traced = Vec::new();
        for v in declared.values() {
            traced.extend(of_loops.iter().filter(|(first, _)| *first == v).map(|(_, stacked)| *stacked));
            traced.extend(Some(v).filter(|v| is_named(v) || declared.outputs.contains(v)));
        }
        g.outputs = traced;
        Ok(g)
    }
}
