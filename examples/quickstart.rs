//! The first program to read: two networks declared, looked at, run and checked.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

#[path = "common/program.rs"]
mod program;

use program::Failure;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;
use tancho::{AsView, Error, Target, network};

network! {
    /// The residual linear layer with layer norm, `LN(x + x W^T)`.
    pub ResidualNorm<B, D = 256>(x: [B, D]) -> [B, D] {
        param w:    [D, D] = xavier;
        param gain: [D] = ones;
        param bias: [D] = zeros;

        layer_norm(x + x @ w.t, gain, bias, over = D, eps = 1e-5)
    }

    /// A pre-norm block: `x + down(gelu(up(LN(x))))`.
    pub Block<B, D = 256, H = 4 * D>(x: [B, D]) -> [B, D] {
        net norm: LayerNorm<D>;
        net up:   Linear<D, H>;
        net down: Linear<H, D>;

        residual(x) { down(gelu(up(norm(x)))) }
    }

    /// Two blocks with weights of their own: `blocks.0.up.weight`, `blocks.1.up.weight` and so on.
    pub Mlp<B, D = 256>(x: [B, D]) -> [B, D] {
        net blocks: [Block<D = D>; 2];

        let mut x = x;
        for block in blocks { x = block(x); }
        x
    }
}

/// Numbers that look random and are the same on every machine.
fn sample(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Median time of a run in microseconds.
fn median_us(mut run: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let mut times = Vec::new();
    for _ in 0..51 {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[25])
}

fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let x = sample(64 * 256);

    // A network is a value with weights: initialised here, `load("file.safetensors")` for real ones.
    let net = ResidualNorm::init(42)?;
    writeln!(out, "as declared: one line an op, with the source it comes from\n\n{}", net.ir())?;

    let compiled = net.compile(Target::host())?;
    writeln!(
        out,
        "in kernels: the matmul, the residual and the layer norm are one\n\n{}",
        compiled.fused_ir()
    )?;

    // A session owns the buffers; `session()` would use all cores. B is bound by the input; another B needs
    // no new code.
    let mut session = compiled.session_with_threads(1)?;
    for rows in [1, 64] {
        let y = session.run(x[..rows * 256].view([rows, 256]))?;
        writeln!(out, "{rows:2} rows: y[0][..4] = {:?}", &y.data()[..4])?;
    }

    // The same inputs through plain loops in f64: the specification of every op.
    writeln!(out, "\nagainst the interpreter\n{}\n", compiled.check(x.view([64, 256]))?)?;

    let mlp = Mlp::init(42)?.compile(Target::host())?;
    let stats = mlp.stats();
    writeln!(
        out,
        "the two blocks share their code: {} kernels run, {} compiled\n\n{}",
        stats.steps,
        stats.kernels,
        mlp.fused_ir()
    )?;
    writeln!(out, "against the interpreter\n{}\n", mlp.check(x.view([64, 256]))?)?;

    let mut y = vec![0.0; 64 * 256];
    let mut mlp_session = mlp.session_with_threads(1)?;
    let norm_us = median_us(|| session.run_into(x.view([64, 256]), &mut y))?;
    let mlp_us = median_us(|| mlp_session.run_into(x.view([64, 256]), &mut y))?;
    writeln!(out, "             compile ms   run us (64 rows, one thread, median of 51)")?;
    writeln!(out, "ResidualNorm {:10.2}   {norm_us:6.0}", compiled.stats().total().as_secs_f64() * 1e3)?;
    writeln!(out, "Mlp          {:10.2}   {mlp_us:6.0}", mlp.stats().total().as_secs_f64() * 1e3)?;
    Ok(())
}

fn main() -> ExitCode {
    program::run(run)
}
