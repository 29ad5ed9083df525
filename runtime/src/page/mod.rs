//! A page that shows a compiled network: one HTML file with all of its stages, their measurements, and the
//! program that draws them.
//!
//! The page's data is one JSON text ([`data`]). Every line of IR, kernel and instruction refers to the place
//! in the user's source by number, so that the page can go from any of them to all others.

mod graphs;
mod kernels;
mod measured;
mod memory;
mod sources;

use crate::compile::Compilation;
use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::price::LaidOut;
use crate::inspect::stages::measured_times;
use crate::replace::replace;
use crate::run::session::Session;
use crate::tensor::view::AnyView;
use measured::Measured;
use serde_json::{Map, Value as Json, json};
use sources::Sources;
use std::io::{self, Write};
use std::path::Path;

/// The page without its data. What it draws with is put in at the end.
const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// What the page runs, in order. Dagre lays graphs out (MIT licence, `dagre.LICENSE`).
const SCRIPTS: [&str; 9] = [
    include_str!("dagre.min.js"),
    include_str!("data.js"),
    include_str!("source.js"),
    include_str!("tree.js"),
    include_str!("graph.js"),
    include_str!("tables.js"),
    include_str!("charts.js"),
    include_str!("kernel.js"),
    include_str!("page.js"),
];
const LICENSE: &str = include_str!("dagre.LICENSE");

impl Compiled {
    /// Writes a page that shows this network: source, graph, IR before and after each pass, kernels, memory,
    /// Cranelift's IR and machine code, tied to each other. It is one HTML file that opens from the disk and
    /// loads nothing. Memory and operations are those of a run with these run-time dims on all cores of the
    /// machine.
    ///
    /// ```
    /// use tancho_runtime::{Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 4]\n%0: f32[B, 4] = input(index = 0)\n%1: f32[B, 4] = relu(%0)\nreturn %1",
    /// ).unwrap();
    /// let compiled = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap();
    /// let path = std::env::temp_dir().join("tancho-page-example.html");
    /// compiled.report(&path, &[("B", 8)]).unwrap();
    /// # std::fs::remove_file(path).unwrap();
    /// ```
    ///
    /// # Errors
    /// The file cannot be written, which is found before anything is done; or as [`Compiled::price`].
    pub fn report(&self, path: impl AsRef<Path>, dims: &[(&str, usize)]) -> Result<(), Error> {
        write(path.as_ref(), || {
            let dims = self.dim_values(dims)?;
            page(self, &dims, self.session().threads(), None)
        })
    }

    /// All that the page of [`Compiled::report`] shows, as JSON for programs.
    ///
    /// - `sources`: places in the source, as file by number, line, column and text; other keys name them by
    ///   number. `files` has the files with their lines, `scopes` the paths of nets.
    /// - `units`: the network, then the bodies of its loops and experts. Each has `passes`, `nodes`,
    ///   `groups`, `declined`, `steps` and `functions`, and the network `blocks` and `costs`.
    /// - `passes`: the graph as declared, and what each pass left (` `), added (`+`) and took away (`-`), as
    ///   sign, text, source and scope.
    /// - `nodes`: the graph after all passes, each with op, type, text, label, source, scope, the number of
    ///   its group, and its arguments.
    /// - `groups`: the ops of each kernel. `declined`: fusions that were not made, as consumer, producer,
    ///   reason.
    /// - `steps`: the calls of a run, each with its name and group, what it reads and writes and where, its
    ///   spec, and the vector programs of its kernel.
    /// - `functions`: machine code, each with its name, the steps that run it, and lines of Cranelift's IR
    ///   and of assembly with the number of their node.
    /// - `blocks`: memory, as offset, bytes, first and last step, and values. `costs`: of each step flops,
    ///   bytes and nanoseconds. `memory`: bytes by kind. `times`: microseconds of each stage, pass and
    ///   kernel's code.
    ///
    /// All but `times` and `compileMicros` are the same in every process for the same declaration, target,
    /// dims and threads.
    ///
    /// ```
    /// use tancho_runtime::{Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 4]\n%0: f32[B, 4] = input(index = 0)\n%1: f32[B, 4] = relu(%0)\nreturn %1",
    /// ).unwrap();
    /// let compiled = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap();
    /// let data: serde_json::Value = serde_json::from_str(&compiled.report_json(&[("B", 8)]).unwrap()).unwrap();
    /// assert_eq!(data["units"][0]["steps"][0]["name"], "row+relu");
    /// ```
    ///
    /// # Errors
    /// As [`Compiled::price`].
    pub fn report_json(&self, dims: &[(&str, usize)]) -> Result<String, Error> {
        let dims = self.dim_values(dims)?;
        Ok(data(self, &dims, self.session().threads(), None)?.to_string())
    }
}

