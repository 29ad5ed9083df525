//! Loops over a run-time axis: the scope goes on in a graph of the body, and comes back.

use super::*;
use crate::table::name_of;

/// The graph around the body of a loop, and what is known of the loop.
#[derive(Debug)]
pub(super) struct Around {
    pub graph: Graph,
    pub weights: HashMap<String, (usize, Value)>,
    states: HashMap<String, (usize, Value)>,
    /// The arguments of the loop.
    args: Vec<Value>,
    sequences: usize,
    carried: usize,
    /// The axis of the sequences that the loop goes along.
    axis: usize,
    backwards: bool,
    source: Source,
}

impl Scope<'_> {
    /// Begins a loop along an axis of sequences, each with the name of its elements. `carried` are the values
    /// that change, as they are before the first iteration; `read` are others that iterations read. The scope
    /// goes on in the body; all of them are given as values of it, in this order.
    pub fn begin_scan(
        &mut self,
        sequences: &[(&str, Value, usize)],
        carried: &[(&str, Value)],
        read: &[Value],
        backwards: bool,
    ) -> Result<Vec<Value>> {
        let axis = sequences.first().map_or(0, |(.., axis)| *axis);
        let mut args = Vec::new();
        for (_, v, axis) in sequences {
            let ty = self.graph.ty(*v);
            if *axis >= ty.rank() {
                let message = format!("a scan along axis {axis} of {ty}, which has fewer axes");
                return Err(self.fail(BuildError::new(message)));
            }
            args.push(self.axis_first(*v, *axis)?);
        }
        let length = |v: &Value| &self.graph.ty(*v).shape[0];
        if let Some(i) = (1..args.len()).find(|i| length(&args[*i]) != length(&args[0])) {
            let (first, other) = (self.graph.label(sequences[0].1), self.graph.label(sequences[i].1));
            let e = crate::scan::unequal(&first, length(&args[0]), &other, length(&args[i]));
            return Err(self.fail(e));
        }
        let mut body = self.graph.body();
        let mut inside = Vec::new();
        let names = sequences.iter().map(|(name, ..)| *name).chain(carried.iter().map(|(name, _)| *name));
        args.extend(carried.iter().map(|(_, v)| *v));
        for (i, (name, &v)) in names.zip(&args).enumerate() {
            let mut ty = self.graph.ty(v).clone();
            if i < sequences.len() {
                ty.shape.remove(0);
            }
            inside.push(input(&mut body, name, ty, self.source.clone()));
        }
        for v in read {
            let node = self.graph.node(*v);
            let name = node.name.as_deref().unwrap_or_else(|| name_of(&node.op));
            // Numbers are no arguments: the body has them as they are.
            inside.push(if matches!(node.op, Op::Const(_) | Op::DimValue(_)) {
                body.push_typed(node.op.clone(), &[], node.ty.clone(), node.source.clone())
            } else {
                args.push(*v);
                input(&mut body, name, node.ty.clone(), self.source.clone())
            });
        }
        self.known.around.push(Around {
            graph: std::mem::replace(self.graph, body),
            weights: std::mem::take(&mut self.known.weights),
            states: std::mem::take(&mut self.known.states),
            args,
            sequences: sequences.len(),
            carried: carried.len(),
            axis,
            backwards,
            source: self.source.clone(),
        });
        Ok(inside)
    }

    /// Ends the loop: what the carried values become, then what is stacked. Gives the carried values as the
    /// last iteration leaves them, then the stacked ones, whose axis is that of the first sequence.
    pub fn end_scan(&mut self, carried: &[Value], stacked: &[Value]) -> Result<Vec<Value>> {
        let Some(around) = self.known.around.pop() else {
            return Err(self.fail(BuildError::new("a scan ends that has not begun")));
        };
        let Around { graph, weights, states, args, sequences, carried: count, axis, backwards, source } =
            around;
        let mut body = std::mem::replace(self.graph, graph);
        (self.known.weights, self.known.states) = (weights, states);
        body.outputs = carried.iter().chain(stacked).copied().collect();
        // Networks that the body calls may have added to both.
        self.graph.constraints.clone_from(&body.constraints);
        self.graph.unused_weights.append(&mut body.unused_weights);
        let (number, results) = (self.graph.bodies.len(), body.outputs.len());
        self.graph.bodies.push(body);
        self.source = source;
        let mut out = Vec::new();
        for result in 0..results {
            let op = Op::Scan { body: number, result, sequences, carried: count, backwards };
            out.push(self.graph.push(op, &args, self.source.clone()).map_err(|e| self.fail(e))?);
        }
        for v in out.iter_mut().skip(count) {
            *v = self.axis_back(*v, axis)?;
        }
        Ok(out)
    }

    /// The value with an axis before the others.
    fn axis_first(&mut self, v: Value, axis: usize) -> Result<Value> {
        let rank = self.graph.ty(v).rank();
        if axis == 0 {
            return Ok(v);
        }
        let order = std::iter::once(axis).chain((0..rank).filter(|i| *i != axis)).collect();
        self.graph.push(Op::Transpose(order), &[v], self.source.clone()).map_err(|e| self.fail(e))
    }

    /// The value with its first axis at this place.
    fn axis_back(&mut self, v: Value, axis: usize) -> Result<Value> {
        let rank = self.graph.ty(v).rank();
        if axis == 0 {
            return Ok(v);
        }
        if axis >= rank {
            return Err(self.fail(BuildError::new(format!(
                "a scan along axis {axis} stacks values of as many axes or more, not {}",
                self.graph.ty(v)
            ))));
        }
        let order = (1..=axis).chain(std::iter::once(0)).chain(axis + 1..rank).collect();
        self.graph.push(Op::Transpose(order), &[v], self.source.clone()).map_err(|e| self.fail(e))
    }

    /// A weight of the network, which is `outside` in the outermost graph, in the body at hand.
    pub(super) fn weight_inside(&mut self, name: &str, outside: Value) -> Value {
        let mut v = outside;
        let depth = self.known.around.len();
        for level in 0..depth {
            let (before, after) = self.known.around.split_at_mut(level + 1);
            let outer = &mut before[level];
            let (graph, known) = match after.first_mut() {
                Some(inner) => (&mut inner.graph, &mut inner.weights),
                None => (&mut *self.graph, &mut self.known.weights),
            };
            if let Some(&(_, inside)) = known.get(name) {
                v = inside;
                continue;
            }
            let node = outer.graph.node(v);
            let inside = input(graph, name, node.ty.clone(), node.source.clone());
            graph.nodes[inside.index()].name.clone_from(&node.name);
            outer.args.push(v);
            known.insert(name.into(), (0, inside));
            v = inside;
        }
        v
    }
}

/// Adds an input to a body. Its name becomes a word that no other input has.
fn input(body: &mut Graph, name: &str, ty: Type, source: Source) -> Value {
    let letter = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let word: String = name.chars().map(letter).collect();
    let is_taken = |name: &str| body.inputs.iter().any(|i| i.name == name);
    let mut unique = word.clone();
    let mut number = 1;
    while unique.is_empty() || is_taken(&unique) {
        number += 1;
        unique = format!("{word}_{number}");
    }
    body.inputs.push(InputDecl { name: unique, ty: ty.clone() });
    let v = body.push_typed(Op::Input(body.inputs.len() - 1), &[], ty, source);
    body.nodes[v.index()].name = Some(name.into());
    v
}
