//! Loading good files, bad files and wrong files.

use super::*;
use crate::Error;
use crate::tensor::Tensor;
use std::fs;
use std::path::{Path, PathBuf};
use tancho_ir::{DType, Graph};
use tempfile::TempDir;

/// A safetensors file from its header and data.
fn bytes(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

fn entry(name: &str, dtype: &str, shape: &[usize], from: usize, to: usize) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{from},{to}]}}"#)
}

fn graph(weights: &str) -> Graph {
    Graph::parse(&format!("network Net<>\n{weights}\n%0: f32[] = const(f32 = 0.0)\nreturn %0\n"))
        .expect("a graph")
}

struct Dir(TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().expect("a directory"))
    }

    fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("written");
        path
    }
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn tensor(w: &Weights, name: &str) -> Tensor {
    w.data(name).expect("a weight").to_tensor().expect("memory")
}

fn load_error(graph: &Graph, path: &Path, options: &LoadOptions) -> LoadError {
    match Weights::load(graph, path, options) {
        Err(Error::Load(e)) => *e,
        other => panic!("expected a load error, not {other:?}"),
    }
}

#[test]
fn saved_weights_come_back_mapped_and_can_replace_their_own_file() {
    let dir = Dir::new();
    let path = dir.0.path().join("w.safetensors");
    let g = graph(
        "weight \"b\": bool[3] = ones\nweight \"h\": bf16[2] = normal(1.0)\nweight \"w\": f32[4, 3] = xavier\nweight \"n\": i32[2] = ones\nweight \"e\": f32[0, 4] = zeros",
    );
    let mut w = Weights::init(&g, 5).expect("weights");
    w.save(&path).expect("saved");
    let (back, report) = Weights::load(&g, &path, &LoadOptions::new()).expect("loaded");
    assert_eq!(back.names().collect::<Vec<_>>(), ["b", "h", "w", "n", "e"]);
    for (name, data) in w.iter() {
        assert_eq!(tensor(&back, name), data.to_tensor().expect("memory"), "{name}");
    }
    assert!(
        back.data("w").is_some_and(WeightData::is_mapped)
            && report.mapped == 48
            && report.bytes == 48 + 8 + 4 + 3
    );
    assert_eq!((report.converted.len(), report.unused.len()), (0, 0));
    back.release_pages();
    back.save(&path).expect("saved over its own mapping");
    assert_eq!(back.get("w").map(|v| v.to_vec()), w.get("w").map(|v| v.to_vec()));
    assert_eq!(fs::read_dir(dir.0.path()).expect("a directory").count(), 1);
    assert!(back.get("b").is_none() && back.at(2).is_some() && back.at(9).is_none());
    assert!(matches!(w.save(dir.0.path().join("no/such/w")), Err(Error::Save { .. })));
    assert!(matches!(w.save("/"), Err(Error::Save { .. })));

    w.set("w", Tensor::zeros(DType::F32, [4, 3]).expect("zeros")).expect("set");
    assert_eq!(w.get("w").map(|v| v.data()[0]), Some(0.0));
    let e = w.set("w", Tensor::scalar(1.0f32)).expect_err("another shape");
    assert_eq!(e.to_string(), "weight `w` is f32[4, 3], but f32[] was given");
    let e = w.set("hh", Tensor::scalar(1.0f32)).expect_err("another name");
    assert_eq!(e.to_string(), "there is no weight `hh`; did you mean `h`?");
}

