//! The command line.

use super::cases::{Case, named};
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::path::PathBuf;
use tancho::{Format, Isa, Precision};

/// What is asked for.
#[derive(Debug, PartialEq)]
pub struct Args {
    pub threads: usize,
    pub isa: Isa,
    pub precision: Precision,
    pub weights: Format,
    pub bf16_states: bool,
    pub cases: Vec<Case>,
    pub sweep: bool,
    pub json: bool,
    /// Where weights, inputs and results go.
    pub export: Option<PathBuf>,
    /// Where figures of growing costs go.
    pub growth: Option<PathBuf>,
    pub serve: bool,
    pub help: bool,
}

fn list<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|x| x.to_string()).collect::<Vec<_>>().join(" ")
}

/// The levels that this machine has.
fn levels() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|i| *i <= Isa::host())
}

/// The text of `--help`.
pub fn help() -> String {
    let cases: String = named().iter().map(|c| format!("  {}\n", c.name)).collect();
    format!(
        "Measures the machine's limits, then how much of them networks reach.

usage: cargo run --release --example bench -- [OPTIONS]

  --threads N     threads of a session (default 1)
  --case NAME     this case only; may be given several times; the beginning of a name takes all that begin so
  --isa LEVEL     vectors: {} (default: the widest of this machine)
  --precision P   of convolutions: {} (default: standard)
  --weights F     in memory: {} (default: f32)
  --cache F       states that grow, such as keys and values: f32 (default) or bf16
  --sweep         neighbouring sizes too, and how far their share of the limit is from that of the named case
  --json          one object per case and line: case threads isa median_ms min_ms compile_ms gflops peak_share
  --growth DIR    figures of how cost grows: length, batch, depth, cached positions, threads, sessions
  --export DIR    weights, inputs and results of the cases, for benches/compare
  --serve         compiles the one case; then each line of input is answered by the times of some runs
  -h, --help      this text

Columns: median and shortest of at least 30 runs; GFLOP/s of the products' multiply-adds, and GB/s of
inputs, weights and results, or of what a step of training reads and writes: weights, and the numbers that
AdamW keeps for them; the limit, which is the time of the same multiply-adds or bytes at the
measured speed of the machine, whichever is longer; its share of the median; time to compile, and to pack
the weights. Convolutions are counted as they are written: Winograd's algorithm makes fewer multiply-adds,
and may take less time than the limit. Steps of training (W8) are always in f32.

cases
{cases}",
        list(levels()),
        list(Precision::ALL),
        list(Format::ALL)
    )
}

/// The case of that name, or those whose names begin so.
fn called(name: &str) -> Result<Vec<Case>, String> {
    let all = named();
    let exact = all.iter().any(|c| c.name == name);
    let fits = |c: &&Case| if exact { c.name == name } else { !name.is_empty() && c.name.starts_with(name) };
    let found: Vec<Case> = all.iter().filter(fits).cloned().collect();
    if found.is_empty() {
        let names = list(all.iter().map(|c| &c.name));
        return Err(format!("--case {name}: there is no such case, but {names}"));
    }
    Ok(found)
}

/// Reads the arguments.
///
/// # Errors
/// One line that names what is wrong and what there is instead.
pub fn parse(given: impl IntoIterator<Item = OsString>) -> Result<Args, String> {
    let mut parser = Parser::from_args(given);
    let mut args = Args {
        threads: 1,
        isa: Isa::host(),
        precision: Precision::Standard,
        weights: Format::F32,
        bf16_states: false,
        cases: Vec::new(),
        sweep: false,
        json: false,
        export: None,
        growth: None,
        serve: false,
        help: false,
    };
    let text = |parser: &mut Parser| parser.value().and_then(|v| v.string()).map_err(|e| e.to_string());
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Arg::Long("threads") => {
                let n = text(&mut parser)?;
                args.threads = n
                    .parse()
                    .ok()
                    .filter(|n| (1..=256).contains(n))
                    .ok_or_else(|| format!("--threads {n}: a session has 1 to 256 threads"))?;
            }
            Arg::Long("isa") => {
                let name = text(&mut parser)?;
                args.isa = levels()
                    .find(|i| i.to_string() == name)
                    .ok_or_else(|| format!("--isa {name}: this machine has {}", list(levels())))?;
            }
            Arg::Long("precision") => {
                let name = text(&mut parser)?;
                let found = Precision::ALL.into_iter().find(|p| p.to_string() == name);
                args.precision =
                    found.ok_or_else(|| format!("--precision {name}: there is {}", list(Precision::ALL)))?;
            }
            Arg::Long("weights") => {
                let name = text(&mut parser)?;
                let found = Format::ALL.into_iter().find(|f| f.to_string() == name);
                args.weights =
                    found.ok_or_else(|| format!("--weights {name}: there is {}", list(Format::ALL)))?;
            }
            Arg::Long("cache") => {
                args.bf16_states = match text(&mut parser)?.as_str() {
                    "f32" => false,
                    "bf16" => true,
                    other => return Err(format!("--cache {other}: there is f32, bf16")),
                };
            }
            Arg::Long("case") => {
                let found = called(&text(&mut parser)?)?;
                let new: Vec<Case> = found.into_iter().filter(|c| !args.cases.contains(c)).collect();
                args.cases.extend(new);
            }
            Arg::Long("sweep") => args.sweep = true,
            Arg::Long("json") => args.json = true,
            Arg::Long("serve") => args.serve = true,
            Arg::Long(option @ ("export" | "growth")) => {
                let place = if option == "export" { &mut args.export } else { &mut args.growth };
                *place = Some(parser.value().map_err(|e| e.to_string())?.into());
            }
            Arg::Long("help") | Arg::Short('h') => args.help = true,
            other => return Err(format!("{}; --help says what there is", other.unexpected())),
        }
    }
    if args.cases.is_empty() {
        args.cases = named();
    }
    if args.serve && args.cases.len() != 1 {
        return Err(format!("--serve runs one case, of {} that are named", args.cases.len()));
    }
    Ok(args)
}
