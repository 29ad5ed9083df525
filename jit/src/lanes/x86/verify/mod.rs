//! Checks emitted code by decoding it, in every build: what it contains, where it jumps, what it reads and
//! writes.
//!
//! Every instruction is one that the emitter uses ([`decode`]); every jump goes to an instruction of the
//! function; the stack and the registers a callee must keep are as they were and the upper halves are clean
//! at the one return.
//!
//! Every address lies inside of the extent that the *program* gives its pointer ([`extent`]), while trip
//! counts, masks and offsets come from the *code* alone ([`execute`], [`iterations`]). Of a program without
//! integer arguments that is a proof: the abstract execution covers every iteration of every loop. One with
//! integer arguments is executed for chosen values ([`samples`]), each of which is covered the same way: a
//! check at these values. An access, jump or instruction that the verifier does not follow is refused.

mod decode;
mod execute;
mod extent;
mod general;
mod iterations;
mod value;

use crate::lanes::Program;
use decode::Decoded;
use execute::AbstractMachine;
use extent::Regions;

/// Iterations of the loops in the largest samples: beyond any row or sum there is memory for.
const MANY: i64 = 1 << 20;
/// Samples of a program whose integers are strides alone.
const FEWEST: i64 = 4;

/// Checks the code of a program.
///
/// # Errors
/// What is not as it must be, and where.
pub fn verify(code: &[u8], program: &Program) -> Result<(), String> {
    let decoded = Decoded::new(code, program)?;
    for ints in samples(decoded.modulus, program.ints) {
        let extents = Regions::new(program, &ints)?;
        AbstractMachine::new(&decoded, extents, &ints)
            .run()
            .map_err(|error| if ints.is_empty() { error } else { format!("{error}, integers {ints:?}") })?;
    }
    Ok(())
}

/// Where the instructions of emitted code end; its constants follow.
pub fn end(code: &[u8]) -> usize {
    let last = decode::instructions(code).ok().and_then(|list| list.last().map(|i| i.next_ip()));
    last.map_or(code.len(), |end| end as usize)
}

/// Values of the integer arguments to execute code for.
///
/// Code splits an integer by powers of two up to `modulus` into whole iterations and a remainder, adds,
/// subtracts and scales, and its loops meet their limits. So among the values of one remainder that make at
/// least one iteration, addresses, trip counts and extents are affine in each integer: what holds at one
/// iteration and at [`MANY`] iterations should hold between. Each integer takes every remainder at no
/// iteration, one and many. This is a check at samples, no proof; of several integers not all combinations
/// are taken.
fn samples(modulus: i64, ints: u16) -> impl Iterator<Item = Vec<i64>> {
    let remainder = modulus.max(FEWEST);
    let values = move |n: i64| [0, 1, MANY][(n / remainder) as usize] * remainder + n % remainder;
    let count = if ints == 0 { 1 } else { 3 * remainder };
    // Factors without a divisor in common with the number of samples: each integer goes through all its
    // values.
    const FACTORS: [i64; 6] = [1, 5, 7, 11, 13, 17];
    (0..count).map(move |n| {
        (0..i64::from(ints)).map(|j| values((n * FACTORS[j as usize % 6] + 5 * j) % count)).collect()
    })
}
