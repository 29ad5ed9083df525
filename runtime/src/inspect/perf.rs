//! Names of generated functions for Linux's `perf`, which knows none of code that no file has.

use crate::compiled::Compiled;
use crate::error::Error;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The variable that asks for names: 1 writes them, 0 and nothing do not.
pub const PERF_MAP: &str = "TANCHO_PERF_MAP";

/// Writers of this process wait for each other, so that the lines of a network stay together.
static FILE: Mutex<()> = Mutex::new(());

impl Compiled {
    /// The functions of the network with their places in memory and their names, as Linux's `perf` reads
    /// them: a line each, with the address and the size as hexadecimal numbers. With `TANCHO_PERF_MAP=1` in
    /// the environment they are added to `/tmp/perf-PID.map` when a network is compiled.
    ///
    /// ```
    /// use tancho_runtime::{Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 4]\n%0: f32[B, 4] = input(index = 0)\n%1: f32[B, 4] = relu(%0)\nreturn %1",
    /// ).unwrap();
    /// let code = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap();
    /// assert!(code.perf_map().lines().any(|line| line.ends_with(" tancho::N step 0 row+relu")));
    /// ```
    pub fn perf_map(&self) -> String {
        lines(&self.named_functions())
    }

    /// Adds the functions of the network to the file in which `perf` looks for names, if the environment asks
    /// for it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn map_by_environment(&self) -> Result<(), Error> {
        if std::env::var_os(PERF_MAP).is_none_or(|asked| asked.is_empty() || asked == "0") {
            return Ok(());
        }
        let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
        let functions = self.named_functions();
        let _alone = FILE.lock().unwrap_or_else(PoisonError::into_inner);
        add(&path, &functions).map_err(|error| Error::Save { path, error })
    }

    /// The functions with their names.
    fn named_functions(&self) -> Vec<Named> {
        let mut named = Vec::new();
        for (i, inner) in self.inner().all().into_iter().enumerate() {
            let compilation = &inner.compilation;
            let (graph, fused) = (self.graph(), &compilation.fused);
            for function in &compilation.code.functions {
                let mut name = format!("tancho::{}", graph.name);
                // Writing to a string cannot fail.
                if !graph.entry.is_empty() {
                    let _ = write!(name, ".{}", graph.entry);
                }
                if i > 0 {
                    let _ = write!(name, " body {}", i - 1);
                }
                if let Some(step) = compilation.schedule.steps.get(function.step) {
                    let _ = write!(name, " step {} {}", function.step, step.name);
                    let nodes = fused.groups[step.kernel].nodes.iter();
                    let mut sources = nodes.map(|v| &fused.graph.node(*v).source);
                    if let Some(source) = sources.find(|source| source.line > 0) {
                        let file = source.file.rsplit(['/', '\\']).next().unwrap_or_default();
                        let _ = write!(name, " {file}:{}", source.line);
                    }
                }
                if function.name.starts_with("lanes") {
                    let _ = write!(name, " {}", function.name);
                }
                // A line ends where the name does.
                let name = name.replace(|c: char| c.is_control(), " ");
                named.push(Named { range: function.address..function.address + function.bytes, name });
            }
        }
        named
    }
}

/// A function with its name.
struct Named {
    range: Range<usize>,
    name: String,
}

/// A line for each function: its address and its size as hexadecimal numbers, and its name.
fn lines(functions: &[Named]) -> String {
    let mut lines = String::new();
    for Named { range, name } in functions {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{:x} {:x} {name}", range.start, range.len());
    }
    lines
}

/// Adds a line for each function. Lines that are there for the same memory are taken out: they are of code
/// that was freed, or Cranelift wrote them, which knows no better names. It writes them while `perf record`
/// runs, those of several threads into one line at times, so that what is no line goes too.
fn add(path: &Path, functions: &[Named]) -> io::Result<()> {
    let mut lines = lines(functions);
    // Each write goes to the end of the file, so that what other compilers of the process add stays whole.
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut known = Vec::new();
    file.read_to_end(&mut known)?;
    let known = String::from_utf8_lossy(&known);
    let mut starts: Vec<&Range<usize>> = functions.iter().map(|f| &f.range).collect();
    starts.sort_by_key(|range| range.start);
    let is_replaced = |line: &&str| {
        let mut numbers = line.splitn(3, ' ').map(|n| usize::from_str_radix(n, 16).ok());
        let (Some(Some(start)), Some(Some(size))) = (numbers.next(), numbers.next()) else { return true };
        let after = starts.partition_point(|range| range.end <= start);
        starts.get(after).is_some_and(|range| range.start < start.saturating_add(size))
    };
    if known.lines().any(|line| is_replaced(&line)) {
        file.set_len(0)?;
        let kept: String =
            known.lines().filter(|line| !is_replaced(line)).map(|l| format!("{l}\n")).collect();
        lines.insert_str(0, &kept);
    }
    file.write_all(lines.as_bytes())
}
