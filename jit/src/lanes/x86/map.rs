//! Rows: several vectors an iteration, then one, then a masked tail; reductions over all of them.

use super::asm::{Mask, Op2, Op3, Rm, V};
use super::body::{BodyPosition, ElementCount, Tail};
use super::parts::Sums;
use super::{Emitter, Refused};
use crate::lanes::{Bin, Inst, Len, PART, Reduce, Reg, RowReduction};
use iced_x86::{Code, Instruction, Register};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What comes after each iteration of a loop, with the registers that are free there.
type Behind<'f, 'p> = &'f mut dyn FnMut(&mut Emitter<'p>, &[V]) -> Result<(), Refused>;

/// What an iteration adds to a reduction.
enum Term {
    Value(Reg),
    Product(Reg, Reg),
}

/// Vectors of an iteration of the first loop, and sets of accumulators that hide the latency of a reduction.
/// Where the order of sums is fixed, it follows from this number alone.
pub const SETS: i64 = 4;

/// Where the sets of accumulators behind the first are.
#[derive(Clone, Copy, PartialEq)]
enum Others {
    Registers,
    Frame,
}

/// What the iterations of a map have in common.
struct Row<'b> {
    body: &'b [Inst],
    reductions: &'b [RowReduction],
    bases: BTreeMap<u16, Register>,
    index: Register,
}

impl<'p> Emitter<'p> {
    /// Registers for the pointers a body uses.
    pub fn bases(&mut self, body: &[Inst]) -> Result<BTreeMap<u16, Register>, Refused> {
        let mut bases = BTreeMap::new();
        for inst in body {
            let (Inst::Load { ptr, .. } | Inst::Store { ptr, .. }) = inst else { continue };
            let (arg, _) =
                self.program.resolve(*ptr).ok_or_else(|| Refused("a pointer that is not there".into()))?;
            if let Entry::Vacant(place) = bases.entry(arg) {
                place.insert(self.pointer(arg)?);
            }
        }
        Ok(bases)
    }

    pub fn map(&mut self, len: Len, body: &[Inst], reductions: &[RowReduction]) -> Result<(), Refused> {
        // Elements taken one by one, and long bodies, hide the latency of all but sums themselves.
        let has_sums =
            self.program.fixed_sums && reductions.iter().any(|reduction| reduction.how == Reduce::Sum);
        let several = has_sums || body.len() <= 12 && !body.iter().any(apart);
        let before = self.asm.clone();
        let mut outcome = Err(Refused("nothing tried".into()));
        // A map that needs too many registers is tried again without constants in registers, and then with
        // most accumulators in memory if there are sums, else with one for each reduction.
        let last = if has_sums { (SETS, Others::Frame) } else { (1, Others::Registers) };
        let first = (SETS, Others::Registers);
        for ((many, others), hold) in [(first, true), (first, false), (last, true), (last, false)] {
            if many == 1 || several {
                (self.asm, self.used) = (before.clone(), 0);
                outcome = self.passes(len, body, reductions, (many, others), hold);
                self.held.clear();
                if outcome.is_ok() {
                    break;
                }
            }
        }
        outcome
    }

    /// Loads the values that are the same for every element of a row into registers. As memory operands they
    /// would be loaded for each vector.
    fn hold(&mut self, body: &[Inst], free: &mut Vec<V>) -> Result<(), Refused> {
        let mut wanted: Vec<Reg> =
            body.iter().flat_map(Inst::operands).filter(|r| constant(&body[*r as usize])).collect();
        wanted.sort_unstable();
        wanted.dedup();
        for r in wanted {
            let v = free.pop().ok_or_else(|| Refused("too few vector registers".into()))?;
            self.mark(1 + r as usize);
            match body[r as usize] {
                Inst::Slot(s, _) => {
                    let m = self.slot(s);
                    self.asm.op2(Op2::Move, v, Rm::Mem(m))?;
                }
                Inst::Float(bits) => self.hold_bits(v, bits)?,
                Inst::Int(n) => self.hold_bits(v, n as u32)?,
                Inst::ArgInt(Len::Const(n)) => self.hold_bits(v, n as i32 as u32)?,
                Inst::ArgInt(Len::Arg(n)) => {
                    let m = self.argument(self.program.ptrs + n);
                    self.asm.broadcast(v, m, 4)?;
                }
                _ => {}
            }
            self.held.insert(r, v);
        }
        self.mark(0);
        Ok(())
    }

