//! How cost grows with the length of a sequence, the batch, the depth, cached positions, threads, sessions.

use super::cases::{Case, named};
use super::measure::{RUNS, model, prepare, repeat};
use super::program::Failure;
use super::sentences::{MiniLm, MiniLmDims};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::io::Write;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tancho::inspect::Limits;
use tancho::{AnyView, Error, Model, Session, Target, Tensor};

/// What is drawn of one dimension.
struct Panel {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    curves: Vec<Curve>,
}

struct Curve {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

/// Sessions run for so long at each count.
const SIDE_BY_SIDE: Duration = Duration::from_millis(500);
const COLOURS: [RGBColor; 3] = [RGBColor(31, 119, 180), RGBColor(214, 39, 40), RGBColor(44, 160, 44)];

/// Measures, prints a line for each point, and writes `growth.svg`.
pub fn run(limits: &Limits, target: Target, folder: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let panels = [
        lengths(limits, target)?,
        batches(limits, target)?,
        depths(target)?,
        positions(limits, target)?,
        threads(target)?,
        sessions(target)?,
    ];
    for panel in &panels {
        writeln!(out, "{}", panel.title)?;
        for curve in &panel.curves {
            let points: Vec<String> = curve.points.iter().map(|(x, y)| format!("{x}: {y:.4}")).collect();
            writeln!(out, "  {} ({} by {}): {}", curve.name, panel.y, panel.x, points.join(", "))?;
        }
    }
    let file = folder.join("growth.svg");
    draw(&file, &panels)?;
    writeln!(out, "the figure is {}", file.display())?;
    Ok(())
}

fn case(name: &str) -> Result<Case, Failure> {
    let found = named().into_iter().find(|case| case.name == name);
    found.ok_or_else(|| format!("there is no case `{name}`").into())
}

fn median(case: &Case, target: Target, threads: usize) -> Result<f64, Error> {
    let mut prepared = prepare(case, target, threads)?;
    let times = repeat(RUNS, &mut prepared.run)?;
    Ok(times[times.len() / 2])
}

/// A curve of medians, and one of the shortest time that the machine's limits allow.
fn beside_limit(
    cases: impl Iterator<Item = (usize, Case)>,
    limits: &Limits,
    target: Target,
) -> Result<Vec<Curve>, Failure> {
    let (mut measured, mut least) = (Vec::new(), Vec::new());
    for (x, case) in cases {
        let cost = case.cost(target);
        measured.push((x as f64, median(&case, target, limits.threads)?));
        least.push((x as f64, 1e3 * limits.seconds(cost.flops, cost.read, cost.written)));
    }
    Ok(vec![
        Curve { name: "measured", points: measured },
        Curve { name: "limit of the machine", points: least },
    ])
}

fn lengths(limits: &Limits, target: Target) -> Result<Panel, Failure> {
    let case = case("W4_bertlayer_s128")?;
    let lengths = [1, 16, 32, 64, 96, 128, 192, 256, 320, 384, 448, 512];
    let curves = beside_limit(lengths.into_iter().map(|s| (s, case.at(1, s, 0))), limits, target)?;
    Ok(Panel { title: "A layer of BERT", x: "tokens", y: "ms", curves })
}

fn batches(limits: &Limits, target: Target) -> Result<Panel, Failure> {
    let case = case("W4_minilm_b1s16")?;
    let batches = [1, 2, 4, 8, 12, 16, 24, 32];
    let curves = beside_limit(batches.into_iter().map(|b| (b, case.at(b, 16, 0))), limits, target)?;
    Ok(Panel { title: "MiniLM, texts of 16 tokens", x: "texts", y: "ms", curves })
}

/// Layers are alike: their code is made once, and what else there is to do for each of them is little.
fn depths(target: Target) -> Result<Panel, Failure> {
    let (mut compile, mut code) = (Vec::new(), Vec::new());
    for layers in [1, 2, 4, 8, 16, 32, 48] {
        let graph = MiniLm::with(MiniLmDims { LAYERS: layers, ..Default::default() }).graph()?;
        let model = Model::from_graph(graph, 1)?;
        let stats =
            [model.compile(target)?, model.compile(target)?, model.compile(target)?].map(|c| c.stats());
        let least = stats.iter().map(|s| s.total()).min().unwrap_or_default();
        compile.push((layers as f64, 1e3 * least.as_secs_f64()));
        code.push((layers as f64, stats[0].code_bytes as f64 / 1024.0));
    }
    let curves = vec![
        Curve { name: "compile, ms", points: compile },
        Curve { name: "machine code, KiB", points: code },
    ];
    Ok(Panel { title: "Depth of MiniLM", x: "layers", y: "ms, KiB", curves })
}

fn positions(limits: &Limits, target: Target) -> Result<Panel, Failure> {
    let case = case("W5_gpt2_decode")?;
    let positions = [1, 64, 128, 256, 384, 512, 640, 768, 896, 990];
    let curves = beside_limit(positions.into_iter().map(|p| (p, case.at(1, 1, p))), limits, target)?;
    Ok(Panel { title: "A token of GPT-2", x: "cached positions", y: "ms", curves })
}

/// The cores of this machine, one after the other.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn threads(target: Target) -> Result<Panel, Failure> {
    let curve = |name, case: &Case| -> Result<Curve, Failure> {
        let one = median(case, target, 1)?;
        let rest = (2..=cores()).map(|n| Ok((n as f64, one / median(case, target, n)?)));
        let points = std::iter::once(Ok((1.0, 1.0))).chain(rest).collect::<Result<_, Error>>()?;
        Ok(Curve { name, points })
    };
    let curves = vec![
        curve("MLP, 128 rows", &case("W3_mlp_n128")?)?,
        curve("MiniLM, 128 tokens", &case("W4_minilm_b1s128")?)?,
        curve("a token of GPT-2", &case("W5_gpt2_decode")?)?,
    ];
    Ok(Panel { title: "Threads of a session", x: "threads", y: "times as fast", curves })
}

