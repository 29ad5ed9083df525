//! EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation) with its real weights, on real
//! photographs.
//!
//! ```text
//! python3 scripts/fetch_models.py
//! cargo run --release --example imagenet
//! cargo run --release --example imagenet -- photo.jpg another.jpg
//! ```
//!
//! Prints the five most likely of ImageNet's 1,000 classes, by number; without arguments for the photographs
//! that the script fetches, whose file names end with the number of what they show.

#[path = "common/models.rs"]
#[allow(clippy::duplicate_mod)] // the benchmark has several examples as modules
mod models;
#[path = "common/program.rs"]
#[allow(clippy::duplicate_mod)] // the benchmark has several examples as modules
mod program;

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use jpeg_decoder::{Decoder, PixelFormat};
pub use models::model_dir;
use program::Failure;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tancho::{AsView, Target, network};

/// Rows and columns of what the network sees.
pub const SIDE: usize = 224;
/// The short side that a photograph is brought to first.
const SHORT: usize = 256;
/// Pixels of a photograph at most: a file of some kilobytes may claim 65,535 x 65,535.
const MOST_PIXELS: usize = 1 << 26;
/// How many times its short side the long side of a photograph may be: the whole of it is resized.
const MOST_RATIO: usize = 16;

network! {
    /// A depthwise convolution between two of single pixels: more channels, the window, fewer channels.
    pub MBConv<N, CIN = 16, COUT = 24, K = 3, STRIDE = 1, WIDE = 6 * CIN, H, W>
        (x: [N, CIN, H, W]) -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
    {
        #[weights("_depthwise_conv.weight")] param window: [WIDE, 1, K, K] = xavier;
        #[weights("_bn1")]          net bn1:     BatchNorm<WIDE>(eps = 1e-3);
        #[weights("_project_conv")] net project: Conv2d<WIDE, COUT, K = 1>(bias = false);
        #[weights("_bn2")]          net bn2:     BatchNorm<COUT>(eps = 1e-3);

        let wide = if WIDE == CIN { x } else {
            #[weights("_expand_conv")] net expand: Conv2d<CIN, WIDE, K = 1>(bias = false);
            #[weights("_bn0")]         net bn0:    BatchNorm<WIDE>(eps = 1e-3);
            relu6(bn0(expand(x)))
        };
        let seen = relu6(bn1(conv2d(wide, window, stride = STRIDE, pad = same, groups = WIDE)));
        let y = bn2(project(seen));
        if STRIDE == 1 && CIN == COUT { residual(x) { y } } else { y }
    }

    /// Images `[N, 3, 224, 224]`, each channel `(value - 127) / 128`, to the logits of ImageNet's classes.
    #[unused_weights("*.num_batches_tracked")]
    pub EfficientNetLite0<N, H, W, CLASSES = 1000>(image: [N, 3, H, W]) -> [N, CLASSES] {
        #[weights("_conv_stem.weight")] param stem: [32, 3, 3, 3] = xavier;
        #[weights("_bn0")]       net bn0:     BatchNorm<32>(eps = 1e-3);
        #[weights("_blocks.0")]  net block0:  MBConv<32, 16, WIDE = 32>;
        #[weights("_blocks.1")]  net block1:  MBConv<16, 24, STRIDE = 2>;
        #[weights("_blocks.2")]  net block2:  MBConv<24, 24>;
        #[weights("_blocks.3")]  net block3:  MBConv<24, 40, K = 5, STRIDE = 2>;
        #[weights("_blocks.4")]  net block4:  MBConv<40, 40, K = 5>;
        #[weights("_blocks.5")]  net block5:  MBConv<40, 80, STRIDE = 2>;
        #[weights("_blocks.6")]  net block6:  MBConv<80, 80>;
        #[weights("_blocks.7")]  net block7:  MBConv<80, 80>;
        #[weights("_blocks.8")]  net block8:  MBConv<80, 112, K = 5>;
        #[weights("_blocks.9")]  net block9:  MBConv<112, 112, K = 5>;
        #[weights("_blocks.10")] net block10: MBConv<112, 112, K = 5>;
        #[weights("_blocks.11")] net block11: MBConv<112, 192, K = 5, STRIDE = 2>;
        #[weights("_blocks.12")] net block12: MBConv<192, 192, K = 5>;
        #[weights("_blocks.13")] net block13: MBConv<192, 192, K = 5>;
        #[weights("_blocks.14")] net block14: MBConv<192, 192, K = 5>;
        #[weights("_blocks.15")] net block15: MBConv<192, 320>;
        #[weights("_conv_head")] net head:    Conv2d<320, 1280, K = 1>(bias = false);
        #[weights("_bn1")]       net bn1:     BatchNorm<1280>(eps = 1e-3);
        #[weights("_fc")]        net fc:      Linear<1280, CLASSES>;

        let x = relu6(bn0(conv2d(image, stem, stride = 2, pad = same)));
        let x = block3(block2(block1(block0(x))));
        let x = block7(block6(block5(block4(x))));
        let x = block11(block10(block9(block8(x))));
        let x = block15(block14(block13(block12(x))));
        fc(global_mean(relu6(bn1(head(x)))))
    }
}

