//! The example that inspects: networks as text, and reproductions of checks that fail.

use std::path::Path;
use std::process::Output;
use tancho::{Error, Format, Graph, Model, Target};
use tancho_support::{Rng, example, views};

/// A product, whose weights lose so much in 4 bits that a check fails.
const PRODUCT: &str = "network Product<B>
input x: f32[B, 64]
weight \"w\": f32[32, 64] = xavier
%0: f32[B, 64] = input(index = 0)
%1: f32[32, 64] = weight(index = 0)
%2: f32[B, 32] = linear(%0, %1) as \"y\"
%3: f32[B, 32] = tanh(%2)
return %3";

/// Inputs of every element type that is converted.
const CONVERTED: &str = "network Converted<B>
input image: u8[B, 4]
input ids: i64[B]
input more: u32[B]
input x: f16[B, 4]
weight \"table\": f32[3, 4] = xavier
%0: i32[B, 4] = input(index = 0)
%1: i32[B] = input(index = 1)
%2: i32[B] = input(index = 2)
%3: f32[B, 4] = input(index = 3)
%4: f32[3, 4] = weight(index = 0)
%5: f32[B, 4] = cast(%0, to = f32)
%6: f32[B, 4] = gather(%4, %1)
%7: f32[B, 4] = gather(%4, %2)
%8: f32[B, 4] = add(%5, %6)
%9: f32[B, 4] = add(%7, %3)
%10: f32[B, 4] = mul(%8, %9) as \"y\"
return %10";

fn inspect(file: &Path, args: &[&str]) -> Output {
    example::example("inspect").arg(file).args(args).output().expect("it runs")
}

fn said(out: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_network_becomes_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, page) = (folder.path().join("net.tancho"), folder.path().join("net.html"));
    std::fs::write(&file, PRODUCT).expect("a file");
    let out = inspect(&file, &["--stage", "report", "--dims", "B=3", "--out", &page.display().to_string()]);
    let (text, errors) = said(&out);
    assert!(out.status.success() && text.contains("net.html is written"), "{text}{errors}");
    assert!(std::fs::read_to_string(&page).expect("a page").contains("\"network\":\"Product\""));
    let nowhere = folder.path().join("none").join("net.html").display().to_string();
    let (_, errors) = said(&inspect(&file, &["--stage", "report", "--out", &nowhere]));
    assert!(errors.contains("cannot write") && errors.contains(&nowhere), "{errors}");
}

#[test]
fn a_reproduction_is_run_with_all_that_it_has() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong.safetensors");
    let target = Target::host().with_weight_format(Format::Q4);
    let model = Model::from_graph(Graph::parse(PRODUCT).expect("a graph"), 1)?;
    let x = [Rng::new(1).floats(&[3, 64])];
    let report = model.compile(target)?.check_inputs(&views(&x))?;
    assert!(!report.is_ok());
    report.write_reproduction(&file)?;

    let out = inspect(&file, &["--stage", "run", "--stage", "fused", "--stage", "check"]);
    let (text, errors) = said(&out);
    assert_eq!(out.status.code(), Some(1), "{text}{errors}");
    assert!(text.starts_with("reproduction of y of Product, written by version 0."), "{text}");
    assert!(text.contains("y: f32[3, 32]") && text.contains("kernel 0 matmul"), "{text}");
    assert!(text.contains("the first op that diverges is y"), "{text}");

    // On another level it is as wrong.
    let out = inspect(&file, &["--stage", "check", "--isa", "clif128"]);
    assert_eq!(out.status.code(), Some(1), "{:?}", said(&out));
    for option in ["--dims", "--seed"] {
        let out = inspect(&file, &["--stage", "run", option, if option == "--seed" { "1" } else { "B=2" }]);
        let (text, errors) = said(&out);
        assert!(out.status.code() == Some(1) && errors.contains("a reproduction has dims"), "{text}{errors}");
    }

    let bytes = std::fs::read(&file).expect("the file");
    std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("written");
    let (text, errors) = said(&inspect(&file, &[]));
    assert!(text.is_empty() && errors.contains("the file is cut off"), "{text}{errors}");
    Ok(())
}

#[test]
fn inputs_are_of_the_declared_types() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("converted.tancho");
    std::fs::write(&file, CONVERTED).expect("written");
    let out = inspect(&file, &["--stage", "check", "--stage", "run", "--dims", "B=5"]);
    let (text, errors) = said(&out);
    assert!(
        out.status.success() && text.contains("  ok\n") && text.contains("y: f32[5, 4]"),
        "{text}{errors}"
    );
}
