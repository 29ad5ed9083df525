//! The files of `tests/filetests`: networks as IR text, with what stages of compiling must make of them.
//!
//! Behind the network stand sections, all of them comments of the text form:
//!
//! ```text
//! //= check B=2 S=5     the network agrees with the interpreter, on every ISA level and in checked mode, and
//!                       refuses integers that its values cannot hold
//! //= fused             the lines that follow are the text of that stage
//! //  network N in 1 kernel
//! //= error             the network is refused with a message that has the lines that follow
//! //  line 3: ..
//! ```
//!
//! `BLESS=1` writes the sections anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tancho::inspect::Stage;
use tancho::{AnyView, Compiled, ElementType, Error, Graph, Model, Target, Tensor, View};
use tancho_ir::passes::PASSES;
use tancho_ir::table::OPS;
use tancho_support::{Given, Rng, run_views_on, targets};

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

/// Inputs for these dims, in the element types that they are declared with. Integers are ids below 4, which
/// are rows of every table of these files.
fn inputs(g: &Graph, dims: &[(String, i64)], seed: u64) -> Vec<Given> {
    let mut rng = Rng::new(seed);
    let value = |name: &str| dims.iter().find(|(n, _)| n == name).map(|(_, n)| *n);
    let tensor = |input: &tancho_ir::graph::InputDecl| {
        let length =
            |d: &tancho::Dim| d.eval(&value).unwrap_or_else(|e| panic!("{}: {e}", input.name)) as usize;
        let shape: Vec<usize> = input.ty.shape.iter().map(length).collect();
        let n = shape.iter().product();
        let value = match input.ty.dtype {
            tancho::DType::F32 => rng.floats(&shape),
            tancho::DType::I32 => rng.ids(&shape, 4),
            tancho::DType::Bf16 => {
                let data: Vec<_> = (0..n).map(|_| tancho::bf16::from_f32(rng.float())).collect();
                Tensor::new(data, shape).expect("fits")
            }
            tancho::DType::Bool => {
                Tensor::new((0..n).map(|_| rng.chance(60)).collect::<Vec<_>>(), shape).expect("fits")
            }
        };
        Given::new(&value, input.given)
    };
    g.inputs.iter().map(tensor).collect()
}

/// Runs a network in every way there is, against the interpreter, for the dims of each of these headers.
fn check(network: &str, headers: &[&str]) -> Result<(), String> {
    let g = Graph::parse(network).map_err(|e| e.to_string())?;
    let model = Model::from_graph(g.clone(), 3).map_err(|e| e.to_string())?;
    let levels = targets().into_iter().map(|t| model.compile(t).map_err(|e| e.to_string()));
    let all: Vec<Compiled> = levels.collect::<Result<_, _>>()?;
    for header in headers {
        let dim = |dim: &str| {
            let (name, n) = dim.split_once('=')?;
            Some((name.to_string(), n.parse().ok()?))
        };
        let dims: Option<Vec<_>> = header.split_whitespace().skip(1).map(dim).collect();
        let inputs = inputs(&g, &dims.ok_or_else(|| format!("`{header}` has no dims such as `B=3`"))?, 7);
        let views: Vec<AnyView<'_>> = inputs.iter().map(Given::view).collect();
        for c in &all {
            let report = c.check_inputs(&views).map_err(|e| format!("{header}: {e}"))?;
            if !report.is_ok() {
                return Err(format!("{header}: {report}\n{}", c.fused_ir()));
            }
            let one = run_views_on(c, 1, &views).map_err(|e| format!("{header}: {e}"))?;
            let two = run_views_on(c, 2, &views).map_err(|e| format!("{header} on two threads: {e}"))?;
            if one.iter().zip(&two).any(|(a, b)| !tancho_support::same_bits(a, b)) {
                return Err(format!("{header}: two threads have other results than one"));
            }
            out_of_range(c, &views).map_err(|e| format!("{header}: {e}"))?;
        }
    }
    Ok(())
}

