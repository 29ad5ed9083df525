//! The functions of a network as text and as data: each instruction names the line of the source that it
//! computes.

use std::collections::BTreeSet;
use std::path::Path;
use tancho::inspect::Stage;
use tancho::{CodeLine, Compiled, Dump, Graph, Isa, Precision, Target, network};
use tancho_ir::passes::PASSES;
use tancho_support::alone::{child, is_child, must_pass};
use tancho_support::graphs::{Flavour, Random};
use tancho_support::{BERT_LAYER, GPT2_BLOCK, compile_for, targets};

network! {
    /// The example of the README, an op to a line.
    pub ResidualNorm<B, D = 48>(x: [B, D]) -> [B, D] {
        param w: [D, D] = xavier;
        param gain: [D] = ones;
        param bias: [D] = zeros;

        let sum = residual(x) { x @ w.t };
        layer_norm(sum, gain, bias, over = D, eps = 1e-5)
    }
}

network! {
    /// A kernel that runs twice.
    pub Twice<B, D = 32>(x: [B, D]) -> [B, D] {
        param first: [D, D] = xavier;
        param second: [D, D] = xavier;

        let hidden = softmax(x @ first.t, over = D);
        softmax(hidden @ second.t, over = D)
    }
}

network! {
    /// A convolution by Winograd's algorithm.
    pub Image<B, H, W, C = 16>(x: [B, C, H, W]) -> [B, C, H, W] {
        param filters: [C, C, 3, 3] = xavier;

        relu(conv2d(x, filters, pad = 1))
    }
}

const FLAVOURS: [Flavour; 6] =
    [Flavour::Mixed, Flavour::Rows, Flavour::Products, Flavour::Attention, Flavour::Moves, Flavour::Images];

/// The line of this file that has this text first.
fn line_of(text: &str) -> u32 {
    let before = include_str!("dumps.rs").split(text).next().expect("the text before");
    1 + before.matches('\n').count() as u32
}

/// The lines of its IR and of its machine code. Only that of x86-64 names more than the kernel.
fn all_lines(dump: &Dump) -> impl Iterator<Item = &CodeLine> {
    dump.clif.iter().chain(&dump.asm)
}

/// The functions that have instructions of all of these lines.
fn with_lines<'d>(dumps: &'d [Dump], lines: &[u32]) -> Vec<&'d Dump> {
    let has = |dump: &&Dump| lines.iter().all(|line| all_lines(dump).any(|l| l.source.line == *line));
    dumps.iter().filter(has).collect()
}

/// The lines that write memory which is not the program's own frame. In checked mode each access writes what
/// it violates as well, so that there are none to tell apart.
fn stores(dump: &Dump, target: Target) -> impl Iterator<Item = &CodeLine> {
    let in_clif = dump.clif.iter().filter(|line| line.text.trim_start().starts_with("store"));
    let emitted = dump.asm.iter().filter(|line| {
        let mut words = line.text.split_whitespace().skip(1);
        let (Some(name), Some(to)) = (words.next(), words.next()) else { return false };
        dump.clif.is_empty() && name.starts_with('v') && to.starts_with('[') && !to.starts_with("[rsp")
    });
    in_clif.chain(emitted).filter(move |_| !target.is_checked())
}

/// Whether a line is no instruction: a heading, a declaration, an alias, or constants behind the code.
fn is_layout(line: &str) -> bool {
    let words = line.trim();
    let declares =
        ["function ", "block", "sig", "fn", "ss", "const"].iter().any(|word| words.starts_with(word));
    declares
        || words == "}"
        || words.contains(" -> ")
        || words.split("  ").nth(1).is_some_and(|w| w.starts_with("dword"))
}

/// Every instruction has a value of the graph.
#[track_caller]
fn all_have_values(dumps: &[Dump], what: &str) -> usize {
    let mut instructions = 0;
    for dump in dumps {
        assert!(
            !dump.steps.is_empty() && dump.value.is_some() && !dump.asm.is_empty(),
            "{what}: {}",
            dump.name
        );
        for line in all_lines(dump) {
            assert!(line.value.is_some() != is_layout(&line.text), "{what}: {}: {line:?}", dump.name);
            instructions += usize::from(line.value.is_some());
        }
    }
    instructions
}

#[test]
fn instructions_of_a_residual_norm_name_its_lines() -> Result<(), tancho::Error> {
    let (sum, norm) = (line_of("residual(x) {"), line_of("layer_norm(sum"));
    for target in targets() {
        let what = format!("{}", target.isa());
        let compiled = Compiled::clone(&*ResidualNorm::init(1)?.compile(target)?);
        let dumps = compiled.dump()?;
        all_have_values(&dumps, &what);
        // The rows of the sum are read from memory, normed and stored.
        let rows = with_lines(&dumps, &[sum, norm]);
        let rows: Vec<&&Dump> = rows.iter().filter(|dump| dump.name.starts_with("lanes")).collect();
        assert_eq!(rows.len(), 1, "{what}");
        assert!(stores(rows[0], target).count() > 0 || target.is_checked(), "{what}");
        for line in stores(rows[0], target) {
            assert!(
                line.source.line == norm && line.source.text.starts_with("layer_norm"),
                "{what}: {line:?}"
            );
        }
        // Constants are whole words: the width, as the mean is divided by it.
        let width = format!("dword {:#x}", 48.0_f32.to_bits());
        let has_width = rows[0].asm.iter().any(|line| line.text.contains(&width));
        assert!(has_width || cfg!(not(target_arch = "x86_64")), "{what}: {:?}", rows[0].asm);
        // The tiles end with the sum.
        let tiles: Vec<&Dump> =
            dumps.iter().filter(|d| d.name.starts_with("lanes") && d.name != rows[0].name).collect();
        assert!(!tiles.is_empty(), "{what}");
        for line in tiles.iter().flat_map(|tile| stores(tile, target)) {
            assert!(line.source.text.starts_with("residual"), "{what}: {line:?}");
        }
        for tile in tiles {
            let texts: BTreeSet<&str> = all_lines(tile).map(|line| &*line.source.text).collect();
            assert!(texts.contains("x @ w.t"), "{what}: {texts:?}");
        }
        let text = compiled.stage(&Stage::Asm)? + &compiled.stage(&Stage::Clif)?;
        assert!(
            text.contains(&format!(" ; dumps.rs:{norm} layer_norm(sum, gain, bias, over = D, ep..")),
            "{text}"
        );
        assert!(text.starts_with("function lanes0 of step 0 "), "{text}");
    }
    Ok(())
}