#[test]
fn damaged_files_are_errors_and_nothing_else() {
    let dir = Dir::new();
    let g = graph("weight \"w\": f32[2] = zeros");
    let max = usize::MAX;
    let good = bytes(&format!("{{{}}}", entry("w", "F32", &[2], 0, 8)), &f32_bytes(&[1.0, 2.0]));
    let with = |entries: &[String], n: usize| bytes(&format!("{{{}}}", entries.join(",")), &vec![0; n]);
    let mut cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "it is empty"),
        (vec![1, 2, 3], "it has 3 bytes"),
        (u64::MAX.to_le_bytes().to_vec(), "its header would have 18446744073709551615 bytes"),
        (100_000_001u64.to_le_bytes().to_vec(), "more than the 100000000"),
        (99_000_000u64.to_le_bytes().to_vec(), "the file is cut off"),
        (bytes("", &[]), "its header cannot be read"),
        (bytes("{", &[]), "its header cannot be read"),
        (bytes("[1, 2]", &[]), "its header cannot be read"),
        (bytes("{\"w\": 3}", &[]), "its header cannot be read"),
        (bytes(&"[".repeat(5000), &[]), "its header cannot be read"),
        ([&7u64.to_le_bytes()[..], &b"{\"\xff\xfe\":"[..], &[0; 8]].concat(), "its header cannot be read"),
        (with(&[entry("w", "F99", &[2], 0, 8)], 8), "unknown variant `F99`"),
        (with(&[entry("w", "F32", &[2], 0, 8)], 7), "the file is cut off"),
        (with(&[entry("w", "F32", &[2], 0, 8)], 9), "longer than its header says"),
        (with(&[entry("w", "F32", &[3], 0, 8)], 8), "invalid shape, data type, or offset"),
        (with(&[entry("w", "F16", &[2], 0, 8)], 8), "invalid shape, data type, or offset"),
        (with(&[entry("w", "F4", &[3], 0, 1)], 1), "its header cannot be read"),
        (with(&[entry("w", "F32", &[2], 8, 0)], 8), "invalid offset for tensor `w`"),
        (with(&[entry("w", "F32", &[2], 4, 12)], 12), "invalid offset for tensor `w`"),
        (
            with(&[entry("w", "F32", &[2], 0, 8), entry("v", "F32", &[2], 4, 12)], 12),
            "invalid offset for tensor `v`",
        ),
        (
            with(&[entry("w", "F32", &[2], 0, 8), entry("v", "F32", &[1], 12, 16)], 16),
            "invalid offset for tensor `v`",
        ),
        (with(&[entry("w", "F32", &[max, 2], 0, 8)], 8), "overflow"),
        (with(&[entry("w", "F32", &[max / 4], 0, max)], 8), "overflow"),
        (with(&[entry("w", "U8", &[max / 8], 0, max / 8)], 8), "the file is cut off"),
        (
            with(&[entry("w", "F32", &[2], 0, 8), entry("w", "F32", &[1], 8, 12)], 12),
            "more than one entry of a name: w",
        ),
        (
            with(&[entry("w", "I32", &[2], 0, 8), entry("w", "F32", &[2], 0, 8)], 8),
            "more than one entry of a name: w",
        ),
        (
            with(&[r#""__metadata__":{},"__metadata__":{}"#.into(), entry("w", "F32", &[2], 0, 8)], 8),
            "entry of a name: __metadata__",
        ),
        (
            bytes("{\"w\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", &[0; 8]),
            "its header cannot be read",
        ),
        (
            bytes("{\"w\":{\"dtype\":\"F32\",\"shape\":[1e30],\"data_offsets\":[0,8]}}", &[0; 8]),
            "its header cannot be read",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0".to_vec(), "run `git lfs pull`"),
        (b"PK\x03\x04 and so on and on".to_vec(), "convert it with"),
        (b"<!DOCTYPE html><html>".to_vec(), "web page"),
    ];
    // Every cut of a good file.
    cases.extend((1..good.len()).map(|n| (good[..n].to_vec(), "")));
    for (i, (content, part)) in cases.iter().enumerate() {
        let path = dir.put("bad.safetensors", content);
        let e = load_error(&g, &path, &LoadOptions::new());
        assert!(matches!(e, LoadError::Format { .. }) && e.to_string().contains(part), "case {i}: {e}");
    }
    // Every single byte of the header changed gives a result, of whatever kind.
    for at in 0..good.len() - 8 {
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut content = good.clone();
            content[at] ^= flip;
            let path = dir.put("flip.safetensors", &content);
            let _ = Weights::load(&g, &path, &LoadOptions::new());
        }
    }
}

#[test]
fn paths_that_are_no_files() {
    let dir = Dir::new();
    let g = graph("");
    assert!(matches!(load_error(&g, &dir.0.path().join("none"), &LoadOptions::new()), LoadError::Io { .. }));
    let e = load_error(&g, dir.0.path(), &LoadOptions::new());
    assert!(
        matches!(e, LoadError::NoFile { .. }) && e.to_string().contains("neither `model.safetensors`"),
        "{e}"
    );
    #[cfg(unix)]
    {
        let link = dir.0.path().join("model.safetensors");
        std::os::unix::fs::symlink("../blobs/gone", &link).expect("a link");
        for path in [dir.0.path(), &link] {
            let e = load_error(&g, path, &LoadOptions::new()).to_string();
            assert_eq!(
                e,
                format!("{}: it is a link to `../blobs/gone`, which leads to nothing", link.display())
            );
        }
        std::os::unix::fs::symlink("nowhere", dir.0.path().join("folder")).expect("a link");
        let e = load_error(&g, &dir.0.path().join("folder/w.safetensors"), &LoadOptions::new()).to_string();
        assert!(e.ends_with("folder` is a link to `nowhere`, which leads to nothing"), "{e}");
    }
    if Path::new("/dev/null").exists() {
        let e = load_error(&g, Path::new("/dev/null"), &LoadOptions::new());
        assert!(e.to_string().contains("not a regular file"), "{e}");
    }
}

