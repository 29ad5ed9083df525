//! Sums in parts: partial sums go from their registers to totals in the frame, as
//! [`Total`](crate::lanes::Total) says.

use super::asm::{ORDERED, Op2, Op3, Rm, V};
use super::map::SETS;
use super::{Emitter, Refused};
use crate::lanes::{Len, PART, Parts, Program, Reduce, RowReduction, Stmt};
use iced_x86::{Code, Instruction, MemoryOperand, Register};

/// Bytes of the largest vector.
const VECTOR: i64 = 64;

/// Bytes of a program's frame at most: its row scalars, then the totals and accumulators of one statement.
pub fn frame(program: &Program) -> i64 {
    let vectors = program.stmts.iter().map(|stmt| match stmt {
        Stmt::Scalar { .. } => 0,
        Stmt::Map { reductions, .. } => 2 * sums_of(reductions) + (SETS - 1) * reductions.len() as i64,
        // At 256 bits a vector has 8 columns.
        Stmt::Tile(tile) => 2 * i64::from(tile.rows) * (i64::from(tile.cols) + 7) / 8,
    });
    VECTOR * (i64::from(program.slots) + vectors.max().unwrap_or(0))
}

/// How many reductions are sums.
fn sums_of(reductions: &[RowReduction]) -> i64 {
    reductions.iter().filter(|reduction| reduction.how == Reduce::Sum).count() as i64
}

/// How the sums of a loop are made.
#[derive(Clone, Copy)]
pub struct Sums {
    parts: Parts,
    /// The argument that gives the length of the loop, and the least length with a whole part.
    least: Option<(u16, i64)>,
    count: usize,
}

impl Sums {
    /// Those of a loop with as many iterations as elements of a length in groups of `each`; there are `count`
    /// sums.
    pub fn of(length: Len, each: i64, count: usize) -> Sums {
        match length {
            _ if count == 0 => Sums { parts: Parts::None, least: None, count },
            Len::Const(n) => Sums { parts: Parts::of(Some(n / each)), least: None, count },
            Len::Arg(i) => Sums { parts: Parts::of(None), least: Some((i, PART * each)), count },
            Len::Local(local) => local.unbound(),
        }
    }

    /// Whether there are no parts.
    pub fn whole(self) -> bool {
        self.parts == Parts::None
    }
}

impl Emitter<'_> {
    /// Where total `n` is, and what it lost: all totals lie side by side, so that few lines of the cache hold
    /// them.
    fn total(&mut self, sums: Sums, n: usize) -> (Rm, Rm) {
        let (first, bytes) = (VECTOR * i64::from(self.program.slots), self.asm.width.lanes() * 4);
        let mut place = |n: usize| {
            let at = first + n as i64 * bytes;
            self.frame = self.frame.max(at + bytes);
            Rm::Mem(MemoryOperand::with_base_displ(Register::RSP, at))
        };
        match sums.parts {
            Parts::Many => (place(n), place(sums.count + n)),
            Parts::None | Parts::Few => (place(n), place(n)),
        }
    }

    /// Where accumulator `n` is of a statement with these reductions that has some in memory: behind all
    /// totals.
    pub fn in_frame(&mut self, n: usize, reductions: &[RowReduction]) -> MemoryOperand {
        let bytes = self.asm.width.lanes() * 4;
        let at = VECTOR * i64::from(self.program.slots) + (2 * sums_of(reductions) + n as i64) * bytes;
        self.frame = self.frame.max(at + bytes);
        MemoryOperand::with_base_displ(Register::RSP, at)
    }

    /// Emits `code` where the loop has a whole part.
    fn where_in_parts(
        &mut self,
        sums: Sums,
        code: impl FnOnce(&mut Self) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        match sums.least {
            _ if sums.whole() => Ok(()),
            None => code(self),
            Some((argument, least)) => {
                let (after, used) = (self.asm.label(), self.used);
                let n = self.integer(argument)?;
                self.used = used;
                let least =
                    i32::try_from(least).map_err(|_| Refused("a part of a sum beyond 31 bits".into()))?;
                self.push(Instruction::with2(Code::Cmp_rm64_imm32, n, least))?;
                self.push(Instruction::with_branch(Code::Jl_rel32_64, after))?;
                code(self)?;
                self.asm.place(after);
                Ok(())
            }
        }
    }

    /// Begins the totals; overwrites `zero`.
    pub fn begin_totals(&mut self, sums: Sums, zero: V) -> Result<(), Refused> {
        self.where_in_parts(sums, |emitter| {
            emitter.asm.op3(Op3::Xor, zero, zero, Rm::Reg(zero))?;
            for n in 0..sums.count {
                let (sum, lost) = emitter.total(sums, n);
                emitter.write(sum, zero)?;
                if sums.parts == Parts::Many {
                    emitter.write(lost, zero)?;
                }
            }
            Ok(())
        })
    }

    /// Emits `code` inside of a loop. It runs where `counter` is a multiple of `every`, a power of two.
    pub fn at_parts(
        &mut self,
        sums: Sums,
        (counter, every): (Register, i64),
        code: impl FnOnce(&mut Self) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        if sums.whole() {
            return Ok(());
        }
        let after = self.asm.label();
        self.push(Instruction::with2(Code::Test_rm64_imm32, counter, (every - 1) as i32))?;
        self.push(Instruction::with_branch(Code::Jne_rel32_64, after))?;
        code(self)?;
        self.asm.place(after);
        Ok(())
    }

    /// Adds a partial sum to its total and clears it; overwrites the two others.
    pub fn add_part(&mut self, sums: Sums, part: V, n: usize, (sum, change): (V, V)) -> Result<(), Refused> {
        let (total, lost) = self.total(sums, n);
        if sums.parts != Parts::Many {
            self.asm.op3(Op3::Add, part, part, total)?;
            self.write(total, part)?;
            return self.asm.op3(Op3::Xor, part, part, Rm::Reg(part));
        }
        self.asm.op3(Op3::Add, sum, part, total)?;
        self.asm.op3(Op3::Sub, change, sum, total)?;
        self.write(total, sum)?;
        self.asm.op3(Op3::Sub, part, part, Rm::Reg(change))?;
        self.asm.op3(Op3::Add, part, part, lost)?;
        self.write(lost, part)?;
        self.asm.op3(Op3::Xor, part, part, Rm::Reg(part))
    }

    /// Makes whole sums of the last parts by adding the totals, in order; overwrites the two others.
    pub fn add_totals(&mut self, sums: Sums, parts: &[V], (all, valid): (V, V)) -> Result<(), Refused> {
        self.where_in_parts(sums, |emitter| {
            for (n, part) in parts.iter().enumerate() {
                let (total, lost) = emitter.total(sums, n);
                if sums.parts != Parts::Many {
                    emitter.asm.op3(Op3::Add, *part, *part, total)?;
                    continue;
                }
                emitter.asm.op3(Op3::Add, all, *part, lost)?;
                emitter.asm.op3(Op3::Add, all, all, total)?;
                emitter.asm.op3(Op3::Add, *part, *part, total)?;
                // What is lost is NaN where a total is infinite.
                emitter.asm.compare(valid, all, Rm::Reg(all), ORDERED)?;
                emitter.asm.select(*part, valid, all, *part)?;
            }
            Ok(())
        })
    }

    fn write(&mut self, to: Rm, v: V) -> Result<(), Refused> {
        match to {
            Rm::Mem(m) => self.asm.store(m, v, 4, None),
            Rm::Reg(r) => self.asm.op2(Op2::Move, r, Rm::Reg(v)),
        }
    }
}
