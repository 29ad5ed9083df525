//! Tiles of a product: the accumulators stay in registers over the whole sum.

use super::*;
use crate::lanes::UNROLL;

/// A tile's operands.
struct Tile {
    vectors: i64,
    /// Four columns to a vector, or one.
    wide: bool,
    terms: Terms,
    /// The rows of the left operand: addresses made once, and constant offsets.
    left: Vec<(Pointer, i64)>,
    /// All rows have the same address.
    one_base: bool,
    right: Pointer,
}

impl Tile {
    /// Bytes from one vector of columns to the next.
    fn step(&self) -> i64 {
        if self.wide { 16 } else { 4 }
    }

    /// The rows, so many bytes on.
    fn left(&self, c: &mut FunctionCode<'_, '_>, bytes: Value) -> Vec<(Pointer, i64)> {
        if let (true, Some((base, _))) = (self.one_base, self.left.first()) {
            let p = c.moved(*base, bytes);
            return self.left.iter().map(|(_, o)| (p, *o)).collect();
        }
        self.left.iter().map(|(p, o)| (c.moved(*p, bytes), *o)).collect()
    }
}

/// A value in every lane.
fn spread(c: &mut FunctionCode<'_, '_>, s: Value, wide: bool) -> Value {
    let ty = c.builder.func.dfg.value_type(s);
    if wide { c.ins().splat(if ty == F32 { F32X4 } else { I32X4 }, s) } else { s }
}

impl Emit {
    pub fn tile(
        &self,
        c: &mut FunctionCode<'_, '_>,
        shape: (u8, u8),
        k: Len,
        a: (u16, Len),
        b: (u16, Terms),
        body: &[Inst],
    ) {
        let (rows, cols) = (i64::from(shape.0), i64::from(shape.1));
        let wide = cols % 4 == 0;
        let pa = self.ptrs[a.0 as usize];
        let mut one_base = true;
        let left = (0..rows)
            .map(|r| match a.1 {
                Len::Const(n) if i32::try_from(r * n * 4 + 512).is_ok() => (pa, r * n * 4),
                n => {
                    one_base = false;
                    let n = c.len(n, &self.ints);
                    let bytes = c.mul_imm(n, r * 4);
                    (c.moved(pa, bytes), 0)
                }
            })
            .collect();
        let vectors = if wide { cols / 4 } else { cols };
        let t = Tile { vectors, wide, terms: b.1, left, one_base, right: self.ptrs[b.0 as usize] };
        let zero = self.float(c, 0, wide);
        let start = vec![zero; (rows * vectors) as usize];
        let acc = match t.terms.group() {
            Some(group) => self.groups(c, &t, (k, group), &start),
            None => self.sums(c, &t, k, &start),
        };
        let hoisted = self.invariants(c, body, wide);
        for r in 0..rows {
            for v in 0..vectors {
                let acc = acc[(r * vectors + v) as usize];
                let plus = v * t.step() / 4;
                self.body(c, body, Place { wide, index: None, plus, row: r, acc: Some(acc) }, &hoisted);
            }
        }
    }

    /// Sums of floats.
    fn sums(&self, c: &mut FunctionCode<'_, '_>, t: &Tile, k: Len, start: &[Value]) -> Vec<Value> {
        let together = t.terms.together();
        let n = match k {
            Len::Const(n) => c.int(n / together),
            Len::Arg(_) | Len::Local(_) => c.len(k, &self.ints),
        };
        let known = if let Len::Const(n) = k { Some(n / together) } else { None };
        let whole = c.ins().band_imm_s(n, -UNROLL);
        let parts = Sums::new(c, (whole, known), UNROLL, start.len(), start[0]);
        let mut add = |c: &mut FunctionCode<'_, '_>, acc: &[Value]| {
            parts.add(c, acc);
            start.to_vec()
        };
        let acc =
            parts.run(c, (whole, UNROLL), start, &mut add, &mut |c, i, acc| self.lines(c, t, i, acc, UNROLL));
        let acc = match known {
            Some(n) if n % UNROLL == 0 => acc,
            _ => c.for_range(whole, n, 1, &acc, &mut |c, i, acc| self.lines(c, t, i, acc, 1)),
        };
        parts.with(c, &acc)
    }

