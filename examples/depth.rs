//! Why deep networks need residual connections and layer norm: how the loss falls, and how large the gradient
//! of each layer is, with and without either.
//!
//! ```text
//! cargo run --release --example depth
//! cargo run --release --example depth -- --layers 4,16,64 --steps 400 --out depth.svg
//! ```
//!
//! A network of equal layers learns which of two spirals a point is on. The article that this project starts
//! from says why `F(x) = x + f(x)` trains where `F(x) = f(x)` does not: the gradient of the first is the
//! identity and a part, and the product of many of these does not vanish.

#[path = "common/program.rs"]
mod program;

use fastrand::Rng;
use plotters::coord::Shift;
use plotters::prelude::*;
use program::Failure;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tancho::{AsView, Error, Target, network};

network! {
    /// One layer, `x + gelu(W LN(x) + b)`, or less of it.
    pub DeepLayer<B, D = _>(option residual = true, option normed = true)(x: [B, D]) -> [B, D] {
        net linear: Linear<D, D>;
        let h = if normed {
            net norm: LayerNorm<D>;
            norm(x)
        } else {
            x
        };
        let h = gelu(linear(h));
        if residual { x + h } else { h }
    }

    /// Points of a plane to one of two classes, through many layers.
    pub Deep<B, D = 32, LAYERS = 16>(option residual = true, option normed = true) {
        net first: Linear<2, D>;
        net layers: [DeepLayer<D>(residual = residual, normed = normed); LAYERS];
        net last: Linear<D, 2>;

        fn forward(x: [B, 2]) -> [B, 2] {
            let mut x = first(x);
            for layer in layers { x = layer(x); }
            last(x)
        }

        train fn step(x: [B, 2], class: i32[B], lr: []) -> [] {
            let loss = mean(cross_entropy(forward(x), class), over = B);
            minimize loss with adam(lr = lr);
            loss
        }
    }
}

const USAGE: &str = "usage: depth [--layers N,N,..] [--steps N] [--seed N] [--out FILE]

Trains networks of 4, 16 and 64 layers for N (400) steps, with and without residual connections and layer
norm, prints what comes of it, and draws it as FILE (depth.svg).";

struct Args {
    layers: Vec<usize>,
    steps: usize,
    seed: u64,
    out: PathBuf,
}

fn parse(given: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut args = Args { layers: vec![4, 16, 64], steps: 400, seed: 1, out: "depth.svg".into() };
    let mut parser = lexopt::Parser::from_args(given);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("layers") => {
                let all = parser.value()?.string()?;
                let number = |n: &str| n.parse().map_err(|_| format!("`{n}` in --layers is no number"));
                args.layers = all.split(',').map(number).collect::<Result<_, _>>()?;
            }
            Long("steps") => args.steps = parser.value()?.parse()?,
            Long("seed") => args.seed = parser.value()?.parse()?,
            Long("out") => args.out = parser.value()?.into(),
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(args))
}

/// Points of two spirals around each other, each with its class.
fn spirals(n: usize, rng: &mut Rng) -> (Vec<f32>, Vec<i32>) {
    let (mut points, mut classes) = (Vec::new(), Vec::new());
    for i in 0..n {
        let (class, along) = ((i % 2) as i32, rng.f32());
        let angle = 6.0 * along + std::f32::consts::PI * class as f32;
        points.extend([along * angle.cos(), along * angle.sin()].map(|x| 2.0 * x + 0.04 * (rng.f32() - 0.5)));
        classes.push(class);
    }
    (points, classes)
}

/// A kind of network.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    residual: bool,
    normed: bool,
    colour: RGBColor,
}

const KINDS: [Kind; 4] = [
    Kind { name: "plain", colour: RGBColor(120, 120, 120), residual: false, normed: false },
    Kind { name: "layer norm", colour: RGBColor(210, 120, 0), residual: false, normed: true },
    Kind { name: "residual", colour: RGBColor(180, 40, 60), residual: true, normed: false },
    Kind { name: "residual and layer norm", colour: RGBColor(0, 110, 190), residual: true, normed: true },
];

/// What came of the training of a network.
struct Trained {
    kind: Kind,
    layers: usize,
    losses: Vec<f32>,
    /// The norm of the gradient of each layer's matrix in the first step.
    norms: Vec<f32>,
    /// The step at which the loss was no number any more, if it came to that.
    failed: Option<usize>,
}

fn train(kind: Kind, layers: usize, args: &Args) -> Result<Trained, Failure> {
    let start = Deep::with(DeepDims { D: 32, LAYERS: layers })
        .option("residual", kind.residual)
        .option("normed", kind.normed)
        .init(args.seed)?;
    let mut training = start.compile_train(Target::host())?;
    let mut rng = Rng::with_seed(args.seed);
    let mut trained = Trained { kind, layers, losses: Vec::new(), norms: Vec::new(), failed: None };
    for step in 0..args.steps {
        let (points, classes) = spirals(128, &mut rng);
        match training.step(points.view([128, 2]), classes.view([128]), 1e-3) {
            Ok(loss) => trained.losses.push(loss),
            Err(Error::NotFinite { .. }) => {
                trained.failed = Some(step);
                break;
            }
            Err(error) => return Err(error.into()),
        }
        if step == 0 {
            let of_matrix = |(name, norm): (&str, f32)| name.ends_with("linear.weight").then_some(norm);
            trained.norms = training.gradient_norms("step").into_iter().filter_map(of_matrix).collect();
        }
    }
    Ok(trained)
}

