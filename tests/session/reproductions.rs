//! Checks that fail are written as files that fail in the same way.

use crate::broken::*;
use safetensors::tensor::{Metadata, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;
use tancho::inspect::{REPRODUCTION_DIR, Reproduction};
use tancho::{AnyView, AsView, Error, Format, Graph, Isa, Precision, Report, Target, Tensor, f16, network};
use tancho_ir::fuse::Fused;
use tancho_ir::op::{Number, Op, Unary};
use tancho_runtime::Stages;
use tancho_support::{Rng, alone, views};

network! {
    /// Inputs that are converted, of which one follows another's length.
    Converted<B, S, D = 6>(bytes: u8[B, D], ids: i64[B], ids2: u32[B], x: f16[B, S]) -> [B, D] {
        param table: [5, D] = normal(1.0);
        let y = gelu(cast(bytes, f32) / 255 + table[ids] - table[ids2]);
        y * expand(sum(x, over = S, keep = true), [B, D])
    }

    /// A cache of keys that grows.
    Cached<B, P: ..=8, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        state keys: [B, P, D] grow P;
        net l: Linear<D, D>;
        let all = keys.push(x);
        attention(gelu(l(x)), all, all, heads = 1)
    }

    /// A convolution whose image has an odd number of rows.
    Half<N, H, W>(x: [N, 3, H, W]) -> [N, 4, H, W] {
        net conv: Conv2d<3, 4, K = 3, PAD = 1>;
        gelu(conv(x))
    }
}

/// Breaks `gelu` in large graphs alone.
fn wrong_if_large(fused: &mut Fused) {
    if fused.graph.nodes.len() > 20 {
        wrong_kernel(fused);
    }
}

/// The report of a check that fails, and the reproduction after a way through a file.
fn reproduced(
    graph: &Graph,
    stages: Stages,
    inputs: &[AnyView<'_>],
) -> Result<(Report, Reproduction), Error> {
    let report = compiled(graph, stages)?.check_inputs(inputs)?;
    assert!(!report.is_ok());
    let read = through_file(&report)?;
    assert!(!fails(&read, Stages::default())?, "the reproduction is right with stages that are");
    assert!(fails(&read, stages)?, "the reproduction does not fail:\n{}", read.graph());
    Ok((report, read))
}

fn through_file(report: &Report) -> Result<Reproduction, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wrong.safetensors");
    report.write_reproduction(&path)?;
    Reproduction::read(&path)
}

fn fails(what: &Reproduction, stages: Stages) -> Result<bool, Error> {
    let session = what.session_by(what.target()?, stages)?;
    Ok(!session.check_inputs(&what.inputs())?.is_ok())
}

/// How many ops a graph has that are no inputs and weights.
fn ops(graph: &Graph) -> usize {
    graph.nodes.iter().filter(|n| !matches!(n.op, Op::Input(_) | Op::Weight(_) | Op::State(_))).count()
}

#[test]
fn an_op_that_is_wrong_by_itself_is_written_alone() -> Result<(), Error> {
    let graph = Stack::init(1)?.ir().clone();
    let x = [Rng::new(1).floats(&[3, 32])];
    let (report, read) = reproduced(&graph, fused_by(wrong_kernel), &views(&x))?;
    assert_eq!((ops(read.graph()), read.graph().weights.len()), (1, 0), "{}", read.graph());
    assert_eq!(read.graph().nodes[1].op, Op::Unary(Unary::Gelu));
    assert_eq!(read.graph().dims.len(), 1, "the batch is a run-time dim still");
    assert_eq!(read.of(), "gelu(l(x)) of Stack");
    assert!(read.report().contains("the first op that diverges is gelu(l(x))"), "{}", read.report());
    assert_eq!(read.version(), env!("CARGO_PKG_VERSION"));
    assert!(report.to_string().contains("`Report::write_reproduction` writes a file"), "{report}");
    assert!(report.reproduction.is_none());
    Ok(())
}

#[test]
fn a_kernel_that_is_wrong_by_its_fusions_is_written_alone() -> Result<(), Error> {
    let graph = Stack::init(1)?.ir().clone();
    let x = [Rng::new(2).floats(&[3, 32])];
    let (report, read) = reproduced(&graph, fused_by(wrong_fusion), &views(&x))?;
    assert!(report.diverges_at.is_none());
    let names: Vec<&str> = read.graph().weights.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["a.l.weight", "a.l.bias"], "{}", read.graph());
    assert!(ops(read.graph()) < 8, "{}", read.graph());
    Ok(())
}

#[test]
fn what_is_wrong_as_a_whole_is_written_whole() -> Result<(), Error> {
    let graph = Stack::init(1)?.ir().clone();
    let x = [Rng::new(3).floats(&[3, 32])];
    let (_, read) = reproduced(&graph, fused_by(wrong_if_large), &views(&x))?;
    assert_eq!(*read.graph(), graph);
    let given = read.inputs().remove(0).to_tensor()?;
    assert_eq!(given, x[0]);
    assert_eq!(read.of(), "the whole network");
    Ok(())
}

