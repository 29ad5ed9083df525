//! A checkpoint: all that a training goes on from, in one safetensors file.

use super::Trainer;
use crate::error::Error;
use crate::tensor::Tensor;
use crate::tensor::any::AnyTensor;
use crate::weights::file::{Data, Opened, Written, open, write_tensors};
use crate::weights::{Entry, FileType};
use safetensors::Dtype;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use tancho_ir::graph::StateDecl;
use tancho_ir::{DType, Dim, Shape};

/// The entry of the metadata that says what the file is.
const KIND: &str = "tancho";
/// Its value.
const TRAINING: &str = "training 1";
/// What the entries of notes begin with.
const NOTE: &str = "note.";

impl Trainer {
    /// Writes a checkpoint: the weights, what the optimiser keeps for them, the number of steps and the
    /// notes. The file is written beside its place, synced, and moved there: at any time there is the old
    /// one or the new one, whole. A training that [`load`](Trainer::load)s it goes on to the last bit as this
    /// one does.
    ///
    /// # Errors
    /// The file cannot be written ([`Error::Save`]): then the one before is as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let (mut tensors, mut unset) = (Vec::new(), Vec::new());
        for (name, _) in self.states() {
            match self.state(name)? {
                Some(value) => tensors.push((name.to_string(), AnyTensor::of(&value.any_view())?)),
                None => unset.push(name),
            }
        }
        let shapes: Vec<Vec<usize>> = tensors.iter().map(|(_, t)| t.view().shape().to_vec()).collect();
        let written = tensors.iter().zip(&shapes).map(|((name, t), shape)| Written {
            name: name.clone(),
            dtype: stored(t.view().element_type().dtype()),
            shape,
            data: Data::Bytes(t.to_bytes()),
        });
        let mut metadata: Vec<(String, String)> = self.said();
        metadata.push(("steps".into(), self.steps.to_string()));
        metadata.push(("unset".into(), unset.join("\n")));
        let runs: Vec<String> = self.parts.iter().map(|part| part.runs.to_string()).collect();
        metadata.push(("runs".into(), runs.join(" ")));
        metadata.extend(self.notes.iter().map(|(name, text)| (format!("{NOTE}{name}"), text.clone())));
        write_tensors(path, written.collect(), metadata)
            .map_err(|error| Error::Save { path: path.into(), error })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// The file cannot be read, or is of another network or of other options: one error lists all that
    /// differs ([`Error::Checkpoint`]). Then the training is as it was.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let Opened { entries, metadata, .. } = open(path).map_err(Box::new)?;
        let mut entries: BTreeMap<String, Entry> = entries.into_iter().collect();
        let mut problems = self.differences(&metadata);
        let unset: Vec<&str> = metadata.get("unset").map(|s| s.lines().collect()).unwrap_or_default();
        let mut values = Vec::new();
        for (name, decl) in self.states() {
            let fits = match entries.remove(name) {
                Some(entry) => value(decl, &entry).map(|value| values.push((name.to_string(), value))),
                None if unset.contains(&name) => Ok(()),
                None => Err(format!("it has no `{name}`")),
            };
            problems.extend(fits.err());
        }
        problems.extend(entries.keys().map(|name| format!("it has `{name}`, which this training has not")));
        let number = |name: &str| metadata.get(name).map(|s| s.split(' ').map(str::parse::<u64>));
        let numbers = |name: &str| number(name)?.collect::<Result<Vec<u64>, _>>().ok();
        let steps = numbers("steps").and_then(|all| all.first().copied());
        let runs: Option<Vec<u32>> = numbers("runs")
            .and_then(|runs| runs.into_iter().map(|n| u32::try_from(n).ok()).collect())
            .filter(|runs: &Vec<u32>| runs.len() == self.parts.len())
            .filter(|runs| runs.iter().all(|n| *n < self.options.calls()));
        let (Some(steps), Some(runs), true) = (steps, runs, problems.is_empty()) else {
            if problems.is_empty() {
                problems.push("it does not say how many steps were made, or which gradients wait".into());
            }
            return Err(Error::Checkpoint { path: path.into(), problems });
        };
        self.parts.iter_mut().for_each(|part| part.sessions().for_each(|s| s.reset()));
        for (name, value) in values {
            let has = |s: &&mut crate::run::session::Session| s.state(&name).is_ok();
            if let Some(session) = self.parts.iter_mut().flat_map(|p| p.sessions()).find(has) {
                session.set_state(&name, &value)?;
            }
        }
        for (part, runs) in self.parts.iter_mut().zip(runs) {
            part.runs = runs;
        }
        self.steps = steps;
        self.last = None;
        let note = |(name, text): (&String, &String)| Some((name.strip_prefix(NOTE)?.into(), text.clone()));
        self.notes = metadata.iter().filter_map(note).collect();
        Ok(())
    }

    /// What a file says of the training, and must agree.
    fn said(&self) -> Vec<(String, String)> {
        let mut said = vec![
            (KIND.to_string(), TRAINING.to_string()),
            ("network".into(), self.model.graph().name.clone()),
            ("options".into(), self.options.to_string()),
        ];
        for part in &self.parts {
            said.push((format!("train fn {}", part.entry()), part.settings()));
        }
        said
    }

    fn differences(&self, metadata: &HashMap<String, String>) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, here) in self.said() {
            match metadata.get(&name) {
                Some(there) if *there == here => {}
                Some(there) => problems.push(format!("its {name} is `{there}`, and here it is `{here}`")),
                None if name == KIND => {
                    // Nothing else of such a file is worth a word.
                    return vec!["it is no checkpoint that `Trainer::save` wrote".into()];
                }
                None => problems.push(format!("it says nothing of its {name}, which here is `{here}`")),
            }
        }
        problems
    }

    /// The states of all steps, each once.
    fn states(&self) -> Vec<(&str, &StateDecl)> {
        let mut all: Vec<(&str, &StateDecl)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for part in &self.parts {
            let graphs = [Some(&part.session), part.waiting.as_ref()].into_iter().flatten();
            for decl in graphs.flat_map(|s| &s.compiled().graph().states) {
                if seen.insert(decl.name.as_str()) {
                    all.push((&decl.name, decl));
                }
            }
        }
        all
    }
}

/// A type as files have it.
fn stored(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::F32,
        DType::Bf16 => Dtype::BF16,
        DType::I32 => Dtype::I32,
        DType::Bool => Dtype::BOOL,
    }
}

/// The value of a state; what does not fit is said in words.
fn value(decl: &StateDecl, entry: &Entry) -> Result<Tensor, String> {
    let known = |(d, n): (&Dim, &usize)| d.as_const().is_none_or(|c| usize::try_from(c) == Ok(*n));
    let shape = &decl.ty.shape;
    let fits = entry.shape.len() == shape.len() && shape.iter().zip(&entry.shape).all(known);
    if !fits || entry.dtype != FileType::Plain(stored(decl.ty.dtype)) {
        let (is, here) = (format!("{}{:?}", entry.dtype, entry.shape), Shape(shape));
        return Err(format!("its `{}` is {is}, and here it is {}{here}", decl.name, decl.ty.dtype));
    }
    let bytes = entry.file.bytes().get(entry.range.clone()).unwrap_or_default();
    let read = AnyTensor::from_bytes(decl.ty.dtype.into(), &entry.shape, bytes);
    read.and_then(|t| Ok(t.view().to_tensor()?)).map_err(|e| format!("its `{}`: {e}", decl.name))
}
