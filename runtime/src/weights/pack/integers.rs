//! Panels of weights as integers in groups, with their factors: the encodings of 8 and of 4 bits.

use super::panel::{Line, WIDTH};
use crate::tensor::float16::f16;
use std::array::from_fn;

const BYTES: usize = 64;
pub const NIBBLES: usize = 32;

/// Added to a number below 2^22 it leaves the nearest integer, ties to even, in the lowest bits: on baseline
/// x86-64 rounding is a call, and this is one addition of a vector.
const TO_INTEGER: f32 = 12_582_912.0;

/// The lowest byte of the nearest integer.
fn integer(x: f32) -> u32 {
    (x + TO_INTEGER).to_bits() & 0xff
}

/// Of each column the largest bits of a magnitude: in the order of floats, NaN and infinity behind all
/// numbers.
fn largest(group: &[Line]) -> [i32; WIDTH] {
    let mut most = [0i32; WIDTH];
    for line in group {
        most = from_fn(|c| most[c].max((line[c].to_bits() & 0x7fff_ffff) as i32));
    }
    most
}

/// The largest magnitude that integers hold, whatever the format: of 4 bits the factors and summands are f16,
/// and no choice of a format is to decide whether a network compiles. Sums of what is larger would soon leave
/// f32, too.
const LARGEST: f32 = 65504.0;

/// Whether no element is NaN or too large.
fn held(most: &[i32; WIDTH]) -> bool {
    most.iter().all(|m| *m <= LARGEST.to_bits() as i32)
}

/// Columns as bytes, groups of 64: the largest magnitude becomes 127. Gives whether all elements are held.
pub fn bytes(from: &[Line], to: &mut [Line]) -> bool {
    for (group, to) in from.as_chunks::<BYTES>().0.iter().zip(to.as_chunks_mut::<{ BYTES / 4 + 1 }>().0) {
        let most = largest(group);
        if !held(&most) {
            return false;
        }
        let most = most.map(|m| f32::from_bits(m as u32));
        // Below that there is no reciprocal, and nothing that differs from 0.
        let factors: Line = most.map(|m| if m < 1e-30 { 0.0 } else { m / 127.0 });
        let by: Line = most.map(|m| if m < 1e-30 { 0.0 } else { 127.0 / m });
        let (lines, last) = to.split_at_mut(BYTES / 4);
        for (four, line) in group.as_chunks::<4>().0.iter().zip(lines) {
            let code = |i: usize, c: usize| (integer(four[i][c] * by[c]) ^ 0x80) << (8 * i);
            *line = from_fn(|c| f32::from_bits(code(0, c) | code(1, c) | code(2, c) | code(3, c)));
        }
        last[0] = factors;
    }
    true
}

/// A factor and a summand, if both are finite.
pub fn pair(factor: f16, summand: f16) -> Option<f32> {
    let bits = u32::from(factor.to_bits()) | u32::from(summand.to_bits()) << 16;
    (factor.is_finite() && summand.is_finite()).then(|| f32::from_bits(bits))
}

/// Columns as halves of bytes, groups of 32: the least element becomes 0, the largest 15. Gives whether all
/// elements are held.
pub fn nibbles(from: &[Line], to: &mut [Line]) -> bool {
    for (group, to) in from.as_chunks::<NIBBLES>().0.iter().zip(to.as_chunks_mut::<{ NIBBLES / 8 + 1 }>().0) {
        if !held(&largest(group)) {
            return false;
        }
        let (mut least, mut most) = (group[0], group[0]);
        for line in &group[1..] {
            least = from_fn(|c| if line[c] < least[c] { line[c] } else { least[c] });
            most = from_fn(|c| if line[c] > most[c] { line[c] } else { most[c] });
        }
        let factors: [f16; WIDTH] = from_fn(|c| f16::from_f32((most[c] - least[c]) / 15.0));
        let summands = least.map(f16::from_f32);
        let (lines, last) = to.split_at_mut(NIBBLES / 8);
        for (c, to) in last[0].iter_mut().enumerate() {
            let Some(pair) = pair(factors[c], summands[c]) else { return false };
            *to = pair;
        }
        // A group of equal elements has the factor 0: then all codes are 0.
        let d: Line = factors.map(|f| if f.to_f32() > 0.0 { f.to_f32() } else { f32::INFINITY });
        let m: Line = summands.map(f16::to_f32);
        for (eight, line) in group.as_chunks::<8>().0.iter().zip(lines) {
            let code = |i: usize, c: usize| integer(((eight[i][c] - m[c]) / d[c]).clamp(0.0, 15.0));
            // Of each byte the lower half comes before the upper ones of all.
            let byte = |i: usize, c: usize| (code(i, c) | code(i + 4, c) << 4) << (8 * i);
            *line = from_fn(|c| f32::from_bits(byte(0, c) | byte(1, c) | byte(2, c) | byte(3, c)));
        }
    }
    true
}

