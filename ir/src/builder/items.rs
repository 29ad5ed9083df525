//! What a body declares: weights, states and nets.

use super::*;

impl Scope<'_> {
    /// Declares a weight, or finds it again: one name in one graph is one weight.
    pub fn param(
        &mut self,
        name: &str,
        path: &str,
        ty: &str,
        init: Init,
        attributes: &Attributes<&str>,
    ) -> Result<Value> {
        let storage = self.storage.with(attributes, |t| self.count(t))?;
        let ty = self.ty(ty)?;
        if let Some(d) = ty.shape.iter().find(|d| d.as_const().is_none()) {
            return Err(
                self.fail(BuildError::new(format!("weight `{}{path}` has the run-time dim {d}", self.path)))
            );
        }
        let decl = storage
            .decl(format!("{}{}", self.path, self.numbered(path)), ty, init)
            .map_err(|e| self.fail(e))?;
        let v = self.weight(decl, name)?;
        if storage.transposed && self.graph.ty(v).rank() == 2 {
            return self
                .graph
                .push(Op::Transpose(vec![1, 0]), &[v], self.source.clone())
                .map_err(|e| self.fail(e));
        }
        Ok(v)
    }

    /// A weight as a value of the graph at hand: an input of it, in the body of a loop.
    pub(super) fn weight(&mut self, decl: WeightDecl, name: &str) -> Result<Value> {
        let Known { weights, around, .. } = &mut *self.known;
        let (outermost, known) = match around.first_mut() {
            Some(first) => (&mut first.graph, &mut first.weights),
            None => (&mut *self.graph, weights),
        };
        let v = match known.get(&decl.name) {
            Some(&(i, _)) if !outermost.weights[i].agrees(&decl) => {
                let what = |d: &WeightDecl| if d.is_constant() { "constant " } else { "" };
                let old = &outermost.weights[i];
                let old = format!("{}{}", what(old), old.ty);
                return Err(self.fail(BuildError::new(format!(
                    "weight `{}` is declared twice, as {old} and as {}{}",
                    decl.name,
                    what(&decl),
                    decl.ty
                ))));
            }
            Some(&(_, v)) => v,
            None => {
                let (i, full) = (outermost.weights.len(), decl.name.clone());
                outermost.weights.push(decl.clone());
                let ty = decl.ty.clone();
                let v = outermost.push_typed(Op::Weight(i), &[], ty, self.source.clone());
                outermost.nodes[v.index()].name = Some(format!("{}{name}", self.path));
                known.insert(full, (i, v));
                v
            }
        };
        Ok(if self.known.around.is_empty() { v } else { self.weight_inside(&decl.name, v) })
    }

    /// Declares a state; gives what it is before the run, and what it is now: a net that is called again goes
    /// on with what the call before left.
    pub fn state(
        &mut self,
        path: &str,
        ty: &str,
        grows: Option<usize>,
        keeps_last: bool,
    ) -> Result<(Value, Value)> {
        let name = format!("{}{}", self.path, self.numbered(path));
        let ty = self.ty(ty)?;
        if !self.known.around.is_empty() {
            return Err(self.fail(BuildError::new(format!(
                "the state `{name}` is in a net that a scan or a mixture of experts calls: what changes from one iteration to the next is a `let mut` or a state of the network that has the scan, and experts keep nothing"
            ))));
        }
        if let Some(&(i, v)) = self.known.states.get(&name) {
            let old = &self.graph.states[i];
            if old.ty != ty || (old.grows, old.keeps_last) != (grows, keeps_last) {
                return Err(self.fail(BuildError::new(format!(
                    "the state `{name}` is declared twice, as {} and as {ty}",
                    old.ty
                ))));
            }
            return match (grows, old.next) {
                (Some(_), Some(_)) => Err(self.fail(pushed_twice(&name))),
                (_, next) => Ok((v, next.unwrap_or(v))),
            };
        }
        if let Some(axis) = grows {
            let grown = ty.shape.get(axis).map(Dim::to_string).unwrap_or_default();
            let bound = ty
                .shape
                .get(axis)
                .and_then(Dim::as_sym)
                .and_then(|s| self.graph.dims.iter().find(|d| d.name == s)?.bound);
            if let Some(bound) = bound.filter(|b| *b < 1) {
                return Err(self.fail(BuildError::new(format!(
                    "the state `{name}` grows along `{grown}`, which is at most {bound}, so it can hold no rows"
                ))));
            }
            if bound.is_none() {
                return Err(self.fail(BuildError::new(format!(
                    "the state `{name}` grows along `{grown}`, which has no bound in `{}`: declare it there as `P: ..=T` and hand it on, `P = P`",
                    self.graph.name
                ))));
            }
        }
        let i = self.graph.states.len();
        self.graph.states.push(StateDecl { name: name.clone(), ty, grows, keeps_last, next: None });
        let v = self.graph.push(Op::State(i), &[], self.source.clone()).map_err(|e| self.fail(e))?;
        self.known.states.insert(name, (i, v));
        self.name(v, path);
        Ok((v, v))
    }

    /// Adds rows to a growing state, and gives it with them.
    pub fn push(&mut self, state: Value, rows: Value) -> Result<Value> {
        let Op::State(i) = self.graph.node(state).op else {
            return Err(self.fail(BuildError::new("rows are pushed to no state")));
        };
        let StateDecl { name, grows, .. } = &self.graph.states[i];
        let Some(axis) = *grows else {
            return Err(self.fail(BuildError::new(format!(
                "rows are pushed to the state `{name}`, which does not grow: declare the dim it grows along, `grow P`"
            ))));
        };
        if self.graph.states[i].next.is_some() {
            return Err(self.fail(pushed_twice(name)));
        }
        let v = self
            .graph
            .push(Op::Push { axis }, &[state, rows], self.source.clone())
            .map_err(|e| self.fail(e))?;
        self.graph.states[i].next = Some(v);
        Ok(v)
    }

    /// Gives a state that does not grow another value.
    pub fn keep(&mut self, state: Value, value: Value) -> Result<()> {
        let Op::State(i) = self.graph.node(state).op else {
            return Err(self.fail(BuildError::new("a value is kept in no state")));
        };
        if let StateDecl { name, grows: Some(_), .. } = &self.graph.states[i] {
            return Err(self.fail(BuildError::new(format!(
                "the state `{name}` grows, so it is given rows by `push`, not another value"
            ))));
        }
        self.graph.states[i].next = Some(value);
        Ok(())
    }

    /// Declares a net: its weights live under `path`. A dim with an empty name is given by position.
    pub fn net(
        &self,
        path: &str,
        dims: &[(&str, &str)],
        options: &[(&str, OptionValue)],
        attributes: &Attributes<&str>,
    ) -> Result<Net> {
        let dims = dims.iter().map(|(n, t)| Ok((n.to_string(), self.dim(t)?))).collect::<Result<Vec<_>>>()?;
        let dot = if path.is_empty() { "" } else { "." };
        Ok(Net {
            path: format!("{}{}{dot}", self.path, self.numbered(path)),
            dims,
            options: options.iter().map(|(n, v)| (n.to_string(), *v)).collect(),
            storage: self.storage.with(attributes, |t| self.count(t))?,
            is_self: false,
        })
    }

    /// This network itself, for calls of its other entry points: its dims, its options and its weights.
    pub fn here(&self) -> Net {
        let loop_variable = |name: &String| self.loops.iter().any(|(v, _)| v == name);
        let dims = self.dims.iter().filter(|(n, _)| !loop_variable(n));
        let dims = dims.map(|(n, d)| (n.clone(), d.clone())).collect();
        let options = self.options.iter().map(|(n, v)| (n.clone(), *v)).collect();
        Net { path: self.path.clone(), dims, options, storage: self.storage.clone(), is_self: true }
    }
}

fn pushed_twice(state: &str) -> BuildError {
    BuildError::new(format!(
        "the state `{state}` would be pushed to twice in one run: its net is called twice, declare one for each call"
    ))
}
