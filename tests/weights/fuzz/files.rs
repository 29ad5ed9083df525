//! Files of weights: safetensors, indexes of several of them, GGUF.

use super::limited::Target;
use super::mutate::{bytes, words};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;
use tancho::weights::Gguf;
use tancho::{AsView, network};
use tancho_support::Rng;

network! {
    /// A weight of each kind: as it is, to be converted, a part of another, in blocks.
    #[unused_weights("extra.*")]
    pub Held<B, D = 32>(x: [B, D]) -> [B, 4] {
        param plain: [4, D];
        param narrow: [4, D];
        param half: [4, D];
        #[weights("rows", rows = 2..4)]
        param part: [2, D];
        param bias: [4] = zeros;
        let y = x @ plain.t + x @ narrow.t + x @ half.t + bias;
        y + concat(x @ part.t, x @ part.t, axis = 1)
    }
}

/// Loads what is there; if it is taken, every element is read and the network runs now and then.
fn load(path: &Path, rng: &mut Rng) -> Result<bool, String> {
    let net = match Held::load(path) {
        Ok(net) => net,
        Err(e) => {
            return if e.to_string().is_empty() {
                Err("an error that says nothing".into())
            } else {
                Ok(false)
            };
        }
    };
    for w in &net.ir().weights {
        let data =
            net.weights().data(&w.name).ok_or_else(|| format!("`{}` is loaded but not there", w.name))?;
        let elements = data.to_tensor().map_err(|e| e.to_string())?.len();
        let want: usize = data.shape().iter().product();
        if elements != want {
            return Err(format!("`{}` has {elements} elements of {want}", w.name));
        }
    }
    if rng.chance(2) {
        let compiled = net.compile(tancho::Target::host()).map_err(|e| e.to_string())?;
        let y =
            compiled.session().run([0.5f32; 64].view([2, 32])).map_err(|e| e.to_string())?.shape().to_vec();
        if y != [2, 4] {
            return Err(format!("the result is {y:?}"));
        }
    }
    Ok(true)
}

fn elements<const N: usize>(n: usize, of: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    (0..n).flat_map(|i| of(i as f32 / 64.0 - 1.0)).collect()
}

/// Tensors of a file: name, type, shape, bytes.
type Tensors = Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)>;

fn tensors() -> Tensors {
    vec![
        ("plain", Dtype::F32, vec![4, 32], elements(128, f32::to_le_bytes)),
        ("narrow", Dtype::BF16, vec![4, 32], elements(128, |x| bf16::from_f32(x).to_le_bytes())),
        ("half", Dtype::F16, vec![4, 32], elements(128, |x| f16::from_f32(x).to_le_bytes())),
        ("rows", Dtype::F32, vec![6, 32], elements(192, f32::to_le_bytes)),
        ("bias", Dtype::F32, vec![4], elements(4, f32::to_le_bytes)),
        ("extra.ids", Dtype::I64, vec![3], vec![7; 24]),
    ]
}

fn serialized(tensors: &[(&'static str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (*name, TensorView::new(*dtype, shape.clone(), data).expect("it fits"))
    });
    safetensors::serialize(views, None).expect("a file")
}

/// A file of all of them.
pub struct Safetensors(Vec<u8>, tempfile::TempDir);

impl Safetensors {
    pub fn new() -> Safetensors {
        let made = Safetensors(serialized(&tensors()), tempfile::tempdir().expect("a directory"));
        let path = made.1.path().join("whole.safetensors");
        std::fs::write(&path, &made.0).expect("written");
        Held::load(path).expect("the file as it is made is right");
        made
    }
}

/// A header with other tokens in it, and its length.
fn header(rng: &mut Rng, data: &mut Vec<u8>) {
    let others = [
        "\"F32\"",
        "\"F64\"",
        "BF16",
        "null",
        "[",
        "]",
        "{",
        "}",
        "true",
        "\"\\ud800\"",
        "plain",
        "dtype",
        "shape",
    ];
    let length = data.get(..8).and_then(|n| n.try_into().ok()).map_or(0, u64::from_le_bytes) as usize;
    let Some(text) = data.get(8..8 + length).map(|t| String::from_utf8_lossy(t).into_owned()) else { return };
    let changed = words(rng, &text, &others);
    data.splice(8..8 + length, changed.bytes());
    data.splice(..8, (changed.len() as u64).to_le_bytes());
}

impl Target for Safetensors {
    fn case(&self, seed: u64) -> Result<bool, String> {
        let mut rng = Rng::new(seed);
        let mut data = self.0.clone();
        if rng.chance(60) {
            header(&mut rng, &mut data);
        }
        if rng.chance(60) {
            bytes(&mut rng, &mut data);
        }
        let path = self.1.path().join("model.safetensors");
        std::fs::write(&path, &data).map_err(|e| e.to_string())?;
        load(&path, &mut rng)
    }
}

/// The same in two files with an index.
pub struct Index {
    text: String,
    shards: [Vec<u8>; 2],
    dir: tempfile::TempDir,
}

impl Index {
    pub fn new() -> Index {
        let all = tensors();
        let shards = [serialized(&all[..3]), serialized(&all[3..])];
        let place = |(i, name): (usize, &str)| {
            format!("\"{name}\": \"{}.safetensors\"", if i < 3 { "a" } else { "b" })
        };
        let map: Vec<String> = all.iter().map(|t| t.0).enumerate().map(place).collect();
        let text = format!("{{\"metadata\": {{\"total_size\": 1}}, \"weight_map\": {{{}}}}}", map.join(", "));
        let made = Index { text, shards, dir: tempfile::tempdir().expect("a directory") };
        made.write(&made.text, &made.shards);
        Held::load(made.dir.path()).expect("the index as it is made is right");
        made
    }

