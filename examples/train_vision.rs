//! Trains a small ResNet of the article's blocks to tell ten kinds of clothes apart, on Fashion-MNIST (Xiao,
//! Rasul and Vollgraf 2017).
//!
//! ```text
//! python3 scripts/fetch_data.py
//! cargo run --release --example train_vision
//! cargo run --release --example train_vision -- --norm layer --out runs/layer
//! ```
//!
//! The blocks are those of the example `resnet`: with batch norm, or with layer norm over the channels. In
//! the folder are checkpoints, from which the program goes on when it is called again, the log as lines of
//! JSON, the figure of the losses, and the weights. Ctrl-C saves and ends.

#[path = "common/journal.rs"]
mod journal;
#[path = "common/models.rs"]
mod models;
#[path = "common/program.rs"]
mod program;
#[allow(dead_code)] // its blocks are trained, its program is not
#[path = "resnet.rs"]
mod resnet;

use fastrand::Rng;
use journal::Journal;
use program::Failure;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tancho::train::{Checkpoints, Schedule, TrainOptions};
use tancho::{AsView, Error, Target, network};

network! {
    /// A block of the article, with batch norm or with layer norm over the channels.
    pub VisionBlock<N, CIN = _, COUT = _, STRIDE = 1, H, W>(option batch = true)
        (x: [N, CIN, H, W]) -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
    {
        if batch {
            net block: resnet::BasicBlock<CIN, COUT, STRIDE = STRIDE>;
            let y: [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)] = block(x);
            y
        } else {
            net block: resnet::NormBlock<CIN, COUT, STRIDE = STRIDE>;
            let y: [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)] = block(x);
            y
        }
    }

    /// Three blocks, each of half the size and twice the channels of the one before.
    pub Vision<N, C = 16>(option batch = true) {
        net conv:   Conv2d<1, C, K = 3, PAD = 1>;
        net block1: VisionBlock<C, C>(batch = batch);
        net block2: VisionBlock<C, 2 * C, STRIDE = 2>(batch = batch);
        net block3: VisionBlock<2 * C, 4 * C, STRIDE = 2>(batch = batch);
        net fc:     Linear<4 * C, 10>;

        /// Scores of the classes.
        fn forward(images: u8[N, 28, 28]) -> [N, 10] {
            let x = (reshape(cast(images, f32), [N, 1, 28, 28]) - 73) / 90;
            fc(global_mean(block3(block2(block1(relu(conv(x)))))))
        }

        /// A step of training.
        train fn step(images: u8[N, 28, 28], classes: i32[N], lr: []) -> [] {
            let loss = mean(cross_entropy(forward(images), classes), over = N);
            minimize loss with momentum(lr = lr, weight_decay = 5e-4);
            loss
        }
    }
}

const CLASSES: [&str; 10] =
    ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"];
/// Pixels of an image.
const PIXELS: usize = 28 * 28;

const USAGE: &str = "usage: train_vision [--data FOLDER] [--out FOLDER] [--norm batch|layer] [--epochs N] [--batch N] [--rate X] [--threads N] [--seed N]

Trains for N (6) epochs on the images of FOLDER (fashion-mnist of scripts/fetch_data.py), of batches of N
(128), with a learning rate of at most X (0.1), by N threads (all cores). After each epoch it validates and
saves into FOLDER (runs/vision), from where the same command goes on.";

struct Args {
    data: PathBuf,
    out: PathBuf,
    batch_norm: bool,
    epochs: u64,
    batch: usize,
    rate: f64,
    threads: Option<usize>,
    seed: u64,
}

