//! The files of `tests/filetests`: networks as IR text, with what stages of compiling must make of them.
//!
//! Behind the network stand sections, all of them comments of the text form:
//!
//! ```text
//! //= check B=2 S=5     the network agrees with the interpreter, on every ISA level and in checked mode
//! //= fused             the lines that follow are the text of that stage
//! //  network N in 1 kernel
//! //= error             the network is refused with a message that has the lines that follow
//! //  line 3: ..
//! ```
//!
//! `BLESS=1` writes the sections anew.

use std::path::{Path, PathBuf};
use tancho::inspect::Stage;
use tancho::{Compiled, Graph, Model, Target, Tensor};
use tancho_support::{Rng, compile, run_on, targets, views};

/// A section: its header without `//= `, and the lines below.
struct Section {
    header: String,
    body: String,
}

/// The files, in the order of their names.
fn files() -> Vec<PathBuf> {
    fn add(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                add(&path, all);
            } else if path.extension().is_some_and(|e| e == "tancho") {
                all.push(path);
            }
        }
    }
    let mut all = Vec::new();
    add(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests"), &mut all);
    all.sort();
    all
}

/// The network of a file, and its sections.
fn read(path: &Path) -> (String, Vec<Section>) {
    let text = std::fs::read_to_string(path).expect("a file");
    let (network, rest) = text.split_once("//= ").unwrap_or_else(|| panic!("{path:?} has no section"));
    let sections = rest.split("//= ").map(|section| {
        let (header, body) = section.split_once('\n').unwrap_or((section, ""));
        let lines = body
            .lines()
            .map(|line| line.strip_prefix("//").map_or(line, |l| l.strip_prefix("  ").unwrap_or(l)));
        Section { header: header.trim().into(), body: lines.collect::<Vec<_>>().join("\n").trim_end().into() }
    });
    (network.into(), sections.collect())
}

/// A network with its sections, as a file has them.
fn written(network: &str, sections: &[Section]) -> String {
    let mut text = network.to_string();
    for s in sections {
        text.push_str(&format!("//= {}\n", s.header));
        for line in s.body.lines() {
            text.push_str(format!("//  {line}").trim_end());
            text.push('\n');
        }
    }
    text
}

/// Inputs for these dims. Integers are ids below 4, which are rows of every table of these files.
fn inputs(g: &Graph, dims: &[(String, i64)], seed: u64) -> Vec<Tensor> {
    let mut rng = Rng::new(seed);
    let value = |name: &str| dims.iter().find(|(n, _)| n == name).map(|(_, n)| *n);
    let tensor = |input: &tancho_ir::graph::InputDecl| {
        let length =
            |d: &tancho::Dim| d.eval(&value).unwrap_or_else(|e| panic!("{}: {e}", input.name)) as usize;
        let shape: Vec<usize> = input.ty.shape.iter().map(length).collect();
        let n = shape.iter().product();
        match input.ty.dtype {
            tancho::DType::F32 => rng.floats(&shape),
            tancho::DType::I32 => rng.ids(&shape, 4),
            tancho::DType::Bf16 => {
                let data: Vec<_> = (0..n).map(|_| tancho::bf16::from_f32(rng.float())).collect();
                Tensor::new(data, shape).expect("fits")
            }
            tancho::DType::Bool => {
                Tensor::new((0..n).map(|_| rng.chance(60)).collect::<Vec<_>>(), shape).expect("fits")
            }
        }
    };
    g.inputs.iter().map(tensor).collect()
}

/// Runs a network in every way there is, against the interpreter.
fn check(path: &Path, g: &Graph, header: &str) {
    let dims = header.split_whitespace().skip(1).map(|dim| {
        let (name, n) = dim.split_once('=').unwrap_or_else(|| panic!("{path:?}: {dim}"));
        (name.to_string(), n.parse().unwrap_or_else(|e| panic!("{path:?}: {dim}: {e}")))
    });
    let inputs = inputs(g, &dims.collect::<Vec<_>>(), 7);
    let model = Model::from_graph(g.clone(), 3).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let levels = targets().into_iter().map(|t| model.compile(t).unwrap_or_else(|e| panic!("{path:?}: {e}")));
    let checked = compile(g).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    for c in levels.chain([checked]) {
        let report = c.check_inputs(&views(&inputs)).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        assert!(report.is_ok(), "{path:?}: {report}\n{}", c.fused_ir());
        let one = run_on(&c, 1, &inputs).expect("runs");
        let two = run_on(&c, 2, &inputs).expect("runs");
        assert!(
            one.iter().zip(&two).all(|(a, b)| tancho_support::same_bits(a, b)),
            "{path:?} on two threads"
        );
    }
}

/// What a section should say.
fn found(path: &Path, network: &str, header: &str) -> String {
    let built = Graph::parse(network).map_err(|e| e.to_string());
    let compile = |g: Graph| Model::from_graph(g, 3).and_then(|m| m.compile(Target::host()));
    if header == "error" {
        let refused = built.and_then(|g| compile(g).map(|_| ()).map_err(|e| e.to_string()));
        return refused.err().unwrap_or_else(|| "it is not refused".into());
    }
    let g = built.unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let stage: Stage = header.parse().unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let compiled: Compiled = compile(g).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    compiled.stage(&stage).unwrap_or_else(|e| panic!("{path:?}: {e}")).trim_end().into()
}

#[test]
fn stages_make_of_files_what_the_files_say() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in files() {
        let (network, mut sections) = read(&path);
        for s in &mut sections {
            if s.header.split_whitespace().next() == Some("check") {
                let g = Graph::parse(&network).unwrap_or_else(|e| panic!("{path:?}: {e}"));
                check(&path, &g, &s.header);
                continue;
            }
            let text = found(&path, &network, &s.header);
            if text != s.body {
                wrong.push(format!("{}, {}: expected\n{}\nfound\n{text}", path.display(), s.header, s.body));
                s.body = text;
            }
        }
        if bless {
            std::fs::write(&path, written(&network, &sections)).expect("the file is written");
        }
    }
    assert!(bless || wrong.is_empty(), "{}\n\nBLESS=1 writes them anew", wrong.join("\n\n"));
}