    fn write(&self, text: &str, [a, b]: &[Vec<u8>; 2]) {
        for (name, data) in
            [("model.safetensors.index.json", text.as_bytes()), ("a.safetensors", a), ("b.safetensors", b)]
        {
            std::fs::write(self.dir.path().join(name), data).expect("written");
        }
    }
}

impl Target for Index {
    fn case(&self, seed: u64) -> Result<bool, String> {
        let mut rng = Rng::new(seed);
        let mut shards = self.shards.clone();
        let others = [
            "..",
            "/etc/passwd",
            "a",
            "b",
            "plain",
            "\\u0000",
            "null",
            "{",
            "[",
            "model",
            "weight_map",
            ".",
            "a.safetensors",
        ];
        let mut text = words(&mut rng, &self.text, &others);
        if rng.chance(30) {
            let mut raw = text.into_bytes();
            bytes(&mut rng, &mut raw);
            text = String::from_utf8_lossy(&raw).into_owned();
        }
        if rng.chance(20) {
            let which = rng.below(2);
            bytes(&mut rng, &mut shards[which]);
        }
        self.write(&text, &shards);
        load(self.dir.path(), &mut rng)
    }
}

fn text(s: &str) -> Vec<u8> {
    [&(s.len() as u64).to_le_bytes()[..], s.as_bytes()].concat()
}

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

/// The same as GGUF, with a metadata value of each kind.
pub struct GgufFile(Vec<u8>, tempfile::TempDir);

impl GgufFile {
    pub fn new() -> GgufFile {
        let list =
            |kind: u32, n: u64, items: &[u8]| [&kind.to_le_bytes()[..], &n.to_le_bytes(), items].concat();
        let words = [text("one"), text("two"), text("")].concat();
        let keys = [
            key("general.architecture", 8, &text("held")),
            key("general.alignment", 4, &32u32.to_le_bytes()),
            key("held.blocks", 10, &7u64.to_le_bytes()),
            key("held.eps", 6, &1e-5f32.to_le_bytes()),
            key("held.large", 12, &1e300f64.to_le_bytes()),
            key("held.flag", 7, &[1]),
            key("held.words", 9, &list(8, 3, &words)),
            key("held.numbers", 9, &list(5, 3, &[1; 12])),
            key("held.lists", 9, &list(9, 2, &[list(0, 2, &[1, 2]), list(6, 1, &[0; 4])].concat())),
        ];
        // plain f32, narrow bf16, half q8_0, the rows of part q4_0, bias f32.
        let q8 = [&0x3800u16.to_le_bytes()[..], &[3; 32]].concat().repeat(4);
        let q4 = [&0x3400u16.to_le_bytes()[..], &[0x5a; 16]].concat().repeat(6);
        let parts = [
            ("plain", vec![32, 4], 0, elements(128, f32::to_le_bytes)),
            ("narrow", vec![32, 4], 30, elements(128, |x| bf16::from_f32(x).to_le_bytes())),
            ("half", vec![32, 4], 8, q8),
            ("rows", vec![32, 6], 2, q4),
            ("bias", vec![4], 0, elements(4, f32::to_le_bytes)),
        ];
        let (mut data, mut all) = (Vec::new(), Vec::new());
        for (name, shape, kind, bytes) in parts {
            all.push(tensor(name, &shape, kind, data.len() as u64));
            data.extend(bytes);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        let counts = [(all.len() as u64).to_le_bytes(), (keys.len() as u64).to_le_bytes()].concat();
        let mut whole =
            [b"GGUF".to_vec(), 3u32.to_le_bytes().to_vec(), counts, keys.concat(), all.concat()].concat();
        whole.resize(whole.len().next_multiple_of(32), 0);
        whole.extend(data);
        let made = GgufFile(whole, tempfile::tempdir().expect("a directory"));
        let path = made.1.path().join("whole.gguf");
        std::fs::write(&path, &made.0).expect("written");
        Held::load(path).expect("the file as it is made is right");
        made
    }
}

impl Target for GgufFile {
    fn case(&self, seed: u64) -> Result<bool, String> {
        let mut rng = Rng::new(seed);
        let mut data = self.0.clone();
        // Most of it is elements: half of the changes are in the header.
        if rng.chance(50) {
            let behind = data.split_off(600.min(data.len()));
            bytes(&mut rng, &mut data);
            data.extend(behind);
        } else {
            bytes(&mut rng, &mut data);
        }
        let path = self.1.path().join("model.gguf");
        std::fs::write(&path, &data).map_err(|e| e.to_string())?;
        if let Ok(g) = Gguf::open(&path) {
            for key in g.keys().map(str::to_string).collect::<Vec<_>>() {
                let found = [
                    g.integer(&key).is_ok(),
                    g.number(&key).is_ok(),
                    g.text(&key).is_ok(),
                    g.texts(&key).is_ok(),
                    g.integers(&key).is_ok(),
                ];
                if g.get(&key).is_none() && found.contains(&true) {
                    return Err(format!("`{key}` has a value and has none"));
                }
            }
        }
        load(&path, &mut rng)
    }
}