#[test]
fn half_and_double_floats_are_converted_and_said_so() {
    let dir = Dir::new();
    let g = graph(
        "weight \"a\": f32[2] = zeros\nweight \"b\": f32[1] = zeros\nweight \"c\": f32[1] = zeros\nweight \"d\": bf16[1] = zeros\nweight \"z\": f32[1] = zeros",
    );
    let header = [
        entry("a", "F16", &[2], 0, 4),
        entry("b", "BF16", &[1], 4, 6),
        entry("c", "F64", &[1], 6, 14),
        entry("d", "F32", &[1], 14, 18),
        entry("z", "F32", &[1], 18, 22),
        entry("ids", "I64", &[1], 22, 30),
    ];
    let mut data = [half::f16::from_f32(1.5), half::f16::NEG_INFINITY]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect::<Vec<u8>>();
    data.extend(half::bf16::from_f32(-3.0).to_le_bytes());
    data.extend(0.1f64.to_le_bytes());
    data.extend(f32_bytes(&[1.0 + f32::EPSILON, 7.0]));
    data.extend([0; 8]);
    // One blank more puts the f32s at an odd place: they must be copied, not mapped.
    for blanks in 0..4 {
        let path = dir
            .put("w.safetensors", &bytes(&format!("{{{}}}{}", header.join(","), " ".repeat(blanks)), &data));
        let (w, report) = Weights::load(&g, &path, &LoadOptions::new().unused("ids")).expect("loaded");
        assert_eq!(w.get("a").map(|v| v.to_vec()), Some(vec![1.5, f32::NEG_INFINITY]));
        assert_eq!(
            (w.get("b").map(|v| v.data()[0]), w.get("c").map(|v| v.data()[0])),
            (Some(-3.0), Some(0.1))
        );
        assert_eq!(w.get("z").map(|v| v.data()[0]), Some(7.0));
        assert_eq!(tensor(&w, "d").as_bf16(), Some(&[crate::tensor::bf16::ONE][..]));
        let said: Vec<(&str, &str)> =
            report.converted.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(said, [("a", "f16"), ("b", "bf16"), ("c", "f64"), ("d", "f32")]);
        assert_eq!(report.unused, ["ids"]);
        let text = report.to_string();
        assert!(text.contains("1 converted from bf16: b") && text.contains("1 not used: ids"), "{text}");
    }
}

#[test]
fn one_error_tells_everything() {
    let dir = Dir::new();
    let g = graph(
        "unused \"pooler.*\"\nweight \"ln.weight\": f32[2] = zeros\nweight \"ln.bias\": f32[2] = zeros\nweight \"q\": f32[2] = zeros\nweight \"k\": f32[2] = zeros\nweight \"far\": f32[1] = zeros",
    );
    let header = [
        entry("ln.weigth", "F32", &[2], 0, 8),
        entry("ln.bias", "F32", &[1, 2], 8, 16),
        entry("q", "I32", &[2], 16, 24),
        entry("k", "F32", &[2], 24, 32),
        entry("pooler.w", "F32", &[1], 32, 36),
        entry("cls.w", "F32", &[1], 36, 40),
    ];
    let path = dir.put("w.safetensors", &bytes(&format!("{{{}}}", header.join(",")), &[0; 40]));
    let e = load_error(&g, &path, &LoadOptions::new());
    let p = path.display();
    assert_eq!(
        e.to_string(),
        format!(
            "{p} does not fit the declaration of `Net`:
  missing: `ln.weight`; did you mean `ln.weigth`?
  missing: `far`
  wrong shape: `ln.bias` is declared [2], but is [1, 2] in {p}
  wrong element type: `q` is declared f32, but is i32 in {p}
  unexpected: `cls.w` is in the file, but nothing declares it
  unexpected: `ln.weigth` is in the file, but nothing declares it
help: if the file may hold more, name it: `#[unused_weights(\"..\")]` or `LoadOptions::unused(\"..\")`"
        )
    );
}

