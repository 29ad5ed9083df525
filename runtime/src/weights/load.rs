//! Loading: files found, names mapped, and everything that does not fit reported at once.

use super::Given;
use super::convert::{Stored, convert, is_same};
use super::data::WeightData;
use super::entry::{Entry, FileType};
use super::error::{LoadError, Problem};
use super::index::{Fault, Found, read};
use super::init;
use super::names::{cut, listed, matches, nearest};
use super::set::{Weights, shape_of, weight_text};
use crate::error::Error;
use safetensors::Dtype;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use tancho_ir::graph::{Part, WeightDecl};
use tancho_ir::{DType, Graph};

type Rename = Box<dyn Fn(&str) -> String + Send + Sync>;

/// How the names of a file relate to the declared ones.
#[derive(Default)]
#[must_use = "options do nothing until they are given to `load_with`; their methods give others"]
pub struct LoadOptions {
    prefix: String,
    rename: Option<Rename>,
    unused: Vec<String>,
    initial: Vec<(String, u64)>,
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renamed = self.rename.is_some();
        f.debug_struct("LoadOptions")
            .field("prefix", &self.prefix)
            .field("renamed", &renamed)
            .field("unused", &self.unused)
            .field("initial", &self.initial)
            .finish()
    }
}

impl LoadOptions {
    /// The file has the declared names.
    pub fn new() -> LoadOptions {
        LoadOptions::default()
    }

    /// The file's names begin with this: with `"bert."`, `encoder.weight` is `bert.encoder.weight` there.
    pub fn prefix(mut self, prefix: impl Into<String>) -> LoadOptions {
        self.prefix = prefix.into();
        self
    }

    /// Gives the file's name of a declared one; the prefix is put before the result.
    pub fn rename(mut self, name: impl Fn(&str) -> String + Send + Sync + 'static) -> LoadOptions {
        self.rename = Some(Box::new(name));
        self
    }

    /// The file may also hold tensors of these names, as with `#[unused_weights(..)]`; `*` stands for any
    /// characters.
    pub fn unused(mut self, pattern: impl Into<String>) -> LoadOptions {
        self.unused.push(pattern.into());
        self
    }

    /// Weights of these names that the file does not hold begin as their declaration says, from a seed: what
    /// is added to a trained network, such as adapters. `*` stands for any characters.
    ///
    /// ```
    /// use tancho_runtime::LoadOptions;
    /// let options = LoadOptions::new().init_missing("*.lora_a", 1).init_missing("*.lora_b", 1);
    /// ```
    pub fn init_missing(mut self, pattern: impl Into<String>, seed: u64) -> LoadOptions {
        self.initial.push((pattern.into(), seed));
        self
    }

    /// The seed of a weight that the file may lack.
    fn seed_of(&self, declared: &str) -> Option<u64> {
        self.initial.iter().rev().find(|(pattern, _)| matches(pattern, declared)).map(|(_, seed)| *seed)
    }

    fn file_name(&self, declared: &str) -> String {
        let name = self.rename.as_ref().map_or_else(|| declared.to_string(), |f| f(declared));
        format!("{}{name}", self.prefix)
    }

    /// A pattern may speak of the name with or without the prefix.
    fn covers(&self, graph: &Graph, name: &str) -> bool {
        let bare = name.strip_prefix(&self.prefix).unwrap_or(name);
        graph.unused_weights.iter().chain(&self.unused).any(|p| matches(p, name) || matches(p, bare))
    }
}

/// What loading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// The files read.
    pub files: Vec<PathBuf>,
    /// Number of weights.
    pub weights: usize,
    /// Their bytes in the files.
    pub bytes: u64,
    /// Of these, bytes that stay in the mapped file.
    pub mapped: u64,
    /// Weights whose elements were converted, with the type they have in the file.
    pub converted: Vec<(String, String)>,
    /// Tensors of the files that are declared as not needed.
    pub unused: Vec<String>,
    /// Weights that are not in the files and begin as their declaration says.
    pub initialized: Vec<String>,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<String> = self.files.iter().map(|p| p.display().to_string()).collect();
        let mb = |b: u64| b as f64 / 1e6;
        let (n, size, mapped) = (self.weights, mb(self.bytes), mb(self.mapped));
        write!(
            f,
            "{n} weights, {size:.1} MB, from {} ({mapped:.1} MB mapped without a copy)",
            files.join(", ")
        )?;
        let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, from) in &self.converted {
            kinds.entry(from).or_default().push(name);
        }
        for (from, names) in kinds {
            write!(f, "\n  {} converted from {from}: {}", names.len(), listed(&names))?;
        }
        if !self.initialized.is_empty() {
            let names: Vec<&String> = self.initialized.iter().collect();
            write!(f, "\n  {} not there, initialised: {}", names.len(), listed(&names))?;
        }
        if !self.unused.is_empty() {
            write!(f, "\n  {} not used: {}", self.unused.len(), listed(&self.unused))?;
        }
        Ok(())
    }
}

