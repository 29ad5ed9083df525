//! How fast networks run, as a share of what this machine can do at most.
//!
//! ```text
//! cargo run --release --example bench
//! cargo run --release --example bench -- --help
//! ```

mod args;
mod cases;
#[allow(dead_code)] // its network is benchmarked, its program is not
#[path = "../chat/model.rs"]
mod chat;
mod exchange;
#[allow(dead_code)] // its network is benchmarked, its program is not
#[path = "../gpt2.rs"]
mod gpt2;
mod growth;
mod measure;
mod numbers;
#[path = "../common/program.rs"]
#[allow(clippy::duplicate_mod)] // the examples below have it too
mod program;
#[allow(dead_code)] // its networks are benchmarked, its program is not
#[path = "../resnet.rs"]
mod resnet;
#[allow(dead_code)] // its networks are benchmarked, its program is not
#[path = "../sentences.rs"]
mod sentences;
mod training;

use args::Args;
use measure::{Measured, measure};
use program::{Failure, tell};
use std::io::Write;
use std::process::ExitCode;
use tancho::inspect::Limits;
use tancho::{Isa, Target};

/// A row of the table.
fn row(m: &Measured) -> String {
    let Measured { case, median, min, compile, pack, limit, gflops, gbs } = m;
    let share = 100.0 * m.share();
    format!(
        "{case:22} {median:10.4} {min:10.4} {gflops:8.1} {gbs:8.1} {limit:10.4} {share:7.1} {compile:9.1} {pack:9.1}"
    )
}

fn object(m: &Measured, threads: usize, isa: Isa) -> serde_json::Value {
    serde_json::json!({
        "case": m.case, "threads": threads, "isa": isa.to_string(), "median_ms": m.median, "min_ms": m.min,
        "compile_ms": m.compile, "gflops": m.gflops, "peak_share": m.share(),
    })
}

fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let threads = args.threads;
    let target = Target::host()
        .with_precision(args.precision)
        .with_weight_format(args.weights)
        .with_bf16_states(args.bf16_states);
    if let Some(folder) = &args.export {
        std::fs::create_dir_all(folder)?;
        let target = target.with_isa(args.isa)?;
        return args.cases.iter().try_for_each(|case| exchange::export(case, target, folder));
    }
    if let (true, [case]) = (args.serve, &args.cases[..]) {
        return exchange::serve(case, target.with_isa(args.isa)?, threads, std::io::stdin().lock(), out);
    }
    let limits = Limits::measure(args.isa, threads)?;
    if let Some(folder) = &args.growth {
        std::fs::create_dir_all(folder)?;
        return growth::run(&limits, target.with_isa(args.isa)?, folder, out);
    }
    if args.json {
        tell(&limits);
    } else {
        writeln!(out, "{limits}\n")?;
        writeln!(
            out,
            "{:22} {:>10} {:>10} {:>8} {:>8} {:>10} {:>7} {:>9} {:>9}",
            "case", "median ms", "min ms", "GFLOP/s", "GB/s", "limit ms", "share %", "compile", "packing"
        )?;
    }
    let mut show = |m: &Measured, beside: Option<&Measured>| {
        if args.json {
            writeln!(out, "{}", object(m, threads, args.isa))
        } else if let Some(named) = beside {
            let points = 100.0 * (m.share() - named.share());
            writeln!(
                out,
                "{}   {points:+.1} points of {} ({:.1} %)",
                row(m),
                named.case,
                100.0 * named.share()
            )
        } else {
            writeln!(out, "{}", row(m))
        }
    };
    for case in &args.cases {
        let named = measure(case, &limits, target)?;
        show(&named, None)?;
        for neighbour in if args.sweep { case.neighbours() } else { Vec::new() } {
            show(&measure(&neighbour, &limits, target)?, Some(&named))?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(args) if args.help => program::run(|out| Ok(write!(out, "{}", args::help())?)),
        Ok(args) => program::run(|out| run(&args, out)),
        Err(e) => program::misused(e),
    }
}