    fn hold_bits(&mut self, v: V, bits: u32) -> Result<(), Refused> {
        let m = self.asm.constant(bits);
        self.asm.op2(Op2::Move, v, m)
    }

    /// Iterations of `many` vectors, then of one, then the tail; constants in registers if they are to be
    /// held.
    fn passes(
        &mut self,
        len: Len,
        body: &[Inst],
        reductions: &[RowReduction],
        (many, others): (i64, Others),
        hold: bool,
    ) -> Result<(), Refused> {
        let index = self.general()?;
        let row = Row { body, reductions, bases: self.bases(body)?, index };
        let mut free: Vec<V> = (0..self.asm.width.registers()).rev().collect();
        let mut accs: Vec<Vec<Rm>> = Vec::new();
        for set in 0..if reductions.is_empty() { 0 } else { many } {
            let in_frame = set > 0 && others == Others::Frame;
            accs.push(self.accumulators(&row, in_frame.then_some(set - 1), &mut free)?);
        }
        if hold {
            self.hold(body, &mut free)?;
        }
        self.push(Instruction::with2(Code::Mov_r32_imm32, narrow(index), 0))?;
        let count = match len {
            Len::Const(n) => ElementCount::Known(n),
            Len::Arg(i) => ElementCount::Register(self.integer(i)?),
            Len::Local(local) => local.unbound(),
        };
        let summed: Vec<usize> =
            (0..reductions.len()).filter(|j| reductions[*j].how == Reduce::Sum).collect();
        let iteration = many * self.asm.width.lanes();
        let sums = Sums::of(len, iteration, summed.len());
        let helpers = |free: &[V]| match free {
            [.., a, b] => Ok((*a, *b)),
            _ if sums.whole() => Ok((0, 0)),
            _ => Err(Refused("too few vector registers".into())),
        };
        self.begin_totals(sums, helpers(&free)?.0)?;
        self.iterations(&row, &count, many, &accs, &mut free, &mut |emitter, free| {
            let helpers = helpers(free)?;
            emitter.at_parts(sums, (row.index, PART * iteration), |emitter| {
                for (n, j) in summed.iter().enumerate() {
                    emitter.mark(1 + body.len() + j);
                    let sum = first(&accs, *j)?;
                    for set in &accs[1..] {
                        emitter.asm.op3(Op3::Add, sum, sum, set[*j])?;
                        emitter.make_zero(set[*j], helpers.0)?;
                    }
                    emitter.add_part(sums, sum, n, helpers)?;
                }
                emitter.mark(0);
                Ok(())
            })
        })?;
        for u in 1..accs.len() {
            for (j, reduction) in reductions.iter().enumerate() {
                self.mark(1 + body.len() + j);
                let x = self.loaded(accs[u][j], &mut free)?;
                self.combine(reduction.how, first(&accs, j)?, x, None, &mut free)?;
                free.push(x);
            }
        }
        self.mark(0);
        // A known number of elements that whole iterations use up leaves nothing for single vectors.
        let lanes = self.asm.width.lanes();
        if many > 1 && !matches!(count, ElementCount::Known(n) if n % (many * lanes) < lanes) {
            self.iterations(&row, &count, 1, &accs, &mut free, &mut |_, _| Ok(()))?;
        }
        self.tail(&row, &count, &accs, &mut free)?;
        let last = summed.iter().map(|j| first(&accs, *j)).collect::<Result<Vec<V>, _>>()?;
        self.add_totals(sums, &last, helpers(&free)?)?;
        for (j, reduction) in reductions.iter().enumerate() {
            self.mark(1 + body.len() + j);
            let all = first(&accs, j)?;
            self.across(reduction.how, all, &mut free)?;
            let m = self.slot(reduction.slot);
            self.asm.store(m, all, 4, None)?;
        }
        Ok(())
    }

