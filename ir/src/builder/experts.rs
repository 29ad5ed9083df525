//! Mixtures of experts: `experts[ids](x)`. The body is built once for each expert, with the weights of that
//! expert, and must be the same each time.

use super::bodies::input;
use super::*;

/// What is known of a mixture that has begun.
#[derive(Debug)]
pub(super) struct OpenExperts {
    /// The axes of the result before those of a row.
    leading: Vec<Dim>,
    /// The ids, the values whose rows the experts are given, then the weights of the experts so far.
    args: Vec<Value>,
    /// How many values there are.
    routed: usize,
    /// Experts so far, and the body of the first.
    experts: usize,
    body: Option<Graph>,
}

impl Scope<'_> {
    /// Begins a mixture of experts. Each value has the leading axes of the ids, then as many axes as stand
    /// beside it; the ids may have one axis more, which is then an axis of the result: several experts for
    /// each row.
    pub fn begin_experts(&mut self, ids: Value, routed: &[(Value, usize)]) -> Result<()> {
        let chosen = self.graph.ty(ids).clone();
        let Some(&(first, own)) = routed.first() else {
            return Err(self.fail(BuildError::new("experts without an input: each is given rows of one")));
        };
        let leading = self.graph.ty(first).rank().saturating_sub(own);
        let several = chosen.rank() == leading + 1;
        if leading == 0 || !several && chosen.rank() != leading {
            return Err(self.fail(BuildError::new(format!(
                "`{}` chooses experts for the rows of `{}`: it has the leading axes of it, and may have one axis more, for several experts each; it is {chosen}, and that is {}",
                self.graph.label(ids),
                self.graph.label(first),
                self.graph.ty(first)
            ))));
        }
        for &(v, own) in routed {
            let shape = &self.graph.ty(v).shape;
            if shape.len() != leading + own || shape[..leading] != chosen.shape[..leading] {
                return Err(self.fail(BuildError::new(format!(
                    "`{}` is {}, which has not the leading axes of the ids: they are {chosen}",
                    self.graph.label(v),
                    self.graph.ty(v)
                ))));
            }
        }
        let rows = Dim::product(&chosen.shape[..leading]).map_err(|e| self.fail(e))?;
        let each = if several { chosen.shape[leading].clone() } else { Dim::constant(1) };
        let mut args = vec![self.reshaped(ids, vec![rows.clone(), each])?];
        for &(v, _) in routed {
            let row = self.graph.ty(v).shape[leading..].iter().cloned();
            args.push(self.reshaped(v, std::iter::once(rows.clone()).chain(row).collect())?);
        }
        self.known.experts.push(OpenExperts {
            leading: chosen.shape,
            args,
            routed: routed.len(),
            experts: 0,
            body: None,
        });
        Ok(())
    }

    /// Begins the next expert: the scope goes on in its body. Gives the rows as values of it.
    pub fn begin_expert(&mut self) -> Result<Vec<Value>> {
        let Some(open) = self.known.experts.last() else { return Err(self.fail(not_begun())) };
        let mut body = self.graph.body();
        let name = free_name("rows", |name| body.dims.iter().any(|d| d.name == name));
        let rows = Dim::sym(&name);
        body.rows_are(Some(name));
        let args = open.args[1..=open.routed].to_vec();
        let mut inside = Vec::new();
        for &v in &args {
            let mut ty = self.graph.ty(v).clone();
            ty.shape[0] = rows.clone();
            inside.push(input(&mut body, &self.graph.label(v), ty, self.source.clone()));
        }
        self.enter_body(body, args);
        Ok(inside)
    }

    /// Ends an expert with its results, of which there must be one.
    pub fn end_expert(&mut self, results: &[Value]) -> Result<()> {
        let (mut body, args) = self.leave_body()?;
        if results.len() != 1 {
            return Err(self.fail(BuildError::new(format!("experts have one result, not {}", results.len()))));
        }
        body.outputs = results.to_vec();
        let of_rows = |d: &Dim| d.syms().iter().any(|s| Some(s) == body.rows.as_ref());
        if let Some(c) = body.constraints.iter().find(|c| of_rows(&c.left) || of_rows(&c.right)) {
            return Err(self.fail(BuildError::new(format!(
                "an expert requires {c}, but how many rows it is given only the run tells"
            ))));
        }
        self.graph.constraints.clone_from(&body.constraints);
        let Some(open) = self.known.experts.last_mut() else { return Err(self.fail(not_begun())) };
        open.args.extend(&args[open.routed..]);
        let number = open.experts;
        open.experts += 1;
        match &open.body {
            None => open.body = Some(body),
            Some(first) if alike(first, &body) => {}
            Some(_) => {
                return Err(self.fail(BuildError::new(format!(
                    "expert {number} computes something else than expert 0: experts differ in their weights alone"
                ))));
            }
        }
        Ok(())
    }

    /// Ends the mixture. Gives what the experts make of the rows, with the axes of the ids before those of a
    /// row.
    pub fn end_experts(&mut self) -> Result<Vec<Value>> {
        let Some(OpenExperts { leading, args, routed, experts, body }) = self.known.experts.pop() else {
            return Err(self.fail(not_begun()));
        };
        let Some(body) = body else {
            return Err(self.fail(BuildError::new("there are 0 experts to choose from")));
        };
        let op = Op::Experts { body: self.graph.bodies.len(), experts, routed };
        self.graph.bodies.push(body);
        let v = self.graph.push(op, &args, self.source.clone()).map_err(|e| self.fail(e))?;
        let row = self.graph.ty(v).shape[2..].to_vec();
        Ok(vec![self.reshaped(v, leading.into_iter().chain(row).collect())?])
    }

    /// The value with this shape.
    fn reshaped(&mut self, v: Value, shape: Vec<Dim>) -> Result<Value> {
        if self.graph.ty(v).shape == shape {
            return Ok(v);
        }
        self.graph.push(Op::Reshape(shape), &[v], self.source.clone()).map_err(|e| self.fail(e))
    }
}

fn not_begun() -> BuildError {
    BuildError::new("an expert stands outside of a mixture")
}

/// Whether two bodies are the same but for names and places.
fn alike(a: &Graph, b: &Graph) -> bool {
    let nodes = |a: &Node, b: &Node| a.op == b.op && a.args == b.args && a.ty == b.ty;
    let bodies = a.bodies.len() == b.bodies.len() && a.bodies.iter().zip(&b.bodies).all(|(a, b)| alike(a, b));
    bodies
        && a.outputs == b.outputs
        && a.nodes.len() == b.nodes.len()
        && a.nodes.iter().zip(&b.nodes).all(|(a, b)| nodes(a, b))
        && a.inputs.iter().map(|i| &i.ty).eq(b.inputs.iter().map(|i| &i.ty))
}
