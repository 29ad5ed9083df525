//! Loading: files found, names mapped, and everything that does not fit told at once.

use super::convert::{Stored, convert, is_same};
use super::error::{LoadError, Problem};
use super::file::FileType;
use super::index::{Fault, Found, read};
use super::names::{cut, listed, matches, nearest};
use super::{Weights, shape_of, weight_text};
use crate::error::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use tancho_ir::Graph;

type Rename = Box<dyn Fn(&str) -> String + Send + Sync>;

/// How the names of a file relate to the declared ones.
#[derive(Default)]
pub struct LoadOptions {
    prefix: String,
    rename: Option<Rename>,
    unused: Vec<String>,
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renamed = self.rename.is_some();
        f.debug_struct("LoadOptions")
            .field("prefix", &self.prefix)
            .field("renamed", &renamed)
            .field("unused", &self.unused)
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

    /// The file may hold tensors of these names besides, as `#[unused_weights(..)]` says; `*` is any
    /// characters.
    pub fn unused(mut self, pattern: impl Into<String>) -> LoadOptions {
        self.unused.push(pattern.into());
        self
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
    /// Tensors of the files that the declaration says are not needed.
    pub unused: Vec<String>,
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
        if !self.unused.is_empty() {
            write!(f, "\n  {} not used: {}", self.unused.len(), listed(&self.unused))?;
        }
        Ok(())
    }
}

pub fn load(graph: &Graph, path: &Path, options: &LoadOptions) -> Result<(Weights, LoadReport), Error> {
    let Found { entries, files, faults, part: of_several } = read(path)?;
    let mut report = LoadReport { files, weights: graph.weights.len(), ..LoadReport::default() };
    let mut problems = Vec::new();
    let mut list = Vec::new();
    let mut taken = BTreeSet::new();
    let mut lacking: Vec<String> = Vec::new();
    // Told if nothing else is wrong: what else is wrong takes no memory to mend.
    let mut memory = None;
    for decl in &graph.weights {
        let shape = shape_of(decl)?;
        // A part that was saved as a weight of its own is there under its own name.
        let whole = options.file_name(&decl.name);
        let (name, part) = match &decl.marks.part {
            Some(part) if !entries.contains_key(&whole) => {
                (options.file_name(decl.stored_name()), Some(part))
            }
            _ => (whole, None),
        };
        let Some(e) = entries.get(&name) else {
            if !lacking.contains(&name) {
                lacking.push(name);
            }
            continue;
        };
        let here = || e.path.as_path().to_path_buf();
        let (expected, found) = (decl.ty.dtype, e.dtype.to_string());
        if let FileType::Unread(_) = e.dtype {
            let found = format!("{found}, which is not read (f32, f16, bf16, q4_0, q4_1 and q8_0 are),");
            problems.push(Problem::Type {
                name: name.clone(),
                file: here(),
                expected: expected.to_string(),
                found,
            });
            taken.insert(name);
            continue;
        }
        let Some(stored) = Stored::of(e, part) else {
            let part = part.map(ToString::to_string).unwrap_or_default();
            problems.push(Problem::Part { name: name.clone(), file: here(), part, found: e.shape.clone() });
            taken.insert(name);
            continue;
        };
        if stored.shape != shape {
            problems.push(Problem::Shape {
                name: name.clone(),
                file: here(),
                expected: shape,
                found: stored.shape,
            });
            taken.insert(name);
            continue;
        }
        match convert(&stored, expected) {
            Ok(Some(w)) => {
                if !is_same(e.dtype, expected) {
                    report.converted.push((decl.name.clone(), found.to_lowercase()));
                }
                report.bytes += stored.len() as u64;
                report.mapped += if w.is_mapped() { stored.len() as u64 } else { 0 };
                list.push((decl.name.clone(), w));
            }
            Ok(None) => {
                let cut = matches!(e.dtype, FileType::Coded(c) if c.plain().is_none()) && part.is_some();
                let found = found.to_lowercase()
                    + if cut { ", whose blocks the declared part would cut," } else { "" };
                problems.push(Problem::Type {
                    name: name.clone(),
                    file: here(),
                    expected: expected.to_string(),
                    found,
                });
            }
            Err(e) => memory = memory.or_else(|| Some(e.of_weight(&weight_text(decl, &shape)))),
        }
        taken.insert(name);
    }
    // A fault of an index is told if somebody needs what it is about.
    let needed: BTreeSet<&str> = taken.iter().chain(&lacking).map(String::as_str).collect();
    let wanted = |n: &String| needed.contains(n.as_str()) || !options.covers(graph, n);
    let faults: Vec<Fault> = faults.into_iter().filter(|f| f.names.iter().any(wanted)).collect();
    let told: BTreeSet<&str> = faults.iter().flat_map(|f| &f.names).map(String::as_str).collect();
    lacking.retain(|n| !told.contains(n.as_str()));
    let free: Vec<&str> = entries.keys().map(String::as_str).filter(|n| !taken.contains(*n)).collect();
    let help = of_several.filter(|_| !lacking.is_empty()).or_else(|| help(&lacking, &free, options));
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
            None => Ok((Weights::new(list), report)),
        };
    }
    let extra =
        "if the file may hold more, name it: `#[unused_weights(\"..\")]` or `LoadOptions::unused(\"..\")`";
    let help = help
        .or_else(|| problems.iter().any(|p| matches!(p, Problem::Unexpected { .. })).then(|| extra.into()));
    Err(LoadError::Mismatch { path: path.into(), network: graph.name.clone(), problems, help }.into())
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
