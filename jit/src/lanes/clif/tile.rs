//! Register tiles of matrix products: the accumulators stay in registers over the whole sum.

use super::parts::Sums;
use super::*;
use crate::lanes::UNROLL;

/// A tile's operands.
struct TileOperands {
    /// Vectors of a row of accumulators.
    vectors: i64,
    /// Four columns to a vector, or one.
    wide: bool,
    encoding: Encoding,
    /// For each row of the left operand an address and a constant offset from it.
    left: Vec<(Pointer, i64)>,
    /// Whether all rows have the same address and differ in their offsets.
    one_base: bool,
    /// 32-bit elements from one element of a row to the next, if that is not one.
    left_step: Option<Len>,
    right: Pointer,
}

impl TileOperands {
    /// Bytes from one vector of columns to the next.
    fn step(&self) -> i64 {
        if self.wide { 16 } else { 4 }
    }

    /// The rows, so many bytes on.
    fn left(&self, code: &mut FunctionCode<'_, '_>, bytes: Value) -> Vec<(Pointer, i64)> {
        if let (true, Some((base, _))) = (self.one_base, self.left.first()) {
            let p = code.moved(*base, bytes);
            return self.left.iter().map(|(_, o)| (p, *o)).collect();
        }
        self.left.iter().map(|(p, o)| (code.moved(*p, bytes), *o)).collect()
    }
}

/// A value in every lane.
fn spread(code: &mut FunctionCode<'_, '_>, s: Value, wide: bool) -> Value {
    let ty = code.builder.func.dfg.value_type(s);
    if wide { code.ins().splat(if ty == F32 { F32X4 } else { I32X4 }, s) } else { s }
}

impl Translator {
    /// A tile: its sums, then its body for each accumulator.
    pub fn tile(&self, code: &mut FunctionCode<'_, '_>, tile: &Tile) {
        let operands = self.operands(code, tile);
        let zero = self.float(code, 0, operands.wide);
        let start = vec![zero; (i64::from(tile.rows) * operands.vectors) as usize];
        let acc = match tile.encoding.group() {
            Some(group) => self.groups(code, &operands, (tile.k, group), &start),
            None => self.sums(code, &operands, tile.k, &start),
        };
        let hoisted = self.invariants(code, &tile.body, operands.wide);
        for row in 0..i64::from(tile.rows) {
            for v in 0..operands.vectors {
                let acc = Some(acc[(row * operands.vectors + v) as usize]);
                let place = BodyPosition {
                    wide: operands.wide,
                    index: None,
                    plus: v * operands.step() / 4,
                    row,
                    acc,
                };
                self.body(code, &tile.body, place, &hoisted);
            }
        }
    }

    fn operands(&self, code: &mut FunctionCode<'_, '_>, tile: &Tile) -> TileOperands {
        let (rows, cols) = (i64::from(tile.rows), i64::from(tile.cols));
        let wide = cols % 4 == 0;
        let first = self.ptrs[tile.left as usize];
        let mut one_base = true;
        let left = (0..rows)
            .map(|r| match tile.left_row {
                Len::Const(n) if i32::try_from(r * n * 4 + 512).is_ok() => (first, r * n * 4),
                n => {
                    one_base = false;
                    let n = code.len(n, &self.ints);
                    let bytes = code.mul_imm(n, r * 4);
                    (code.moved(first, bytes), 0)
                }
            })
            .collect();
        let vectors = if wide { cols / 4 } else { cols };
        let right = self.ptrs[tile.right as usize];
        let left_step = Some(tile.left_step).filter(|step| !step.is(1));
        TileOperands { vectors, wide, encoding: tile.encoding, left, one_base, left_step, right }
    }

