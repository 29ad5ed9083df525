//! What an input of a network takes and is not given, and how it would fit.

use super::checker::Checker;
use super::scope::{NetUse, Resolved, Tensor};
use crate::errors::Message;
use crate::messages;
use tancho_ir::bind::is_open;
use tancho_ir::infer::show_type;
use tancho_ir::{DType, Dim, Type};

impl Checker<'_> {
    pub fn mismatch(
        &self,
        used: &NetUse,
        input: &str,
        declared: &Type,
        wanted: &Type,
        tensor: &Tensor,
    ) -> Message {
        let mut why = None;
        if wanted.dtype != tensor.ty.dtype {
            why = Some(format!("it takes {}; nothing is converted silently", wanted.dtype));
        } else if wanted.rank() == tensor.ty.rank() {
            let differ: Vec<usize> = wanted
                .shape
                .iter()
                .zip(&tensor.ty.shape)
                .enumerate()
                .filter(|(_, (a, b))| a != b)
                .map(|(i, _)| i)
                .collect();
            if let [i] = differ.as_slice()
                && let Some((a, b)) = wanted.shape.get(*i).zip(tensor.ty.shape.get(*i))
            {
                let equal = self.facts.value(a).is_some() && self.facts.value(a) == self.facts.value(b);
                why = Some(if equal {
                    format!("{a} and {b} are equal only by default; use the same name on both sides")
                } else {
                    format!("axis {i} must be {}, not {}", self.facts.show(a), self.facts.show(b))
                });
            }
        }
        // With open axes the user sees them as declared.
        let fixed = declared.rank() - usize::from(is_open(declared));
        let shown = if is_open(declared) && tensor.ty.rank() >= fixed {
            let mut shape = vec![Dim::sym("..")];
            shape.extend(wanted.shape.iter().skip(wanted.rank().saturating_sub(fixed)).cloned());
            Type::new(wanted.dtype, shape)
        } else {
            wanted.clone()
        };
        messages::wrong_input(
            &used.text,
            input,
            &show_type(&shown, &self.facts),
            &tensor.name,
            &show_type(&tensor.ty, &self.facts),
            why.as_deref(),
            self.fitting(used, declared, wanted, tensor),
        )
    }

    /// What makes a value fit, where one of the usual slips explains why it does not.
    fn fitting(&self, used: &NetUse, declared: &Type, wanted: &Type, tensor: &Tensor) -> Option<String> {
        let x = tensor.name.as_str();
        if wanted.dtype != tensor.ty.dtype {
            let is_input = self.sig.declared.inputs.iter().any(|(n, _)| *n == tensor.name);
            let shape = Type::new(wanted.dtype, tensor.ty.shape.clone());
            return Some(match (is_input, wanted.dtype) {
                (true, DType::I32 | DType::Bool) => messages::declared_as(x, &shape),
                _ => messages::cast_to(x, wanted.dtype.name()),
            });
        }
        let (has, takes) = (tensor.ty.shape.as_slice(), wanted.shape.as_slice());
        if let ([_, rows, _, channels], [_, wanted, ..]) = (has, takes)
            && takes.len() == 4
            && declared.rank() == 4
            && channels == wanted
            && rows != wanted
        {
            return Some(messages::channels_first(x));
        }
        let (last, wanted_last) = (has.last()?, takes.last()?);
        if last == wanted_last {
            return None;
        }
        let joined = has.split_first().and_then(|(_, rest)| Dim::product(rest).ok());
        if has.len() > 2 && self.same_number(&joined?, wanted_last) {
            return Some(messages::flatten_first(x));
        }
        self.other_width(used, declared, last, wanted_last)
    }

    /// A layer that is declared for another width than that of its input, which its last axis has.
    fn other_width(&self, used: &NetUse, declared: &Type, last: &Dim, wanted: &Dim) -> Option<String> {
        let Resolved::Known(sig) = &used.target else { return None };
        let width = declared.shape.last()?.as_sym().filter(|s| used.statics.contains_key(*s))?;
        if self.dims(|d| d.run_time(last).is_some()) || last.syms().contains("..") {
            return None;
        }
        let statics: Vec<&str> = sig.declared.static_dims().map(|d| d.name.as_str()).collect();
        if let [first, second, ..] = statics.as_slice()
            && *first == width
            && used.statics.get(*second) == Some(last)
        {
            return Some(messages::swapped_dims(&used.text, last, wanted));
        }
        Some(messages::declared_for(&used.text, width, last))
    }

    /// Whether two dims are one, or one number by default.
    fn same_number(&self, a: &Dim, b: &Dim) -> bool {
        a == b || self.facts.value(a).is_some_and(|n| self.facts.value(b) == Some(n))
    }
}
