//! Rows: several vectors an iteration, then one, then single elements; and reductions over all of them.

use super::parts::Sums;
use super::*;

/// A map statement under construction.
struct Map<'m> {
    translator: &'m Translator,
    body: &'m [Inst],
    reductions: &'m [RowReduction],
    /// Vectors of an iteration of the first loop.
    unroll: i64,
    /// The values of the body that are the same for every element: of single lanes, and of vectors.
    hoisted: [Vec<Option<Value>>; 2],
    /// The reductions that are sums.
    sums: Vec<usize>,
    /// What the reductions begin with, as vectors.
    start: Vec<Value>,
}

/// Emits the body for each of `len` elements, and leaves the results of the reductions in their row scalars.
pub fn map(
    translator: &mut Translator,
    code: &mut FunctionCode<'_, '_>,
    len: Len,
    body: &[Inst],
    reductions: &[RowReduction],
) {
    // Several vectors an iteration hide the latency of a reduction. Long bodies hide it themselves, but a
    // fixed order of sums does not follow from what else the kernel computes.
    let has_sums = translator.fixed_sums && reductions.iter().any(|reduction| reduction.how == Reduce::Sum);
    let unroll: i64 = if has_sums || body.len() <= 12 { 4 } else { 1 };
    let block = 4 * unroll;
    let n = code.len(len, &translator.ints);
    let known = if let Len::Const(n) = len { Some(n) } else { None };
    let zero = code.int(0);
    let identity = |(j, reduction): (usize, &RowReduction)| {
        translator.mark(code, 1 + body.len() + j);
        translator.identity(code, reduction.how, true)
    };
    let start: Vec<Value> = reductions.iter().enumerate().map(identity).collect();
    let hoisted = [translator.invariants(code, body, false), translator.invariants(code, body, true)];
    let sums = (0..reductions.len()).filter(|j| reductions[*j].how == Reduce::Sum).collect();
    let map = Map { translator, body, reductions, unroll, hoisted, sums, start };

    let mut wide = map.start.clone();
    let mut done = zero;
    let mut parts = None;
    if known.is_none_or(|n| n >= block) {
        let end = code.ins().band_imm_s(n, -block);
        let none = translator.float(code, 0, true);
        let p = Sums::new(code, (end, known), block, map.sums.len(), none);
        wide = map.blocks(code, end, &p, none);
        done = end;
        parts = Some(p);
    }
    if unroll > 1 && known.is_none_or(|n| n % block >= 4) {
        let end = code.ins().band_imm_s(n, -4);
        wide = code.for_range(done, end, 4, &wide, &mut |code, i, acc| map.element(code, i, 0, true, acc));
        done = end;
    }
    if let Some(p) = parts {
        let last: Vec<Value> = map.sums.iter().map(|j| wide[*j]).collect();
        map.sums.iter().zip(p.with(code, &last)).for_each(|(j, sum)| wide[*j] = sum);
    }
    let across = |(j, (reduction, v)): (usize, (&RowReduction, &Value))| {
        translator.mark(code, 1 + body.len() + j);
        translator.across(code, reduction.how, *v)
    };
    let mut narrow: Vec<Value> = reductions.iter().zip(&wide).enumerate().map(across).collect();
    translator.mark(code, 0);
    if known.is_none_or(|n| n % 4 != 0) {
        narrow = code.for_range(done, n, 1, &narrow, &mut |code, i, acc| map.element(code, i, 0, false, acc));
    }
    for (reduction, v) in reductions.iter().zip(narrow) {
        translator.slots[usize::from(reduction.slot)] = Some(v);
    }
}