/// Sessions of one compiled network, each in a thread of its own.
fn sessions(target: Target) -> Result<Panel, Failure> {
    let mut curves = Vec::new();
    for (name, case) in
        [("MLP, 128 rows", case("W3_mlp_n128")?), ("MiniLM, 16 tokens", case("W4_minilm_b1s16")?)]
    {
        let compiled = model(&case)?.compile(target)?;
        let inputs = case.inputs()?;
        let mut points = Vec::new();
        for count in (1..=2 * cores()).take(16) {
            let mut sessions =
                (0..count).map(|_| compiled.session_with_threads(1)).collect::<Result<Vec<_>, _>>()?;
            let barrier = Barrier::new(count);
            let run = |session: &mut Session| side_by_side(session, &inputs, &barrier);
            let run = &run;
            let rates: Vec<Result<f64, Error>> = std::thread::scope(|scope| {
                let handles: Vec<_> =
                    sessions.iter_mut().map(|session| scope.spawn(move || run(session))).collect();
                handles.into_iter().filter_map(|handle| handle.join().ok()).collect()
            });
            points.push((count as f64, rates.into_iter().sum::<Result<f64, Error>>()?));
        }
        curves.push(Curve { name, points });
    }
    Ok(Panel { title: "Sessions side by side, one thread each", x: "sessions", y: "runs a second", curves })
}

/// Runs a second, once all are ready.
fn side_by_side(session: &mut Session, inputs: &[Tensor], ready: &Barrier) -> Result<f64, Error> {
    let views: Vec<AnyView<'_>> = inputs.iter().map(AnyView::from).collect();
    let first = session.run_inputs(&views);
    // The others wait for all, whether or not they can run.
    ready.wait();
    first?;
    let (start, mut runs) = (Instant::now(), 0u32);
    while start.elapsed() < SIDE_BY_SIDE {
        session.run_inputs(&views)?;
        runs += 1;
    }
    Ok(f64::from(runs) / start.elapsed().as_secs_f64())
}

fn draw(path: &Path, panels: &[Panel]) -> Result<(), Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::from(format!("{}: {e}", path.display()));
    let area = SVGBackend::new(path, (960, 280 * panels.len().div_ceil(2) as u32)).into_drawing_area();
    area.fill(&WHITE).map_err(|e| failed(&e))?;
    for (area, panel) in area.split_evenly((panels.len().div_ceil(2), 2)).iter().zip(panels) {
        draw_panel(area, panel).map_err(|e| failed(&e))?;
    }
    area.present().map_err(|e| failed(&e))
}

fn draw_panel(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel) -> Result<(), Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::from(format!("the figure: {e}"));
    let most = |of: fn(&(f64, f64)) -> f64| {
        panel.curves.iter().flat_map(|curve| &curve.points).map(of).fold(0.0, f64::max)
    };
    let (right, top) = (most(|p| p.0), most(|p| p.1));
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..right * 1.05, 0.0..top * 1.4)
        .map_err(|e| failed(&e))?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(panel.x).y_desc(panel.y).light_line_style(WHITE).draw().map_err(|e| failed(&e))?;
    for (curve, colour) in panel.curves.iter().zip(COLOURS) {
        let points = || curve.points.iter().copied();
        let line = LineSeries::new(points(), colour.stroke_width(2));
        let drawn = chart.draw_series(line).map_err(|e| failed(&e))?;
        drawn.label(curve.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
        let dots = points().map(|at| Circle::new(at, 3, colour.filled()));
        chart.draw_series(dots).map_err(|e| failed(&e))?;
    }
    let mut labels = chart.configure_series_labels();
    labels
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2));
    labels.draw().map_err(|e| failed(&e))
}
