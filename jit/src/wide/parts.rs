//! Sums in parts: partial sums go from their registers to totals in the frame, as [`Total`](crate::lanes::Total) says.

use super::asm::{ORDERED, Op2, Op3, Rm, V};
use super::{Emit, Refused};
use crate::lanes::{Fold, PART, Program, Stmt};
use iced_x86::{Code, Instruction, MemoryOperand, Register};

/// Bytes of the largest vector.
const VECTOR: i64 = 64;

/// Bytes of a program's frame at most: its row scalars, then the totals of one statement.
pub fn frame(p: &Program) -> i64 {
    let totals = p.stmts.iter().map(|s| match s {
        Stmt::Once { .. } => 0,
        Stmt::Map { folds, .. } => folds.iter().filter(|f| f.0 == Fold::Sum).count() as i64,
        // At 256 bits a vector has 8 columns.
        Stmt::Tile { rows, cols, .. } => i64::from(*rows) * (i64::from(*cols) + 7) / 8,
    });
    VECTOR * (i64::from(p.slots) + 2 * totals.max().unwrap_or(0))
}

/// How often partial sums are added to their totals.
#[derive(Clone, Copy)]
pub enum Often {
    /// Never: the loop has too few turns.
    Never,
    /// As often as it has [`PART`] turns.
    Always,
    /// The same, if the argument of that number is at least so large: else the loop has too few turns.
    From(u16, i64),
}

impl Often {
    /// How often a loop of `turns` turns has whole parts.
    pub fn of(turns: i64) -> Often {
        if turns >= PART { Often::Always } else { Often::Never }
    }
}

impl Emit<'_> {
    fn total(&mut self, n: usize) -> (Rm, Rm) {
        let bytes = self.a.width.lanes() * 4;
        let at = VECTOR * i64::from(self.p.slots) + 2 * n as i64 * bytes;
        self.frame = self.frame.max(at + 2 * bytes);
        let place = |at: i64| Rm::Mem(MemoryOperand::with_base_displ(Register::RSP, at));
        (place(at), place(at + bytes))
    }

    /// Emits `code` where sums have whole parts.
    fn where_in_parts(&mut self, often: Often, code: impl FnOnce(&mut Self) -> Result<(), Refused>) -> Result<(), Refused> {
        match often {
            Often::Never => Ok(()),
            Often::Always => code(self),
            Often::From(argument, least) => {
                let (after, used) = (self.a.label(), self.used);
                let n = self.integer(argument)?;
                self.used = used;
                let least = i32::try_from(least).map_err(|_| Refused("a part of a sum beyond 31 bits".into()))?;
                self.push(Instruction::with2(Code::Cmp_rm64_imm32, n, least))?;
                self.push(Instruction::with_branch(Code::Jl_rel32_64, after))?;
                code(self)?;
                self.a.place(after);
                Ok(())
            }
        }
    }

    /// Begins so many totals; spoils `zero`.
    pub fn begin_totals(&mut self, often: Often, count: usize, zero: V) -> Result<(), Refused> {
        self.where_in_parts(often, |e| {
            e.a.op3(Op3::Xor, zero, zero, Rm::Reg(zero))?;
            for n in 0..count {
                let (sum, lost) = e.total(n);
                e.write(sum, zero)?;
                e.write(lost, zero)?;
            }
            Ok(())
        })
    }

    /// Inside of a loop: where `counter` is a multiple of `every`, a power of two, `code` runs.
    pub fn at_parts(
        &mut self,
        often: Often,
        (counter, every): (Register, i64),
        code: impl FnOnce(&mut Self) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        if matches!(often, Often::Never) {
            return Ok(());
        }
        let after = self.a.label();
        self.push(Instruction::with2(Code::Test_rm64_imm32, counter, (every - 1) as i32))?;
        self.push(Instruction::with_branch(Code::Jne_rel32_64, after))?;
        code(self)?;
        self.a.place(after);
        Ok(())
    }

    /// Adds a partial sum to its total and clears it; spoils the two others.
    pub fn add_part(&mut self, part: V, n: usize, (sum, change): (V, V)) -> Result<(), Refused> {
        let (total, lost) = self.total(n);
        self.a.op3(Op3::Add, sum, part, total)?;
        self.a.op3(Op3::Sub, change, sum, total)?;
        self.write(total, sum)?;
        self.a.op3(Op3::Sub, part, part, Rm::Reg(change))?;
        self.a.op3(Op3::Add, part, part, lost)?;
        self.write(lost, part)?;
        self.a.op3(Op3::Xor, part, part, Rm::Reg(part))
    }

    /// Makes last parts whole sums: those of the totals from the first on; spoils the two others.
    pub fn add_totals(&mut self, often: Often, parts: &[V], (all, valid): (V, V)) -> Result<(), Refused> {
        self.where_in_parts(often, |e| {
            for (n, part) in parts.iter().enumerate() {
                let (total, lost) = e.total(n);
                e.a.op3(Op3::Add, all, *part, lost)?;
                e.a.op3(Op3::Add, all, all, total)?;
                e.a.op3(Op3::Add, *part, *part, total)?;
                // What is lost is no number where a total is infinite.
                e.a.compare(valid, all, Rm::Reg(all), ORDERED)?;
                e.a.select(*part, valid, all, *part)?;
            }
            Ok(())
        })
    }

    fn write(&mut self, to: Rm, v: V) -> Result<(), Refused> {
        match to {
            Rm::Mem(m) => self.a.store(m, v, 4, None),
            Rm::Reg(r) => self.a.op2(Op2::Move, r, Rm::Reg(v)),
        }
    }
}