fn parse(given: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut args = Args {
        data: models::model_dir("fashion-mnist"),
        out: PathBuf::from("runs/vision"),
        batch_norm: true,
        epochs: 6,
        batch: 128,
        rate: 0.1,
        threads: None,
        seed: 0,
    };
    let mut parser = lexopt::Parser::from_args(given);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("data") => args.data = parser.value()?.into(),
            Long("out") => args.out = parser.value()?.into(),
            Long("norm") => {
                let norm = parser.value()?.string()?;
                args.batch_norm = match norm.as_str() {
                    "batch" => true,
                    "layer" => false,
                    _ => return Err(format!("--norm is `batch` or `layer`, but `{norm}` is given").into()),
                }
            }
            Long("epochs") => args.epochs = parser.value()?.parse()?,
            Long("batch") => args.batch = parser.value()?.parse()?,
            Long("rate") => args.rate = parser.value()?.parse()?,
            Long("threads") => args.threads = Some(parser.value()?.parse()?),
            Long("seed") => args.seed = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(arg.unexpected()),
        }
    }
    if args.batch == 0 {
        return Err("--batch must be at least 1".into());
    }
    Ok(Some(args))
}

/// Images with their classes.
struct Images {
    pixels: Vec<u8>,
    classes: Vec<i32>,
}

impl Images {
    /// Reads the two files of a set: `train` or `t10k`.
    fn read(folder: &Path, set: &str) -> Result<Images, Failure> {
        let (images, pixels) = idx(&folder.join(format!("{set}-images-idx3-ubyte")), &[28, 28])?;
        let (labels, classes) = idx(&folder.join(format!("{set}-labels-idx1-ubyte")), &[])?;
        if images != labels || images == 0 {
            return Err(format!(
                "{} has {images} images and {labels} labels of the set {set}",
                folder.display()
            )
            .into());
        }
        if let Some(at) = classes.iter().position(|c| usize::from(*c) >= CLASSES.len()) {
            let class = classes[at];
            return Err(format!(
                "{}: label {at} of {set} is {class}, and classes are 0 to 9",
                folder.display()
            )
            .into());
        }
        Ok(Images { pixels, classes: classes.into_iter().map(i32::from).collect() })
    }

    fn len(&self) -> usize {
        self.classes.len()
    }

    /// The images of these numbers; those that are to be are mirrored.
    fn batch(&self, numbers: &[usize], mirrored: impl Fn(usize) -> bool) -> (Vec<u8>, Vec<i32>) {
        let mut pixels = Vec::with_capacity(numbers.len() * PIXELS);
        for (i, number) in numbers.iter().enumerate() {
            let image = &self.pixels[number * PIXELS..][..PIXELS];
            match mirrored(i) {
                true => image.chunks(28).for_each(|row| pixels.extend(row.iter().rev())),
                false => pixels.extend_from_slice(image),
            }
        }
        (pixels, numbers.iter().map(|n| self.classes[*n]).collect())
    }
}

/// The items and the bytes of an IDX file (LeCun's format of MNIST), whose items have this shape.
fn idx(path: &Path, shape: &[u32]) -> Result<(usize, Vec<u8>), Failure> {
    let wrong = |why: &str| Failure::from(format!("{}: {why}", path.display()));
    let bytes = std::fs::read(path)
        .map_err(|e| wrong(&format!("{e}; `python3 scripts/fetch_data.py` fetches the images")))?;
    let word = |i: usize| {
        let word = bytes.get(4 * i..4 * i + 4)?;
        Some(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    };
    // Unsigned bytes, and the number of axes.
    if word(0) != Some(0x0800 + 1 + shape.len() as u32) {
        return Err(wrong("it is no IDX file of bytes with as many axes"));
    }
    let items = word(1).ok_or_else(|| wrong("it is cut off"))? as usize;
    if !(0..shape.len()).all(|i| word(2 + i) == Some(shape[i])) {
        return Err(wrong(&format!("its items are not of the shape {shape:?}")));
    }
    let data = &bytes[(8 + 4 * shape.len()).min(bytes.len())..];
    let size: usize = shape.iter().map(|n| *n as usize).product();
    if items.checked_mul(size) != Some(data.len()) {
        let has = data.len();
        return Err(wrong(&format!("its {items} items need {size} bytes each, and it has {has} in all")));
    }
    Ok((items, data.to_vec()))
}

/// The numbers of all images in an order that follows from the epoch.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    Rng::with_seed(seed).shuffle(&mut all);
    all
}