impl Weights {
    /// Reads the declared weights from a `.safetensors` or `.gguf` file, a sharded `.safetensors.index.json`,
    /// or a directory with `model.safetensors` or `model.safetensors.index.json`.
    ///
    /// f32 weights stay in the mapped file: it must not be changed or truncated while they are in use.
    ///
    /// # Errors
    /// The file cannot be read or is corrupt; or, all in one error, every weight that is missing, mis-shaped
    /// or of a wrong type, every tensor of the file that nothing declares, and every file of an index that
    /// cannot be read; or there is no memory for weights that are converted ([`Error::WeightMemory`]).
    pub fn load(
        graph: &Graph,
        path: impl AsRef<Path>,
        options: &LoadOptions,
    ) -> Result<(Weights, LoadReport), Error> {
        Weights::load_with(graph, path, options, &Given::default())
    }

    /// The same with the values of constants.
    pub(crate) fn load_with(
        graph: &Graph,
        path: impl AsRef<Path>,
        options: &LoadOptions,
        given: &Given,
    ) -> Result<(Weights, LoadReport), Error> {
        load(graph, path.as_ref(), options, given)
    }
}

fn load(
    graph: &Graph,
    path: &Path,
    options: &LoadOptions,
    given: &Given,
) -> Result<(Weights, LoadReport), Error> {
    let constants = given.values(graph)?;
    let Found { entries, files, faults, part } = read(path)?;
    let mut loading = Loading {
        options,
        entries: &entries,
        report: LoadReport {
            files,
            weights: constants.iter().filter(|c| c.is_none()).count(),
            ..LoadReport::default()
        },
        problems: Vec::new(),
        list: Vec::new(),
        taken: BTreeSet::new(),
        lacking: Vec::new(),
        memory: None,
    };
    for (decl, constant) in graph.weights.iter().zip(constants) {
        match constant {
            Some(values) => loading.list.push((decl.name.clone(), values)),
            None => loading.weight(decl)?,
        }
    }
    loading.judge(graph, path, faults, part)
}

/// What is known of a load so far.
struct Loading<'a> {
    options: &'a LoadOptions,
    /// The tensors of the files.
    entries: &'a BTreeMap<String, Entry>,
    report: LoadReport,
    problems: Vec<Problem>,
    /// The weights loaded, in the order of their declaration.
    list: Vec<(String, WeightData)>,
    /// Names of tensors that a declaration took.
    taken: BTreeSet<String>,
    /// Names that no tensor has.
    lacking: Vec<String>,
    /// The first error of memory. It is returned if nothing else is wrong: anything else takes no memory to
    /// mend.
    memory: Option<Error>,
}