/// The mean of the last losses.
fn last(losses: &[f32]) -> f32 {
    let end = &losses[losses.len() - losses.len().min(20)..];
    end.iter().sum::<f32>() / end.len().max(1) as f32
}

/// The mean of each loss and those before it, ten together.
fn smooth(losses: &[f32]) -> Vec<f32> {
    let mean = |i: usize| last(&losses[i.saturating_sub(9)..=i]);
    (0..losses.len()).map(mean).collect()
}

/// Curves of a panel: points, and the kind that they are of.
type Curves = Vec<(Kind, Vec<(f64, f64)>)>;

/// Axes for curves whose heights go by powers of ten.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    (title, x, y): (&str, &str, &str),
    curves: &Curves,
    legend: bool,
) -> Result<(), Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::from(format!("the figure: {e}"));
    let points = || curves.iter().flat_map(|(_, curve)| curve).filter(|p| p.1 > 0.0 && p.1.is_finite());
    let end = points().map(|p| p.0).fold(1.0, f64::max);
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p.1), h.max(p.1)));
    let (low, high) = if low <= high { (low / 1.5, high * 1.5) } else { (0.1, 1.0) };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, (low..high).log_scale())
        .map_err(|e| failed(&e))?;
    let mut mesh = chart.configure_mesh();
    let (digits, whole) = (|y: &f64| format!("{y:.0e}"), |x: &f64| format!("{x:.0}"));
    mesh.x_desc(x)
        .y_desc(y)
        .y_label_formatter(&digits)
        .x_label_formatter(&whole)
        .light_line_style(WHITE)
        .draw()
        .map_err(|e| failed(&e))?;
    for (kind, curve) in curves {
        let colour = kind.colour.stroke_width(2);
        let seen = curve.iter().copied().filter(|p| p.1 > 0.0 && p.1.is_finite());
        let drawn = chart.draw_series(LineSeries::new(seen, colour)).map_err(|e| failed(&e))?;
        if legend {
            drawn.label(kind.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
        }
    }
    if legend {
        let place = SeriesLabelPosition::UpperRight;
        let mut labels = chart.configure_series_labels();
        labels.position(place).background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.2));
        labels.draw().map_err(|e| failed(&e))?;
    }
    Ok(())
}

/// A row of panels for each depth: the losses, and the gradients of the layers.
fn draw(path: &Path, all: &[Trained], layers: &[usize]) -> Result<(), Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::from(format!("{}: {e}", path.display()));
    let area = SVGBackend::new(path, (960, 280 * layers.len().max(1) as u32)).into_drawing_area();
    area.fill(&WHITE).map_err(|e| failed(&e))?;
    for (n, (panels, depth)) in area.split_evenly((layers.len(), 2)).chunks(2).zip(layers).enumerate() {
        let of = |points: fn(&Trained) -> Vec<f32>| -> Curves {
            let numbered = |(i, y): (usize, f32)| (i as f64, f64::from(y));
            let curve = |t: &Trained| points(t).into_iter().enumerate().map(numbered).collect();
            all.iter().filter(|t| t.layers == *depth).map(|t| (t.kind, curve(t))).collect()
        };
        let title = format!("{depth} layers: loss, the mean of ten steps");
        panel(&panels[0], (&title, "step", "loss"), &of(|t| smooth(&t.losses)), n == 0)?;
        let title = format!("{depth} layers: gradients of the first step");
        panel(&panels[1], (&title, "layer", "norm"), &of(|t| t.norms.clone()), false)?;
    }
    area.present().map_err(|e| failed(&e))
}

fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let mut all = Vec::new();
    writeln!(
        out,
        "{:>6}  {:24} {:>9} {:>14} {:>14}",
        "layers", "kind", "loss", "first gradient", "last gradient"
    )?;
    for &layers in &args.layers {
        for kind in KINDS {
            let t = train(kind, layers, args)?;
            let at = |i: Option<&f32>| i.map_or("none".into(), |norm| format!("{norm:.1e}"));
            let loss = match t.failed {
                Some(step) => format!("NaN at {step}"),
                None => format!("{:.4}", last(&t.losses)),
            };
            let (first, end) = (at(t.norms.first()), at(t.norms.last()));
            writeln!(out, "{layers:6}  {:24} {loss:>9} {first:>14} {end:>14}", kind.name)?;
            all.push(t);
        }
    }
    draw(&args.out, &all, &args.layers)?;
    writeln!(out, "the figure is {}", args.out.display())?;
    Ok(())
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => program::run(|out| run(&args, out)),
        Ok(None) => program::run(|out| Ok(writeln!(out, "{USAGE}")?)),
        Err(e) => program::misused(format!("{e}; see --help")),
    }
}