/// The share of images whose class the network finds, and the mean loss.
fn validate(network: &Vision, images: &Images, batch: usize) -> Result<(f64, f64), Failure> {
    let mut session = network.compile(Target::host())?.session();
    let (mut right, mut loss) = (0, 0.0);
    let all: Vec<usize> = (0..images.len()).collect();
    for numbers in all.chunks(batch) {
        let (pixels, classes) = images.batch(numbers, |_| false);
        let scores = session.forward(pixels.view([numbers.len(), 28, 28]))?;
        for (scores, class) in scores.data().chunks(CLASSES.len()).zip(classes) {
            let top = scores.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = scores.iter().map(|s| (s - top).exp()).sum();
            let own = scores[class as usize];
            right += usize::from(own == top);
            loss += f64::from(sum.ln() + top - own);
        }
    }
    Ok((right as f64 / images.len() as f64, loss / images.len() as f64))
}

fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let (train, kept) = (Images::read(&args.data, "train")?, Images::read(&args.data, "t10k")?);
    let batches = (train.len() / args.batch) as u64;
    if batches == 0 {
        return Err(
            format!("a batch of {} is more than the {} images there are", args.batch, train.len()).into()
        );
    }
    let mut options = TrainOptions::new();
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    let start = Vision::with(VisionDims::default()).option("batch", args.batch_norm).init(args.seed)?;
    let mut training = start.compile_train_with(Target::host(), &options)?;
    let checkpoints = Checkpoints::new(args.out.join("checkpoints"));
    if let Some(path) = checkpoints.resume(&mut training)? {
        writeln!(out, "goes on from {}", path.display())?;
    }
    let steps = args.epochs * batches;
    let schedule = Schedule::cosine(args.rate, 0.0, steps).warm_up(batches.min(steps / 10));
    let mut journal = Journal::new(&args.out, training.steps(), steps)?;
    journal::catch_ctrl_c();
    let mut order = (u64::MAX, Vec::new());
    let mut accuracy = None;
    while training.steps() < steps && !journal::is_stopped() {
        let step = training.steps();
        let epoch = step / batches;
        if order.0 != epoch {
            order = (epoch, shuffled(train.len(), args.seed ^ epoch));
        }
        let from = (step % batches) as usize * args.batch;
        let mut rng = Rng::with_seed(args.seed ^ step);
        let mirrored: Vec<bool> = (0..args.batch).map(|_| rng.bool()).collect();
        let (pixels, classes) = train.batch(&order.1[from..from + args.batch], |i| mirrored[i]);
        let rate = schedule.at(step);
        let images = pixels.view([args.batch, 28, 28]);
        match training.step(images, classes.view([args.batch]), rate) {
            Ok(loss) => journal.step(step + 1, loss, training.gradient_norm().unwrap_or(0.0), rate)?,
            Err(error @ Error::NotFinite { .. }) => {
                checkpoints.save(&training)?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
        if training.steps() % batches == 0 {
            let (right, loss) = validate(&training.network()?, &kept, args.batch)?;
            journal.validation(training.steps(), loss)?;
            journal.write(&serde_json::json!({ "step": training.steps(), "accuracy": right }))?;
            journal.say(format!("epoch {}: {:.2} % of the kept images are right", epoch + 1, 100.0 * right));
            accuracy = Some(right);
            checkpoints.save(&training)?;
        }
    }
    let saved = checkpoints.save(&training)?;
    let weights = args.out.join("vision.safetensors");
    training.weights()?.save(&weights)?;
    journal.finish("Fashion-MNIST: cross entropy in nats")?;
    writeln!(out, "{} steps, the checkpoint is {}", training.steps(), saved.display())?;
    if let Some(right) = accuracy {
        writeln!(out, "{:.2} % of {} kept images are right", 100.0 * right, kept.len())?;
    }
    writeln!(out, "the weights are {}", weights.display())?;
    Ok(())
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => program::run(|out| run(&args, out)),
        Ok(None) => program::run(|out| Ok(writeln!(out, "{USAGE}")?)),
        Err(e) => program::misused(format!("{e}; see --help")),
    }
}
