//! Traces beside the activations that another library has saved.

use crate::error::Error;
use crate::inspect::compare::compare;
use crate::inspect::report::{TensorReport, table};
use crate::inspect::trace::Trace;
use crate::weights::{nearest, tensors_of};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// How the values of a trace differ from those of a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "a comparison says nothing until it is asked: `first()`, or print it"]
pub struct Comparison {
    /// The values that both have, in the order in which they are computed.
    pub values: Vec<TensorReport>,
    /// The tensors of the file that no value of the trace is called like, with the name that is nearest.
    pub unknown: Vec<(String, Option<String>)>,
}

impl Comparison {
    /// The first value that differs: what was computed before it is right.
    pub fn first(&self) -> Option<&TensorReport> {
        self.values.iter().find(|r| !r.is_ok())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, &self.values)?;
        for (name, near) in &self.unknown {
            write!(f, "\nthe file has `{name}`, and the trace no value of that name")?;
            if let Some(near) = near {
                write!(f, "; it has `{near}`")?;
            }
        }
        match self.first() {
            Some(r) => write!(f, "\nthe first that differs is `{}`", r.name),
            None if self.values.is_empty() => write!(f, "\nthe file and the trace have no name in common"),
            None => write!(f, "\nno value differs"),
        }
    }
}

impl Trace {
    /// Compares the values with those of the same names in a safetensors file, such as the activations of a
    /// PyTorch model that hooks have saved. An element may be off by `bound` times the largest magnitude of
    /// its row; 1e-4 suits f32 on both sides. Of a name that is assigned several times the last value counts,
    /// as a hook that is called several times leaves the last.
    ///
    /// ```
    /// use tancho_runtime::{AsView, Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 2]\nweight \"w\": f32[2, 2] = ones\n%0: f32[B, 2] = input(index = 0)\n\
    ///      %1: f32[2, 2] = weight(index = 0)\n%2: f32[B, 2] = linear(%0, %1) as \"h\"\nreturn %2").unwrap();
    /// let mut session = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap().session();
    /// let trace = session.trace_inputs(&[[1.0f32, 2.0].view([1, 2]).into()]).unwrap();
    /// // torch.save_file({"h": h}, "activations.safetensors")
    /// let e = trace.compare_with("missing.safetensors", 1e-4).unwrap_err().to_string();
    /// assert!(e.contains("missing.safetensors"));
    /// ```
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn compare_with(&self, path: impl AsRef<Path>, bound: f64) -> Result<Comparison, Error> {
        let saved = tensors_of(path.as_ref())?;
        let names = || self.iter().map(|(name, _)| name);
        let unknown = saved.iter().filter(|(name, _)| names().all(|n| n != name));
        let unknown = unknown.map(|(name, _)| (name.clone(), nearest(name, names())));
        let last: HashMap<&str, usize> = names().zip(0..).collect();
        let saved_as = |(at, (name, got))| {
            let (_, want) = saved.iter().find(|(n, _)| n == name).filter(|_| last[name] == at)?;
            Some(compare(name, got, want, None, bound))
        };
        let values = self.iter().enumerate().filter_map(saved_as);
        Ok(Comparison { values: values.collect(), unknown: unknown.collect() })
    }
}
