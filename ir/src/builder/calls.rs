//! Calls of networks: the run-time dims of the callee are bound to the shapes it is given.

use super::*;
use crate::bind::{Difference, Mismatch, NoSuchDim, option};

/// Networks inside of networks: each is a call of Rust, and the stack is finite.
const MOST_NETS: usize = 64;

impl Scope<'_> {
    /// Calls a network through a net.
    pub fn call<N: Network>(&mut self, net: &Net, args: &[Value]) -> Result<Vec<Value>> {
        let read = N::SIG.read().map_err(|e| self.fail(e))?;
        let dims = net.dims_for(&read);
        self.enter(&N::SIG, &read, N::build, net, &dims, args)
    }

    /// Calls a network of which the macro saw no signature. Arguments are by position where their name is
    /// empty.
    pub fn call_foreign(
        &mut self,
        callee: &NetworkRef,
        net: &Net,
        args: &[(&str, Value)],
    ) -> Result<Vec<Value>> {
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
        let read = sig.read().map_err(|e| self.fail(e))?;
        self.enter(sig, &read, callee.build, net, &net.dims, &ordered)
    }

    fn wrong_count(&self, sig: &Sig, given: usize) -> BuildError {
        let n = sig.inputs.len();
        let inputs = if n == 1 { "input" } else { "inputs" };
        self.fail(BuildError::new(format!("`{}` takes {n} {inputs}, {given} given", sig.name)))
    }

    fn enter(
        &mut self,
        sig: &Sig,
        read: &Signature,
        build: impl FnOnce(&mut Scope<'_>, &[Value]) -> Result<Vec<Value>>,
        net: &Net,
        dims: &[(String, Dim)],
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
        let mut binding = bind_given(read, dims).map_err(run)?;
        let options = bind_options(read, &net.options).map_err(run)?;
        self.bind_inputs(sig, args, &mut binding)?;
        for d in &read.dims {
            if let DimKind::Bounded(bound) = &d.kind {
                let bound = constant(&binding, read, &d.name, bound).map_err(|e| self.fail(e))?;
                self.require(
                    binding.dims[&d.name].clone(),
                    Relation::AtMost,
                    Dim::constant(bound),
                    sig.name,
                )?;
            }
        }
        for pattern in sig.unused_weights {
            let pattern = format!("{}{pattern}", net.path);
            if !self.graph.unused_weights.contains(&pattern) {
                self.graph.unused_weights.push(pattern);
            }
        }
        // Until the callee sets its place, its ops have the place of the call.
        let here = Source { scope: net.path.trim_end_matches('.').into(), ..self.source.clone() };
        let (path, storage) = (net.path.clone(), net.storage.clone());
        let mut child = Scope {
            graph: self.graph,
            known: self.known,
            file: "",
            path,
            dims: binding.dims,
            options,
            leading: binding.leading.unwrap_or_default(),
            source: here,
            storage,
            loops: Vec::new(),
            depth: self.depth + 1,
        };
        child.check_wheres(read)?;
        build(&mut child, args)
    }

    /// Binds the callee's run-time dims to the shapes it is given.
    fn bind_inputs(&self, sig: &Sig, args: &[Value], binding: &mut Binding<'_>) -> Result<()> {
        if args.len() != sig.inputs.len() {
            return Err(self.wrong_count(sig, args.len()));
        }
        let types: Vec<&Type> = args.iter().map(|v| self.graph.ty(*v)).collect();
        let mismatches = binding.bind_inputs(&types);
        // Axes are compared last, so that a wrong rank or element type is reported first.
        let first = mismatches
            .into_iter()
            .min_by_key(|m| matches!(m.difference, Difference::Axis { .. } | Difference::Dim(_)));
        if let Some(m) = first {
            return Err(self.wrong_input(sig, &m, types[m.input]));
        }
        binding.add_equal()?;
        match binding.unbound() {
            Some(d) => Err(self.fail(BuildError::new(format!(
                "dim `{}` of `{}` follows from none of its inputs",
                d.name, sig.name
            )))),
            None => Ok(()),
        }
    }

    fn wrong_input(&self, sig: &Sig, m: &Mismatch, given: &Type) -> BuildError {
        let why = match &m.difference {
            Difference::DType | Difference::Rank => String::new(),
            Difference::Leading => "; the leading axes `..` differ".into(),
            Difference::Axis { declared, wanted, given } => {
                format!("; {declared} is {wanted} here, not {given}")
            }
            Difference::Dim(e) => return e.clone().into(),
        };
        let InputSig { name, ty, .. } = sig.inputs[m.input];
        self.fail(BuildError::new(format!(
            "`{}` does not accept this for `{name}`: it takes {ty} but is given {given}{why}",
            sig.name
        )))
    }

    pub(super) fn check_wheres(&mut self, sig: &Signature) -> Result<()> {
        for w in &sig.wheres {
            let (left, right) = (self.value_of(&w.left)?, self.value_of(&w.right)?);
            self.require(left, w.relation, right, &sig.name)?;
        }
        Ok(())
    }

    /// Checks a relation now if both sides are known, else keeps it for bind time.
    fn require(&mut self, left: Dim, relation: Relation, right: Dim, network: &str) -> Result<()> {
        let c = Constraint { left, relation, right };
        match (c.left.as_const(), c.right.as_const()) {
            (Some(l), Some(r)) if !c.holds(l, r) => {
                Err(self.fail(BuildError::new(format!("`{network}` requires {c}, which does not hold"))))
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

/// The dims that are given by name or position, then the defaults of static ones.
pub(super) fn bind_given<'s>(sig: &'s Signature, given: &[(String, Dim)]) -> Result<Binding<'s>> {
    let mut binding = Binding::new(sig, Values::new());
    for (name, value) in given {
        let dim = binding.target(name).map_err(|e| {
            BuildError::new(match e {
                NoSuchDim::TooMany => format!("`{}` is given more dimensions than it has", sig.name),
                NoSuchDim::Unknown => format!("`{}` has no dim `{name}`", sig.name),
            })
        })?;
        if value.as_const().is_some_and(|n| n < 0) {
            return Err(BuildError::new(format!("dim `{}` of `{}` cannot be {value}", dim.name, sig.name)));
        }
        if binding.dims.insert(dim.name.clone(), value.clone()).is_some() {
            return Err(BuildError::new(format!("dim `{}` of `{}` is given twice", dim.name, sig.name)));
        }
    }
    binding.add_defaults()?;
    if let Some(d) = binding.missing().next() {
        return Err(BuildError::new(format!("dim `{}` of `{}` must be given", d.name, sig.name)));
    }
    Ok(binding)
}

/// The options that are given, then the defaults of the others.
pub(super) fn bind_options(
    sig: &Signature,
    given: &[(String, OptionValue)],
) -> Result<BTreeMap<String, OptionValue>> {
    let mut values: BTreeMap<String, OptionValue> = sig.options.iter().cloned().collect();
    for (name, value) in given {
        let Some(slot) = values.get_mut(name) else {
            return Err(BuildError::new(format!("`{}` has no option `{name}`", sig.name)));
        };
        *slot = option(*slot, *value)
            .map_err(|takes| BuildError::new(format!("`{name}` of `{}` takes {takes}", sig.name)))?;
    }
    Ok(values)
}

/// The number of a bound.
pub(super) fn constant(binding: &Binding<'_>, sig: &Signature, name: &str, bound: &Dim) -> Result<i64> {
    let bound = binding.dim(bound)?;
    bound.as_const().ok_or_else(|| {
        BuildError::new(format!("dim `{name}` of `{}` is not static: it depends on {bound}", sig.name))
    })
}
