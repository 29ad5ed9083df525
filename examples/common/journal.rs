//! What the training programs do besides training: a bar of progress, a log as lines of JSON, a figure of the
//! losses, and an end in order at Ctrl-C.

#![allow(dead_code)] // not every example needs all of it

use crate::program::{Failure, tell};
use indicatif::{ProgressBar, ProgressStyle};
use plotters::prelude::*;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static STOPPED: OnceLock<()> = OnceLock::new();
static STOP: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C end the program in order: the loops ask [`is_stopped`].
pub fn catch_ctrl_c() {
    STOPPED.get_or_init(|| {
        if let Err(e) = ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed)) {
            tell(format!("Ctrl-C will not save: {e}"));
        }
    });
}

/// Whether Ctrl-C was pressed.
pub fn is_stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Points of a curve: the number of the step, and the value.
pub type Curve = Vec<(u64, f64)>;

/// The record of a training in its folder.
pub struct Journal {
    folder: PathBuf,
    log: File,
    bar: ProgressBar,
    losses: Curve,
    validation: Curve,
}

impl Journal {
    /// Goes on with the record of a folder behind its first `begun` steps of `steps`.
    ///
    /// # Errors
    /// The folder cannot be written, or its log cannot be read.
    pub fn new(folder: &Path, begun: u64, steps: u64) -> Result<Journal, Failure> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("log.jsonl");
        let named = |e| format!("{}: {e}", path.display());
        let (mut losses, mut validation, mut kept) = (Curve::new(), Curve::new(), String::new());
        if let Ok(file) = File::open(&path) {
            for line in BufReader::new(file).lines() {
                let line = line.map_err(named)?;
                // A program that is killed may leave half a line.
                let Ok(entry) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
                let Some(step) = entry["step"].as_u64().filter(|step| *step <= begun) else { continue };
                losses.extend(entry["loss"].as_f64().map(|loss| (step, loss)));
                validation.extend(entry["validation"].as_f64().map(|loss| (step, loss)));
                kept.push_str(&line);
                kept.push('\n');
            }
        }
        // Steps behind the checkpoint are made again.
        std::fs::write(&path, kept).map_err(named)?;
        let log = OpenOptions::new().append(true).open(&path).map_err(named)?;
        let bar = ProgressBar::new(steps).with_position(begun);
        let style = "{bar:30} {pos} of {len} steps, {elapsed}, {eta} left, {msg}";
        bar.set_style(ProgressStyle::with_template(style)?);
        Ok(Journal { folder: folder.into(), log, bar, losses, validation })
    }

    /// Notes a step.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn step(&mut self, step: u64, loss: f32, norm: f32, rate: f32) -> Result<(), Failure> {
        self.losses.push((step, loss.into()));
        self.write(&serde_json::json!({ "step": step, "loss": loss, "norm": norm, "rate": rate }))?;
        let validation = self.validation.last().map(|(_, v)| format!(", validation {v:.4}"));
        self.bar.set_message(format!("loss {loss:.4}{}", validation.unwrap_or_default()));
        self.bar.set_position(step);
        Ok(())
    }

    /// Notes a loss on data that nothing is learned from.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn validation(&mut self, step: u64, loss: f64) -> Result<(), Failure> {
        self.validation.push((step, loss));
        self.write(&serde_json::json!({ "step": step, "validation": loss }))
    }

    /// Notes anything else.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn write(&mut self, entry: &serde_json::Value) -> Result<(), Failure> {
        writeln!(self.log, "{entry}").map_err(|e| format!("the log of {}: {e}", self.folder.display()).into())
    }

    /// A line beside the bar.
    pub fn say(&self, line: impl std::fmt::Display) {
        self.bar.suspend(|| tell(line));
    }

    /// The last loss of each kind.
    pub fn last(&self) -> (Option<f64>, Option<f64>) {
        (self.losses.last().map(|p| p.1), self.validation.last().map(|p| p.1))
    }

    /// Ends the bar, and draws the losses: `loss.svg`.
    ///
    /// # Errors
    /// The figure cannot be written.
    pub fn finish(self, title: &str) -> Result<(), Failure> {
        self.bar.abandon();
        let mut curves = vec![("training", self.losses)];
        if !self.validation.is_empty() {
            curves.push(("validation", self.validation));
        }
        figure(&self.folder.join("loss.svg"), title, ("step", "loss"), &curves)
    }
}

/// Draws curves with a legend.
///
/// # Errors
/// The figure cannot be written.
pub fn figure(
    path: &Path,
    title: &str,
    (x, y): (&str, &str),
    curves: &[(&str, Curve)],
) -> Result<(), Failure> {
    let points = || curves.iter().flat_map(|(_, curve)| curve).filter(|p| p.1.is_finite());
    let end = points().map(|p| p.0).max().unwrap_or(1).max(1);
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.1), high.max(p.1)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let margin = 0.05 * (high - low).max(1e-9);
    let area = SVGBackend::new(path, (800, 480)).into_drawing_area();
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    area.fill(&WHITE).map_err(|e| failed(&e))?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0..end, low - margin..high + margin)
        .map_err(|e| failed(&e))?;
    chart.configure_mesh().x_desc(x).y_desc(y).light_line_style(WHITE).draw().map_err(|e| failed(&e))?;
    for (i, (name, curve)) in curves.iter().enumerate() {
        let colour = Palette99::pick(i).to_rgba();
        let series = LineSeries::new(curve.iter().copied().filter(|p| p.1.is_finite()), colour);
        let drawn = chart.draw_series(series).map_err(|e| failed(&e))?;
        drawn.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()
        .map_err(|e| failed(&e))?;
    area.present().map_err(|e| failed(&e))?;
    Ok(())
}
