//! Reproductions as safetensors files.

use super::Reproduction;
use super::settings::Settings;
use crate::error::Error;
use crate::run::bind::bind_inputs;
use crate::run::state::States;
use crate::tensor::Tensor;
use crate::tensor::any::AnyTensor;
use crate::tensor::view::AnyView;
use crate::weights::error::LoadError;
use crate::weights::file::{Data, Opened, Written, open, write_tensors};
use crate::weights::{Entry, FileType, Weights};
use safetensors::Dtype;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use tancho_ir::graph::WeightDecl;
use tancho_ir::{Dim, ElementType, Graph, Shape, Type};
use tancho_jit::plan::Plan;

/// The entry of the metadata that says what the file is.
const KIND: &str = "tancho";
/// Its value.
const REPRODUCTION: &str = "reproduction 1";

/// Writes a file in the place of another.
pub fn write(from: &Reproduction, path: &Path) -> Result<(), Error> {
    let graph = &from.graph;
    let mut tensors = Vec::new();
    for (decl, input) in graph.inputs.iter().zip(&from.inputs) {
        tensors.push((format!("input.{}", decl.name), input.clone()));
    }
    let mut states = Vec::new();
    for (decl, state) in graph.states.iter().zip(&from.states) {
        let Some(state) = state else { continue };
        tensors.push((format!("state.{}", decl.name), AnyTensor::of(&state.any_view())?));
        states.push(decl.name.as_str());
    }
    let shapes: Vec<Vec<usize>> = tensors.iter().map(|(_, t)| t.view().shape().to_vec()).collect();
    let small = tensors.iter().zip(&shapes).map(|((name, t), shape)| Written {
        name: name.clone(),
        dtype: stored(t.view().element_type()),
        shape,
        data: Data::Bytes(t.to_bytes()),
    });
    let weight = |(i, decl): (usize, &WeightDecl)| {
        Some(Written::weight(format!("weight.{}", decl.name), from.weights.at(i)?))
    };
    let all: Vec<Written<'_>> = small.chain(graph.weights.iter().enumerate().filter_map(weight)).collect();
    let mut metadata: Vec<(String, String)> =
        from.target.written().into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    for (name, value) in [
        (KIND, REPRODUCTION.to_string()),
        ("graph", graph.to_string()),
        ("threads", from.threads.to_string()),
        ("version", from.version.clone()),
        ("of", from.of.clone()),
        ("report", from.report.clone()),
        ("dims", dims(from)),
        ("states", states.join("\n")),
    ] {
        metadata.push((name.into(), value));
    }
    write_tensors(path, all, metadata).map_err(|error| Error::Save { path: path.into(), error })
}

/// The run-time dims of the call, for a reader.
fn dims(from: &Reproduction) -> String {
    let bound = bound(&from.graph, &from.states, &from.inputs()).unwrap_or_default();
    let pairs = from.graph.dims.iter().zip(bound);
    pairs.map(|(d, n)| format!("{}={n}", d.name)).collect::<Vec<_>>().join(",")
}