#[test]
fn prefixes_and_new_names() {
    let dir = Dir::new();
    let g = graph(
        "unused \"pooler.*\"\nunused \"cls.*\"\nweight \"a.w\": f32[1] = zeros\nweight \"b.w\": f32[1] = zeros",
    );
    let header = [
        entry("bert.a.w", "F32", &[1], 0, 4),
        entry("bert.b.w", "F32", &[1], 4, 8),
        entry("bert.pooler.w", "F32", &[1], 8, 12),
        entry("cls.w", "F32", &[1], 12, 16),
    ];
    let path = dir.put(
        "w.safetensors",
        &bytes(&format!("{{{}}}", header.join(",")), &f32_bytes(&[1.0, 2.0, 3.0, 4.0])),
    );
    let (w, report) = Weights::load(&g, &path, &LoadOptions::new().prefix("bert.")).expect("loaded");
    assert_eq!(
        (w.get("b.w").map(|v| v.data()[0]), report.unused),
        (Some(2.0), vec!["bert.pooler.w".into(), "cls.w".into()])
    );
    let swap = |n: &str| if n == "a.w" { "b.w".to_string() } else { "a.w".to_string() };
    let (w, _) = Weights::load(&g, &path, &LoadOptions::new().rename(swap).prefix("bert.")).expect("loaded");
    assert_eq!(w.get("b.w").map(|v| v.data()[0]), Some(1.0));
    let e = load_error(&g, &path, &LoadOptions::new()).to_string();
    assert!(
        e.contains("missing: `a.w`; did you mean `bert.a.w`?")
            && e.contains("pass `LoadOptions::new().prefix(\"bert.\")`"),
        "{e}"
    );
    let bare =
        dir.put("b.safetensors", &bytes(&format!("{{{}}}", header.join(",").replace("bert.", "")), &[0; 16]));
    let e = load_error(&g, &bare, &LoadOptions::new().prefix("bert.")).to_string();
    assert!(e.contains("leave `LoadOptions::prefix` out"), "{e}");
}

/// A file with one weight of one number.
fn one_number(name: &str, x: f32) -> Vec<u8> {
    bytes(&format!("{{{}}}", entry(name, "F32", &[1], 0, 4)), &f32_bytes(&[x]))
}

/// A network with two weights, and a directory with a file for each.
fn two_shards() -> (Graph, Dir) {
    let dir = Dir::new();
    dir.put("1.safetensors", &one_number("a", 1.0));
    dir.put("2.safetensors", &one_number("b", 2.0));
    (graph("weight \"a\": f32[1] = zeros\nweight \"b\": f32[1] = zeros"), dir)
}

/// A network that neither the two files nor an index of them fit.
fn graph_that_does_not_fit() -> Graph {
    graph(
        "unused \"z\"\nweight \"a\": f32[1] = zeros\nweight \"b\": f32[2] = zeros\nweight \"c\": f32[1] = zeros",
    )
}

/// What loading by an index of that text says.
fn index_error(g: &Graph, dir: &Dir, index: &str) -> String {
    let path = dir.put("model.safetensors.index.json", index.as_bytes());
    load_error(g, &path, &LoadOptions::new()).to_string()
}

#[test]
fn sharded_files_are_loaded_by_their_index() {
    let (g, dir) = two_shards();
    let index = br#"{"metadata":{}, "weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;
    dir.put("model.safetensors.index.json", index);
    let (w, report) = Weights::load(&g, dir.0.path(), &LoadOptions::new()).expect("loaded");
    assert_eq!(
        (w.get("a").map(|v| v.data()[0]), w.get("b").map(|v| v.data()[0]), report.files.len()),
        (Some(1.0), Some(2.0), 2)
    );
    // A file of its own goes before an index.
    dir.put("model.safetensors", &one_number("a", 1.0));
    assert!(matches!(load_error(&g, dir.0.path(), &LoadOptions::new()), LoadError::Mismatch { .. }));
}