impl Session {
    /// As [`Compiled::report`], with what was measured: the network is run on these inputs for a while, from
    /// the states of the session, which keep what they hold. The page has the time of each kernel and line
    /// against the limits of the machine, and the error of each op against the interpreter. That takes some
    /// seconds, and for large networks as long as the interpreter needs.
    ///
    /// ```
    /// use tancho_runtime::{AsView, Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 4]\n%0: f32[B, 4] = input(index = 0)\n%1: f32[B, 4] = relu(%0)\nreturn %1",
    /// ).unwrap();
    /// let session = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap().session();
    /// let path = std::env::temp_dir().join("tancho-measured-page-example.html");
    /// session.report(&path, &[[1.0; 8].view([2, 4]).into()]).unwrap();
    /// # std::fs::remove_file(path).unwrap();
    /// ```
    ///
    /// # Errors
    /// The file cannot be written, which is found before anything is done; or as
    /// [`Session::check_inputs`].
    pub fn report(&self, path: impl AsRef<Path>, inputs: &[AnyView<'_>]) -> Result<(), Error> {
        write(path.as_ref(), || {
            let (measured, dims) = Measured::of(self, inputs)?;
            page(self.compiled(), &dims, self.threads(), Some(measured))
        })
    }
}

/// Writes what `make` makes once the file is known to be writable.
fn write(path: &Path, make: impl FnOnce() -> Result<String, Error>) -> Result<(), Error> {
    let mut failed = None;
    let written = replace(path, |file| match make() {
        Ok(page) => file.write_all(page.as_bytes()),
        Err(error) => {
            failed = Some(error);
            Err(io::Error::other("there is no page to write"))
        }
    });
    match failed {
        Some(error) => Err(error),
        None => written.map_err(|error| Error::Save { path: path.into(), error }),
    }
}

/// The page as text.
fn page(
    compiled: &Compiled,
    dims: &[i64],
    threads: usize,
    measured: Option<Measured>,
) -> Result<String, Error> {
    let data = data(compiled, dims, threads, measured)?;
    let name = escaped(&compiled.graph().name);
    // In a script no text but `<` can end it.
    let data = data.to_string().replace('<', "\\u003c");
    let parts = [
        ("{{title}}", name.as_str()),
        ("{{style}}", STYLE),
        ("{{license}}", LICENSE),
        ("{{data}}", &data),
        ("{{scripts}}", &SCRIPTS.join("\n")),
    ];
    let mut page = String::with_capacity(FRAME.len() + data.len() + (200 << 10));
    let mut rest = FRAME;
    for (mark, text) in parts {
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

/// A text as HTML shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// All that the page shows.
fn data(
    compiled: &Compiled,
    dims: &[i64],
    threads: usize,
    measured: Option<Measured>,
) -> Result<Json, Error> {
    let (graph, stats) = (compiled.graph(), compiled.stats());
    let mut sources = Sources::default();
    let laid_out = LaidOut::new(compiled, dims, threads)?;
    let price = laid_out.price(compiled);
    let mut units = Vec::new();
    for (i, inner) in compiled.inner().all().into_iter().enumerate() {
        let name = if i == 0 { String::new() } else { format!("body {}", i - 1) };
        units.push(unit(name, &inner.compilation, &mut sources)?);
    }
    let main = &compiled.inner().compilation;
    units[0]["blocks"] = memory::blocks(main, &laid_out.bound);
    let costs = measured.as_ref().map_or(&price.kernels, |m| &m.profile.kernels);
    let cost = |k: &crate::inspect::profile::KernelCost| json!([k.cost.flops, k.cost.bytes, k.cost.nanos]);
    units[0]["costs"] = costs.iter().map(cost).collect();
    let times: Vec<_> =
        measured_times(main)?.into_iter().map(|(what, t)| (what, t.as_secs_f64() * 1e6)).collect();
    let named_dims: Vec<_> = graph.dims.iter().map(|d| &d.name).zip(dims).collect();
    let states: Vec<_> = graph.states.iter().map(|s| (&s.name, s.ty.to_string())).collect();
    let mut all = Map::new();
    all.extend(
        [
            ("network", json!(graph.name)),
            ("entry", json!(graph.entry)),
            ("version", json!(env!("CARGO_PKG_VERSION"))),
            ("target", json!(main.target.isa().to_string())),
            ("threads", json!(threads)),
            ("dims", json!(named_dims)),
            ("kernels", json!(stats.kernels)),
            ("codeBytes", json!(stats.code_bytes)),
            ("compileMicros", json!(stats.total().as_secs_f64() * 1e6)),
            (
                "memory",
                json!({
                    "arena": price.memory,
                    "results": price.results,
                    "states": price.states,
                    "packed": price.packed,
                }),
            ),
            ("states", json!(states)),
            ("times", json!(times)),
            ("measured", json!(measured.map(|m| m.json(graph, &mut sources)))),
            ("units", json!(units)),
        ]
        .map(|(key, value)| (key.to_string(), value)),
    );
    all.extend(sources.json().map(|(key, value)| (key.to_string(), value)));
    Ok(Json::Object(all))
}

/// What is shown of a network, or of a body.
fn unit(name: String, compilation: &Compilation, sources: &mut Sources) -> Result<Json, Error> {
    let mut unit = graphs::fused(&compilation.fused, sources);
    unit["name"] = json!(name);
    unit["passes"] = graphs::passes(&compilation.graph, sources)?;
    unit["steps"] = kernels::steps(compilation);
    unit["functions"] = kernels::functions(compilation)?;
    Ok(unit)
}