    /// A value in a register, of which nobody else knows.
    fn loaded(&mut self, x: Rm, free: &mut Vec<V>) -> Result<V, Refused> {
        match x {
            Rm::Reg(v) => Ok(v),
            m => {
                let v = free.pop().ok_or_else(|| Refused("too few vector registers".into()))?;
                self.asm.op2(Op2::Move, v, m)?;
                Ok(v)
            }
        }
    }

    /// Makes an accumulator of a sum 0; overwrites `help`.
    fn make_zero(&mut self, acc: Rm, help: V) -> Result<(), Refused> {
        let v = if let Rm::Reg(v) = acc { v } else { help };
        self.asm.op3(Op3::Xor, v, v, Rm::Reg(v))?;
        if let Rm::Mem(m) = acc { self.asm.store(m, v, 4, None) } else { Ok(()) }
    }

    /// An accumulator for each reduction, with its identity: in registers, or in the set of that number in
    /// the frame.
    fn accumulators(
        &mut self,
        row: &Row<'_>,
        in_frame: Option<i64>,
        free: &mut Vec<V>,
    ) -> Result<Vec<Rm>, Refused> {
        let mut set = Vec::new();
        for (j, reduction) in row.reductions.iter().enumerate() {
            let v = free.pop().ok_or_else(|| Refused("too few vector registers".into()))?;
            self.mark(1 + row.body.len() + j);
            self.hold_bits(v, reduction.how.identity())?;
            let Some(number) = in_frame else {
                set.push(Rm::Reg(v));
                continue;
            };
            let m = self.in_frame(number as usize * row.reductions.len() + j, row.reductions);
            self.asm.store(m, v, 4, None)?;
            set.push(Rm::Mem(m));
            free.push(v);
        }
        self.mark(0);
        Ok(set)
    }

    /// A loop of `vectors` vectors an iteration, while so many elements are left; `behind` is what comes
    /// after each iteration.
    fn iterations(
        &mut self,
        row: &Row<'_>,
        count: &ElementCount,
        vectors: i64,
        accs: &[Vec<Rm>],
        free: &mut Vec<V>,
        behind: Behind<'_, 'p>,
    ) -> Result<(), Refused> {
        let step = vectors * self.asm.width.lanes();
        let top = self.asm.label();
        let limit = match count {
            ElementCount::Known(n) if *n < step => return Ok(()),
            ElementCount::Known(n) => ElementCount::Known(n / step * step),
            ElementCount::Register(n) => {
                let limit = self.general()?;
                self.push(Instruction::with2(Code::Mov_r64_rm64, limit, *n))?;
                self.push(Instruction::with2(Code::And_rm64_imm32, limit, -step as i32))?;
                ElementCount::Register(limit)
            }
        };
        let after = self.asm.label();
        if let ElementCount::Register(limit) = limit {
            self.push(Instruction::with2(Code::Cmp_r64_rm64, row.index, limit))?;
            self.push(Instruction::with_branch(Code::Jge_rel32_64, after))?;
        }
        self.asm.place(top);
        for u in 0..vectors {
            let plus = u * self.asm.width.lanes();
            self.iteration(row, plus, None, accs.get(u as usize), free)?;
        }
        self.push(Instruction::with2(Code::Add_rm64_imm32, row.index, step as i32))?;
        behind(self, free)?;
        match limit {
            ElementCount::Known(n) => self.push(Instruction::with2(
                Code::Cmp_rm64_imm32,
                row.index,
                i32::try_from(n).map_err(|_| Refused("a row beyond 31 bits".into()))?,
            ))?,
            ElementCount::Register(limit) => {
                self.push(Instruction::with2(Code::Cmp_r64_rm64, row.index, limit))?
            }
        }
        self.push(Instruction::with_branch(Code::Jl_rel32_64, top))?;
        self.asm.place(after);
        if matches!(limit, ElementCount::Register(_)) {
            self.used -= 1;
        }
        Ok(())
    }

