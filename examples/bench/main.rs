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
#[allow(dead_code)] // its network is benchmarked, its program is not
#[path = "../gpt2.rs"]
mod gpt2;
mod measure;
#[allow(dead_code)] // its networks are benchmarked, its program is not
#[path = "../resnet.rs"]
mod resnet;
#[allow(dead_code)] // its networks are benchmarked, its program is not
#[path = "../sentences.rs"]
mod sentences;

use args::Args;
use measure::{Measured, measure};
use std::process::ExitCode;
use tancho::limits::Limits;
use tancho::{Error, Isa, Target};

/// A row of the table.
fn row(m: &Measured) -> String {
    let Measured { case, median, min, compile, pack, limit, gflops, gbs } = m;
    let share = 100.0 * m.share();
    format!("{case:22} {median:10.4} {min:10.4} {gflops:8.1} {gbs:8.1} {limit:10.4} {share:7.1} {compile:9.1} {pack:9.1}")
}

fn object(m: &Measured, threads: usize, isa: Isa) -> serde_json::Value {
    serde_json::json!({
        "case": m.case, "threads": threads, "isa": isa.to_string(), "median_ms": m.median, "min_ms": m.min,
        "compile_ms": m.compile, "gflops": m.gflops, "peak_share": m.share(),
    })
}

fn run(args: &Args) -> Result<(), Error> {
    let threads = args.threads;
    let limits = Limits::measure(args.isa, threads)?;
    if args.json {
        eprintln!("{limits}");
    } else {
        println!("{limits}\n");
        println!(
            "{:22} {:>10} {:>10} {:>8} {:>8} {:>10} {:>7} {:>9} {:>9}",
            "case", "median ms", "min ms", "GFLOP/s", "GB/s", "limit ms", "share %", "compile", "packing"
        );
    }
    let show = |m: &Measured, beside: Option<&Measured>| {
        if args.json {
            println!("{}", object(m, threads, args.isa));
        } else if let Some(named) = beside {
            let points = 100.0 * (m.share() - named.share());
            println!("{}   {points:+.1} points of {} ({:.1} %)", row(m), named.case, 100.0 * named.share());
        } else {
            println!("{}", row(m));
        }
    };
    let target = Target::host().with_precision(args.precision).with_weights(args.weights).with_bf16_states(args.bf16_states);
    for case in &args.cases {
        let named = measure(case, &limits, target)?;
        show(&named, None);
        for neighbour in if args.sweep { case.neighbours() } else { Vec::new() } {
            show(&measure(&neighbour, &limits, target)?, Some(&named));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os().skip(1)) {
        Ok(args) => args,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(2);
        }
    };
    if args.help {
        print!("{}", args::help());
        return ExitCode::SUCCESS;
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
