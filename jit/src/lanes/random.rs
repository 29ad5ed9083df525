//! Random numbers by keys and counters: Threefry-2x32 of Salmon, Moraes, Dror and Shaw, "Parallel random
//! numbers: as easy as 1, 2, 3" (SC 2011).

use super::expr::Expr;
use super::{Bin, Reg, Un};

/// Rounds. The authors know of no statistical flaw from 13 on; the 20 of their default are a margin.
const ROUNDS: usize = 13;
/// How far the second word is rotated in each round, and then again.
const ROTATIONS: [i32; 8] = [13, 15, 26, 6, 17, 29, 16, 24];
/// What makes a third key of the two.
const PARITY: i32 = 0x1bd1_1bda;

/// A float in [0, 1): the upper 24 bits of the first word, so that each is a multiple of 2^-24.
pub fn uniform(expr: &mut Expr, keys: [Reg; 2], counters: [Reg; 2]) -> Reg {
    let word = threefry(expr, keys, counters);
    let (less, bits, unit) = (expr.int(8), expr.int(0x00ff_ffff), expr.float((-24f32).exp2()));
    // The shift copies the sign.
    let word = expr.bin(Bin::Shr, word, less);
    let word = expr.bin(Bin::And, word, bits);
    let number = expr.un(Un::ToFloat, word);
    expr.mul(number, unit)
}

/// The first word.
fn threefry(expr: &mut Expr, [key0, key1]: [Reg; 2], [counter0, counter1]: [Reg; 2]) -> Reg {
    let parity = expr.int(PARITY);
    let third = expr.bin(Bin::Xor, key0, key1);
    let third = expr.bin(Bin::Xor, third, parity);
    let keys = [key0, key1, third];
    let (mut x, mut y) = (expr.bin(Bin::IAdd, counter0, key0), expr.bin(Bin::IAdd, counter1, key1));
    for round in 0..ROUNDS {
        let by = expr.int(ROTATIONS[round % ROTATIONS.len()]);
        x = expr.bin(Bin::IAdd, x, y);
        y = expr.bin(Bin::RotateLeft, y, by);
        y = expr.bin(Bin::Xor, y, x);
        // After each four rounds the keys are added again, and the number of times.
        let times = round / 4 + 1;
        if round % 4 == 3 {
            let number = expr.int(times as i32);
            let key = expr.bin(Bin::IAdd, keys[(times + 1) % 3], number);
            x = expr.bin(Bin::IAdd, x, keys[times % 3]);
            y = expr.bin(Bin::IAdd, y, key);
        }
    }
    x
}