    /// The elements after the last whole vector.
    fn tail(
        &mut self,
        row: &Row<'_>,
        count: &ElementCount,
        accs: &[Vec<Rm>],
        free: &mut Vec<V>,
    ) -> Result<(), Refused> {
        let lanes = self.asm.width.lanes();
        let after = self.asm.label();
        let tail = match count {
            ElementCount::Known(n) if n % lanes == 0 => return Ok(()),
            ElementCount::Known(n) => {
                Tail { mask: self.known_mask(n % lanes, free)?, count: ElementCount::Known(n % lanes) }
            }
            ElementCount::Register(n) => {
                let used = self.used;
                let (remainder, help) = (self.general()?, self.general()?);
                self.push(Instruction::with2(Code::Mov_r64_rm64, remainder, *n))?;
                self.push(Instruction::with2(Code::Sub_r64_rm64, remainder, row.index))?;
                self.push(Instruction::with_branch(Code::Jle_rel32_64, after))?;
                let mask = self.run_time_mask(remainder, help, free)?;
                self.used = used;
                Tail { mask, count: ElementCount::Register(*n) }
            }
        };
        self.iteration(row, 0, Some(tail), accs.first(), free)?;
        if let Mask::Vector(v) = tail.mask {
            free.push(v);
        }
        self.asm.place(after);
        Ok(())
    }

    /// What is added to a reduction. Products that one sum alone reads are added by fused multiply-adds, for
    /// which AVX2 has no mask. They are not where the order of sums is fixed: another kernel might read
    /// the rounded product.
    fn added(&self, row: &Row<'_>, reduction: &RowReduction, mask: Option<Mask>) -> Term {
        let r = reduction.value;
        match (reduction.how, row.body[r as usize], mask) {
            (_, _, Some(Mask::Vector(_))) => Term::Value(r),
            (Reduce::Sum, Inst::Bin(Bin::Mul, a, b), _)
                if readers(row, r) == 1 && !self.program.fixed_sums =>
            {
                Term::Product(a, b)
            }
            _ => Term::Value(r),
        }
    }

    /// The body once, and its reductions.
    fn iteration(
        &mut self,
        row: &Row<'_>,
        plus: i64,
        tail: Option<Tail>,
        accs: Option<&Vec<Rm>>,
        free: &mut Vec<V>,
    ) -> Result<(), Refused> {
        let mask = tail.map(|t| t.mask);
        let terms: Vec<Term> =
            row.reductions.iter().map(|reduction| self.added(row, reduction, mask)).collect();
        let products = row.reductions.iter().zip(&terms).filter(|(_, t)| matches!(t, Term::Product(..)));
        let without: Vec<Reg> = products.map(|(reduction, _)| reduction.value).collect();
        let place = BodyPosition {
            bases: &row.bases,
            index: Some(row.index),
            plus,
            row: 0,
            tail,
            acc: None,
            scalar: false,
            without: &without,
        };
        let operands = |t: &Term| match *t {
            Term::Value(r) => [r, r],
            Term::Product(a, b) => [a, b],
        };
        let keep: Vec<Reg> = terms.iter().flat_map(operands).collect();
        let values = self.body(row.body, &place, &keep, free)?;
        let Some(accs) = accs else { return Ok(()) };
        let mut back: Vec<V> = Vec::new();
        for (n, (reduction, acc)) in row.reductions.iter().zip(accs).enumerate() {
            self.mark(1 + row.body.len() + n);
            let x = self.loaded(values[2 * n], free)?;
            if matches!(values[2 * n], Rm::Mem(_)) {
                back.push(x);
            }
            let d = self.loaded(*acc, free)?;
            match terms[n] {
                Term::Product(..) => self.asm.op3_masked(Op3::Fma231, d, x, values[2 * n + 1], mask)?,
                Term::Value(_) => self.combine(reduction.how, d, x, mask, free)?,
            }
            if let Rm::Mem(m) = *acc {
                self.asm.store(m, d, 4, None)?;
                free.push(d);
            }
        }
        self.mark(0);
        back.extend(values.iter().filter_map(|x| if let Rm::Reg(v) = x { Some(*v) } else { None }));
        back.sort_unstable();
        back.dedup();
        back.retain(|v| !self.held.values().any(|h| h == v));
        free.extend(back);
        Ok(())
    }

