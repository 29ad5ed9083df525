//! Strips of weights as integers in groups, with their factors: what [`Terms`](tancho_jit::lanes::Terms) says of `Bytes` and
//! `Nibbles`.

use super::{Chunk, Elements, Rows, WIDTH};
use half::f16;
use std::array::from_fn;
use tancho_jit::Format;

/// A line of a strip as floats, and as words that are kept in an arena of floats.
type Line = [f32; WIDTH];

const BYTES: usize = 64;
const NIBBLES: usize = 32;

/// A word from four bytes, the first lowest.
fn word(bytes: [u8; 4]) -> f32 {
    f32::from_bits(u32::from_le_bytes(bytes))
}

/// Columns as bytes, groups of 64: the largest magnitude becomes 127. Gives whether all elements are finite.
pub fn bytes(from: &[Line], to: &mut [Line]) -> bool {
    for (group, to) in from.as_chunks::<BYTES>().0.iter().zip(to.as_chunks_mut::<{ BYTES / 4 + 1 }>().0) {
        if !group.iter().flatten().all(|x| x.is_finite()) {
            return false;
        }
        let most: Line = from_fn(|c| group.iter().fold(0.0, |m: f32, line| m.max(line[c].abs())));
        // Below that there is no reciprocal, and nothing to tell from 0.
        let factors: Line = most.map(|m| if m < 1e-30 { 0.0 } else { m / 127.0 });
        let by: Line = most.map(|m| if m < 1e-30 { 0.0 } else { 127.0 / m });
        let (lines, last) = to.split_at_mut(BYTES / 4);
        for (four, line) in group.as_chunks::<4>().0.iter().zip(lines) {
            *line = from_fn(|c| word(from_fn(|i| ((four[i][c] * by[c]).round_ties_even() as i32 + 128) as u8)));
        }
        last[0] = factors;
    }
    true
}

/// The codes of a group of a column: of each word's bytes lower halves come before upper ones.
fn nibble_words(codes: &[u8; NIBBLES]) -> [f32; NIBBLES / 8] {
    from_fn(|l| word(from_fn(|i| codes[8 * l + i] | codes[8 * l + 4 + i] << 4)))
}

/// A factor and a summand, if both are finite.
fn pair(factor: f16, summand: f16) -> Option<f32> {
    let bits = u32::from(factor.to_bits()) | u32::from(summand.to_bits()) << 16;
    (factor.is_finite() && summand.is_finite()).then(|| f32::from_bits(bits))
}

/// Columns as halves of bytes, groups of 32: the least element becomes 0, the largest 15. Gives whether f16 holds all
/// factors and summands.
pub fn nibbles(from: &[Line], to: &mut [Line]) -> bool {
    for (group, to) in from.as_chunks::<NIBBLES>().0.iter().zip(to.as_chunks_mut::<{ NIBBLES / 8 + 1 }>().0) {
        for c in 0..WIDTH {
            let column: [f32; NIBBLES] = from_fn(|i| group[i][c]);
            if !column.iter().all(|x| x.is_finite()) {
                return false;
            }
            let (least, most) = column.iter().fold((f32::MAX, f32::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
            let (factor, summand) = (f16::from_f32((most - least) / 15.0), f16::from_f32(least));
            let Some(pair) = pair(factor, summand) else { return false };
            let (d, m) = (factor.to_f32(), summand.to_f32());
            let code = |x: f32| if d > 0.0 { ((x - m) / d).round_ties_even().clamp(0.0, 15.0) as u8 } else { 0 };
            let words = nibble_words(&column.map(code));
            to.iter_mut().zip(words.into_iter().chain([pair])).for_each(|(line, word)| line[c] = word);
        }
    }
    true
}

/// Blocks of 4 bits as they are in the file; `None` if the chunk does not consist of whole ones. Gives whether their
/// factors are finite.
pub fn copy_nibbles(chunk: &mut Chunk<'_>) -> Option<bool> {
    let Elements::Coded(coded) = chunk.data else { return None };
    let aligned = matches!(*chunk.rows, Rows::Even(1)) && [chunk.from, chunk.n_stride].iter().all(|n| n.is_multiple_of(NIBBLES));
    if chunk.format != Format::Q4 || chunk.scale.is_some() || !aligned || !coded.has_nibbles() {
        return None;
    }
    for (s, strip) in chunk.to.chunks_exact_mut(chunk.stored.max(1)).enumerate() {
        let groups = strip.as_chunks_mut::<WIDTH>().0.as_chunks_mut::<{ NIBBLES / 8 + 1 }>().0;
        for c in 0..WIDTH {
            let column = s * WIDTH + c;
            for (g, to) in groups.iter_mut().enumerate() {
                let mut words = [0.0; NIBBLES / 8 + 1];
                if column < chunk.n {
                    let (factor, summand, codes) = coded.nibbles(chunk.from + column * chunk.n_stride + g * NIBBLES)?;
                    words[..NIBBLES / 8].copy_from_slice(&nibble_words(&codes));
                    let Some(pair) = pair(factor, summand) else { return Some(false) };
                    words[NIBBLES / 8] = pair;
                }
                to.iter_mut().zip(words).for_each(|(line, word)| line[c] = word);
            }
        }
    }
    Some(true)
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
        let mut large = lines(32);
        large[0][0] = -1e6;
        assert!(!nibbles(&large, &mut vec![[0.0; WIDTH]; 5]), "f16 ends at 65504");
        let zeros = vec![[0.0; WIDTH]; 64];
        let mut to = vec![[1.0; WIDTH]; 17];
        assert!(bytes(&zeros, &mut to) && (0..64).all(|k| byte_element(&to, k, 3) == 0.0));
        let mut to = vec![[1.0; WIDTH]; 10];
        assert!(nibbles(&zeros, &mut to) && (0..64).all(|k| nibble_element(&to, k, 3) == 0.0));
    }
}
