//! Register tiles of matrix products of floats: the accumulators stay in registers over the whole sum, then
//! comes the epilogue.

use super::asm::{Mask, Op2, Op3, Rm, Shift, V};
use super::operands::{LeftRow, TileOperands, TileSize};
use super::parts::Sums;
use super::{Emitter, Refused, Width};
use crate::lanes::{Encoding, Len, PART, Tile, UNROLL};
use iced_x86::{Code, Instruction, Register};

/// A tile of floats whose sums are being made.
struct Floats {
    size: TileSize,
    operands: TileOperands,
    /// The lanes of the last vector, if it is not whole.
    mask: Option<Mask>,
    /// Adds one product to an accumulator.
    multiply_add: Op3,
    /// Vectors of the right operand, from this one on, are loaded into registers; those before it are read
    /// from memory by the multiplication.
    first_held: usize,
    /// Registers for these vectors, then those for elements of the left operand.
    spare: Vec<V>,
    /// The registers of a right operand in bf16.
    halves: Option<Halves>,
    /// How the sums are parted, and two registers that adding a part may overwrite.
    sums: Sums,
    helpers: (V, V),
    /// Counts iterations.
    counter: Register,
}

/// Registers of a tile whose right operand is bf16.
struct Halves {
    /// Ones in the upper half of each lane.
    upper: V,
    /// An element of the left operand.
    left: V,
    /// Lower and upper halves of all vectors of a row of the right operand, or of one at a time.
    vectors: Vec<(V, V)>,
}

impl Halves {
    fn new(spare: &mut Vec<V>, hold: bool, vectors: i64) -> Halves {
        let mut take = || spare.pop().unwrap_or_default();
        let (upper, left) = (take(), take());
        Halves {
            upper,
            left,
            vectors: (0..if hold { vectors } else { 1 }).map(|_| (take(), take())).collect(),
        }
    }

    fn registers(&self) -> impl Iterator<Item = V> {
        self.vectors.iter().flat_map(|(a, b)| [*a, *b]).chain([self.upper, self.left])
    }
}

