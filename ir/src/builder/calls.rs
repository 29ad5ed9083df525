//! Calls of networks: the run-time dims of the callee are bound to the shapes it is given.

use super::*;

/// Networks inside of networks: each is a call of Rust, and the stack is finite.
const MOST_NETS: usize = 64;

impl Scope<'_> {
    /// Calls a network through a net.
    pub fn call<N: Network>(&mut self, net: &Net, args: &[Value]) -> Result<Vec<Value>> {
        self.enter(&N::SIG, N::build, net, args)
    }

    /// Calls a network of which the macro saw no signature. Arguments are by position where their name is
    /// empty.
    pub fn call_foreign(&mut self, callee: &Callee, net: &Net, args: &[(&str, Value)]) -> Result<Vec<Value>> {
        let sig = callee.sig;
        let mut slots = vec![None; sig.inputs.len()];
        for (i, (name, v)) in args.iter().enumerate() {
            let at = if name.is_empty() {
                Some(i)
            } else {
                sig.inputs.iter().position(|input| input.name == *name)
            };
            match at.and_then(|i| slots.get_mut(i)) {
                Some(slot @ None) => *slot = Some(*v),
                Some(Some(_)) => {
                    return Err(
                        self.fail(BuildError::new(format!("an input of `{}` is given twice", sig.name)))
                    );
                }
                None if name.is_empty() => return Err(self.wrong_count(sig, args.len())),
                None => {
                    return Err(self.fail(BuildError::new(format!("`{}` has no input `{name}`", sig.name))));
                }
            }
        }
        let ordered: Option<Vec<Value>> = slots.into_iter().collect();
        let ordered = ordered.ok_or_else(|| self.wrong_count(sig, args.len()))?;
        self.enter(sig, callee.build, net, &ordered)
    }

    fn wrong_count(&self, sig: &Sig, given: usize) -> BuildError {
        let n = sig.inputs.len();
        let inputs = if n == 1 { "input" } else { "inputs" };
        self.fail(BuildError::new(format!("`{}` takes {n} {inputs}, {given} given", sig.name)))
    }

    fn enter(
        &mut self,
        sig: &Sig,
        build: impl FnOnce(&mut Scope<'_>, &[Value]) -> Result<Vec<Value>>,
        net: &Net,
        args: &[Value],
    ) -> Result<Vec<Value>> {
        let run = |e: BuildError| self.fail(e);
        if self.graph.nodes.len() > MOST_OPS {
            return Err(run(BuildError::new(format!(
                "the graph has more than {MOST_OPS} ops: nets and loops are unrolled"
            ))));
        }
        // Networks of one macro call are seen not to contain each other; those of several are not.
        if self.depth >= MOST_NETS {
            return Err(run(BuildError::new(format!(
                "`{}` stands inside of {MOST_NETS} networks: does it contain itself?",
                sig.name
            ))));
        }
        let mut dims = bind_given(sig, &net.dims).map_err(run)?;
        let options = bind_options(sig, &net.options).map_err(run)?;
        let leading = self.bind_inputs(sig, args, &mut dims)?;
        for d in sig.dims {
            if let DimKind::Bounded(text) = d.kind {
                let bound = constant(sig, d.name, &Dim::parse(text)?, &dims).map_err(|e| self.fail(e))?;
                self.require(dims[d.name].clone(), Relation::AtMost, Dim::constant(bound), sig)?;
            }
        }
        for pattern in sig.unused_weights {
            let pattern = format!("{}{pattern}", net.path);
            if !self.graph.unused_weights.contains(&pattern) {
                self.graph.unused_weights.push(pattern);
            }
        }
        // Until the callee says where it is, its ops are the call's.
        let here = Source { scope: net.path.trim_end_matches('.').into(), ..self.source.clone() };
        let (path, storage) = (net.path.clone(), net.storage.clone());
        let mut child = Scope {
            graph: self.graph,
            known: self.known,
            file: "",
            path,
            dims,
            options,
            leading,
            source: here,
            storage,
            turns: Vec::new(),
            depth: self.depth + 1,
        };
        child.check_wheres(sig)?;
        build(&mut child, args)
    }

    /// Binds the callee's run-time dims to the shapes it is given; returns what `..` stands for.
    fn bind_inputs(&self, sig: &Sig, args: &[Value], dims: &mut BTreeMap<String, Dim>) -> Result<Vec<Dim>> {
        if args.len() != sig.inputs.len() {
            return Err(self.wrong_count(sig, args.len()));
        }
        let mut leading: Option<Vec<Dim>> = None;
        let wrong = |i: usize, why: &str| {
            let InputSig { name, ty: text, .. } = sig.inputs[i];
            let m = format!(
                "`{}` does not accept this for `{name}`: it takes {text} but is given {}{why}",
                sig.name,
                self.graph.ty(args[i])
            );
            self.fail(BuildError::new(m))
        };
        // Two rounds: axes that are one symbol bind it, then every axis is compared.
        for round in 0..2 {
            for (i, InputSig { ty: text, .. }) in sig.inputs.iter().enumerate() {
                let (dtype, axes) = text::split_type(text)
                    .ok_or_else(|| self.fail(BuildError::new(format!("`{text}` is no type"))))?;
                let ty = self.graph.ty(args[i]).clone();
                let fixed = axes.iter().filter(|a| **a != "..").count();
                let open = axes.contains(&"..");
                if dtype != ty.dtype || ty.rank() < fixed || (!open && ty.rank() != fixed) {
                    return Err(wrong(i, ""));
                }
                let (lead, rest) = ty.shape.split_at(ty.rank() - fixed);
                if open && leading.get_or_insert_with(|| lead.to_vec()).as_slice() != lead {
                    return Err(wrong(i, "; the leading axes `..` differ"));
                }
                for (axis, actual) in axes.iter().filter(|a| **a != "..").zip(rest) {
                    let d = Dim::parse(axis)?;
                    if round == 0 {
                        if let Some(s) = d.as_sym()
                            && !dims.contains_key(s)
                        {
                            dims.insert(s.into(), actual.clone());
                        }
                    } else {
                        let d = d.subst(&|s| dims.get(s).cloned())?;
                        if d != *actual {
                            return Err(wrong(i, &format!("; {axis} is {d} here, not {actual}")));
                        }
                    }
                }
            }
        }
        follow(&sig.equalities()?, dims)?;
        match sig.dims.iter().find(|d| !dims.contains_key(d.name)) {
            Some(d) => Err(self.fail(BuildError::new(format!(
                "dim `{}` of `{}` follows from none of its inputs",
                d.name, sig.name
            )))),
            None => Ok(leading.unwrap_or_default()),
        }
    }

    pub(super) fn check_wheres(&mut self, sig: &Sig) -> Result<()> {
        for (l, relation, r) in sig.wheres {
            let (l, r) = (self.dim(l)?, self.dim(r)?);
            self.require(l, *relation, r, sig)?;
        }
        Ok(())
    }

    /// Checks a relation now if both sides are known, else keeps it for bind time.
    fn require(&mut self, left: Dim, relation: Relation, right: Dim, sig: &Sig) -> Result<()> {
        let c = Constraint { left, relation, right };
        match (c.left.as_const(), c.right.as_const()) {
            (Some(l), Some(r)) if !c.holds(l, r) => {
                Err(self.fail(BuildError::new(format!("`{}` requires {c}, which does not hold", sig.name))))
            }
            (Some(_), Some(_)) => Ok(()),
            _ => {
                if !self.graph.constraints.contains(&c) {
                    self.graph.constraints.push(c);
                }
                Ok(())
            }
        }
    }
}