impl Map<'_> {
    /// Says that the instructions that follow belong to reduction `j`.
    fn mark_reduction(&self, code: &mut FunctionCode<'_, '_>, j: usize) {
        self.translator.mark(code, 1 + self.body.len() + j);
    }

    /// The body at element `i + plus`, as a vector or a single lane; gives the reductions with it.
    fn element(
        &self,
        code: &mut FunctionCode<'_, '_>,
        i: Value,
        plus: i64,
        wide: bool,
        acc: &[Value],
    ) -> Vec<Value> {
        let place = BodyPosition { wide, index: Some(i), plus, row: 0, acc: None };
        let regs = self.translator.body(code, self.body, place, &self.hoisted[usize::from(wide)]);
        let with = |(j, (reduction, acc)): (usize, (&RowReduction, &Value))| {
            self.mark_reduction(code, j);
            self.translator.reduce(code, reduction.how, *acc, regs[reduction.value as usize])
        };
        let reduced = self.reductions.iter().zip(acc).enumerate().map(with).collect();
        self.translator.mark(code, 0);
        reduced
    }

    /// The loop over blocks of several vectors, with accumulators for each vector; gives the reductions.
    /// `none` is a vector of zeros.
    fn blocks(&self, code: &mut FunctionCode<'_, '_>, end: Value, parts: &Sums, none: Value) -> Vec<Value> {
        let (reductions, unroll) = (self.reductions, self.unroll);
        let many: Vec<Value> = (0..unroll).flat_map(|_| self.start.iter().copied()).collect();
        let mut add = |code: &mut FunctionCode<'_, '_>, acc: &[Value]| {
            let part = |j: &usize| {
                self.mark_reduction(code, *j);
                (1..unroll as usize)
                    .fold(acc[*j], |sum, u| code.ins().fadd(sum, acc[u * reductions.len() + j]))
            };
            let partial: Vec<Value> = self.sums.iter().map(part).collect();
            self.translator.mark(code, 0);
            parts.add(code, &partial);
            let next = |(i, x): (usize, &Value)| {
                if reductions[i % reductions.len()].how == Reduce::Sum { none } else { *x }
            };
            acc.iter().enumerate().map(next).collect()
        };
        let out = parts.run(code, (end, 4 * unroll), &many, &mut add, &mut |code, i, acc| {
            let vector = |u: i64| self.element(code, i, 4 * u, true, &acc[u as usize * reductions.len()..]);
            (0..unroll).flat_map(vector).collect()
        });
        let mut wide = out[..reductions.len()].to_vec();
        for u in 1..unroll as usize {
            for (j, reduction) in reductions.iter().enumerate() {
                self.mark_reduction(code, j);
                wide[j] = self.translator.reduce(code, reduction.how, wide[j], out[u * reductions.len() + j]);
            }
        }
        self.translator.mark(code, 0);
        wide
    }
}

impl Translator {
    fn identity(&self, code: &mut FunctionCode<'_, '_>, how: Reduce, wide: bool) -> Value {
        let bits = how.identity();
        match how.ty() {
            Ty::F => self.float(code, bits, wide),
            _ => self.integer(code, bits as i32, wide),
        }
    }

    fn reduce(&self, code: &mut FunctionCode<'_, '_>, how: Reduce, acc: Value, x: Value) -> Value {
        match how {
            Reduce::Sum => code.ins().fadd(acc, x),
            Reduce::Max => self.bin(code, Bin::Max, x, acc),
            Reduce::MaxNan | Reduce::MinNan => {
                let order = if how == Reduce::MaxNan { Cmp::Gt } else { Cmp::Lt };
                let more = self.cmp(code, order, acc, x, Ty::F);
                let nan = self.cmp(code, Cmp::Ne, acc, acc, Ty::F);
                let keep = code.ins().bor(more, nan);
                self.select(code, keep, acc, x)
            }
            Reduce::ISum => code.ins().iadd(acc, x),
            Reduce::IMax => code.ins().smax(acc, x),
            Reduce::IMin => code.ins().smin(acc, x),
        }
    }

    /// Four lanes reduced to one.
    fn across(&self, code: &mut FunctionCode<'_, '_>, how: Reduce, v: Value) -> Value {
        let lanes: Vec<Value> = (0..4u8).map(|i| code.ins().extractlane(v, i)).collect();
        let (a, b) = (self.reduce(code, how, lanes[0], lanes[1]), self.reduce(code, how, lanes[2], lanes[3]));
        self.reduce(code, how, a, b)
    }
}
