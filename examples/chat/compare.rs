//! What weights in other formats cost and gain, measured on a text of the user's.

use super::args::Args;
use super::model::{Failure, SmolLm2, checked};
use std::io::Write;
use std::time::{Duration, Instant};
use tancho::{AsView, Format, Target};

/// What a text gave, token by token.
struct Reading {
    /// The mean of `-ln p` of each token after those before it.
    loss: f64,
    /// The likeliest token behind each.
    likeliest: Vec<usize>,
    /// The logits behind the last.
    last: Vec<f32>,
    a_token: Duration,
    bytes: usize,
}

fn read(net: &SmolLm2, ids: &[i32], target: Target, threads: Option<usize>) -> Result<Reading, Failure> {
    let compiled = net.compile(target)?;
    let mut session = match threads {
        Some(n) => compiled.session_with_threads(n)?,
        None => compiled.session(),
    };
    let (mut loss, mut likeliest, mut last, mut times) = (0.0, Vec::new(), Vec::new(), Vec::new());
    for pair in ids.windows(2) {
        let start = Instant::now();
        let logits = session.run(pair[..1].view([1, 1]))?;
        times.push(start.elapsed());
        let logits = checked(logits.data())?;
        let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0);
        let sum: f64 = logits.iter().map(|x| f64::from(x - logits[best]).exp()).sum();
        let next = usize::try_from(pair[1])
            .ok()
            .and_then(|i| logits.get(i))
            .ok_or("a token that the model does not have")?;
        loss += sum.ln() - f64::from(next - logits[best]);
        likeliest.push(best);
        last = logits.to_vec();
    }
    times.sort_unstable();
    Ok(Reading {
        loss: loss / times.len() as f64,
        likeliest,
        last,
        a_token: times[times.len() / 2],
        bytes: compiled.packed_bytes(),
    })
}

/// A table of all formats.
///
/// # Errors
/// The text is too short or too long, a format does not hold the weights, or the model's logits are not
/// numbers.
pub fn formats(net: &SmolLm2, ids: &[i32], args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if ids.len() < 2 {
        return Err(format!("a text of {} tokens says nothing; take one of some hundred", ids.len()).into());
    }
    if ids.len() > args.context {
        return Err(format!(
            "the text has {} tokens, the context {}; take a shorter one, or --context",
            ids.len(),
            args.context
        )
        .into());
    }
    writeln!(
        out,
        "{} tokens, each after those before it; against f32; `+cache` keeps keys and values in bf16:",
        ids.len() - 1
    )?;
    writeln!(out, "weights         MB   tokens/s  perplexity   change  same likeliest  largest logit error")?;
    let mut reference: Option<Reading> = None;
    let host = Target::host();
    let formats = Format::ALL.map(|f| (f.to_string(), host.with_weight_format(f)));
    let caches = [Format::F32, Format::Q4]
        .map(|f| (format!("{f}+cache"), host.with_weight_format(f).with_bf16_states(true)));
    for (name, target) in formats.into_iter().chain(caches) {
        let r = read(net, ids, target, args.threads)?;
        let f32 = reference.as_ref().unwrap_or(&r);
        let same = r.likeliest.iter().zip(&f32.likeliest).filter(|(a, b)| a == b).count() as f64
            / r.likeliest.len() as f64;
        let error = r.last.iter().zip(&f32.last).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        writeln!(
            out,
            "{name:10}  {:6.1}  {:9.1}  {:10.3}  {:+6.2}%  {:13.1}%  {error:19.4}",
            r.bytes as f64 / 1e6,
            1.0 / r.a_token.as_secs_f64().max(1e-9),
            r.loss.exp(),
            100.0 * ((r.loss - f32.loss).exp() - 1.0),
            100.0 * same,
        )?;
        out.flush()?;
        reference.get_or_insert(r);
    }
    Ok(())
}