/// The values of the run-time dims by states and inputs.
fn bound(graph: &Graph, held: &[Option<Tensor>], inputs: &[AnyView<'_>]) -> Result<Vec<i64>, Error> {
    let (mut states, mut dims) = (States::new(graph, &Plan::default()), Vec::new());
    states.restore(graph, held)?;
    states.dims(graph, &mut dims)?;
    bind_inputs(graph, inputs, &mut dims)?;
    Ok(dims)
}

/// An element type as files have it.
fn stored(element: ElementType) -> Dtype {
    match element {
        ElementType::F32 => Dtype::F32,
        ElementType::Bf16 => Dtype::BF16,
        ElementType::I32 => Dtype::I32,
        ElementType::Bool => Dtype::BOOL,
        ElementType::U8 => Dtype::U8,
        ElementType::U32 => Dtype::U32,
        ElementType::I64 => Dtype::I64,
        ElementType::F16 => Dtype::F16,
    }
}

/// Reads a file, of which everything is checked.
pub fn read(path: &Path) -> Result<Reproduction, Error> {
    let Opened { entries, metadata, .. } = open(path).map_err(Box::new)?;
    let wrong = |why: String| Error::from(LoadError::Reproduction { path: path.into(), why });
    let Said { graph, target, threads } = said(&metadata).map_err(wrong)?;
    let mut tensors = Tensors { path, entries: entries.into_iter().collect() };
    let mut inputs = Vec::new();
    for decl in &graph.inputs {
        inputs.push(tensors.take(&format!("input.{}", decl.name), decl.given, &decl.ty.shape)?);
    }
    let set: Vec<&str> = metadata.get("states").map(|names| names.lines().collect()).unwrap_or_default();
    let mut states = Vec::new();
    for decl in &graph.states {
        states.push(match set.contains(&decl.name.as_str()) {
            true => Some(tensors.value(&format!("state.{}", decl.name), &decl.ty)?),
            false => None,
        });
    }
    let mut weights = Vec::new();
    for decl in &graph.weights {
        weights.push((decl.name.clone(), tensors.value(&format!("weight.{}", decl.name), &decl.ty)?.into()));
    }
    if let Some(name) = tensors.entries.keys().next() {
        return Err(wrong(format!("it has `{name}`, which its graph does not declare")));
    }
    let views: Vec<AnyView<'_>> = inputs.iter().map(AnyTensor::view).collect();
    bound(&graph, &states, &views).map_err(|e| wrong(e.to_string()))?;
    let text = |name: &str| metadata.get(name).cloned().unwrap_or_default();
    Ok(Reproduction {
        weights: Arc::new(Weights::new(&graph, weights)),
        graph: Arc::new(graph),
        inputs,
        states,
        target,
        threads,
        version: text("version"),
        of: text("of"),
        report: text("report"),
    })
}

/// What the metadata says that has to be there.
struct Said {
    graph: Graph,
    target: Settings,
    threads: usize,
}

/// Reads the metadata; an error is in words.
fn said(metadata: &HashMap<String, String>) -> Result<Said, String> {
    let value = |name: &str| {
        let value = metadata.get(name).map(String::as_str);
        value.ok_or_else(|| format!("its metadata has no `{name}`"))
    };
    match metadata.get(KIND).map(String::as_str) {
        Some(REPRODUCTION) => {}
        Some(other) => return Err(format!("it is `{other}`, but `{REPRODUCTION}` is what can be read")),
        None => return Err("it is no file that `Report::write_reproduction` wrote".into()),
    }
    let graph = Graph::parse(value("graph")?).map_err(|e| format!("its graph cannot be read: {e}"))?;
    let threads = value("threads")?;
    let threads = threads.parse().map_err(|_| format!("its `threads` is `{threads}`, which is no number"))?;
    Ok(Said { graph, target: Settings::read(value)?, threads })
}

/// The tensors of a file that were not taken yet.
struct Tensors<'p> {
    path: &'p Path,
    entries: BTreeMap<String, Entry>,
}

impl Tensors<'_> {
    fn wrong(&self, why: String) -> Error {
        LoadError::Reproduction { path: self.path.into(), why }.into()
    }

    /// The tensor of that name, which must be of that type; run-time dims may be anything.
    fn take(&mut self, name: &str, element: ElementType, shape: &[Dim]) -> Result<AnyTensor, Error> {
        let Some(entry) = self.entries.remove(name) else {
            return Err(self.wrong(format!("it has no `{name}`, which its graph declares")));
        };
        let known = |(d, n): (&Dim, &usize)| d.as_const().is_none_or(|c| usize::try_from(c) == Ok(*n));
        let fits = entry.shape.len() == shape.len() && shape.iter().zip(&entry.shape).all(known);
        if !fits || entry.dtype != FileType::Plain(stored(element)) {
            let (is, declared) = (format!("{}{:?}", entry.dtype, entry.shape), Shape(shape));
            return Err(self.wrong(format!("`{name}` is {is}, but its graph declares {element}{declared}")));
        }
        let bytes = entry.file.bytes().get(entry.range.clone()).unwrap_or_default();
        match AnyTensor::from_bytes(element, &entry.shape, bytes) {
            Err(Error::View(e)) => Err(self.wrong(format!("`{name}`: {e}"))),
            made => made,
        }
    }

    /// The same as a value.
    fn value(&mut self, name: &str, ty: &Type) -> Result<Tensor, Error> {
        Ok(self.take(name, ty.dtype.into(), &ty.shape)?.view().to_tensor()?)
    }
}