impl Loading<'_> {
    /// Loads one weight, or notes why it cannot be loaded.
    fn weight(&mut self, decl: &WeightDecl) -> Result<(), Error> {
        let shape = shape_of(decl)?;
        let entries = self.entries;
        // A part that was saved as a weight of its own is there under its own name.
        let whole = self.options.file_name(&decl.name);
        let (name, part) = match &decl.marks.part {
            Some(part) if !entries.contains_key(&whole) => {
                (self.options.file_name(decl.stored_name()), Some(part))
            }
            _ => (whole, None),
        };
        let Some(entry) = entries.get(&name) else {
            if let Some(seed) = self.options.seed_of(&decl.name) {
                let made = init::tensor(decl, &shape, seed);
                let made = made.map_err(|e| e.of_weight(&weight_text(decl, &shape)))?;
                self.report.initialized.push(decl.name.clone());
                self.list.push((decl.name.clone(), made.into()));
                return Ok(());
            }
            if !self.lacking.contains(&name) {
                self.lacking.push(name);
            }
            return Ok(());
        };
        if let Some(problem) = self.convert(decl, &name, entry, part, shape) {
            self.problems.push(problem);
        }
        self.taken.insert(name);
        Ok(())
    }

    /// Converts the tensor that a weight is, or the part of it; gives what does not fit.
    fn convert(
        &mut self,
        decl: &WeightDecl,
        name: &str,
        entry: &Entry,
        part: Option<&Part>,
        shape: Vec<usize>,
    ) -> Option<Problem> {
        let (name, file) = (name.to_string(), entry.path.as_path().to_path_buf());
        let (expected, found) = (decl.ty.dtype, entry.dtype.to_string());
        let wrong_type =
            |name, file, found| Some(Problem::Type { name, file, expected: expected.to_string(), found });
        if let FileType::Unread(_) = entry.dtype {
            let found = format!("{found}, which is not read (f32, f16, bf16, q4_0, q4_1 and q8_0 are),");
            return wrong_type(name, file, found);
        }
        let Some(stored) = Stored::of(entry, part) else {
            let part = part.map(ToString::to_string).unwrap_or_default();
            return Some(Problem::Part { name, file, part, found: entry.shape.clone() });
        };
        if stored.shape != shape {
            return Some(Problem::Shape { name, file, expected: shape, found: stored.shape });
        }
        match convert(&stored, expected) {
            Ok(Some(weight)) => {
                let report = &mut self.report;
                if !is_same(entry.dtype, expected) {
                    report.converted.push((decl.name.clone(), found.to_lowercase()));
                }
                report.bytes += stored.len() as u64;
                report.mapped += if weight.is_mapped() { stored.len() as u64 } else { 0 };
                self.list.push((decl.name.clone(), weight));
                None
            }
            Ok(None) => {
                let cut = matches!(entry.dtype, FileType::Coded(c) if c.plain().is_none()) && part.is_some();
                let wide = (entry.dtype, expected) == (FileType::Plain(Dtype::I64), DType::I32);
                let cut = match (cut, wide) {
                    (true, _) => ", whose blocks the declared part would cut,",
                    (_, true) => " with a number that no i32 holds,",
                    _ => "",
                };
                wrong_type(name, file, found.to_lowercase() + cut)
            }
            Err(e) => {
                self.memory.get_or_insert_with(|| e.of_weight(&weight_text(decl, &shape)));
                None
            }
        }
    }

    /// The weights, or everything that is wrong with the files as one error.
    fn judge(
        self,
        graph: &Graph,
        path: &Path,
        faults: Vec<Fault>,
        part: Option<String>,
    ) -> Result<(Weights, LoadReport), Error> {
        let Loading { options, entries, mut report, mut problems, list, taken, mut lacking, memory } = self;
        // A fault of an index is reported if somebody needs what it is about.
        let needed: BTreeSet<&str> = taken.iter().chain(&lacking).map(String::as_str).collect();
        let wanted = |n: &String| needed.contains(n.as_str()) || !options.covers(graph, n);
        let faults: Vec<Fault> = faults.into_iter().filter(|f| f.names.iter().any(wanted)).collect();
        let reported: BTreeSet<&str> = faults.iter().flat_map(|f| &f.names).map(String::as_str).collect();
        lacking.retain(|n| !reported.contains(n.as_str()));
        let free: Vec<&str> = entries.keys().map(String::as_str).filter(|n| !taken.contains(*n)).collect();
        let help = part.filter(|_| !lacking.is_empty()).or_else(|| help(&lacking, &free, options));
        let missing = lacking
            .into_iter()
            .map(|name| Problem::Missing { suggestion: nearest(&name, free.iter().copied()), name });
        problems.splice(0..0, faults.into_iter().map(|f| f.problem).chain(missing).collect::<Vec<_>>());
        for name in free {
            if options.covers(graph, name) {
                report.unused.push(name.into());
            } else {
                problems.push(Problem::Unexpected { name: name.into() });
            }
        }
        if problems.is_empty() {
            return match memory {
                Some(e) => Err(e),
                None => Ok((Weights::new(graph, list), report)),
            };
        }
        let extra = "if the file may hold more, name it: `#[unused_weights(\"..\")]` or `LoadOptions::unused(\"..\")`";
        let help = help.or_else(|| {
            problems.iter().any(|p| matches!(p, Problem::Unexpected { .. })).then(|| extra.into())
        });
        Err(LoadError::Mismatch { path: path.into(), network: graph.name.clone(), problems, help }.into())
    }
}

/// A prefix that repairs every missing name, if there is one.
fn help(lacking: &[String], free: &[&str], options: &LoadOptions) -> Option<String> {
    let bare = |n: &str| n.strip_prefix(&options.prefix).unwrap_or(n).to_string();
    let names: Vec<String> = lacking.iter().map(|n| bare(n)).collect();
    let first = names.first()?;
    let free: BTreeSet<&str> = free.iter().copied().collect();
    let prefixes = free
        .iter()
        .filter_map(|f| f.strip_suffix(first.as_str()))
        .filter(|p| p.is_empty() || p.ends_with('.'));
    let all = |p: &str| names.iter().all(|n| free.contains(format!("{p}{n}").as_str()));
    let prefix = prefixes.into_iter().find(|p| all(p))?;
    Some(if prefix.is_empty() {
        "the file has these names without the prefix; leave `LoadOptions::prefix` out".into()
    } else {
        let prefix = cut(prefix);
        format!("the file has all of these under `{prefix}`: pass `LoadOptions::new().prefix(\"{prefix}\")`")
    })
}