/// The words of a group from the bytes of a block, of which the lower halves are its first 16 codes and the
/// upper ones its last.
pub fn block_words(codes: [u8; NIBBLES / 2]) -> [f32; NIBBLES / 8] {
    let four: [u32; 4] = from_fn(|i| u32::from_le_bytes(from_fn(|b| codes[4 * i + b])));
    let word = |first: u32, second: u32| f32::from_bits(first & 0x0f0f_0f0f | (second & 0x0f0f_0f0f) << 4);
    [
        word(four[0], four[1]),
        word(four[2], four[3]),
        word(four[0] >> 4, four[1] >> 4),
        word(four[2] >> 4, four[3] >> 4),
    ]
}

/// Whether all elements of a block of 4 bits are held.
pub fn block_held(factor: f16, summand: f16, codes: &[u8]) -> bool {
    let (d, m) = (factor.to_f32(), summand.to_f32());
    let held = |code: u8| (f32::from(code) * d + m).abs() <= LARGEST;
    (held(0) && held(15)) || codes.iter().all(|c| held(c & 15) && held(c >> 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elements as the words say, by the definition of the layout.
    fn byte_element(to: &[Line], k: usize, c: usize) -> f32 {
        let group = &to[k / BYTES * 17..][..17];
        let code = group[k % BYTES / 4][c].to_bits().to_le_bytes()[k % 4];
        (f32::from(code) - 128.0) * group[16][c]
    }

    fn nibble_element(to: &[Line], k: usize, c: usize) -> f32 {
        let group = &to[k / NIBBLES * 5..][..5];
        let code = group[k % NIBBLES / 8][c].to_bits() >> (k % 4 * 8 + k % 8 / 4 * 4) & 15;
        let pair = group[4][c].to_bits();
        let half = |bits: u32| f16::from_bits(bits as u16).to_f32();
        code as f32 * half(pair) + half(pair >> 16)
    }

    fn lines(n: usize) -> Vec<Line> {
        (0..n).map(|k| from_fn(|c| ((k * 16 + c) as f32 * 12.9898).sin() * (1.0 + c as f32))).collect()
    }

    #[test]
    fn integers_are_as_near_as_their_steps() {
        let from = lines(128);
        let mut to = vec![[0.0; WIDTH]; 34];
        assert!(bytes(&from, &mut to));
        for (k, c) in (0..128).flat_map(|k| (0..WIDTH).map(move |c| (k, c))) {
            let step = (1.0 + c as f32) / 127.0;
            let got = byte_element(&to, k, c);
            assert!((got - from[k][c]).abs() <= step * 0.501, "{k}, {c}: {got} for {}", from[k][c]);
        }
        let mut to = vec![[0.0; WIDTH]; 20];
        assert!(nibbles(&from, &mut to));
        for (k, c) in (0..128).flat_map(|k| (0..WIDTH).map(move |c| (k, c))) {
            // Half a step, and what f16 rounds off the summand and off 15 steps.
            let most = 1.0 + c as f32;
            let bound = most / 15.0 + most / 1024.0;
            let got = nibble_element(&to, k, c);
            assert!((got - from[k][c]).abs() <= bound, "{k}, {c}: {got} for {}", from[k][c]);
        }
    }

    #[test]
    fn what_integers_cannot_hold_is_told() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut from = lines(64);
            from[37][5] = bad;
            assert!(!bytes(&from, &mut vec![[0.0; WIDTH]; 17]), "{bad}");
            assert!(!nibbles(&from, &mut vec![[0.0; WIDTH]; 10]), "{bad}");
        }
        // One rule for both: f16 ends at 65504.
        for (x, held) in [
            (-1e6, false),
            (70_000.0, false),
            (65_505.0, false),
            (f32::MAX, false),
            (65_504.0, true),
            (-65_504.0, true),
        ] {
            let mut large = lines(64);
            large[0][0] = x;
            let (mut in_bytes, mut in_nibbles) = (vec![[0.0; WIDTH]; 17], vec![[0.0; WIDTH]; 10]);
            assert_eq!((bytes(&large, &mut in_bytes), nibbles(&large, &mut in_nibbles)), (held, held), "{x}");
            if held {
                let back = [byte_element(&in_bytes, 0, 0), nibble_element(&in_nibbles, 0, 0)];
                assert!(back.iter().all(|y| (y - x).abs() <= x.abs() / 100.0), "{back:?} for {x}");
            }
        }
        let half = f16::from_f32;
        assert!(
            block_held(half(1.0), half(-65_504.0), &[0xff; 16])
                && !block_held(half(5_000.0), half(0.0), &[0xf0; 16])
        );
        assert!(block_held(half(5_000.0), half(0.0), &[0xdd; 16]), "65,000 at most");
        assert!(
            !block_held(f16::from_f32(f32::INFINITY), half(0.0), &[0; 16])
                && !block_held(half(1.0), f16::from_f32(f32::NAN), &[0; 16])
        );
        let zeros = vec![[0.0; WIDTH]; 64];
        let mut to = vec![[1.0; WIDTH]; 17];
        assert!(bytes(&zeros, &mut to) && (0..64).all(|k| byte_element(&to, k, 3) == 0.0));
        let mut to = vec![[1.0; WIDTH]; 10];
        assert!(nibbles(&zeros, &mut to) && (0..64).all(|k| nibble_element(&to, k, 3) == 0.0));
    }
}