#[test]
fn shared_functions_name_all_steps() -> Result<(), tancho::Error> {
    let compiled = Compiled::clone(&*Twice::init(1)?.compile(Target::host())?);
    let dumps = compiled.dump()?;
    assert!(dumps.iter().all(|dump| dump.steps == [0, 1]), "{dumps:?}");
    let (first, second) = (line_of("softmax(x @ first"), line_of("softmax(hidden"));
    assert!(dumps.iter().flat_map(|dump| &dump.asm).all(|line| [0, first].contains(&line.source.line)));
    let text = compiled.stage(&Stage::Asm)?;
    let also = text.lines().find(|line| line.contains("also of step 1")).expect("the other step");
    assert!(also.ends_with(&format!(" ; dumps.rs:{second} hidden @ second.t")), "{also}");
    Ok(())
}

#[test]
fn results_of_windows_are_stored_by_what_follows_them() -> Result<(), tancho::Error> {
    for target in targets() {
        for precision in [Precision::Direct, Precision::Standard] {
            let what = format!("{} {precision:?}", target.isa());
            let compiled = Image::init(1)?.compile(target.with_precision(precision))?;
            let dumps = compiled.dump()?;
            all_have_values(&dumps, &what);
            let is_relu = |line: &CodeLine| line.source.text.starts_with("relu");
            // Moves to channels last and back are kernels of their own.
            let fused = dumps.iter().filter(|dump| dump.kernel.ends_with("+relu"));
            let results: Vec<&Dump> = fused.filter(|dump| all_lines(dump).any(is_relu)).collect();
            assert!(!results.is_empty(), "{what}");
            for dump in results {
                assert!(stores(dump, target).count() > 0 || target.is_checked(), "{what}: {}", dump.name);
                for line in stores(dump, target) {
                    assert!(is_relu(line), "{what}: {}: {line:?}", dump.name);
                }
                assert!(all_lines(dump).any(|line| line.source.text.starts_with("conv2d")), "{what}");
            }
        }
    }
    Ok(())
}

#[test]
fn every_instruction_of_random_graphs_has_a_value() {
    let mut instructions = 0;
    for (i, flavour) in FLAVOURS.into_iter().enumerate() {
        for seed in 0..3 {
            let graph = Random::new(seed + 100 * i as u64, 12, flavour).graph;
            for target in targets() {
                let what = format!("{flavour:?} {seed} {}", target.isa());
                let compiled = compile_for(&graph, target).unwrap_or_else(|e| panic!("{what}: {e}"));
                let dumps = compiled.dump().unwrap_or_else(|e| panic!("{what}: {e}"));
                instructions += all_have_values(&dumps, &what);
            }
        }
    }
    assert!(instructions > 100_000, "{instructions}");
}

/// Dumps are the same in every process, for networks with many kernels.
#[test]
fn dumps_are_the_same_in_every_process() {
    let compiles = || {
        for text in [BERT_LAYER, GPT2_BLOCK] {
            let graph = Graph::parse(text).expect("a layer");
            for isa in [Isa::Clif128, Isa::host()] {
                let graph = Graph { name: format!("{}-{isa}", graph.name), ..graph.clone() };
                let target = Target::host().with_isa(isa).expect("a level of this machine");
                compile_for(&graph, target).expect("a layer");
            }
        }
    };
    if is_child(&compiles) {
        return compiles();
    }
    let passes = PASSES.iter().map(|pass| format!("ir:{}", pass.name));
    let others = ["ir", "fused", "spec", "programs", "plan", "memory", "clif", "asm"];
    let stages: BTreeSet<String> = passes.chain(others.map(String::from)).collect();
    let stages: Vec<String> = stages.into_iter().collect();
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    for to in [&first, &second] {
        must_pass(child("true", &compiles).env("TANCHO_DUMP", stages.join(",")).env("TANCHO_DUMP_DIR", to));
    }
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("a folder of dumps");
        entries.map(|entry| entry.expect("a file").file_name()).collect::<BTreeSet<_>>()
    };
    let names = files(&first);
    assert_eq!(names, files(&second));
    let levels = if Isa::host() == Isa::Clif128 { 1 } else { 2 };
    assert_eq!(names.len(), 2 * levels * stages.len());
    for name in names {
        let [a, b] =
            [&first, &second].map(|folder| std::fs::read_to_string(folder.join(&name)).expect("a dump"));
        assert!(!a.is_empty(), "{name:?} is empty");
        let line = a.lines().zip(b.lines()).find(|(a, b)| a != b);
        assert!(a == b, "{name:?} differs: {line:?}");
    }
}
