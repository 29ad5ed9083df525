//! EfficientNet-Lite0 with its real weights against ONNX Runtime's answers.

#[path = "../../examples/imagenet.rs"]
#[allow(dead_code, missing_docs)]
mod imagenet;

use imagenet::{EfficientNetLite0, SIDE, crop, model_dir, normalized, photographs, top};
use safetensors::SafeTensors;
use tancho::{AsView, Precision, Target};
use tancho_support::levels;
use tancho_support::models::Fetched;

fn golden() -> (serde_json::Value, Vec<u8>) {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let read = |name: &str| std::fs::read(dir.join(name)).expect("a golden file");
    (
        serde_json::from_slice(&read("efficientnet_lite0.json")).expect("json"),
        read("efficientnet_lite0.safetensors"),
    )
}

fn model() -> EfficientNetLite0 {
    EfficientNetLite0::load(model_dir("efficientnet_lite0").join("model.safetensors"))
        .unwrap_or_else(|e| panic!("{e}"))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The crops of the golden data, all at once and one by one, on every level and at every precision.
#[test]
fn logits_are_the_reference_s() {
    if !Fetched::EfficientNet.is_here() {
        return;
    }
    let (_, tensors) = golden();
    let st = SafeTensors::deserialize(&tensors).expect("a safetensors file");
    let crops: Vec<f32> = st
        .tensor("images_u8")
        .expect("crops")
        .data()
        .chunks_exact(SIDE * SIDE * 3)
        .flat_map(normalized)
        .collect();
    let want = floats(st.tensor("logits").expect("logits").data());
    let model = model();
    let size = 3 * SIDE * SIDE;
    let farthest =
        |got: &[f32], want: &[f32]| got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0f32, f32::max);
    for isa in levels() {
        for precision in Precision::ALL {
            let target =
                Target::host().with_isa(isa).expect("a level of this machine").with_precision(precision);
            let mut session = model.compile(target).expect("compiles").session();
            let all = session.run(crops.view([4, 3, SIDE, SIDE])).expect("runs").data().to_vec();
            assert!(farthest(&all, &want) < 1e-3, "{isa} {precision}: {}", farthest(&all, &want));
            for (i, one) in crops.chunks_exact(size).enumerate() {
                let got = session.run(one.view([1, 3, SIDE, SIDE])).expect("runs").data().to_vec();
                assert!(farthest(&got, &want[i * 1000..][..1000]) < 1e-3, "{isa} {precision}, image {i}");
            }
        }
    }
}

/// The photographs, read, resized and cropped as Pillow does it.
#[test]
fn the_same_classes_are_on_top() {
    if !Fetched::EfficientNet.is_here() || !Fetched::Photographs.is_here() {
        return;
    }
    let (json, tensors) = golden();
    let files: Vec<String> = serde_json::from_value(json["files"].clone()).expect("names");
    let want: Vec<usize> = serde_json::from_value(json["pred"].clone()).expect("classes");
    let rows: Vec<usize> = serde_json::from_value(json["safetensors_rows"].clone()).expect("rows");
    let photographs = photographs().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(photographs.len(), files.len(), "run `python3 scripts/fetch_models.py`");
    let st = SafeTensors::deserialize(&tensors).expect("a safetensors file");
    let crops = st.tensor("images_u8").expect("crops");
    let mut session = model().compile(Target::host()).expect("compiles").session();
    let mut wrong = Vec::new();
    for (i, path) in photographs.iter().enumerate() {
        assert!(path.ends_with(&files[i]));
        let bytes = crop(path).unwrap_or_else(|e| panic!("{e}"));
        if let Some(row) = rows.iter().position(|r| *r == i) {
            let theirs = &crops.data()[row * bytes.len()..][..bytes.len()];
            let far: Vec<u8> = bytes.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).collect();
            let mean = far.iter().map(|x| f64::from(*x)).sum::<f64>() / far.len() as f64;
            let most = far.iter().max().copied().unwrap_or(0);
            assert!(most <= 8 && mean <= 0.3, "{}: {most} off at most, {mean:.3} on average", files[i]);
        }
        let best =
            top(session.run(normalized(&bytes).view([1, 3, SIDE, SIDE])).expect("runs").data(), 1)[0].0;
        if best != want[i] {
            wrong.push((files[i].clone(), best, want[i]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What the header of a grey JPEG file of that size leads to.
fn said_of(width: u16, height: u16) -> String {
    let ([h1, h0], [w1, w0]) = (height.to_be_bytes(), width.to_be_bytes());
    let header = [0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, h1, h0, w1, w0, 1, 1, 0x11, 0];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("photo.jpg");
    std::fs::write(&path, header).expect("written");
    crop(&path).expect_err("there are no pixels").to_string()
}

/// Few bytes that ask for much memory are told by their header, before there is a pixel.
#[test]
fn photographs_have_bounds() {
    for (width, height) in [(65_535, 65_535), (8_193, 8_192)] {
        let said = said_of(width, height);
        assert!(
            said.ends_with(&format!(
                "photo.jpg: {width}x{height} pixels are too many; this program takes up to 67108864"
            )),
            "{said}"
        );
    }
    for (width, height) in [(1, 20_000), (20_000, 1), (1, 17), (65_535, 1_000)] {
        let said = said_of(width, height);
        assert!(
            said.contains(&format!(
                "photo.jpg: {width}x{height} pixels are too thin; one side may be up to 16 times the other"
            )),
            "{said}"
        );
    }
    // At the bounds it is the missing pixels that are told.
    for (width, height) in [(1, 16), (16, 1), (8_192, 8_192)] {
        let said = said_of(width, height);
        assert!(
            said.contains("photo.jpg: ") && !said.contains("too many") && !said.contains("too thin"),
            "{said}"
        );
    }
}