    /// Adds the terms of some lines, from line `i` on.
    fn lines(
        &self,
        c: &mut FunctionCode<'_, '_>,
        t: &Tile,
        i: Value,
        acc: &[Value],
        count: i64,
    ) -> Vec<Value> {
        let (mut acc, terms) = (acc.to_vec(), t.terms);
        let together = terms.together();
        let a_bytes = c.mul_imm(i, 4 * terms.left(together));
        let b_bytes = c.mul_imm(i, 4 * STRIP);
        let right = c.moved(t.right, b_bytes);
        let left = t.left(c, a_bytes);
        for u in 0..count {
            // A pair of bf16 is added from its second on.
            let halves: Vec<i64> = if terms == Terms::Pairs { vec![1, 0] } else { (0..together).collect() };
            for half in halves {
                let column = |c: &mut FunctionCode<'_, '_>, v: i64| {
                    let at = (u * 4 * STRIP + v * t.step()) as i32;
                    if terms == Terms::F32 {
                        return c.load(lane_type(Ty::F, t.wide), right, at);
                    }
                    let both = c.load(lane_type(Ty::I, t.wide), right, at);
                    self.half(c, both, half, (terms, t.wide))
                };
                let columns: Vec<Value> = (0..t.vectors).map(|v| column(c, v)).collect();
                for (r, (p, o)) in left.iter().enumerate() {
                    let x = if terms == Terms::Pairs {
                        let both = c.load(I32, *p, (*o + u * 4) as i32);
                        self.half(c, both, half, (terms, false))
                    } else {
                        c.load(F32, *p, (*o + (u * together + half) * 4) as i32)
                    };
                    let x = spread(c, x, t.wide);
                    for (acc, y) in acc[r * columns.len()..].iter_mut().zip(&columns) {
                        *acc = c.ins().fma(*y, x, *acc);
                        if terms == Terms::Pairs {
                            let bits = self.cast(c, *acc, lane_type(Ty::I, t.wide));
                            let bits = self.normal(c, bits, t.wide);
                            *acc = self.cast(c, bits, lane_type(Ty::F, t.wide));
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
        c: &mut FunctionCode<'_, '_>,
        both: Value,
        half: i64,
        (terms, wide): (Terms, bool),
    ) -> Value {
        let bits = if half == 0 {
            c.ins().ishl_imm_u(both, 16)
        } else {
            let upper = self.integer(c, -0x1_0000, wide);
            c.ins().band(both, upper)
        };
        let bits = if terms == Terms::Pairs { self.normal(c, bits, wide) } else { bits };
        self.cast(c, bits, lane_type(Ty::F, wide))
    }

    /// The bits of a float, of 0 where it is subnormal.
    fn normal(&self, c: &mut FunctionCode<'_, '_>, bits: Value, wide: bool) -> Value {
        let (exponent, sign, zero) =
            (self.integer(c, 0x7f80_0000, wide), self.integer(c, i32::MIN, wide), self.integer(c, 0, wide));
        let (exponent, sign) = (c.ins().band(bits, exponent), c.ins().band(bits, sign));
        let small = c.ins().icmp(IntCC::Equal, exponent, zero);
        if wide { c.ins().bitselect(small, sign, bits) } else { c.ins().select(small, sign, bits) }
    }

    /// Sums of integers in groups. They are summed as floats: below 2^24 that is exact.
    fn groups(
        &self,
        c: &mut FunctionCode<'_, '_>,
        t: &Tile,
        (k, group): (Len, Group),
        start: &[Value],
    ) -> Vec<Value> {
        let n = match k {
            Len::Const(n) => c.int(n / group.terms),
            Len::Arg(_) | Len::Local(_) => c.len(k, &self.ints),
        };
        let known = if let Len::Const(n) = k { Some(n / group.terms) } else { None };
        let parts = Sums::new(c, (n, known), 1, start.len(), start[0]);
        let mut add = |c: &mut FunctionCode<'_, '_>, acc: &[Value]| {
            parts.add(c, acc);
            start.to_vec()
        };
        let acc = parts.run(c, (n, 1), start, &mut add, &mut |c, i, acc| {
            let a_bytes = c.mul_imm(i, 4 * group.left());
            let b_bytes = c.mul_imm(i, 4 * STRIP * group.right());
            let right = c.moved(t.right, b_bytes);
            let left = t.left(c, a_bytes);
            let at = |n: i64, o: i64| (o + group.terms + n) as i32;
            let begin = |c: &mut FunctionCode<'_, '_>, (p, o): (Pointer, i64)| {
                if t.terms == Terms::Nibbles {
                    return self.float(c, 0, t.wide);
                }
                let sum = c.load(I32, p, at(4, o));
                let sum = c.ins().fcvt_from_sint(F32, sum);
                spread(c, sum, t.wide)
            };
            let sums: Vec<Value> =
                left.iter().flat_map(|row| vec![begin(c, *row); t.vectors as usize]).collect();
            let (zero, lines) = (c.int(0), c.int(group.lines));
            let sums = c.for_range(zero, lines, 1, &sums, &mut |c, line, sums| {
                self.line(c, t, (&left, right), line, sums)
            });
            let mut acc = acc.to_vec();
            for v in 0..t.vectors {
                let scale =
                    c.load(lane_type(Ty::I, t.wide), right, (group.lines * STRIP * 4 + v * t.step()) as i32);
                let (factor, summand) = match t.terms {
                    Terms::Nibbles => {
                        (self.small_float(c, scale, t.wide, 0), Some(self.small_float(c, scale, t.wide, 1)))
                    }
                    _ => (self.cast(c, scale, lane_type(Ty::F, t.wide)), None),
                };
                for (r, (p, o)) in left.iter().enumerate() {
                    let n = r * t.vectors as usize + v as usize;
                    let x = c.load(F32, *p, at(0, *o));
                    let x = spread(c, x, t.wide);
                    let scaled = c.ins().fmul(sums[n], factor);
                    acc[n] = c.ins().fma(scaled, x, acc[n]);
                    if let Some(summand) = summand {
                        let sum = c.load(F32, *p, at(4, *o));
                        let sum = spread(c, sum, t.wide);
                        acc[n] = c.ins().fma(summand, sum, acc[n]);
                    }
                }
            }
            acc
        });
        parts.with(c, &acc)
    }

    /// Adds the products of one line of integers.
    fn line(
        &self,
        c: &mut FunctionCode<'_, '_>,
        t: &Tile,
        (left, right): (&[(Pointer, i64)], Pointer),
        line: Value,
        sums: &[Value],
    ) -> Vec<Value> {
        let mut sums = sums.to_vec();
        let (parts, bits) = if t.terms == Terms::Nibbles { (8, 4) } else { (4, 8) };
        let b_bytes = c.mul_imm(line, 4 * STRIP);
        let right = c.moved(right, b_bytes);
        let a_bytes = c.mul_imm(line, parts);
        let left: Vec<(Pointer, i64)> = left.iter().map(|(p, o)| (c.moved(*p, a_bytes), *o)).collect();
        let words: Vec<Value> =
            (0..t.vectors).map(|v| c.load(lane_type(Ty::I, t.wide), right, (v * t.step()) as i32)).collect();
        let mask = self.integer(c, (1 << bits) - 1, t.wide);
        for part in 0..parts {
            // Lower halves of all bytes come before the upper ones.
            let shift = part % 4 * 8 + part / 4 * 4;
            let column = |c: &mut FunctionCode<'_, '_>, word: &Value| {
                let x = if shift > 0 { c.ins().ushr_imm_u(*word, shift) } else { *word };
                let x = c.ins().band(x, mask);
                c.ins().fcvt_from_sint(lane_type(Ty::F, t.wide), x)
            };
            let columns: Vec<Value> = words.iter().map(|w| column(c, w)).collect();
            for (r, (p, o)) in left.iter().enumerate() {
                let x = c.load(I8, *p, (*o + part) as i32);
                let x = c.ins().sextend(I32, x);
                let x = c.ins().fcvt_from_sint(F32, x);
                let x = spread(c, x, t.wide);
                for (sum, y) in sums[r * columns.len()..].iter_mut().zip(&columns) {
                    *sum = c.ins().fma(*y, x, *sum);
                }
            }
        }
        sums
    }

    /// The lower or upper f16 of lanes, as floats: exponent and mantissa at their place in an f32, whose
    /// exponent counts from 112 more.
    fn small_float(&self, c: &mut FunctionCode<'_, '_>, both: Value, wide: bool, half: i64) -> Value {
        let bits = if half == 0 { c.ins().ishl_imm_u(both, 16) } else { both };
        let bits = c.ins().sshr_imm_u(bits, 3);
        let mask = self.integer(c, 0x8fff_e000_u32 as i32, wide);
        let bits = c.ins().band(bits, mask);
        let x = self.cast(c, bits, lane_type(Ty::F, wide));
        let power = self.float(c, (127 + 112) << 23, wide);
        c.ins().fmul(x, power)
    }
}
