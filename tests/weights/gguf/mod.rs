//! GGUF files made by hand: what is read, and that whatever is wrong with one is an error that says what.

mod coded;

use tancho::weights::{Gguf, Metadata};
use tancho::{Error, LoadError, network};

network! {
    Small<B, D = 32>(x: [B, D]) -> [B, 2] {
        param f:  [2, D];
        param q8: [2, D];
        param q4: [2, D];
        x @ f.t + (x @ q8.t) * (x @ q4.t)
    }
}

network! {
    #[unused_weights("f", "q8")]
    Quarter<B, D = 32>(x: [B, D]) -> [B, 2] {
        param q4: [2, D];
        x @ q4.t
    }
}

fn text(s: &str) -> Vec<u8> {
    [&(s.len() as u64).to_le_bytes()[..], s.as_bytes()].concat()
}

/// One key with a value whose type and bytes are given.
fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [text(name), kind.to_le_bytes().to_vec(), value.to_vec()].concat()
}

fn tensor(name: &str, shape: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let axes: Vec<u8> = shape.iter().flat_map(|d| d.to_le_bytes()).collect();
    [
        text(name),
        (shape.len() as u32).to_le_bytes().to_vec(),
        axes,
        kind.to_le_bytes().to_vec(),
        offset.to_le_bytes().to_vec(),
    ]
    .concat()
}

/// A file of these parts; offsets count from the end of the header.
fn file(version: u32, keys: &[Vec<u8>], tensors: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
    let counts = [(tensors.len() as u64).to_le_bytes(), (keys.len() as u64).to_le_bytes()].concat();
    let mut out =
        [b"GGUF".to_vec(), version.to_le_bytes().to_vec(), counts, keys.concat(), tensors.concat()].concat();
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend_from_slice(data);
    out
}

/// f32 in order, q8_0 blocks that are 0.5 * (i - 16), q4_1 blocks that are 0.25 * (i % 16) - 1.
fn data() -> Vec<u8> {
    let floats: Vec<u8> = (0..64).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let q8: Vec<u8> =
        [0x3800u16.to_le_bytes().to_vec(), (0..32).map(|i| (i - 16i8) as u8).collect()].concat();
    let q4: Vec<u8> = [
        0x3400u16.to_le_bytes().to_vec(),
        0xbc00u16.to_le_bytes().to_vec(),
        (0..16).map(|i| i | i << 4).collect(),
    ]
    .concat();
    let mut out = floats;
    out.extend([&q8[..], &q8].concat());
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend([&q4[..], &q4].concat());
    out
}

fn good() -> Vec<u8> {
    let list = [8u32.to_le_bytes().to_vec(), 2u64.to_le_bytes().to_vec(), text("a"), text("b c")].concat();
    let keys = [
        key("general.architecture", 8, &text("small")),
        key("small.blocks", 4, &7u32.to_le_bytes()),
        key("small.eps", 6, &0.5f32.to_le_bytes()),
        key("small.words", 9, &list),
        key("small.flag", 7, &[1]),
    ];
    let tensors =
        [tensor("f", &[32, 2], 0, 0), tensor("q8", &[32, 2], 8, 256), tensor("q4", &[32, 2], 3, 352)];
    file(3, &keys, &tensors, &data())
}

/// Lists of one list each, and at last a number.
fn nested(depth: u32) -> Vec<u8> {
    let kind: u32 = if depth > 0 { 9 } else { 0 };
    let inner = if depth > 0 { nested(depth - 1) } else { vec![7] };
    [kind.to_le_bytes().to_vec(), 1u64.to_le_bytes().to_vec(), inner].concat()
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let f = tempfile::NamedTempFile::with_suffix(".gguf").expect("a file");
    std::fs::write(f.path(), bytes).expect("written");
    f
}