#[test]
fn faults_of_an_index_are_named() {
    let (g, dir) = two_shards();
    for (text, part) in [
        ("{", "cannot be read"),
        ("{}", "no object `weight_map`"),
        (r#"{"weight_map":{"a":3}}"#, "is no string"),
        (r#"{"weight_map":{"a":"../1.safetensors"}}"#, "not below the directory"),
        (r#"{"weight_map":{"a":"/etc/passwd"}}"#, "not below the directory"),
        (r#"{"weight_map":{"a":""}}"#, "not a regular file"),
        (r#"{"weight_map":{"a":"2.safetensors"}}"#, "`a` is not in `2.safetensors`"),
        (r#"{"weight_map":{"a":"3.safetensors"}}"#, "cannot read"),
        (r#"{"weight_map":{"a":"1.safetensors"}}"#, "missing: `b`"),
        (r#"{"weight_map":{},"weight_map":{}}"#, "`weight_map` is there twice"),
        (r#"{"weight_map":{"a":[1,{"b":2}],"b":null,"c":{"x":[]}}}"#, "the file of a, b, c is no string"),
        (r#"[{"weight_map":{}}]"#, "expected an object"),
        (r#"{"weight_map":{"\u001b[2J":0}}"#, "the file of \\u{1b}[2J is no string"),
    ] {
        let e = index_error(&g, &dir, text);
        assert!(e.contains(part), "{text}: {e}");
    }
    // Several faults are one error, with what does not fit the declaration.
    let e = index_error(
        &graph_that_does_not_fit(),
        &dir,
        r#"{"weight_map":{"a":"5.safetensors","b":"2.safetensors","c":"2.safetensors","d":"1.safetensors","e":"6.safetensors","z":"7.safetensors"}}"#,
    );
    for part in [
        "5.safetensors: No such file",
        "by the index it has a",
        "6.safetensors: No such file",
        "by the index it has e",
        "missing: `c` is not in `2.safetensors`, though the index says so",
        "missing: `d` is not in `1.safetensors`, though the index says so",
        "wrong shape: `b` is declared [2], but is [1]",
    ] {
        assert!(e.contains(part), "{part} in: {e}");
    }
    // A file that no declared weight needs may be missing, and a missing file is stated once.
    assert!(
        !e.contains("7.safetensors") && !e.contains("missing: `a`;") && !e.contains("missing: `a`\n"),
        "{e}"
    );
}

#[test]
fn contradictions_of_an_index_are_named() {
    let (g, dir) = two_shards();
    let e = index_error(
        &graph_that_does_not_fit(),
        &dir,
        r#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors","a":"1.safetensors","c":"2.safetensors","c":"1.safetensors"}}"#,
    );
    for part in ["twice: `a` is more than once in", "twice: `c` is more than once in"] {
        assert!(e.contains(part), "{part} in: {e}");
    }
    let both = [entry("b", "F32", &[1], 0, 4), entry("a", "F32", &[1], 4, 8)].join(",");
    dir.put("both.safetensors", &bytes(&format!("{{{both}}}"), &f32_bytes(&[5.0, 6.0])));
    let e = index_error(&g, &dir, r#"{"weight_map":{"a":"1.safetensors","b":"both.safetensors"}}"#);
    assert!(
        e.contains("twice: `a` is more than once in")
            && e.contains("1.safetensors and ")
            && !e.contains("twice: `b`"),
        "{e}"
    );
}

/// Whatever names a file has, what is printed does nothing to a terminal, and can be read.
#[test]
fn odd_and_many_names_are_shown_with_escapes_and_counted() {
    let dir = Dir::new();
    let g = graph("weight \"w\": f32[1] = zeros");
    let odd = r"\u001b[2J\n\u0007";
    let path = dir.put(
        "w.safetensors",
        &bytes(&format!("{{{},{}}}", entry(odd, "F32", &[1], 0, 4), entry("w", "F99", &[1], 4, 8)), &[0; 8]),
    );
    let e = load_error(&g, &path, &LoadOptions::new()).to_string();
    assert!(e.contains("unknown variant `F99`"), "{e}");
    let path = dir.put("w.safetensors", &bytes(&format!("{{{}}}", entry(odd, "F32", &[1], 0, 4)), &[0; 4]));
    let e = load_error(&g, &path, &LoadOptions::new()).to_string();
    assert!(
        e.contains(r"unexpected: `\u{1b}[2J\n\u{7}`") && e.chars().all(|c| c == '\n' || !c.is_control()),
        "{e:?}"
    );
    let (_, report) = Weights::load(&graph(""), &path, &LoadOptions::new().unused("*")).expect("loaded");
    assert!(report.to_string().ends_with(r"1 not used: \u{1b}[2J\n\u{7}"), "{report}");

    let many: Vec<String> =
        (0..5_000).map(|i| entry(&format!("tensor.{i}"), "F32", &[1], 4 * i, 4 * i + 4)).collect();
    let path = dir.put("many.safetensors", &bytes(&format!("{{{}}}", many.join(",")), &[0; 20_000]));
    let e = load_error(&g, &path, &LoadOptions::new());
    assert!(matches!(&e, LoadError::Mismatch { problems, .. } if problems.len() == 5_001));
    let text = e.to_string();
    assert!(
        text.contains("missing: `w`") && text.contains("\n  unexpected: 4950 more") && text.len() < 6_000,
        "{text}"
    );
    let (_, report) = Weights::load(&graph(""), &path, &LoadOptions::new().unused("*")).expect("loaded");
    assert!(report.unused.len() == 5_000 && report.to_string().ends_with("and 4980 more"), "{report}");
}