    /// Reduces `d` and `x` to `d`, in the masked lanes only.
    fn combine(
        &mut self,
        how: Reduce,
        d: V,
        x: V,
        mask: Option<Mask>,
        free: &mut Vec<V>,
    ) -> Result<(), Refused> {
        let op = match how {
            Reduce::Sum => Op3::Add,
            Reduce::Max | Reduce::MaxNan => Op3::Max,
            Reduce::MinNan => Op3::Min,
            Reduce::ISum => Op3::IAdd,
            Reduce::IMax => Op3::IMax,
            Reduce::IMin => Op3::IMin,
        };
        let mut taken = Vec::new();
        let mut take = |free: &mut Vec<V>| {
            let v = free.pop().ok_or_else(|| Refused("too few vector registers".into()))?;
            taken.push(v);
            Ok(v)
        };
        let x = if let Some(Mask::Vector(m)) = mask {
            // Lanes outside of the mask get the identity of the reduction.
            let t = take(free)?;
            let identity = self.asm.constant(how.identity());
            self.asm.op2(Op2::Move, t, identity)?;
            self.asm.select(t, m, x, t)?;
            t
        } else {
            x
        };
        if matches!(how, Reduce::MaxNan | Reduce::MinNan) {
            let spoiled = (take(free)?, take(free)?);
            self.asm.keep_nan(op, d, x, mask, spoiled)?;
        } else {
            // The value comes before the accumulator, so that a maximum passes over a NaN among the values.
            self.asm.op3_masked(op, d, x, Rm::Reg(d), mask)?;
        }
        free.extend(taken);
        Ok(())
    }

    /// The reduction of all lanes, in every lane.
    fn across(&mut self, how: Reduce, d: V, free: &mut Vec<V>) -> Result<(), Refused> {
        let t = free.pop().ok_or_else(|| Refused("too few vector registers".into()))?;
        for step in 0..self.asm.width.pick(3, 4) {
            self.asm.swap(t, d, step)?;
            self.combine(how, d, t, None, free)?;
        }
        free.push(t);
        Ok(())
    }
}

/// How many instructions and reductions read a register.
fn readers(row: &Row<'_>, r: Reg) -> usize {
    let in_body = row.body.iter().flat_map(Inst::operands);
    in_body.chain(row.reductions.iter().map(|reduction| reduction.value)).filter(|x| *x == r).count()
}

/// The first accumulator of a reduction, which is in a register.
fn first(accs: &[Vec<Rm>], j: usize) -> Result<V, Refused> {
    match accs.first().and_then(|set| set.get(j)) {
        Some(Rm::Reg(v)) => Ok(*v),
        _ => Err(Refused("an accumulator is in no register".into())),
    }
}

/// Whether a register is the same for every element.
fn constant(i: &Inst) -> bool {
    matches!(i, Inst::Slot(..) | Inst::Float(_) | Inst::Int(_) | Inst::ArgInt(_))
}

/// Whether an instruction of a map takes elements one by one.
fn apart(i: &Inst) -> bool {
    matches!(i, Inst::Load { step, .. } | Inst::Store { step, .. } if !step.is(0) && !step.is(1))
}

/// The lower half of a general register.
pub fn narrow(r: Register) -> Register {
    r.full_register32()
}