fn refused(bytes: &[u8]) -> String {
    match Gguf::open(written(bytes).path()) {
        Err(e @ (LoadError::Gguf { .. } | LoadError::Format { .. })) => e.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_file_says_and_holds() -> Result<(), Error> {
    let f = written(&good());
    let g = Gguf::open(f.path())?;
    assert_eq!(
        (g.text("general.architecture")?, g.integer("small.blocks")?, g.number("small.eps")?),
        ("small", 7, 0.5)
    );
    assert_eq!(
        (g.texts("small.words")?, g.get("small.flag")),
        (vec!["a", "b c"], Some(&Metadata::Bool(true)))
    );
    assert_eq!(
        g.tensors().map(|(n, s)| (n.to_string(), s.to_vec())).collect::<Vec<_>>()[1],
        ("q8".into(), vec![2, 32])
    );
    for (key, says) in
        [("small.none", "does not say `small.none`"), ("small.words", "`small.words` is not an integer")]
    {
        assert!(g.integer(key).expect_err("no integer").to_string().contains(says), "{key}");
    }
    let net = Small::load(f.path())?;
    let get = |name: &str| net.weights().get(name).expect("a weight").data().to_vec();
    assert_eq!(get("f")[33], 33.0);
    assert_eq!(get("q8")[..32], (0..32).map(|i| (i as f32 - 16.0) / 2.0).collect::<Vec<_>>());
    assert_eq!(get("q4")[32..], (0..32).map(|i| (i % 16) as f32 / 4.0 - 1.0).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn every_fault_is_said() {
    let bytes = good();
    // Cut off anywhere: an error, whatever is missing.
    for end in 0..bytes.len() {
        let said = refused(&bytes[..end]);
        assert!(said.contains("cut off") || said.contains("empty") || said.contains("GGUF"), "{end}: {said}");
    }
    let t = |t: Vec<u8>| file(3, &[], &[t], &data());
    let huge = tensor("f", &[u64::MAX / 2, 8], 0, 0);
    for (bytes, says) in [
        (file(1, &[], &[], &[]), "version 1"),
        (b"GGUF\0\0\0\x03\0\0\0\0".to_vec(), "big-endian"),
        (t(tensor("f", &[32, 999], 0, 0)), "tensor `f` [999, 32] is not inside the file"),
        (t(tensor("f", &[32], 0, u64::MAX - 31)), "not inside the file"),
        (t(huge), "not inside the file"),
        (t(tensor("f", &[31], 8, 0)), "a row of 31 elements is no whole number of blocks of 32"),
        (t(tensor("f", &[8], 0, 4)), "begins at 4, which is no multiple of the alignment 32"),
        (file(0, &[], &[], &[]), "version 0"),
        (file(3, &[key("k", 9, &nested(4))], &[], &[]), "too deep"),
        (file(3, &[key("general.alignment", 4, &24u32.to_le_bytes())], &[], &[]), "no alignment"),
        (t(tensor("f", &[1, 1, 1, 1, 1], 0, 0)), "5 axes"),
        (file(3, &[key("k", 13, &[])], &[], &[]), "unknown type 13"),
        (file(3, &[key("k", 8, &[200, 0, 0, 0, 0, 0, 0, 0, 1])], &[], &[]), "cut off"),
        (t(tensor("f", &[4, 3], 27, 960)), "tensor `f` [3, 4] is not inside the file"),
        (
            file(3, &[key("\u{1b}[2J", 7, &[1]), key("\u{1b}[2J", 7, &[1])], &[], &[]),
            "`\\u{1b}[2J` is there twice",
        ),
        (file(3, &[[1u64.to_le_bytes().to_vec(), vec![0xff], vec![0; 5]].concat()], &[], &[]), "not UTF-8"),
        (file(3, &[key("k", 7, &[1]), key("k", 7, &[1])], &[], &[]), "`k` is there twice"),
        (file(3, &[key("general.alignment", 4, &0u32.to_le_bytes())], &[], &[]), "no alignment"),
        (
            file(3, &[key("k", 9, &[[0u8; 4].to_vec(), u64::MAX.to_le_bytes().to_vec()].concat())], &[], &[]),
            "cut off",
        ),
    ] {
        let said = refused(&bytes);
        assert!(said.contains(says), "{said}\ninstead of {says}");
    }
    let twice = file(3, &[], &[tensor("f", &[2], 0, 0), tensor("f", &[2], 0, 0)], &data());
    assert!(refused(&twice).contains("tensor `f` is there twice"));
}

/// A list of values of a type, of which the bytes are given.
fn list(kind: u32, n: u64, values: &[u8]) -> Vec<u8> {
    [kind.to_le_bytes().to_vec(), n.to_le_bytes().to_vec(), values.to_vec()].concat()
}

/// What only some readers need is judged when they ask for it.
#[test]
fn what_nobody_reads_is_no_fault() -> Result<(), Error> {
    let words = [text("a"), 1u64.to_le_bytes().to_vec(), vec![0xff]].concat();
    let keys = [
        key("hash", 10, &u64::MAX.to_le_bytes()),
        key("half", 10, &(1u64 << 63).to_le_bytes()),
        key("hashes", 9, &list(10, 2, &[1u64.to_le_bytes(), u64::MAX.to_le_bytes()].concat())),
        key("latin1", 8, &[1, 0, 0, 0, 0, 0, 0, 0, 0xe9]),
        key("words", 9, &list(8, 2, &words)),
        key("lists", 9, &list(9, 2, &[list(0, 3, &[1, 2, 3]), list(8, 1, &text("x"))].concat())),
    ];
    let f = written(&file(
        3,
        &keys,
        &[tensor("q4", &[32, 2], 3, 0), tensor("f", &[7], 14, 3), tensor("q8", &[7], 77, 1 << 50)],
        &data()[352..],
    ));
    let g = Gguf::open(f.path())?;
    assert_eq!(
        (g.get("hash"), g.get("half")),
        (Some(&Metadata::Unsigned(u64::MAX)), Some(&Metadata::Unsigned(1 << 63)))
    );
    assert_eq!((g.integer("hash")?, g.number("half")?), (usize::MAX, (1u64 << 63) as f64));
    assert_eq!(g.get("latin1"), Some(&Metadata::Bytes(vec![0xe9])));
    let list = |key: &str| match g.get(key) {
        Some(Metadata::List(l)) => l.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        list("hashes").iter().collect::<Vec<_>>(),
        [Metadata::Integer(1), Metadata::Unsigned(u64::MAX)]
    );
    assert_eq!(list("words").iter().last(), Some(Metadata::Bytes(vec![0xff])));
    let inner: Vec<usize> =
        list("lists").iter().map(|m| if let Metadata::List(l) = m { l.len() } else { 0 }).collect();
    assert_eq!(
        (inner, list("lists") == list("lists"), list("lists") == list("words")),
        (vec![3, 1], true, false)
    );
    for (key, says) in [
        ("hashes", "`hashes` is not a list of integers below 2^63"),
        ("words", "`words` is not a list of integers"),
    ] {
        assert!(g.integers(key).expect_err("no such integers").to_string().contains(says), "{key}");
    }
    assert!(g.texts("words").expect_err("no UTF-8").to_string().contains("`words` is not a list of texts"));
    assert!(g.text("latin1").expect_err("no UTF-8").to_string().contains("`latin1` is not a text"));
    // The types of tensors that the network does not need do not matter.
    assert_eq!(Quarter::load(f.path())?.weights().get("q4").expect("a weight").data()[..2], [-1.0, -0.75]);
    Ok(())
}

/// Types that are not read are told by their names, all of them at once.
#[test]
fn types_have_names() {
    let named = [
        (6, "q5_0"),
        (14, "q6_k"),
        (23, "iq4_xs"),
        (29, "iq1_m"),
        (34, "tq1_0"),
        (35, "tq2_0"),
        (39, "mxfp4"),
        (77, "of the unknown type 77"),
    ];
    for (number, name) in named {
        let tensors = [
            tensor("f", &[32, 2], number, 0),
            tensor("q8", &[32, 2], number, 0),
            tensor("q4", &[32, 2], 3, 352),
        ];
        let said =
            Small::load(written(&file(3, &[], &tensors, &data())).path()).expect_err("not read").to_string();
        for weight in ["f", "q8"] {
            let says = format!(
                "`{weight}` is declared f32, but is {name}, which is not read (f32, f16, bf16, q4_0, q4_1 and q8_0 are), in"
            );
            assert!(said.contains(&says), "{said}\ninstead of {says}");
        }
    }
    // Plain types are what they are: of those, f64 is converted.
    for (number, bytes, name) in [(24, 1, "i8"), (25, 2, "i16"), (26, 4, "i32"), (27, 8, "i64")] {
        let tensors = [
            tensor("f", &[32, 2], number, 0),
            tensor("q8", &[32, 2], 8, 512),
            tensor("q4", &[32, 2], 3, 608),
        ];
        let mut data = vec![0u8; 64 * bytes];
        data.resize(1024, 0);
        let said =
            Small::load(written(&file(3, &[], &tensors, &data)).path()).expect_err("no floats").to_string();
        assert!(said.contains(&format!("`f` is declared f32, but is {name} in")), "{said}");
    }
    let mut data: Vec<u8> = (0..64).flat_map(|i| f64::from(i).to_le_bytes()).collect();
    data.resize(1024, 0);
    let tensors =
        [tensor("f", &[32, 2], 28, 0), tensor("q8", &[32, 2], 8, 512), tensor("q4", &[32, 2], 3, 608)];
    let net = Small::load(written(&file(3, &[], &tensors, &data)).path()).expect("f64 becomes f32");
    assert_eq!(net.weights().get("f").expect("a weight").data()[63], 63.0);
}

#[test]
fn a_part_of_a_model_is_told_as_that() {
    let keys = [key("split.no", 2, &0u16.to_le_bytes()), key("split.count", 2, &2u16.to_le_bytes())];
    let f = written(&file(3, &keys, &[tensor("q4", &[32, 2], 3, 352)], &data()));
    let said = Small::load(f.path()).expect_err("a part").to_string();
    assert!(
        said.contains("missing: `f`")
            && said.contains("help: the file is part 1 of 2 of a model; join the parts"),
        "{said}"
    );
    // Who needs no more than is in it may load it.
    assert!(Quarter::load(f.path()).is_ok());
}

/// Bytes changed anywhere: read or refused, never a panic, and never memory beyond the file.
#[test]
fn changed_bytes_break_nothing() {
    let bytes = good();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            let f = written(&changed);
            if let Ok(net) = Small::load(f.path()) {
                assert_eq!(net.weights().get("q8").expect("a weight").data().len(), 64);
            }
        }
    }
}

#[test]
fn a_file_that_does_not_fit_is_told_at_once() {
    let tensors = [tensor("f", &[32, 3], 0, 0), tensor("q8", &[32, 2], 8, 512), tensor("other", &[32], 0, 0)];
    let mut data = data();
    data.resize(2048, 0);
    let f = written(&file(3, &[], &tensors, &data));
    let said = Small::load(f.path()).expect_err("does not fit").to_string();
    for part in ["missing: `q4`", "`f` is declared [2, 32], but is [3, 32]", "unexpected: `other`"] {
        assert!(said.contains(part), "{said}");
    }
}