    /// Sums of floats.
    fn sums(
        &self,
        code: &mut FunctionCode<'_, '_>,
        operands: &TileOperands,
        k: Len,
        start: &[Value],
    ) -> Vec<Value> {
        let together = operands.encoding.unit();
        let n = match k {
            Len::Const(n) => code.int(n / together),
            Len::Arg(_) | Len::Local(_) => code.len(k, &self.ints),
        };
        let known = if let Len::Const(n) = k { Some(n / together) } else { None };
        let whole = code.ins().band_imm_s(n, -UNROLL);
        let parts = Sums::new(code, (whole, known), UNROLL, start.len(), start[0]);
        let mut add = |code: &mut FunctionCode<'_, '_>, acc: &[Value]| {
            parts.add(code, acc);
            start.to_vec()
        };
        let acc = parts.run(code, (whole, UNROLL), start, &mut add, &mut |code, i, acc| {
            self.rows(code, operands, i, acc, UNROLL)
        });
        let acc = match known {
            Some(n) if n % UNROLL == 0 => acc,
            _ => code.for_range(whole, n, 1, &acc, &mut |code, i, acc| self.rows(code, operands, i, acc, 1)),
        };
        parts.with(code, &acc)
    }

    /// Adds the terms of `count` rows of the panels, from row `i` on.
    fn rows(
        &self,
        code: &mut FunctionCode<'_, '_>,
        operands: &TileOperands,
        i: Value,
        acc: &[Value],
        count: i64,
    ) -> Vec<Value> {
        let (mut acc, encoding) = (acc.to_vec(), operands.encoding);
        let together = encoding.unit();
        let a_bytes = code.mul_imm(i, 4 * encoding.left_len(together));
        let b_bytes = code.mul_imm(i, 4 * PANEL);
        let right = code.moved(operands.right, b_bytes);
        let mut left = operands.left(code, a_bytes);
        for u in 0..count {
            // The displacement of an element within its iteration, unless its address is computed.
            let mut within = u * together * 4;
            if let Some(step) = operands.left_step {
                let (term, step) = (code.add_imm(i, u), code.len(step, &self.ints));
                let distance = code.mul(term, step);
                let bytes = code.mul_imm(distance, 4);
                (left, within) = (operands.left(code, bytes), 0);
            }
            // A pair of bf16 is added from its second on.
            let halves: Vec<i64> =
                if encoding == Encoding::Pairs { vec![1, 0] } else { (0..together).collect() };
            for half in halves {
                let column = |code: &mut FunctionCode<'_, '_>, v: i64| {
                    let at = (u * 4 * PANEL + v * operands.step()) as i32;
                    if encoding == Encoding::F32 {
                        return code.load(lane_type(Ty::F, operands.wide), right, at);
                    }
                    let both = code.load(lane_type(Ty::I, operands.wide), right, at);
                    self.half(code, both, half, (encoding, operands.wide))
                };
                let columns: Vec<Value> = (0..operands.vectors).map(|v| column(code, v)).collect();
                for (r, (p, o)) in left.iter().enumerate() {
                    let x = if encoding == Encoding::Pairs {
                        let both = code.load(I32, *p, (*o + within / together) as i32);
                        self.half(code, both, half, (encoding, false))
                    } else {
                        code.load(F32, *p, (*o + within + half * 4) as i32)
                    };
                    let x = spread(code, x, operands.wide);
                    for (acc, y) in acc[r * columns.len()..].iter_mut().zip(&columns) {
                        *acc = code.ins().fma(*y, x, *acc);
                        if encoding == Encoding::Pairs {
                            let bits = self.cast(code, *acc, lane_type(Ty::I, operands.wide));
                            let bits = self.normal(code, bits, operands.wide);
                            *acc = self.cast(code, bits, lane_type(Ty::F, operands.wide));
                        }
                    }
                }
            }
        }
        acc
    }

    /// The lower or upper bf16 of lanes, as floats.
    fn half(
        &self,
        code: &mut FunctionCode<'_, '_>,
        both: Value,
        half: i64,
        (encoding, wide): (Encoding, bool),
    ) -> Value {
        let bits = if half == 0 {
            code.ins().ishl_imm_u(both, 16)
        } else {
            let upper = self.integer(code, -0x1_0000, wide);
            code.ins().band(both, upper)
        };
        let bits = if encoding == Encoding::Pairs { self.normal(code, bits, wide) } else { bits };
        self.cast(code, bits, lane_type(Ty::F, wide))
    }