impl Emitter<'_> {
    /// Emits a tile: its sums, then its body for each accumulator.
    pub fn tile(&mut self, tile: &Tile) -> Result<(), Refused> {
        let encoding = tile.encoding;
        if encoding == Encoding::Pairs && self.asm.width == Width::Y {
            return Err(Refused("products of bf16 at 256 bits".into()));
        }
        let rows = |k: Len| match (k, encoding) {
            (k, Encoding::F32) => Ok(k),
            (Len::Const(n), _) if n % encoding.unit() == 0 => Ok(Len::Const(encoding.panel_rows(n))),
            _ => Err(Refused("a sum whose length is no constant of whole groups".into())),
        };
        let (k, panel) = (rows(tile.k)?, rows(tile.panel)?);
        match encoding.group() {
            Some(group) => self.grouped(tile, (k, panel), group),
            None => self.floats(tile, k, panel),
        }
    }

    /// A tile whose sums have `k` rows of panels of `panel` rows.
    fn floats(&mut self, tile: &Tile, k: Len, panel: Len) -> Result<(), Refused> {
        let mut floats = self.begin_floats(tile, k, panel)?;
        self.begin_totals(floats.sums, floats.helpers.0)?;
        match k {
            Len::Const(n) => self.known_sum(&floats, n)?,
            Len::Arg(i) => self.run_time_sum(&floats, i)?,
            Len::Local(l) => l.unbound(),
        }
        let accumulators: Vec<V> = floats.size.registers().collect();
        self.add_totals(floats.sums, &accumulators, floats.helpers)?;
        self.used = 0;
        floats.spare.extend(floats.halves.iter().flat_map(Halves::registers));
        self.epilogue(floats.size, &tile.body, floats.spare, floats.size.tail(floats.mask))
    }

    /// Gives out the registers of a tile, loads its addresses and clears its accumulators.
    fn begin_floats(&mut self, tile: &Tile, k: Len, panel: Len) -> Result<Floats, Refused> {
        let (size, in_halves) = (TileSize::of(tile, self.asm.width), tile.encoding == Encoding::Halves);
        let (accumulators, all) = (size.accumulators(), i64::from(self.asm.width.registers()));
        let masks = i64::from(size.remainder > 0);
        // A tile of several rows holds the vectors of the right operand. One row reads whole ones from
        // memory.
        let held = match size.rows {
            _ if in_halves => 0,
            1 => masks,
            _ => size.vectors,
        };
        let operands = if in_halves { 5 } else { held + 1 };
        if accumulators + operands + masks > all {
            return Err(Refused(format!("{} x {} accumulators", tile.rows, tile.cols)));
        }
        let counter = self.general()?;
        let operands = self.operands(tile, size, panel)?;
        self.clear(size)?;
        let mut spare: Vec<V> = (accumulators as V..all as V).collect();
        let mask = self.remainder_mask(size, &mut spare)?;
        let hold_all = accumulators + 4 + 2 * size.vectors <= all;
        let halves = in_halves.then(|| Halves::new(&mut spare, hold_all, size.vectors));
        if let Some(h) = &halves {
            let upper = self.asm.constant(0xffff_0000);
            self.asm.op2(Op2::Move, h.upper, upper)?;
        }
        let sums = Sums::of(k, UNROLL, accumulators as usize);
        let helpers = match (&halves, spare.as_slice()) {
            (Some(h), _) => (h.left, h.vectors[0].0),
            (None, [a, b, ..]) => (*a, *b),
            _ if sums.whole() => (0, 0),
            _ => return Err(Refused("too few vector registers".into())),
        };
        let first_held = operands.right.len() - held as usize;
        let multiply_add = if tile.encoding == Encoding::Pairs { Op3::DotBf16 } else { Op3::Fma231 };
        Ok(Floats { size, operands, mask, multiply_add, first_held, spare, halves, sums, helpers, counter })
    }

    /// Sets the accumulators to 0.
    pub fn clear(&mut self, size: TileSize) -> Result<(), Refused> {
        size.registers().try_for_each(|i| self.asm.op3(Op3::Xor, i, i, Rm::Reg(i)))
    }

    /// The mask of a last vector that is not whole. A tile that begins inside of a panel has nothing to read
    /// after its last column.
    pub fn remainder_mask(&mut self, size: TileSize, spare: &mut Vec<V>) -> Result<Option<Mask>, Refused> {
        if size.remainder == 0 { Ok(None) } else { self.known_mask(size.remainder, spare).map(Some) }
    }

    /// The sum over a known number of rows of panels.
    fn known_sum(&mut self, floats: &Floats, rows: i64) -> Result<(), Refused> {
        let iterations = rows / UNROLL;
        if iterations > 0 {
            let top = self.asm.label();
            let iterations = i32::try_from(iterations).map_err(|_| Refused("a sum beyond 31 bits".into()))?;
            let counter = floats.counter.full_register32();
            self.push(Instruction::with2(Code::Mov_r32_imm32, counter, iterations))?;
            self.asm.place(top);
            self.unrolled(floats)?;
            self.count_down(floats.counter, top)?;
        }
        (0..rows % UNROLL).try_for_each(|u| self.term(floats, u))
    }

    /// The sum over as many rows of panels as an argument gives: unrolled iterations, then the remainder.
    fn run_time_sum(&mut self, floats: &Floats, argument: u16) -> Result<(), Refused> {
        let counter = floats.counter;
        for unrolled in [true, false] {
            let (top, after) = (self.asm.label(), self.asm.label());
            let rows = self.argument(self.program.ptrs + argument);
            self.push(Instruction::with2(Code::Mov_r64_rm64, counter, rows))?;
            if unrolled {
                self.push(Instruction::with2(Code::Sar_rm64_imm8, counter, 2))?;
            } else {
                self.push(Instruction::with2(Code::And_rm64_imm32, counter, (UNROLL - 1) as i32))?;
            }
            self.push(Instruction::with2(Code::Test_rm64_r64, counter, counter))?;
            self.push(Instruction::with_branch(Code::Jle_rel32_64, after))?;
            self.asm.place(top);
            if unrolled {
                self.unrolled(floats)?;
            } else {
                self.term(floats, 0)?;
                self.advance(&floats.operands, 1)?;
            }
            self.count_down(counter, top)?;
            self.asm.place(after);
        }
        Ok(())
    }

    /// One iteration of the unrolled loop.
    fn unrolled(&mut self, floats: &Floats) -> Result<(), Refused> {
        self.add_parts(floats.size, floats.sums, floats.counter, floats.helpers)?;
        (0..UNROLL).try_for_each(|u| self.term(floats, u))?;
        self.prefetch(&floats.operands)?;
        self.advance(&floats.operands, UNROLL)
    }

    /// Adds the accumulators to their totals where a part of the sums ends.
    pub fn add_parts(
        &mut self,
        size: TileSize,
        sums: Sums,
        counter: Register,
        helpers: (V, V),
    ) -> Result<(), Refused> {
        self.at_parts(sums, (counter, PART), |emitter| {
            size.registers().try_for_each(|i| emitter.add_part(sums, i, usize::from(i), helpers))
        })
    }

    /// Counts an iteration and jumps to `top` if there is another one.
    pub fn count_down(&mut self, counter: Register, top: super::asm::Label) -> Result<(), Refused> {
        self.push(Instruction::with1(Code::Dec_rm64, counter))?;
        self.push(Instruction::with_branch(Code::Jne_rel32_64, top))
    }

    /// Adds row `u` of the panels times its elements of the left operand.
    fn term(&mut self, floats: &Floats, u: i64) -> Result<(), Refused> {
        if let Some(halves) = &floats.halves {
            return self.halves(floats, halves, u);
        }
        let (right, first) = (&floats.operands.right, floats.first_held);
        for (v, vector) in right.iter().enumerate().skip(first) {
            let mask = if v + 1 == right.len() { floats.mask } else { None };
            self.asm.load(floats.spare[v - first], vector.at(u), 4, mask)?;
        }
        let lefts = &floats.spare[right.len() - first..];
        for (r, row) in floats.operands.rows.iter().enumerate() {
            let x = lefts[r % lefts.len().min(4)];
            self.asm.broadcast(x, row.at(u * floats.operands.left_step), 4)?;
            for (v, vector) in right.iter().enumerate() {
                let y = match v.checked_sub(first) {
                    Some(held) => Rm::Reg(floats.spare[held]),
                    None => Rm::Mem(vector.at(u)),
                };
                self.asm.op3(floats.multiply_add, floats.size.accumulator(r as i64, v as i64), x, y)?;
            }
        }
        self.next_left(&floats.operands)
    }

    /// Adds two terms to each sum: the lower and the upper halves of row `u` of the panels.
    fn halves(&mut self, floats: &Floats, halves: &Halves, u: i64) -> Result<(), Refused> {
        let right = &floats.operands.right;
        let left = |emitter: &mut Self, row: &LeftRow, half: i64| {
            emitter.asm.broadcast(halves.left, row.at(u * 8 + half * 4), 4)
        };
        // All vectors at once, or one after another.
        let step = halves.vectors.len().max(1);
        for first in (0..right.len()).step_by(step) {
            let at_hand = first..(first + step).min(right.len());
            for (v, registers) in at_hand.clone().zip(&halves.vectors) {
                self.load_halves(floats, halves, (v, u), *registers)?;
            }
            for (r, row) in floats.operands.rows.iter().enumerate() {
                for half in 0..2 {
                    left(self, row, half)?;
                    for (v, (low, high)) in at_hand.clone().zip(&halves.vectors) {
                        let x = if half == 0 { *low } else { *high };
                        let acc = floats.size.accumulator(r as i64, v as i64);
                        self.asm.op3(Op3::Fma231, acc, halves.left, Rm::Reg(x))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Loads vector `v` of row `u` of the panels and parts it into its two bf16 as f32.
    fn load_halves(
        &mut self,
        floats: &Floats,
        halves: &Halves,
        (v, u): (usize, i64),
        (low, high): (V, V),
    ) -> Result<(), Refused> {
        let right = &floats.operands.right;
        let mask = if v + 1 == right.len() { floats.mask } else { None };
        self.asm.load(low, right[v].at(u), 4, mask)?;
        self.asm.op3(Op3::And, high, halves.upper, Rm::Reg(low))?;
        self.asm.shift(Shift::Left, low, low, 16)
    }
}
