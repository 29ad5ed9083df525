//! The body of a tile: what is done with each accumulator, row by row.

use super::asm::V;
use super::body::{BodyPosition, Tail};
use super::operands::TileSize;
use super::{Emitter, Refused};
use crate::lanes::{Inst, Len, Ptr};
use iced_x86::{Code, Instruction, Register};
use std::collections::BTreeMap;

/// The pointers of a tile's body.
#[derive(Default)]
struct Pointers {
    /// The register of each pointer argument.
    bases: BTreeMap<u16, Register>,
    /// Bytes from one row to the next, of those whose stride is an argument.
    strides: BTreeMap<u16, Register>,
}

impl Emitter<'_> {
    /// Emits the body for each accumulator. `spare` are free vector registers, `last` is the mask of a last
    /// vector that is not whole.
    pub fn epilogue(
        &mut self,
        size: TileSize,
        body: &[Inst],
        spare: Vec<V>,
        last: Option<Tail>,
    ) -> Result<(), Refused> {
        let lanes = self.asm.width.lanes();
        let pointers = self.epilogue_pointers(body)?;
        let mut free: Vec<V> = spare.into_iter().rev().collect();
        for r in 0..size.rows {
            for v in 0..size.vectors {
                let tail = if v + 1 == size.vectors { last } else { None };
                let acc = size.accumulator(r, v);
                let place = BodyPosition {
                    bases: &pointers.bases,
                    index: None,
                    plus: v * lanes,
                    row: r,
                    tail,
                    acc: Some(acc),
                    scalar: false,
                    without: &[],
                };
                if !body.iter().any(|i| matches!(i, Inst::Acc)) {
                    free.push(acc);
                }
                self.body(body, &place, &[], &mut free)?;
            }
            if r + 1 < size.rows {
                for (arg, stride) in &pointers.strides {
                    self.push(Instruction::with2(Code::Add_r64_rm64, pointers.bases[arg], *stride))?;
                }
            }
        }
        Ok(())
    }

    /// Loads the pointers that a tile's body reads and writes.
    fn epilogue_pointers(&mut self, body: &[Inst]) -> Result<Pointers, Refused> {
        let mut pointers = Pointers::default();
        for inst in body {
            let (Inst::Load { ptr, row_step, mem, .. } | Inst::Store { ptr, row_step, mem, .. }) = inst
            else {
                continue;
            };
            let Ptr::Arg(arg) = ptr else {
                return Err(Refused("a derived pointer in a tile".into()));
            };
            if pointers.bases.contains_key(arg) {
                continue;
            }
            let base = self.pointer(*arg)?;
            pointers.bases.insert(*arg, base);
            if let Len::Arg(i) = row_step {
                let stride = self.integer(*i)?;
                let shift = mem.size().trailing_zeros() as i32;
                self.push(Instruction::with2(Code::Shl_rm64_imm8, stride, shift))?;
                pointers.strides.insert(*arg, stride);
            }
        }
        Ok(pointers)
    }
}