#[test]
fn states_experts_loops_and_images_are_written() -> Result<(), Error> {
    let mut rng = Rng::new(4);
    let ids = Tensor::new(vec![2, 0, 1, 2], [2, 2])?;
    let cases = [
        (Loop::init(1)?.ir().clone(), vec![rng.floats(&[2, 3, 8])]),
        (Mixture::init(1)?.ir().clone(), vec![rng.floats(&[2, 8]), ids]),
        (Half::init(1)?.ir().clone(), vec![rng.floats(&[1, 3, 5, 6])]),
        (Counting::init(1)?.ir().clone(), vec![rng.floats(&[2, 8])]),
        (Cached::init(1)?.ir().clone(), vec![rng.floats(&[2, 3, 4])]),
    ];
    for (graph, inputs) in &cases {
        let mut seen = 0;
        for fused in [wrong_kernel, wrong_fusion, wrong_if_large as fn(&mut Fused)] {
            let stages = fused_by(fused);
            if compiled(graph, stages)?.check_inputs(&views(inputs))?.is_ok() {
                continue;
            }
            assert!(reproduced(graph, stages, &views(inputs))?.1.of().contains(' '));
            seen += 1;
        }
        assert!(seen > 0, "{}", graph.name);
    }
    Ok(())
}

#[test]
fn states_are_as_they_were_before_the_call() -> Result<(), Error> {
    fn wrong_attention(fused: &mut Fused) {
        for node in &mut fused.graph.nodes {
            if let Op::Attention { scale, .. } = &mut node.op {
                *scale = Some(Number(3.0));
            }
        }
    }
    let mut rng = Rng::new(5);
    let mut session = compiled(Cached::init(1)?.ir(), fused_by(wrong_attention))?.session();
    session.run_inputs(&views(&[rng.floats(&[2, 3, 4])]))?;
    let x = [rng.floats(&[2, 2, 4])];
    let report = session.check_inputs(&views(&x))?;
    let read = through_file(&report)?;
    let mut again = read.session_by(read.target()?, fused_by(wrong_attention))?;
    assert!(!again.check_inputs(&read.inputs())?.is_ok(), "{}", read.graph());
    assert_eq!(again.state("keys")?, session.state("keys")?);
    again.run_inputs(&read.inputs())?;
    assert_eq!(again.rows("P")?, 5);
    Ok(())
}

