//! Scalar statements: straight-line code on row scalars.

use super::asm::{Op2, Rm, V};
use super::body::BodyPosition;
use super::{Emitter, Refused};
use crate::lanes::{Inst, Reg, ScalarOutput};

impl Emitter<'_> {
    /// Emits a scalar statement. Its values are whole vectors of equal lanes.
    pub fn scalars(&mut self, body: &[Inst], outs: &[ScalarOutput]) -> Result<(), Refused> {
        let bases = self.bases(body)?;
        let mut free: Vec<V> = (0..self.asm.width.registers()).rev().collect();
        let place = BodyPosition {
            bases: &bases,
            index: None,
            plus: 0,
            row: 0,
            tail: None,
            acc: None,
            scalar: true,
            without: &[],
        };
        let keep: Vec<Reg> = outs.iter().map(|output| output.value).collect();
        let values = self.body(body, &place, &keep, &mut free)?;
        for (output, value) in outs.iter().zip(values) {
            self.mark(1 + output.value as usize);
            self.keep(output.slot, value, &mut free)?;
        }
        Ok(())
    }

    /// Stores a row scalar.
    fn keep(&mut self, slot: u16, value: Rm, free: &mut [V]) -> Result<(), Refused> {
        let v = match value {
            Rm::Reg(v) => v,
            m => {
                let v = *free.last().ok_or_else(|| Refused("too few vector registers".into()))?;
                self.asm.op2(Op2::Move, v, m)?;
                v
            }
        };
        let m = self.slot(slot);
        self.asm.store(m, v, 4, None)
    }
}
