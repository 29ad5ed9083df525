//! Networks of other macro calls: what the macro knows of their use, for the place where their signature is
//! known.

use super::checker::Checker;
use super::scope::{Hint, NetUse, Shaped, Tensor};
use crate::ast::{Arg, Expr, Use};
use crate::errors::Place;
use crate::messages;
use crate::plan::{ForeignCall, ForeignNet, Given, Home, Sampled, StepKind};
use tancho_ir::infer::show_type;
use tancho_ir::{DType, Dim, Type};

impl Checker<'_> {
    /// The dims given to a network whose signature is not known: by position without a name.
    pub fn foreign_dims(&mut self, used: &Use) -> Vec<(String, Dim)> {
        let mut out: Vec<(String, Dim)> = Vec::new();
        for a in &used.dims {
            match &a.name {
                None => out.extend(self.given_dim(a).map(|d| (String::new(), d))),
                Some(n) if out.iter().any(|(o, _)| n == o) => {
                    self.fail(a.place, messages::given_twice(&n.to_string()))
                }
                Some(n) => out.extend(self.given_dim(a).map(|d| (n.to_string(), d))),
            }
        }
        out
    }

    /// What the signature of a foreign network is compared with when the user's crate is checked.
    pub fn foreign_net(
        &self,
        used: &Use,
        given: &[(String, Dim)],
        options: &[(String, Given)],
    ) -> ForeignNet {
        let number = self.first_sample();
        let value = |g: &Given| match g {
            Given::Value(v) => Some(*v),
            Given::Of(name) => self.option(name),
        };
        ForeignNet {
            path: used.path.clone(),
            text: used.text.clone(),
            single: used.single,
            place: used.place,
            dims: given.iter().zip(&used.dims).map(|((_, d), a)| (number(d), a.place)).collect(),
            options: options
                .iter()
                .zip(&used.options)
                .filter_map(|((_, g), a)| Some((value(g)?, a.place)))
                .collect(),
        }
    }

    /// The numbers that dims have in the first sample; -1 where there is none.
    pub fn first_sample(&self) -> impl Fn(&Dim) -> i64 {
        let first = self.samples().into_iter().next();
        move |d| first.as_ref().map_or(-1, |s| s.dim(d))
    }

    /// N12: the result's shape of a foreign network is what the user says it is.
    pub fn call_foreign(&mut self, expr: &Expr, used: &NetUse, args: &[Arg], hint: Hint<'_>) -> Shaped {
        let mut inputs: Vec<(String, Tensor, Place)> = Vec::new();
        let mut ok = true;
        for a in args {
            let name = a.name.as_ref().map(ToString::to_string).unwrap_or_default();
            if !name.is_empty() && inputs.iter().any(|(n, ..)| *n == name) {
                self.fail(a.place, messages::given_twice(&name));
                ok = false;
            }
            let v = self.eval(&a.value, Hint::default());
            match self.tensor(v, &a.value, DType::F32) {
                Some(t) => inputs.push((name, t, a.place)),
                None => ok = false,
            }
        }
        let Some(types) = hint.types else {
            if ok {
                let place = hint.name.map_or(expr.place, |n| Place::of(n.span()));
                let what = hint.name.map_or(expr.text.clone(), ToString::to_string);
                let example = inputs.first().map(|(_, t, _)| {
                    let name = hint.name.map_or("h".to_string(), ToString::to_string);
                    format!("let {name}: {} = {};", show_type(&t.ty, &Default::default()), expr.text)
                });
                self.fail(place, messages::foreign_unannotated(&what, &used.text, example.as_deref()));
            }
            return Shaped::Poison;
        };
        if !ok {
            return Shaped::Poison;
        }
        let (id, path, types) = (used.plan.id, used.path.clone(), types.to_vec());
        let vals = inputs.iter().map(|(_, t, _)| t.val).collect();
        let foreign = Some((self.foreign_call(expr, used, inputs, &types, hint), types.clone()));
        self.results(expr, types, |outs| StepKind::Call {
            outs,
            path,
            home: Home::Net(id),
            callee: None,
            args: vals,
            foreign,
        })
    }

    fn foreign_call(
        &self,
        expr: &Expr,
        used: &NetUse,
        inputs: Vec<(String, Tensor, Place)>,
        types: &[Type],
        hint: Hint<'_>,
    ) -> ForeignCall {
        let samples = self.samples();
        let sampled = |input: String, name: String, ty: &Type, place: Place| {
            let at = samples.iter().map(|s| s.axes(ty)).collect();
            Sampled { input, name, ty: show_type(ty, &self.facts), at, place }
        };
        let promise = hint.name.map_or(expr.place, |n| Place::of(n.span()));
        let name = hint.name.filter(|_| types.len() == 1).map(ToString::to_string).unwrap_or_default();
        ForeignCall {
            dims: used.plan.dims.iter().map(|(_, d)| samples.iter().map(|s| s.dim(d)).collect()).collect(),
            args: inputs.into_iter().map(|(input, t, place)| sampled(input, t.name, &t.ty, place)).collect(),
            results: types.iter().map(|ty| sampled(String::new(), name.clone(), ty, promise)).collect(),
            promise,
            call: expr.place,
        }
    }
}