/// A photograph as the network wants it: its short side brought to 256 pixels, bicubic, and the 224x224 in
/// its middle, as bytes `[224, 224, 3]`.
pub fn crop(path: &Path) -> Result<Vec<u8>, Failure> {
    let why = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = std::fs::File::open(path).map_err(|e| why(&e))?;
    let mut decoder = Decoder::new(std::io::BufReader::new(file));
    // Before there are pixels: the header alone says how much memory they take.
    decoder.read_info().map_err(|e| why(&e))?;
    let info = decoder.info().ok_or_else(|| why(&"it has no size"))?;
    let (w, h) = (usize::from(info.width), usize::from(info.height));
    if w * h > MOST_PIXELS {
        return Err(
            why(&format!("{w}x{h} pixels are too many; this program takes up to {MOST_PIXELS}")).into()
        );
    }
    if w.max(h) > MOST_RATIO * w.min(h) {
        return Err(why(&format!(
            "{w}x{h} pixels are too thin; one side may be up to {MOST_RATIO} times the other"
        ))
        .into());
    }
    let pixels = decoder.decode().map_err(|e| why(&e))?;
    let rgb: Vec<u8> = match info.pixel_format {
        PixelFormat::RGB24 => pixels,
        PixelFormat::L8 => pixels.iter().flat_map(|x| [*x; 3]).collect(),
        other => return Err(why(&format!("{other:?} is no form of a photograph")).into()),
    };
    let short = w.min(h).max(1);
    let (to_w, to_h) = ((w * SHORT + short / 2) / short, (h * SHORT + short / 2) / short);
    // In floats: with bytes the resizer's weights have too few bits to tell two near classes apart.
    let floats: Vec<u8> = rgb.iter().flat_map(|x| f32::from(*x).to_ne_bytes()).collect();
    let from = Image::from_vec_u8(w as u32, h as u32, floats, PixelType::F32x3).map_err(|e| why(&e))?;
    let mut to = Image::new(to_w as u32, to_h as u32, PixelType::F32x3);
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).use_alpha(false);
    Resizer::new().resize(&from, &mut to, &options).map_err(|e| why(&e))?;
    let (left, top) = ((to_w - SIDE) / 2, (to_h - SIDE) / 2);
    let values: Vec<u8> = to
        .buffer()
        .chunks_exact(4)
        .map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]]).round() as u8)
        .collect();
    let rows = values.chunks_exact(to_w * 3).skip(top).take(SIDE);
    Ok(rows.flat_map(|row| &row[left * 3..(left + SIDE) * 3]).copied().collect())
}

/// Bytes `[224, 224, 3]` as numbers `[3, 224, 224]` around 0.
pub fn normalized(bytes: &[u8]) -> Vec<f32> {
    let channel = |c: usize| bytes.iter().skip(c).step_by(3).map(|&x| (f32::from(x) - 127.0) / 128.0);
    (0..3).flat_map(channel).collect()
}

/// The numbers of the largest logits with their probabilities, largest first.
pub fn top(logits: &[f32], count: usize) -> Vec<(usize, f32)> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|x| (x - most).exp()).sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    order.into_iter().take(count).map(|i| (i, (logits[i] - most).exp() / sum)).collect()
}

/// The photographs that the script fetches, in the order of their names.
pub fn photographs() -> Result<Vec<PathBuf>, Failure> {
    let dir = model_dir("imagenet");
    let hint = |e| format!("{}: {e}; run `python3 scripts/fetch_models.py`", dir.display());
    let entries = std::fs::read_dir(&dir).map_err(hint)?;
    let mut all = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    all.retain(|p| p.extension().is_some_and(|e| e == "jpg"));
    all.sort();
    Ok(all)
}

fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let mut paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        paths = photographs()?;
    }
    let model = model_dir("efficientnet_lite0").join("model.safetensors");
    let net =
        EfficientNetLite0::load(&model).map_err(|e| format!("{e}; run `python3 scripts/fetch_models.py`"))?;
    let compiled = net.compile(Target::host())?;
    writeln!(
        out,
        "compiled in {:.1?}, weights packed in {:.1?}",
        compiled.stats().total(),
        compiled.pack_time()
    )?;
    let mut session = compiled.session();
    for path in paths {
        let image = normalized(&crop(&path)?);
        let start = Instant::now();
        let logits = session.run(image.view([1, 3, SIDE, SIDE]))?;
        let took = start.elapsed();
        let best: Vec<String> =
            top(logits.data(), 5).iter().map(|(i, p)| format!("{i} ({:.1} %)", 100.0 * p)).collect();
        writeln!(
            out,
            "{}: {}, in {took:.1?}",
            path.file_name().unwrap_or(path.as_os_str()).display(),
            best.join(", ")
        )?;
    }
    Ok(())
}

fn main() -> ExitCode {
    program::run(run)
}
