//! Straight-line bodies. A register is free again after the last use of its value; constants and row scalars
//! are memory operands.

use super::asm::{Mask, ORDERED, Op2, Op3, Rm, Shift, V};
use super::{Emitter, Refused, Width};
use crate::lanes::{Bin, Cmp, Inst, Len, Ptr, Reg, Ty, Un, body_types};
use iced_x86::{MemoryOperand, Register};
use std::collections::BTreeMap;

/// Where a body stands.
#[derive(Clone)]
pub struct BodyPosition<'m> {
    /// The register each pointer argument is in, already at this row.
    pub bases: &'m BTreeMap<u16, Register>,
    /// The register that holds the element's number.
    pub index: Option<Register>,
    /// Elements to add to it.
    pub plus: i64,
    /// The row of a tile, for strides that are constants.
    pub row: i64,
    /// The elements that are left, where they are fewer than a vector has.
    pub tail: Option<Tail>,
    /// The accumulator.
    pub acc: Option<V>,
    /// Row scalars only: loads and stores of one element.
    pub scalar: bool,
    /// Registers whose values are not emitted, because the caller computes them itself.
    pub without: &'m [Reg],
}

/// The elements that a load or a store of a body stands for.
#[derive(Clone, Copy)]
pub struct Elements {
    pub ptr: Ptr,
    /// Elements from one to the next.
    pub step: Len,
    /// Elements from one row of a tile to the next.
    pub row_step: Len,
}

/// The elements after the last whole vector.
#[derive(Clone, Copy)]
pub struct Tail {
    /// Their lanes.
    pub mask: Mask,
    /// How many are left if that is known. In a register: how many the whole row has.
    pub count: ElementCount,
}

/// A number of elements.
#[derive(Clone, Copy)]
pub enum ElementCount {
    Known(i64),
    Register(Register),
}

/// Where a value is while a body runs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loc {
    Reg(V),
    Mem(MemoryOperand),
    /// It has no lane: it is the amount of a shift, or the result of a store.
    None,
}

pub struct Live<'f> {
    loc: Vec<Loc>,
    last: Vec<usize>,
    pub free: &'f mut Vec<V>,
}

impl Live<'_> {
    pub fn take(&mut self) -> Result<V, Refused> {
        self.free.pop().ok_or_else(|| Refused("too few vector registers".into()))
    }

    /// Gives registers back whose value instruction `at` is the last to use.
    fn release(&mut self, at: usize, used: impl Iterator<Item = Reg>) {
        let mut done: Vec<V> = Vec::new();
        for r in used {
            if let Loc::Reg(v) = self.loc[r as usize]
                && self.last[r as usize] == at
                && !done.contains(&v)
            {
                done.push(v);
            }
        }
        self.free.extend(done);
    }
}