#[test]
fn inputs_are_written_as_they_are_given() -> Result<(), Error> {
    let graph = Converted::init(1)?.ir().clone();
    let (bytes, ids, other) = ([0u8, 255, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [4i64, 0], [1u32, 2]);
    let x = [f16::from_f32(0.5), f16::from_f32(-0.25), f16::from_f32(2.0), f16::from_bits(1)];
    let inputs: [AnyView<'_>; 4] =
        [bytes.view([2, 6]).into(), ids.view([2]).into(), other.view([2]).into(), x.view([2, 2]).into()];
    fn always_wrong(fused: &mut Fused) {
        if fused.graph.inputs.len() == 4 {
            wrong_kernel(fused);
        }
    }
    let (_, read) = reproduced(&graph, fused_by(always_wrong), &inputs)?;
    for (given, was) in read.inputs().iter().zip(&inputs) {
        assert_eq!((given.ty().to_string(), given.bytes()), (was.ty().to_string(), was.bytes()));
    }
    Ok(())
}

#[test]
fn the_target_and_the_threads_are_those_of_the_check() -> Result<(), Error> {
    let target = Target::host()
        .with_isa(Isa::Clif128)?
        .with_precision(Precision::Fast)
        .with_weight_format(Format::Bf16)
        .with_bf16_states(true);
    let model = tancho::Model::from_graph(Counting::init(1)?.ir().clone(), 3)?;
    let session = model.compile_by(target, fused_by(wrong_kernel))?.session_with_threads(3)?;
    let x = [Rng::new(6).floats(&[2, 8])];
    let read = through_file(&session.check_inputs(&views(&x))?)?;
    assert_eq!(read.target()?, target);
    assert_eq!(read.session(target)?.threads(), 3);
    assert_eq!(read.target_on(Isa::host())?.isa(), Isa::host());
    Ok(())
}

#[test]
fn a_report_without_a_failing_call_writes_nothing() -> Result<(), Error> {
    let compiled = compiled(Stack::init(1)?.ir(), Stages::default())?;
    let report = compiled.check_inputs(&views(&[Rng::new(7).floats(&[1, 32])]))?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nothing.safetensors");
    assert!(matches!(report.write_reproduction(&path), Err(Error::NothingToReproduce)));
    assert!(!path.exists());
    Ok(())
}

/// A file with other metadata or other tensors than one that was written.
fn damaged(
    from: &Path,
    to: &Path,
    metadata: impl Fn(&mut HashMap<String, String>),
    tensors: impl Fn(&mut Vec<(String, TensorView<'_>)>),
) -> String {
    let bytes = std::fs::read(from).expect("the file");
    let (_, header): (usize, Metadata) = SafeTensors::read_metadata(&bytes).expect("a header");
    let mut said: HashMap<String, String> =
        header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    metadata(&mut said);
    let read = SafeTensors::deserialize(&bytes).expect("tensors");
    let mut all = read.tensors();
    tensors(&mut all);
    let made = safetensors::serialize(all, Some(said.into_iter().collect())).expect("a file");
    std::fs::write(to, made).expect("written");
    Reproduction::read(to).expect_err("it is damaged").to_string()
}

#[test]
fn damaged_files_are_refused() -> Result<(), Error> {
    let x = [Rng::new(8).floats(&[3, 32])];
    let report = compiled(Stack::init(1)?.ir(), fused_by(wrong_fusion))?.check_inputs(&views(&x))?;
    let folder = tempfile::tempdir().expect("a folder");
    let (good, bad) = (folder.path().join("good.safetensors"), folder.path().join("bad.safetensors"));
    report.write_reproduction(&good)?;
    let bytes = std::fs::read(&good).expect("the file");
    for cut in [0, 7, 100, bytes.len() - 1] {
        std::fs::write(&bad, &bytes[..cut]).expect("written");
        let e = Reproduction::read(&bad).expect_err("it is cut off").to_string();
        assert!(e.contains("is not a valid safetensors file"), "{e}");
    }
    let set = |name: &'static str, value: &'static str| {
        move |said: &mut HashMap<String, String>| {
            said.insert(name.into(), value.into());
        }
    };
    let same = |_: &mut Vec<(String, TensorView<'_>)>| ();
    let cases = [
        (damaged(&good, &bad, |said| said.clear(), same), "no file that `Report::write_reproduction` wrote"),
        (damaged(&good, &bad, set("tancho", "reproduction 9"), same), "it is `reproduction 9`"),
        (damaged(&good, &bad, set("graph", "network N<"), same), "its graph cannot be read: line 1"),
        (damaged(&good, &bad, set("isa", "mmx"), same), "none of clif128, avx2, avx512"),
        (damaged(&good, &bad, set("threads", "many"), same), "its `threads` is `many`"),
        (damaged(&good, &bad, |said| drop(said.remove("precision")), same), "has no `precision`"),
        (
            damaged(&good, &bad, |_| (), |all| all.retain(|(name, _)| name != "weight.a.l.bias")),
            "it has no `weight.a.l.bias`, which its graph declares",
        ),
        (
            damaged(
                &good,
                &bad,
                |_| (),
                |all| {
                    let bias =
                        all.iter().position(|(name, _)| name == "weight.a.l.bias").expect("it is there");
                    let weight =
                        all.iter().position(|(name, _)| name == "weight.a.l.weight").expect("it is there");
                    all[bias].1 = all[weight].1.clone();
                },
            ),
            "`weight.a.l.bias` is f32[32, 32], but its graph declares f32[32]",
        ),
        (
            damaged(&good, &bad, |_| (), |all| all.push(("extra".into(), all[0].1.clone()))),
            "it has `extra`, which its graph does not declare",
        ),
    ];
    for (e, expected) in cases {
        assert!(e.contains("bad.safetensors") && e.contains(expected), "{e}");
    }
    Ok(())
}

#[test]
fn a_folder_of_the_environment_gets_them() {
    let body = || {
        let x = [Rng::new(9).floats(&[3, 32])];
        let graph = Stack::init(1).expect("a network").ir().clone();
        let wrong = compiled(&graph, fused_by(wrong_kernel)).expect("compiled");
        let right = compiled(&graph, Stages::default()).expect("compiled");
        let folder = std::env::var_os(REPRODUCTION_DIR).expect("a folder");
        if Path::new(&folder).is_file() {
            let e = wrong.check_inputs(&views(&x)).expect_err("no folder can be there").to_string();
            assert!(e.contains("the reproduction could not be written: cannot write"), "{e}");
            assert!(e.contains("the first op that diverges"), "the report is not lost: {e}");
            return;
        }
        assert!(right.check_inputs(&views(&x)).expect("it runs").is_ok());
        assert!(!Path::new(&folder).exists(), "a check that is right writes nothing");
        let report = wrong.check_inputs(&views(&x)).expect("it runs");
        let path = report.reproduction.clone().expect("a file");
        assert!(report.to_string().ends_with(&format!("the reproduction is {}", path.display())), "{report}");
        assert!(Reproduction::read(&path).is_ok());
        assert_ne!(wrong.check_inputs(&views(&x)).expect("it runs").reproduction, Some(path));
    };
    if alone::is_child(&body) {
        return body();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let new = folder.path().join("new");
    alone::must_pass(alone::child("true", &body).env(REPRODUCTION_DIR, &new));
    assert_eq!(std::fs::read_dir(&new).expect("the folder").count(), 2);
    // Where a file is, there can be no folder.
    std::fs::write(folder.path().join("file"), "").expect("written");
    alone::must_pass(alone::child("true", &body).env(REPRODUCTION_DIR, folder.path().join("file")));
}
