//! Loads and stores of lanes: whole vectors where elements lie one after another, else element by element.

use super::asm::{Label, Op3, Rm, Shift, V};
use super::body::{BodyPosition, ElementCount, Elements, Live};
use super::{Emitter, Refused, Width};
use crate::lanes::{Len, Mem};
use iced_x86::{Code, Instruction, MemoryOperand, Register};

/// Registers that walk along elements: the number of one times its stride, and a stride that is an argument.
struct ElementWalk {
    at: Register,
    stride: Option<Register>,
}

impl Emitter<'_> {
    pub fn load(
        &mut self,
        place: &BodyPosition<'_>,
        elements: Elements,
        mem: Mem,
        live: &mut Live<'_>,
    ) -> Result<V, Refused> {
        let (d, size) = (live.take()?, mem.size());
        let one = place.scalar || elements.step.is(0);
        if one {
            let m = self.memory(place, elements, 0, None, size)?;
            self.asm.broadcast(d, m, size)?;
        } else if self.whole(place, elements.step, size) {
            let m = self.memory(place, elements, place.plus, place.index, size)?;
            self.asm.load(d, m, size, place.tail.map(|t| t.mask))?;
        } else {
            self.collect(d, place, elements, size, live)?;
        }
        match mem {
            Mem::F32 | Mem::I32 => {}
            Mem::Bf16 => self.asm.shift(Shift::Left, d, d, 16)?,
            Mem::Bool => {
                if one {
                    self.asm.shift(Shift::RightZero, d, d, 24)?;
                }
                let zero = self.asm.constant(0);
                self.asm.compare_ints(d, d, zero, true)?;
            }
            Mem::I8 => {
                if !one {
                    self.asm.shift(Shift::Left, d, d, 24)?;
                }
                self.asm.shift(Shift::Right, d, d, 24)?;
            }
        }
        Ok(d)
    }

    pub fn store(
        &mut self,
        v: V,
        place: &BodyPosition<'_>,
        elements: Elements,
        mem: Mem,
        live: &mut Live<'_>,
    ) -> Result<(), Refused> {
        if elements.step.is(0) && !place.scalar {
            return Err(Refused("many elements written to one".into()));
        }
        let size = mem.size();
        let whole = self.whole(place, elements.step, size);
        let (mut v, mut spare) = (v, Vec::new());
        if size < 4 {
            // The element's bytes go to the lower end of each lane. They are then packed side by side, unless
            // the store does that itself.
            let (d, c) = (live.take()?, live.take()?);
            spare.extend([d, c]);
            match mem {
                Mem::Bf16 => self.asm.round_to_bf16(d, v, c)?,
                Mem::I8 => {
                    let byte = self.asm.constant(0xff);
                    self.asm.op3(Op3::And, d, v, byte)?;
                }
                _ => self.asm.shift(Shift::RightZero, d, v, 31)?,
            }
            v = d;
            let narrows = whole && self.asm.width == Width::Z;
            if !(place.scalar || narrows) {
                self.asm.pack(c, d, size)?;
                v = c;
            }
        }
        if place.scalar {
            let m = self.memory(place, elements, 0, None, size)?;
            self.asm.extract(m, v, size, 0)?;
        } else if whole {
            let m = self.memory(place, elements, place.plus, place.index, size)?;
            self.asm.store(m, v, size, place.tail.map(|t| t.mask))?;
        } else {
            self.scatter(v, place, elements, size, live)?;
        }
        live.free.extend(spare);
        Ok(())
    }

    /// Whether one instruction reaches all elements. AVX2 has no mask for those of one and two bytes.
    fn whole(&self, place: &BodyPosition<'_>, step: Len, size: i64) -> bool {
        step.is(1) && (size == 4 || self.asm.width == Width::Z || place.tail.is_none())
    }

    /// The address of element `index + plus` of elements that lie one after another.
    fn memory(
        &self,
        place: &BodyPosition<'_>,
        elements: Elements,
        plus: i64,
        index: Option<Register>,
        size: i64,
    ) -> Result<MemoryOperand, Refused> {
        let (arg, more) = self
            .program
            .resolve(elements.ptr)
            .ok_or_else(|| Refused("a pointer that is not there".into()))?;
        let base = *place.bases.get(&arg).ok_or_else(|| Refused("a pointer without a register".into()))?;
        let row = match elements.row_step {
            Len::Const(n) => place.row.checked_mul(n),
            // The caller moves such pointers from row to row.
            Len::Arg(_) | Len::Local(_) => Some(0),
        };
        let at = row
            .and_then(|r| r.checked_add(plus)?.checked_mul(size)?.checked_add(more))
            .filter(|at| i32::try_from(*at).is_ok());
        let at = at.ok_or_else(|| Refused("an offset beyond 31 bits".into()))?;
        Ok(match index {
            Some(i) => MemoryOperand::with_base_index_scale_displ_size(base, i, size as u32, at, 1),
            None => MemoryOperand::with_base_displ(base, at),
        })
    }

    /// Registers to walk along elements with.
    fn walk(&mut self, step: Len) -> Result<ElementWalk, Refused> {
        let at = self.general()?;
        let stride = if let Len::Arg(i) = step { Some(self.integer(i)?) } else { None };
        Ok(ElementWalk { at, stride })
    }

    /// The address of a lane's element, computed in 64 bits so that any stride is right. Lanes are taken in
    /// order. In a tail of unknown length, lanes after the end of the row jump to `out`; without `out` they
    /// read the first element of the tail.
    fn element(
        &mut self,
        walk: &ElementWalk,
        lane: i64,
        place: &BodyPosition<'_>,
        elements: Elements,
        size: i64,
        out: Option<Label>,
    ) -> Result<MemoryOperand, Refused> {
        let ElementWalk { at, stride } = *walk;
        let number = place.plus + lane;
        let narrow = |n: i64| i32::try_from(n).map_err(|_| Refused("a stride beyond 31 bits".into()));
        let by = |emitter: &mut Self, from: Register| match (elements.step, stride) {
            (Len::Const(n), _) => {
                emitter.push(Instruction::with3(Code::Imul_r64_rm64_imm32, at, from, narrow(n)?))
            }
            (Len::Arg(_) | Len::Local(_), Some(s)) => {
                emitter.push(Instruction::with2(Code::Imul_r64_rm64, at, s))
            }
            (Len::Arg(_) | Len::Local(_), None) => Err(Refused("a stride without a register".into())),
        };
        let end =
            place.tail.and_then(|t| if let ElementCount::Register(n) = t.count { Some(n) } else { None });
        match (elements.step, stride, place.index) {
            (_, _, Some(index)) if end.is_some() => {
                self.push(Instruction::with2(
                    Code::Lea_r64_m,
                    at,
                    MemoryOperand::with_base_displ(index, number),
                ))?;
                if let (Some(end), true) = (end, lane > 0) {
                    self.push(Instruction::with2(Code::Cmp_r64_rm64, at, end))?;
                    self.push(match out {
                        Some(out) => Instruction::with_branch(Code::Jge_rel32_64, out),
                        None => Instruction::with2(Code::Cmovge_r64_rm64, at, index),
                    })?;
                }
                if !elements.step.is(1) {
                    by(self, at)?;
                }
                self.memory(place, elements, 0, Some(at), size)
            }
            (_, Some(s), index) => {
                if lane > 0 {
                    self.push(Instruction::with2(Code::Add_r64_rm64, at, s))?;
                } else if let Some(index) = index {
                    self.push(Instruction::with2(
                        Code::Lea_r64_m,
                        at,
                        MemoryOperand::with_base_displ(index, number),
                    ))?;
                    by(self, at)?;
                } else {
                    self.push(Instruction::with3(Code::Imul_r64_rm64_imm32, at, s, narrow(number)?))?;
                }
                self.memory(place, elements, 0, Some(at), size)
            }
            // Elements at constant distances.
            (Len::Const(1), _, Some(index)) => self.memory(place, elements, number, Some(index), size),
            (Len::Const(n), _, Some(index)) => {
                if lane == 0 {
                    by(self, index)?;
                }
                self.memory(place, elements, number.saturating_mul(n), Some(at), size)
            }
            (Len::Const(n), _, None) => self.memory(place, elements, number.saturating_mul(n), None, size),
            (Len::Arg(_) | Len::Local(_), None, _) => Err(Refused("a stride without a register".into())),
        }
    }

    /// How many lanes are loaded or stored one by one.
    fn lanes(&self, place: &BodyPosition<'_>) -> i64 {
        match place.tail.map(|t| t.count) {
            Some(ElementCount::Known(n)) => n,
            _ => self.asm.width.lanes(),
        }
    }

    /// Loads element by element, into 128 bits at a time. Elements of one and two bytes are widened with
    /// zeros.
    fn collect(
        &mut self,
        d: V,
        place: &BodyPosition<'_>,
        elements: Elements,
        size: i64,
        live: &mut Live<'_>,
    ) -> Result<(), Refused> {
        let (used, per, lanes) = (self.used, 16 / size, self.lanes(place));
        let walk = self.walk(elements.step)?;
        let more = if lanes > per { Some(live.take()?) } else { None };
        for lane in 0..lanes {
            let (part, at) = (lane / per, lane % per);
            let x = more.filter(|_| part > 0).unwrap_or(d);
            if at == 0 && size < 4 {
                self.asm.op3(Op3::Xor, x, x, Rm::Reg(x))?;
            }
            let m = self.element(&walk, lane, place, elements, size, None)?;
            self.asm.insert(x, m, size, at)?;
            if part > 0 && (at == per - 1 || lane == lanes - 1) {
                self.asm.insert_part(d, x, part)?;
            }
        }
        if size < 4 {
            self.asm.widen(d, size)?;
        }
        live.free.extend(more);
        self.used = used;
        Ok(())
    }

    /// Stores packed elements one by one and in order, so that the last one stays where they overwrite each
    /// other.
    fn scatter(
        &mut self,
        v: V,
        place: &BodyPosition<'_>,
        elements: Elements,
        size: i64,
        live: &mut Live<'_>,
    ) -> Result<(), Refused> {
        let (used, per, lanes) = (self.used, 16 / size, self.lanes(place));
        let walk = self.walk(elements.step)?;
        let more = if lanes > per { Some(live.take()?) } else { None };
        let out = self.asm.label();
        for lane in 0..lanes {
            let (part, at) = (lane / per, lane % per);
            let m = self.element(&walk, lane, place, elements, size, Some(out))?;
            let x = more.filter(|_| part > 0).unwrap_or(v);
            if part > 0 && at == 0 {
                self.asm.extract_part(x, v, part)?;
            }
            self.asm.extract(m, x, size, at)?;
        }
        self.asm.place(out);
        live.free.extend(more);
        self.used = used;
        Ok(())
    }
}