impl Emitter<'_> {
    /// Emits a body; `keep` are registers whose values the caller reads afterwards, in order. Registers come
    /// from `free`, and all but those of `keep` go back to it (the accumulator's too).
    pub fn body(
        &mut self,
        body: &[Inst],
        place: &BodyPosition<'_>,
        keep: &[Reg],
        free: &mut Vec<V>,
    ) -> Result<Vec<Rm>, Refused> {
        let types = body_types(body);
        let mut last: Vec<usize> = vec![0; body.len()];
        for (i, inst) in body.iter().enumerate() {
            last[i] = i;
            for r in inst.operands() {
                last[r as usize] = i;
            }
        }
        for r in keep.iter().chain(self.held.keys()) {
            last[*r as usize] = usize::MAX;
        }
        let mut live = Live { loc: Vec::with_capacity(body.len()), last, free };
        for (i, inst) in body.iter().enumerate() {
            self.mark(1 + i);
            let loc = match self.held.get(&(i as Reg)) {
                Some(v) => Loc::Reg(*v),
                None if place.without.contains(&(i as Reg)) => Loc::None,
                None => self.inst(i, inst, body, &types, place, &mut live)?,
            };
            live.loc.push(loc);
            // A result nobody reads.
            if let (Loc::Reg(v), true) = (loc, live.last[i] == i && !matches!(inst, Inst::Store { .. })) {
                live.free.push(v);
            }
        }
        self.mark(0);
        keep.iter()
            .map(|r| match live.loc[*r as usize] {
                Loc::Reg(v) => Ok(Rm::Reg(v)),
                Loc::Mem(m) => Ok(Rm::Mem(m)),
                Loc::None => Err(Refused("a result that is no lane".into())),
            })
            .collect()
    }

    /// Emits one instruction.
    fn inst(
        &mut self,
        at: usize,
        inst: &Inst,
        body: &[Inst],
        types: &[Ty],
        place: &BodyPosition<'_>,
        live: &mut Live<'_>,
    ) -> Result<Loc, Refused> {
        Ok(match *inst {
            Inst::Float(bits) => self.operand(bits),
            Inst::Int(n) => self.operand(n as u32),
            Inst::ArgInt(Len::Const(n)) => self.operand(n as i32 as u32),
            Inst::ArgInt(Len::Local(local)) => local.unbound(),
            Inst::ArgInt(Len::Arg(n)) => {
                let d = live.take()?;
                let m = self.argument(self.program.ptrs + n);
                self.asm.broadcast(d, m, 4)?;
                Loc::Reg(d)
            }
            Inst::Slot(s, _) => Loc::Mem(self.slot(s)),
            Inst::Acc => Loc::Reg(place.acc.ok_or_else(|| Refused("no accumulator here".into()))?),
            Inst::Load { ptr, step, row_step, mem } => {
                Loc::Reg(self.load(place, Elements { ptr, step, row_step }, mem, live)?)
            }
            Inst::Store { ptr, step, row_step, mem, value } => {
                let (v, temporary) = self.register(value, live)?;
                self.store(v, place, Elements { ptr, step, row_step }, mem, live)?;
                self.done(at, inst, temporary, live);
                Loc::None
            }
            Inst::Un(op, a) => self.unary(at, inst, op, a, live)?,
            Inst::Bin(op, a, b) => self.binary(at, inst, op, (a, b), body, live)?,
            Inst::Fma(a, b, c) => self.fma(at, inst, (a, b, c), live)?,
            Inst::Cmp(op, a, b) => self.compare(at, inst, op, (a, b), types[a as usize], live)?,
            Inst::Select(mask, a, b) => self.select(at, inst, mask, (a, b), live)?,
            Inst::Index => self.index(place, live)?,
            Inst::Reduce(..) => return Err(Refused("a reduction inside of a body".into())),
        })
    }

    fn binary(
        &mut self,
        at: usize,
        inst: &Inst,
        op: Bin,
        (a, b): (Reg, Reg),
        body: &[Inst],
        live: &mut Live<'_>,
    ) -> Result<Loc, Refused> {
        let op = match op {
            Bin::Add => Op3::Add,
            Bin::Sub => Op3::Sub,
            Bin::Mul => Op3::Mul,
            Bin::Div => Op3::Div,
            Bin::Max => Op3::Max,
            Bin::Min => Op3::Min,
            Bin::IAdd => Op3::IAdd,
            Bin::ISub => Op3::ISub,
            Bin::IMul => Op3::IMul,
            Bin::And => Op3::And,
            Bin::Or => Op3::Or,
            Bin::Xor => Op3::Xor,
            Bin::Shl => return self.shift(at, inst, Shift::Left, (a, b), body, live),
            Bin::Shr => return self.shift(at, inst, Shift::Right, (a, b), body, live),
            Bin::RotateLeft => return self.rotate(at, inst, (a, b), body, live),
        };
        let (x, temporary) = self.register(a, live)?;
        let y = self.rm(b, live)?;
        self.done(at, inst, temporary, live);
        let d = live.take()?;
        self.asm.op3(op, d, x, y)?;
        Ok(Loc::Reg(d))
    }

    fn shift(
        &mut self,
        at: usize,
        inst: &Inst,
        how: Shift,
        (a, amount): (Reg, Reg),
        body: &[Inst],
        live: &mut Live<'_>,
    ) -> Result<Loc, Refused> {
        let Inst::Int(amount) = body[amount as usize] else {
            return Err(Refused("a shift by a variable".into()));
        };
        let (x, temporary) = self.register(a, live)?;
        self.done(at, inst, temporary, live);
        let d = live.take()?;
        self.asm.shift(how, d, x, amount & 31)?;
        Ok(Loc::Reg(d))
    }

    fn rotate(
        &mut self,
        at: usize,
        inst: &Inst,
        (a, amount): (Reg, Reg),
        body: &[Inst],
        live: &mut Live<'_>,
    ) -> Result<Loc, Refused> {
        let Inst::Int(amount) = body[amount as usize] else {
            return Err(Refused("a rotation by a variable".into()));
        };
        let (x, temporary) = self.register(a, live)?;
        // The result of AVX2 is made of two parts, for both of which the value is needed.
        let (d, low) = (live.take()?, live.take()?);
        self.asm.rotate_left(d, x, amount & 31, low)?;
        live.free.push(low);
        self.done(at, inst, temporary, live);
        Ok(Loc::Reg(d))
    }

    fn select(
        &mut self,
        at: usize,
        inst: &Inst,
        mask: Reg,
        (a, b): (Reg, Reg),
        live: &mut Live<'_>,
    ) -> Result<Loc, Refused> {
        let (mask, t0) = self.register(mask, live)?;
        let (x, t1) = self.register(a, live)?;
        let (y, t2) = self.register(b, live)?;
        // With 512 bits the destination holds the mask, so it is never a register of the values.
        let d = live.take()?;
        let mask = match self.asm.width {
            Width::Y => mask,
            Width::Z => {
                self.asm.op2(Op2::Move, d, Rm::Reg(mask))?;
                d
            }
        };
        self.asm.select(d, mask, x, y)?;
        live.free.extend([t0, t1, t2].into_iter().flatten());
        live.release(at, inst.operands());
        Ok(Loc::Reg(d))
    }

    /// The numbers of the elements at hand.
    fn index(&mut self, place: &BodyPosition<'_>, live: &mut Live<'_>) -> Result<Loc, Refused> {
        if place.scalar {
            return Ok(self.operand(0));
        }
        let numbers = self.asm.numbers(place.plus);
        Ok(match (place.index, numbers) {
            (Some(index), numbers) => {
                let d = live.take()?;
                self.asm.broadcast_general(d, index)?;
                self.asm.op3(Op3::IAdd, d, d, numbers)?;
                Loc::Reg(d)
            }
            (None, Rm::Mem(m)) => Loc::Mem(m),
            (None, Rm::Reg(v)) => Loc::Reg(v),
        })
    }

    fn operand(&mut self, bits: u32) -> Loc {
        match self.asm.constant(bits) {
            Rm::Mem(m) => Loc::Mem(m),
            Rm::Reg(v) => Loc::Reg(v),
        }
    }

    /// Frees temporaries and values that end at this instruction, after it has read its operands.
    fn done(&self, at: usize, inst: &Inst, temporary: Option<V>, live: &mut Live<'_>) {
        live.free.extend(temporary);
        live.release(at, inst.operands());
    }

    /// A value in a register. The second register is a temporary one to give back.
    fn register(&mut self, r: Reg, live: &mut Live<'_>) -> Result<(V, Option<V>), Refused> {
        match live.loc[r as usize] {
            Loc::Reg(v) => Ok((v, None)),
            Loc::Mem(m) => {
                let v = live.take()?;
                self.asm.op2(Op2::Move, v, Rm::Mem(m))?;
                Ok((v, Some(v)))
            }
            Loc::None => Err(Refused("an operand that is no lane".into())),
        }
    }

    fn rm(&mut self, r: Reg, live: &Live<'_>) -> Result<Rm, Refused> {
        match live.loc[r as usize] {
            Loc::Reg(v) => Ok(Rm::Reg(v)),
            Loc::Mem(m) => Ok(Rm::Mem(m)),
            Loc::None => Err(Refused("an operand that is no lane".into())),
        }
    }

    fn unary(&mut self, at: usize, inst: &Inst, op: Un, a: Reg, live: &mut Live<'_>) -> Result<Loc, Refused> {
        let x = self.rm(a, live)?;
        if matches!(op, Un::Bits | Un::FromBits) {
            // The same register gets another type. It is copied if the value is used again in its old type.
            if let Rm::Reg(v) = x
                && live.last[a as usize] == at
            {
                return Ok(Loc::Reg(v));
            }
            let d = live.take()?;
            self.asm.op2(Op2::Move, d, x)?;
            return Ok(Loc::Reg(d));
        }
        if op == Un::ToIntSat {
            let (v, temporary) = self.register(a, live)?;
            let (d, m) = (live.take()?, live.take()?);
            // The instruction gives 0x80000000 for everything that does not fit. Beyond the largest integer
            // all its bits are flipped, and for NaN they are cleared.
            self.asm.op2(Op2::ToInt, d, Rm::Reg(v))?;
            let beyond = self.asm.constant(2_147_483_648f32.to_bits());
            self.asm.compare(m, v, beyond, 0x1d)?;
            self.asm.op3(Op3::Xor, d, d, Rm::Reg(m))?;
            self.asm.compare(m, v, Rm::Reg(v), ORDERED)?;
            self.asm.op3(Op3::And, d, d, Rm::Reg(m))?;
            live.free.push(m);
            self.done(at, inst, temporary, live);
            return Ok(Loc::Reg(d));
        }
        if op == Un::Not {
            let (v, temporary) = self.register(a, live)?;
            let ones = self.asm.constant(u32::MAX);
            self.done(at, inst, temporary, live);
            let d = live.take()?;
            self.asm.op3(Op3::Xor, d, v, ones)?;
            return Ok(Loc::Reg(d));
        }
        live.release(at, inst.operands());
        let d = live.take()?;
        match op {
            Un::Sqrt => self.asm.op2(Op2::Sqrt, d, x)?,
            Un::Round => self.asm.round(d, x)?,
            Un::ToInt => self.asm.op2(Op2::ToInt, d, x)?,
            _ => self.asm.op2(Op2::ToFloat, d, x)?,
        }
        Ok(Loc::Reg(d))
    }

    /// `a * b + c`: the destination is an operand that ends here, or a copy of `c`.
    fn fma(
        &mut self,
        at: usize,
        inst: &Inst,
        (a, b, c): (Reg, Reg, Reg),
        live: &mut Live<'_>,
    ) -> Result<Loc, Refused> {
        let ends = |live: &Live<'_>, r: Reg| match live.loc[r as usize] {
            Loc::Reg(v) if live.last[r as usize] == at => Some(v),
            _ => None,
        };
        // One factor must be a register.
        let (a, b) = if matches!(live.loc[a as usize], Loc::Mem(_)) { (b, a) } else { (a, b) };
        if let (Some(d), true) = (ends(live, c), c != a && c != b) {
            let (x, temporary) = self.register(a, live)?;
            let y = self.rm(b, live)?;
            self.asm.op3(Op3::Fma231, d, x, y)?;
            live.free.extend(temporary);
            live.release(at, [a, b].into_iter());
            return Ok(Loc::Reg(d));
        }
        for (first, other) in [(a, b), (b, a)] {
            if let (Some(d), true) = (ends(live, first), first != other && first != c) {
                let (x, temporary) = self.register(other, live)?;
                let z = self.rm(c, live)?;
                self.asm.op3(Op3::Fma213, d, x, z)?;
                live.free.extend(temporary);
                live.release(at, [other, c].into_iter().filter(|r| *r != first));
                return Ok(Loc::Reg(d));
            }
        }
        let d = live.take()?;
        let z = self.rm(c, live)?;
        self.asm.op2(Op2::Move, d, z)?;
        let (x, temporary) = self.register(a, live)?;
        let y = self.rm(b, live)?;
        self.asm.op3(Op3::Fma231, d, x, y)?;
        self.done(at, inst, temporary, live);
        Ok(Loc::Reg(d))
    }

    fn compare(
        &mut self,
        at: usize,
        inst: &Inst,
        op: Cmp,
        (a, b): (Reg, Reg),
        ty: Ty,
        live: &mut Live<'_>,
    ) -> Result<Loc, Refused> {
        // The instructions compare integers for "equal" and "greater" only.
        let (a, b) = if ty != Ty::F && matches!(op, Cmp::Lt | Cmp::Ge) { (b, a) } else { (a, b) };
        let (x, temporary) = self.register(a, live)?;
        let y = self.rm(b, live)?;
        self.done(at, inst, temporary, live);
        let d = live.take()?;
        if ty == Ty::F {
            // Ordered and quiet; "not equal" is true where either is NaN.
            let predicate = match op {
                Cmp::Eq => 0x00,
                Cmp::Ne => 0x04,
                Cmp::Lt => 0x11,
                Cmp::Le => 0x12,
                Cmp::Gt => 0x1e,
                Cmp::Ge => 0x1d,
            };
            self.asm.compare(d, x, y, predicate)?;
        } else {
            self.asm.compare_ints(d, x, y, !matches!(op, Cmp::Eq | Cmp::Ne))?;
            if matches!(op, Cmp::Ne | Cmp::Le | Cmp::Ge) {
                let ones = self.asm.constant(u32::MAX);
                self.asm.op3(Op3::Xor, d, d, ones)?;
            }
        }
        Ok(Loc::Reg(d))
    }
}
