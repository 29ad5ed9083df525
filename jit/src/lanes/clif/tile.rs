//! Tiles of a product: the accumulators stay in registers over the whole sum.

use super::*;

impl Emit {
    /// The bits of a float, of 0 where it is subnormal.
    fn normal(&self, c: &mut Code<'_, '_>, bits: Value, wide: bool) -> Value {
        let (exponent, sign, zero) = (self.integer(c, 0x7f80_0000, wide), self.integer(c, i32::MIN, wide), self.integer(c, 0, wide));
        let (exponent, sign) = (c.b.ins().band(bits, exponent), c.b.ins().band(bits, sign));
        let small = c.b.ins().icmp(IntCC::Equal, exponent, zero);
        if wide { c.b.ins().bitselect(small, sign, bits) } else { c.b.ins().select(small, sign, bits) }
    }

    pub fn tile(&self, c: &mut Code<'_, '_>, shape: (u8, u8), k: Len, a: (u16, Len), b: (u16, Terms), body: &[Inst]) {
        let (rows, cols) = (i64::from(shape.0), i64::from(shape.1));
        let wide = cols % 4 == 0;
        let vectors = if wide { cols / 4 } else { cols };
        let lane = lane_type(Ty::F, wide);
        let step_bytes = if wide { 16 } else { 4 };
        let pa = self.ptrs[a.0 as usize];
        let (pb, terms) = (self.ptrs[b.0 as usize], b.1);
        // A turn takes as many terms as lie together.
        let together = terms.together();
        // The rows of the left operand: constant offsets, or addresses made once.
        let bases: Vec<(Pointer, i64)> = (0..rows)
            .map(|r| match a.1 {
                Len::Const(n) if i32::try_from(r * n * 4 + 64).is_ok() => (pa, r * n * 4),
                n => {
                    let n = c.len(n, &self.ints);
                    let bytes = c.mul_imm(n, r * 4);
                    (c.moved(pa, bytes), 0)
                }
            })
            .collect();
        let zero = self.float(c, 0, wide);
        let start = vec![zero; (rows * vectors) as usize];
        let n = match k {
            Len::Const(n) => c.int(n / together),
            Len::Arg(_) => c.len(k, &self.ints),
        };
        let unroll = 4;
        let turn = |c: &mut Code<'_, '_>, i: Value, acc: &[Value], unroll: i64| -> Vec<Value> {
            let mut acc = acc.to_vec();
            let a_bytes = c.mul_imm(i, 4 * terms.left(together));
            let b_bytes = c.mul_imm(i, 4 * STRIP);
            let pb = c.moved(pb, b_bytes);
            let lefts: Vec<(Pointer, i64)> = if matches!(a.1, Len::Const(_)) && bases.iter().all(|b| b.0.addr == pa.addr) {
                let p = c.moved(pa, a_bytes);
                bases.iter().map(|(_, o)| (p, *o)).collect()
            } else {
                bases.iter().map(|(p, o)| (c.moved(*p, a_bytes), *o)).collect()
            };
            for u in 0..unroll {
                // A pair of bf16 is added from its second on.
                let halves: Vec<i64> = if terms == Terms::Pairs { vec![1, 0] } else { (0..together).collect() };
                for half in halves {
                    let part = |c: &mut Code<'_, '_>, both: Value, wide: bool| {
                        let bits = if half == 0 {
                            c.b.ins().ishl_imm_u(both, 16)
                        } else {
                            let upper = self.integer(c, -0x1_0000, wide);
                            c.b.ins().band(both, upper)
                        };
                        let bits = if terms == Terms::Pairs { self.normal(c, bits, wide) } else { bits };
                        c.b.ins().bitcast(lane_type(Ty::F, wide), lane_order(), bits)
                    };
                    let one = |c: &mut Code<'_, '_>, v: i64| {
                        let at = (u * 4 * STRIP + v * step_bytes) as i32;
                        if terms == Terms::F32 {
                            return c.load(lane, pb, at);
                        }
                        let both = c.load(lane_type(Ty::I, wide), pb, at);
                        part(c, both, wide)
                    };
                    let right: Vec<Value> = (0..vectors).map(|v| one(c, v)).collect();
                    for (r, (p, o)) in lefts.iter().enumerate() {
                        let s = match terms {
                            Terms::Pairs => {
                                let both = c.load(I32, *p, (*o + u * 4) as i32);
                                part(c, both, false)
                            }
                            _ => c.load(F32, *p, (*o + (u * together + half) * 4) as i32),
                        };
                        let s = if wide { c.b.ins().splat(F32X4, s) } else { s };
                        for (v, w) in right.iter().enumerate() {
                            let at = r * vectors as usize + v;
                            acc[at] = c.b.ins().fma(*w, s, acc[at]);
                            if terms == Terms::Pairs {
                                let bits = c.b.ins().bitcast(lane_type(Ty::I, wide), lane_order(), acc[at]);
                                let bits = self.normal(c, bits, wide);
                                acc[at] = c.b.ins().bitcast(lane, lane_order(), bits);
                            }
                        }
                    }
                }
            }
            acc
        };
        let from = c.int(0);
        let whole = c.b.ins().band_imm_s(n, -unroll);
        let acc = c.for_range(from, whole, unroll, &start, &mut |c, i, acc| turn(c, i, acc, unroll));
        let acc = match k {
            Len::Const(n) if n / together % unroll == 0 => acc,
            _ => c.for_range(whole, n, 1, &acc, &mut |c, i, acc| turn(c, i, acc, 1)),
        };
        let hoisted = self.invariants(c, body, wide);
        for r in 0..rows {
            for v in 0..vectors {
                let plus = v * if wide { 4 } else { 1 };
                let acc = acc[(r * vectors + v) as usize];
                self.body(c, body, Place { wide, index: None, plus, row: r, acc: Some(acc) }, &hoisted);
            }
        }
    }
}