    /// The bits of a float, of 0 where it is subnormal.
    fn normal(&self, code: &mut FunctionCode<'_, '_>, bits: Value, wide: bool) -> Value {
        let (exponent, sign, zero) = (
            self.integer(code, 0x7f80_0000, wide),
            self.integer(code, i32::MIN, wide),
            self.integer(code, 0, wide),
        );
        let (exponent, sign) = (code.ins().band(bits, exponent), code.ins().band(bits, sign));
        let small = code.ins().icmp(IntCC::Equal, exponent, zero);
        if wide { code.ins().bitselect(small, sign, bits) } else { code.ins().select(small, sign, bits) }
    }

    /// Sums of integers in groups.
    fn groups(
        &self,
        code: &mut FunctionCode<'_, '_>,
        operands: &TileOperands,
        (k, group): (Len, Group),
        start: &[Value],
    ) -> Vec<Value> {
        let n = match k {
            Len::Const(n) => code.int(n / group.terms),
            Len::Arg(_) | Len::Local(_) => code.len(k, &self.ints),
        };
        let known = if let Len::Const(n) = k { Some(n / group.terms) } else { None };
        let parts = Sums::new(code, (n, known), 1, start.len(), start[0]);
        let mut add = |code: &mut FunctionCode<'_, '_>, acc: &[Value]| {
            parts.add(code, acc);
            start.to_vec()
        };
        let acc = parts.run(code, (n, 1), start, &mut add, &mut |code, i, acc| {
            self.one_group(code, operands, group, i, acc)
        });
        parts.with(code, &acc)
    }

    /// Adds group `i` to the accumulators.
    fn one_group(
        &self,
        code: &mut FunctionCode<'_, '_>,
        operands: &TileOperands,
        group: Group,
        i: Value,
        acc: &[Value],
    ) -> Vec<Value> {
        let a_bytes = code.mul_imm(i, 4 * group.left_len());
        let b_bytes = code.mul_imm(i, 4 * PANEL * group.panel_rows());
        let right = code.moved(operands.right, b_bytes);
        let left = operands.left(code, a_bytes);
        let at = |n: i64, o: i64| (o + group.terms + n) as i32;
        let start = self.integer(code, 0, operands.wide);
        let sums = vec![start; left.len() * operands.vectors as usize];
        let (zero, rows) = (code.int(0), code.int(group.rows));
        let sums = code.for_range(zero, rows, 1, &sums, &mut |code, row, sums| {
            self.group_row(code, operands, (&left, right), row, sums)
        });
        let mut acc = acc.to_vec();
        for v in 0..operands.vectors {
            let factors = (group.rows * PANEL * 4 + v * operands.step()) as i32;
            let scale = code.load(lane_type(Ty::I, operands.wide), right, factors);
            let (factor, summand) = match operands.encoding {
                Encoding::Nibbles => (
                    self.small_float(code, scale, operands.wide, 0),
                    Some(self.small_float(code, scale, operands.wide, 1)),
                ),
                _ => (self.cast(code, scale, lane_type(Ty::F, operands.wide)), None),
            };
            for (r, (p, o)) in left.iter().enumerate() {
                let n = r * operands.vectors as usize + v as usize;
                let x = code.load(F32, *p, at(0, *o));
                let x = spread(code, x, operands.wide);
                let sum = code.ins().fcvt_from_sint(lane_type(Ty::F, operands.wide), sums[n]);
                let scaled = code.ins().fmul(sum, factor);
                acc[n] = code.ins().fma(scaled, x, acc[n]);
                if let Some(summand) = summand {
                    let sum = code.load(F32, *p, at(4, *o));
                    let sum = spread(code, sum, operands.wide);
                    acc[n] = code.ins().fma(summand, sum, acc[n]);
                }
            }
        }
        acc
    }