/// Each input of integers that its value may not hold is refused with the first of them.
fn out_of_range(c: &Compiled, views: &[AnyView<'_>]) -> Result<(), String> {
    for (i, decl) in c.graph().inputs.iter().enumerate() {
        let (n, shape) = (views[i].len(), views[i].shape());
        if n == 0 {
            continue;
        }
        let (mut words, mut longs) = (vec![0u32; n], vec![0i64; n]);
        (words[n - 1], longs[n - 1]) = (1 << 31, i64::MIN);
        let (wrong, number): (AnyView<'_>, i64) = match decl.given {
            ElementType::U32 => (View::new(&words, shape).expect("fits").into(), 1 << 31),
            ElementType::I64 => (View::new(&longs, shape).expect("fits").into(), i64::MIN),
            // Their values hold every element.
            ElementType::U8 | ElementType::F16 => continue,
            ElementType::F32 | ElementType::Bf16 | ElementType::I32 | ElementType::Bool => continue,
        };
        let mut given = views.to_vec();
        given[i] = wrong;
        let last: Vec<usize> = shape.iter().map(|n| n - 1).collect();
        for refused in [c.session().run_inputs(&given).err(), c.check_inputs(&given).err()] {
            match refused {
                Some(Error::InputValue { name, position, value, .. })
                    if name == decl.name && position == last && value == number => {}
                Some(e) => return Err(format!("{number} of `{}` is refused by: {e}", decl.name)),
                None => return Err(format!("{number} of `{}` is taken", decl.name)),
            }
        }
    }
    Ok(())
}

/// What a section should say.
fn found(network: &str, header: &str) -> Result<String, String> {
    let built = Graph::parse(network).map_err(|e| e.to_string());
    let compile =
        |g: Graph| Model::from_graph(g, 3).and_then(|m| m.compile(Target::host())).map_err(|e| e.to_string());
    if header == "error" {
        return match built.and_then(compile) {
            Ok(_) => Err("the network is not refused".into()),
            Err(message) => Ok(message),
        };
    }
    let stage: Stage = header.parse().map_err(|e: tancho::Error| e.to_string())?;
    let text = compile(built?)?.stage(&stage).map_err(|e| e.to_string())?;
    Ok(text.trim_end().into())
}

/// What is wrong with the files.
#[derive(Default)]
struct Wrong {
    /// Sections that say something else: `BLESS=1` writes them anew.
    said: Vec<String>,
    /// What no writing mends.
    failed: Vec<String>,
}

/// A file with all its sections as they should be.
fn as_it_should_be(path: &Path, wrong: &mut Wrong) -> String {
    let (network, mut sections) = read(path);
    let is_check = |s: &Section| s.header.split_whitespace().next() == Some("check");
    let checks: Vec<&str> = sections.iter().filter(|s| is_check(s)).map(|s| s.header.as_str()).collect();
    if !checks.is_empty()
        && let Err(e) = check(&network, &checks)
    {
        wrong.failed.push(format!("{}, {e}", path.display()));
    }
    for s in sections.iter_mut().filter(|s| !is_check(s)) {
        let at = format!("{}, {}", path.display(), s.header);
        match found(&network, &s.header) {
            Ok(text) if text == s.body => {}
            Ok(text) => {
                wrong.said.push(format!("{at}: expected\n{}\nfound\n{text}", s.body));
                s.body = text;
            }
            Err(e) => wrong.failed.push(format!("{at}: {e}")),
        }
    }
    written(&network, &sections)
}

#[test]
fn stages_make_of_files_what_the_files_say() {
    let bless = std::env::var_os("BLESS").is_some();
    let files = files();
    let all = |part: &[PathBuf]| {
        let mut wrong = Wrong::default();
        for path in part {
            let text = as_it_should_be(path, &mut wrong);
            if bless {
                std::fs::write(path, text).expect("the file is written");
            }
        }
        wrong
    };
    let mut wrong = Wrong::default();
    // Neighbouring files cost alike, so each thread takes every second one.
    let (even, odd): (Vec<_>, Vec<_>) = files.into_iter().enumerate().partition(|(i, _)| i % 2 == 0);
    let paths = |part: Vec<(usize, PathBuf)>| part.into_iter().map(|(_, path)| path).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let threads = [paths(even), paths(odd)].map(|part| scope.spawn(move || all(&part)));
        for thread in threads {
            let part = thread.join().expect("a thread that does not panic");
            wrong.said.extend(part.said);
            wrong.failed.extend(part.failed);
        }
    });
    assert!(wrong.failed.is_empty(), "{}", wrong.failed.join("\n\n"));
    assert!(bless || wrong.said.is_empty(), "{}\n\nBLESS=1 writes them anew", wrong.said.join("\n\n"));
}

/// Every op, every pass and every reason not to fuse.
#[test]
fn nothing_is_without_a_file() {
    let (mut ops, mut changed, mut reasons) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for path in files() {
        let (network, sections) = read(&path);
        if let Ok(g) = Graph::parse(&network) {
            let nodes = g.nodes.iter().chain(g.bodies.iter().flat_map(|b| &b.nodes));
            ops.extend(nodes.map(|n| tancho_ir::table::name_of(&n.op)));
            let passed = tancho_ir::passes::run_all(&g, &mut |_, _| ()).expect("the passes run");
            let fused = tancho_ir::fuse::fuse(&passed, tancho_ir::fuse::Constants::of(&passed));
            reasons.extend(fused.declined.iter().map(|d| d.reason.name()));
        }
        let changes = |line: &str| line.starts_with("+ ") || line.starts_with("- ");
        let of_pass = |s: &&Section| s.header.starts_with("ir:") && s.body.lines().any(changes);
        changed.extend(sections.iter().filter(of_pass).map(|s| s.header["ir:".len()..].to_string()));
    }
    let without_op: Vec<&str> = OPS.iter().map(|o| o.name).filter(|name| !ops.contains(name)).collect();
    let passes: BTreeSet<&str> = PASSES.iter().map(|p| p.name).collect();
    let without_pass: Vec<&&str> = passes.iter().filter(|p| !changed.contains(**p)).collect();
    let without_reason: Vec<_> =
        tancho_ir::fuse::Reason::NAMES.iter().filter(|n| !reasons.contains(*n)).collect();
    assert!(
        without_op.is_empty() && without_pass.is_empty() && without_reason.is_empty(),
        "no file has the ops {without_op:?}, the passes {without_pass:?}, the reasons {without_reason:?}"
    );
}
