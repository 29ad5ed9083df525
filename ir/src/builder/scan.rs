//! Loops over a run-time axis: the scope goes on in a graph of the body, and comes back.

use super::bodies::input;
use super::*;
use crate::table::name_of;

/// What is known of a loop that has begun.
#[derive(Debug)]
pub(super) struct OpenScan {
    sequences: usize,
    carried: usize,
    /// The axis of the sequences that the loop goes along.
    axis: usize,
    backwards: bool,
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
        self.known.scans.push(OpenScan {
            sequences: sequences.len(),
            carried: carried.len(),
            axis,
            backwards,
        });
        self.enter_body(body, args);
        Ok(inside)
    }

    /// Ends the loop: what the carried values become, then what is stacked. Gives the carried values as the
    /// last iteration leaves them, then the stacked ones, whose axis is that of the first sequence.
    pub fn end_scan(&mut self, carried: &[Value], stacked: &[Value]) -> Result<Vec<Value>> {
        let Some(open) = self.known.scans.pop() else {
            return Err(self.fail(BuildError::new("a scan ends that has not begun")));
        };
        let OpenScan { sequences, carried: count, axis, backwards } = open;
        let (mut body, args) = self.leave_body()?;
        // Networks that the body calls may have added to them.
        self.graph.constraints.clone_from(&body.constraints);
        body.outputs = carried.iter().chain(stacked).copied().collect();
        let (number, results) = (self.graph.bodies.len(), body.outputs.len());
        self.graph.bodies.push(body);
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
}