    /// Adds the products of one row of panels of integers.
    fn group_row(
        &self,
        code: &mut FunctionCode<'_, '_>,
        operands: &TileOperands,
        (left, right): (&[(Pointer, i64)], Pointer),
        row: Value,
        sums: &[Value],
    ) -> Vec<Value> {
        let mut sums = sums.to_vec();
        let nibbles = operands.encoding == Encoding::Nibbles;
        let b_bytes = code.mul_imm(row, 4 * PANEL);
        let right = code.moved(right, b_bytes);
        let a_bytes = code.mul_imm(row, if nibbles { 8 } else { 4 });
        let left: Vec<(Pointer, i64)> = left.iter().map(|(p, o)| (code.moved(*p, a_bytes), *o)).collect();
        let words: Vec<Value> = (0..operands.vectors)
            .map(|v| code.load(lane_type(Ty::I, operands.wide), right, (v * operands.step()) as i32))
            .collect();
        // Four bytes of each column, with their signs; of halves of bytes the lower ones come first.
        for part in 0..if nibbles { 2 } else { 1 } {
            let mask =
                self.integer(code, if nibbles { 0x0f0f_0f0f } else { 0x8080_8080_u32 as i32 }, operands.wide);
            let column = |code: &mut FunctionCode<'_, '_>, word: &Value| {
                if !nibbles {
                    return code.ins().bxor(*word, mask);
                }
                let word = if part > 0 { code.ins().ushr_imm_u(*word, 4) } else { *word };
                code.ins().band(word, mask)
            };
            let columns: Vec<Value> = words.iter().map(|word| column(code, word)).collect();
            for (r, (p, o)) in left.iter().enumerate() {
                let x = code.load(I32, *p, (*o + 4 * part) as i32);
                let x = spread(code, x, operands.wide);
                for (sum, y) in sums[r * columns.len()..].iter_mut().zip(&columns) {
                    *sum = self.add_bytes(code, (*y, x), *sum, operands.wide);
                }
            }
        }
        sums
    }

    /// Adds the four products of the bytes of each lane to a sum. On aarch64 Cranelift makes one instruction
    /// of this expression (`sdot`), if the machine has it.
    fn add_bytes(
        &self,
        code: &mut FunctionCode<'_, '_>,
        (a, b): (Value, Value),
        sum: Value,
        wide: bool,
    ) -> Value {
        if !wide {
            let byte = |code: &mut FunctionCode<'_, '_>, word: Value, i: i64| {
                let up = code.ins().ishl_imm_u(word, 24 - 8 * i);
                code.ins().sshr_imm_u(up, 24)
            };
            return (0..4).fold(sum, |sum, i| {
                let (a, b) = (byte(code, a, i), byte(code, b, i));
                let product = code.ins().imul(a, b);
                code.ins().iadd(sum, product)
            });
        }
        let (a, b) = (self.cast(code, a, I8X16), self.cast(code, b, I8X16));
        let half = |code: &mut FunctionCode<'_, '_>, high: bool| {
            let widen = |code: &mut FunctionCode<'_, '_>, v: Value| {
                if high { code.ins().swiden_high(v) } else { code.ins().swiden_low(v) }
            };
            let (a, b) = (widen(code, a), widen(code, b));
            let products = code.ins().imul(a, b);
            let (low, high) = (code.ins().swiden_low(products), code.ins().swiden_high(products));
            code.ins().iadd_pairwise(low, high)
        };
        let (low, high) = (half(code, false), half(code, true));
        let products = code.ins().iadd_pairwise(low, high);
        code.ins().iadd(products, sum)
    }

    /// The lower or upper f16 of lanes, as floats. Exponent and mantissa are shifted to their places in an
    /// f32, whose exponent bias is 112 larger.
    fn small_float(&self, code: &mut FunctionCode<'_, '_>, both: Value, wide: bool, half: i64) -> Value {
        let bits = if half == 0 { code.ins().ishl_imm_u(both, 16) } else { both };
        let bits = code.ins().sshr_imm_u(bits, 3);
        let mask = self.integer(code, 0x8fff_e000_u32 as i32, wide);
        let bits = code.ins().band(bits, mask);
        let x = self.cast(code, bits, lane_type(Ty::F, wide));
        let power = self.float(code, (127 + 112) << 23, wide);
        code.ins().fmul(x, power)
    }
}
