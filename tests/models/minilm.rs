//! The main job against its golden data: all-MiniLM-L6-v2, reference in numpy float64.

#[path = "../../examples/sentences.rs"]
#[allow(dead_code, missing_docs)]
mod sentences;

use safetensors::SafeTensors;
use sentences::{MiniLm, embed, model_dir, tokenize};
use tancho::{AsView, Target};
use tancho_support::levels;
use tancho_support::models::Fetched;
use tokenizers::Tokenizer;

struct Golden {
    sentences: Vec<String>,
    ids: Vec<Vec<i32>>,
    cosine: Vec<Vec<f64>>,
    tensors: Vec<u8>,
}

fn golden() -> Golden {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("minilm.json")).unwrap()).unwrap();
    Golden {
        sentences: serde_json::from_value(json["sentences"].clone()).unwrap(),
        ids: serde_json::from_value(json["input_ids"].clone()).unwrap(),
        cosine: serde_json::from_value(json["cosine"].clone()).unwrap(),
        tensors: std::fs::read(dir.join("minilm.safetensors")).unwrap(),
    }
}

impl Golden {
    fn tensor(&self, name: &str) -> Vec<f32> {
        let st = SafeTensors::deserialize(&self.tensors).unwrap();
        let data = st.tensor(name).unwrap().data().to_vec();
        data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }
}

fn tokenizer() -> Tokenizer {
    let path = model_dir().join("tokenizer.json");
    let mut t = Tokenizer::from_file(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    t.with_padding(None).with_truncation(None).unwrap();
    t
}

fn model() -> MiniLm {
    MiniLm::load(model_dir().join("model.safetensors")).unwrap_or_else(|e| panic!("{e}"))
}

/// The largest absolute difference.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, |m, d| if d > m || d.is_nan() { d } else { m })
}

#[test]
fn token_ids_are_the_reference_s() {
    if !Fetched::MiniLm.is_here() {
        return;
    }
    let g = golden();
    assert_eq!(g.sentences.len(), 11);
    let t = tokenizer();
    for (sentence, want) in g.sentences.iter().zip(&g.ids) {
        let (ids, mask, n) = tokenize(&t, std::slice::from_ref(sentence)).unwrap();
        assert_eq!((&ids, n), (want, want.len()), "{sentence}");
        assert!(mask.iter().all(|m| *m));
    }
}

#[test]
fn a_padded_batch_gives_the_reference_s_states_and_embeddings() {
    if !Fetched::MiniLm.is_here() {
        return;
    }
    let g = golden();
    let (ids, mask, s) = tokenize(&tokenizer(), &g.sentences).unwrap();
    // The reference's padded positions hold what its own padding gave; only attended ones are compared.
    let want = g.tensor("last_hidden_state");
    for isa in levels() {
        let compiled = model().compile(Target::host().with_isa(isa).unwrap()).unwrap();
        let mut bits: Option<Vec<u32>> = None;
        for threads in 1..=3 {
            let mut session = compiled.session_with_threads(threads).unwrap();
            let (embeddings, hidden) = session.run(ids.view([11, s]), mask.view([11, s])).unwrap();
            assert!(distance(embeddings.data(), &g.tensor("sentence_embedding")) < 1e-5);
            for (i, keep) in mask.iter().enumerate() {
                if *keep {
                    let d = distance(&hidden.data()[i * 384..(i + 1) * 384], &want[i * 384..(i + 1) * 384]);
                    assert!(d < 1e-4, "{isa}, {threads} threads, position {i}: {d}");
                }
            }
            let these: Vec<u32> = hidden.data().iter().map(|x| x.to_bits()).collect();
            assert!(
                bits.get_or_insert_with(|| these.clone()) == &these,
                "{isa}: {threads} threads give other bits than one"
            );
        }
    }
}

#[test]
fn each_sentence_alone_gives_the_same_and_layers_trace() {
    if !Fetched::MiniLm.is_here() {
        return;
    }
    let g = golden();
    let t = tokenizer();
    let want = g.tensor("sentence_embedding");
    let compiled = model().compile(Target::host()).unwrap();
    let mut session = compiled.session();
    for (i, sentence) in g.sentences.iter().enumerate() {
        let (ids, mask, s) = tokenize(&t, std::slice::from_ref(sentence)).unwrap();
        let (e, _) = session.run(ids.view([1, s]), mask.view([1, s])).unwrap();
        let d = distance(e.data(), &want[i * 384..(i + 1) * 384]);
        assert!(d < 1e-5, "{sentence}: {d}");
    }
    let (ids, mask, s) = tokenize(&t, &g.sentences[..1]).unwrap();
    let trace = session.trace(ids.view([1, s]), mask.view([1, s])).unwrap();
    let layer0 = trace.iter().filter(|(n, _)| *n == "x").nth(1).unwrap().1.as_f32().unwrap().to_vec();
    assert!(distance(&layer0, &g.tensor("layer0_s0")[..s * 384]) < 1e-4);
}

#[test]
fn native_code_agrees_with_the_interpreter_on_the_real_weights() {
    if !Fetched::MiniLm.is_here() {
        return;
    }
    let g = golden();
    let (ids, mask, s) = tokenize(&tokenizer(), &g.sentences[..2]).unwrap();
    let compiled = model().compile(Target::host().with_checked(true)).unwrap();
    let report = compiled.check(ids.view([2, s]), mask.view([2, s])).unwrap();
    assert!(report.is_ok(), "{report}");
    let worst = compiled.first_divergence(&[ids.view([2, s]).into(), mask.view([2, s]).into()]).unwrap();
    assert_eq!(worst, None);
}

#[test]
fn cosines_are_the_reference_s() {
    if !Fetched::MiniLm.is_here() {
        return;
    }
    let g = golden();
    let (v, width) = embed(&g.sentences).unwrap();
    for (i, a) in v.chunks(width).enumerate() {
        for (j, b) in v.chunks(width).enumerate() {
            let c: f64 = a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            assert!((c - g.cosine[i][j]).abs() < 1e-5, "{i} {j}: {c}");
        }
    }
}

#[test]
fn every_layer_runs_the_same_code() {
    if !Fetched::MiniLm.is_here() {
        return;
    }
    let stats = model().compile(Target::host()).unwrap().stats();
    // A layer: query, key and value in one; attention; its output; up; down. Besides: embeddings, mean, norm.
    assert_eq!(stats.steps, 6 * 5 + 3, "{stats:?}");
    assert!(stats.kernels <= 12, "{stats:?}");
}

#[test]
fn its_page_is_below_five_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    let compiled = MiniLm::init(1).unwrap().compile(Target::host()).unwrap();
    compiled.report(&path, &[("B", 2), ("S", 128)]).unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 5_000_000, "{bytes} bytes");
}
