//! Random numbers by keys and counters: Threefry-2x32 of Salmon, Moraes, Dror and Shaw, "Parallel random
//! numbers: as easy as 1, 2, 3" (SC 2011).

use super::{count, f32s};
use crate::error::Error;
use crate::reserve::collected;
use crate::tensor::Tensor;

/// The rounds that random numbers are made with.
const ROUNDS: usize = 13;

/// The two words for these keys and counters.
pub fn words(rounds: usize, keys: [u32; 2], counters: [u32; 2]) -> [u32; 2] {
    let keys = [keys[0], keys[1], keys[0] ^ keys[1] ^ 0x1bd1_1bda];
    let mut x = [counters[0].wrapping_add(keys[0]), counters[1].wrapping_add(keys[1])];
    for round in 0..rounds {
        x[0] = x[0].wrapping_add(x[1]);
        x[1] = x[1].rotate_left([13, 15, 26, 6, 17, 29, 16, 24][round % 8]) ^ x[0];
        if round % 4 == 3 {
            let times = round / 4 + 1;
            x[0] = x[0].wrapping_add(keys[times % 3]);
            x[1] = x[1].wrapping_add(keys[(times + 1) % 3]).wrapping_add(times as u32);
        }
    }
    x
}

/// A number in [0, 1), which is a multiple of 2^-24.
fn number(keys: [i32; 2], counters: [i32; 2]) -> f32 {
    let [word, _] = words(ROUNDS, keys.map(|k| k as u32), counters.map(|c| c as u32));
    (word >> 8) as f32 * (-24f32).exp2()
}

/// A number for each element of keys and counters, whose shapes are trailing parts of the result's.
pub fn threefry(args: &[&Tensor], out: &[usize]) -> Result<Tensor, Error> {
    let n = count(out);
    let of = |arg: usize, i: usize| {
        let all = args[arg].as_i32().unwrap_or_default();
        all[i % all.len()]
    };
    let made = (0..n).map(|i| number([of(0, i), of(1, i)], [of(2, i), of(3, i)]));
    Ok(Tensor::from_parts(collected(n, made)?, out))
}

/// The numbers of a place: its column and its row.
fn at(keys: [&Tensor; 2], shape: &[usize]) -> impl Fn(usize) -> f32 {
    let width = shape.last().copied().unwrap_or(1).max(1);
    let keys = keys.map(|key| key.as_i32().unwrap_or_default()[0]);
    move |i| number(keys, [(i % width) as i32, (i / width) as i32])
}

pub fn uniform(keys: [&Tensor; 2], out: &[usize]) -> Result<Tensor, Error> {
    let n = count(out);
    Ok(Tensor::from_parts(collected(n, (0..n).map(at(keys, out)))?, out))
}

pub fn dropout(p: f64, x: &Tensor, keys: [&Tensor; 2]) -> Result<Tensor, Error> {
    let random = at(keys, x.shape());
    let kept = |(i, x): (usize, &f32)| {
        if random(i) >= p as f32 { (f64::from(*x) / (1.0 - p)) as f32 } else { 0.0 }
    };
    Ok(Tensor::from_parts(collected(x.len(), f32s(x).iter().enumerate().map(kept))?, x.shape()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Random123 (`kat_vectors`): keys and counters of no bits, of all and of pi's.
    #[test]
    fn words_are_those_of_the_authors() {
        let (none, all) = ([0; 2], [u32::MAX; 2]);
        let (keys, counters) = ([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]);
        for (rounds, of_none, of_all, of_pi) in [
            (13, [0x9d1c_5ec6, 0x8bd5_0731], [0xfd36_d048, 0x2d17_272c], [0xba3e_4725, 0xf27d_669e]),
            (20, [0x6b20_0159, 0x99ba_4efe], [0x1cb9_96fc, 0xbb00_2be7], [0xc492_3a9c, 0x483d_f7a0]),
        ] {
            assert_eq!(words(rounds, none, none), of_none);
            assert_eq!(words(rounds, all, all), of_all);
            assert_eq!(words(rounds, keys, counters), of_pi);
        }
    }
}
