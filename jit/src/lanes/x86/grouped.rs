//! Register tiles whose operands are integers in groups: the products of a group are summed in integers, then
//! scaled and added to the accumulators.

use super::asm::{Mask, Op2, Op3, Rm, Shift, V};
use super::operands::{TileOperands, TileSize};
use super::parts::Sums;
use super::{Emitter, Refused};
use crate::lanes::{Encoding, Group, Len, Tile};
use iced_x86::{Code, Instruction};

/// A tile of integers whose sums are being made.
struct Grouped {
    size: TileSize,
    encoding: Encoding,
    group: Group,
    operands: TileOperands,
    /// The lanes of the last vector, if it is not whole.
    mask: Option<Mask>,
    /// The sum of a group for each accumulator.
    sums: Vec<V>,
    /// Registers for the vectors of the right operand that are held at a time. A vector takes one register
    /// for its bytes, or two: for the lower and upper halves of its bytes, or for its even and odd bytes.
    right: Vec<(V, V)>,
    /// Elements of the left operand.
    left: (V, V),
    /// Sums of two products, where there is no instruction for four.
    product: Option<V>,
}

impl Grouped {
    /// Whether the right operand has 4 bits.
    fn nibbles(&self) -> bool {
        self.encoding == Encoding::Nibbles
    }
}

impl Emitter<'_> {
    /// A tile whose sums have `rows` 32-bit rows of panels of `panel` rows.
    pub fn grouped(&mut self, tile: &Tile, (rows, panel): (Len, Len), group: Group) -> Result<(), Refused> {
        let Len::Const(rows) = rows else {
            return Err(Refused("a number of groups that is no constant".into()));
        };
        let size = TileSize::of(tile, self.asm.width);
        self.check_registers(tile, size)?;
        let counter = self.general()?;
        let operands = self.operands(tile, size, panel)?;
        self.clear(size)?;
        let mut spare: Vec<V> = (size.accumulators() as V..self.asm.width.registers()).collect();
        let mask = self.remainder_mask(size, &mut spare)?;
        let free = spare.clone();
        let grouped = self.group_registers(tile, size, group, (operands, mask), spare)?;
        let iterations = rows / group.panel_rows();
        let parts = Sums::of(Len::Const(iterations), 1, size.accumulators() as usize);
        let helpers = (grouped.left.0, grouped.right[0].0);
        self.begin_totals(parts, helpers.0)?;
        if iterations > 0 {
            let top = self.asm.label();
            let iterations = i32::try_from(iterations).map_err(|_| Refused("a sum beyond 31 bits".into()))?;
            self.push(Instruction::with2(Code::Mov_r32_imm32, counter.full_register32(), iterations))?;
            self.asm.place(top);
            self.add_parts(size, parts, counter, helpers)?;
            self.begin_group(&grouped)?;
            (0..group.rows).try_for_each(|row| self.group_row(&grouped, row))?;
            self.end_group(&grouped)?;
            self.prefetch(&grouped.operands)?;
            self.advance(&grouped.operands, 1)?;
            self.count_down(counter, top)?;
        }
        let accumulators: Vec<V> = size.registers().collect();
        self.add_totals(parts, &accumulators, helpers)?;
        self.used = 0;
        self.epilogue(size, &tile.body, free, size.tail(grouped.mask))
    }

    /// Vectors of the right operand held at a time: one row takes them one after another.
    fn held(size: TileSize) -> i64 {
        if size.rows > 1 { size.vectors } else { 1 }
    }

    /// Whether a vector of an operand takes two registers.
    fn two_registers(&self, encoding: Encoding) -> bool {
        encoding == Encoding::Nibbles || !self.dots
    }

    fn check_registers(&self, tile: &Tile, size: TileSize) -> Result<(), Refused> {
        let each = if self.two_registers(tile.encoding) { 2 } else { 1 };
        let operands = Self::held(size) * each + each + i64::from(!self.dots) + i64::from(size.remainder > 0);
        if 2 * size.accumulators() + operands > i64::from(self.asm.width.registers()) {
            return Err(Refused(format!("{} x {} accumulators and sums", tile.rows, tile.cols)));
        }
        Ok(())
    }

    /// Gives out the registers of `spare`.
    fn group_registers(
        &self,
        tile: &Tile,
        size: TileSize,
        group: Group,
        (operands, mask): (TileOperands, Option<Mask>),
        mut spare: Vec<V>,
    ) -> Result<Grouped, Refused> {
        let mut take = || spare.pop().ok_or_else(|| Refused("too few registers".into()));
        let mut pair = |both: bool| -> Result<(V, V), Refused> {
            let first = take()?;
            Ok((first, if both { take()? } else { first }))
        };
        let both = self.two_registers(tile.encoding);
        Ok(Grouped {
            size,
            encoding: tile.encoding,
            group,
            operands,
            mask,
            left: pair(both)?,
            right: (0..Self::held(size)).map(|_| pair(both)).collect::<Result<_, _>>()?,
            product: if self.dots { None } else { Some(pair(false)?.0) },
            sums: (0..size.accumulators()).map(|_| Ok(pair(false)?.0)).collect::<Result<_, Refused>>()?,
        })
    }

    /// Begins the sums of a group. Bytes are stored 128 too large; what the sums begin with corrects that.
    fn begin_group(&mut self, grouped: &Grouped) -> Result<(), Refused> {
        for (i, sum) in grouped.sums.iter().enumerate() {
            match grouped.encoding {
                Encoding::Bytes => {
                    let row = &grouped.operands.rows[i / grouped.operands.right.len()];
                    self.asm.broadcast(*sum, row.at(grouped.group.terms + 4), 4)?;
                }
                _ => self.asm.op3(Op3::Xor, *sum, *sum, Rm::Reg(*sum))?,
            }
        }
        Ok(())
    }

    /// Calls `body(from, to)` for the vectors of the right operand, as many at a time as registers hold.
    fn by_held_vectors(
        &mut self,
        grouped: &Grouped,
        mut body: impl FnMut(&mut Self, usize, usize) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let (vectors, held) = (grouped.operands.right.len(), grouped.right.len());
        (0..vectors).step_by(held).try_for_each(|from| body(self, from, (from + held).min(vectors)))
    }

    /// Loads vector `v` of a row of the panels.
    fn load_right(&mut self, grouped: &Grouped, v: usize, row: i64, to: V) -> Result<(), Refused> {
        let mask = if v + 1 == grouped.operands.right.len() { grouped.mask } else { None };
        self.asm.load(to, grouped.operands.right[v].at(row), 4, mask)
    }

    /// Loads four bytes of a row of the left operand, or eight of them, as they are multiplied with row `k`.
    fn load_left(&mut self, grouped: &Grouped, row: usize, k: i64) -> Result<(), Refused> {
        let row = &grouped.operands.rows[row];
        let (first, second) = grouped.left;
        if grouped.nibbles() {
            self.asm.broadcast(first, row.at(8 * k), 4)?;
            return self.asm.broadcast(second, row.at(8 * k + 4), 4);
        }
        self.asm.broadcast(first, row.at(4 * k), 4)?;
        if !self.dots {
            self.asm.shift_words(Shift::Right, second, first, 8)?;
            self.asm.shift_words(Shift::Left, first, first, 8)?;
            self.asm.shift_words(Shift::Right, first, first, 8)?;
        }
        Ok(())
    }

    /// Adds the products of row `k` of the panels.
    fn group_row(&mut self, grouped: &Grouped, k: i64) -> Result<(), Refused> {
        let rows = grouped.operands.rows.len();
        if rows == 1 {
            self.load_left(grouped, 0, k)?;
        }
        let (low, even) = (self.asm.constant(0x0f0f_0f0f), self.asm.constant(0x00ff_00ff));
        self.by_held_vectors(grouped, |emitter, from, to| {
            for (v, &(first, second)) in (from..to).zip(&grouped.right) {
                emitter.load_right(grouped, v, k, first)?;
                if grouped.nibbles() {
                    emitter.asm.shift(Shift::RightZero, second, first, 4)?;
                    emitter.asm.op3(Op3::And, first, first, low)?;
                    emitter.asm.op3(Op3::And, second, second, low)?;
                } else if !emitter.dots {
                    emitter.asm.shift_words(Shift::RightZero, second, first, 8)?;
                    emitter.asm.op3(Op3::And, first, first, even)?;
                }
            }
            for row in 0..rows {
                if rows > 1 {
                    emitter.load_left(grouped, row, k)?;
                }
                for (v, right) in (from..to).zip(&grouped.right) {
                    let sum = grouped.sums[row * grouped.operands.right.len() + v];
                    emitter.multiply_bytes(grouped, sum, *right)?;
                }
            }
            Ok(())
        })
    }

    /// Adds the products of one vector of bytes and the element of the left operand at hand.
    fn multiply_bytes(&mut self, grouped: &Grouped, sum: V, right: (V, V)) -> Result<(), Refused> {
        let both = [(right.0, grouped.left.0), (right.1, grouped.left.1)];
        let Some(product) = grouped.product else {
            return both
                .into_iter()
                .take(if grouped.nibbles() { 2 } else { 1 })
                .try_for_each(|(w, x)| self.asm.op3(Op3::DotBytes, sum, w, Rm::Reg(x)));
        };
        // Sums of a whole group of 4 by 8 bits are below 2^15.
        let (dot, add) = if grouped.nibbles() {
            (Op3::DotBytesInWords, Op3::AddWords)
        } else {
            (Op3::DotWords, Op3::IAdd)
        };
        for (w, x) in both {
            self.asm.op3(dot, product, w, Rm::Reg(x))?;
            self.asm.op3(add, sum, sum, Rm::Reg(product))?;
        }
        Ok(())
    }

    /// Scales the sums of a group and adds them to the accumulators.
    fn end_group(&mut self, grouped: &Grouped) -> Result<(), Refused> {
        let (group, nibbles) = (grouped.group, grouped.nibbles());
        if let Some(ones) = grouped.product.filter(|_| nibbles) {
            let words = self.asm.constant(0x0001_0001);
            self.asm.op2(Op2::Move, ones, words)?;
            for sum in &grouped.sums {
                self.asm.op3(Op3::DotWords, *sum, *sum, Rm::Reg(ones))?;
            }
        }
        self.by_held_vectors(grouped, |emitter, from, to| {
            for (v, &(first, second)) in (from..to).zip(&grouped.right) {
                emitter.load_right(grouped, v, group.rows, first)?;
                if nibbles {
                    emitter.halves_to_floats(first, second)?;
                }
            }
            for (r, row) in grouped.operands.rows.iter().enumerate() {
                emitter.asm.broadcast(grouped.left.0, row.at(group.terms), 4)?;
                for (v, &(factor, _)) in (from..to).zip(&grouped.right) {
                    let acc = grouped.size.accumulator(r as i64, v as i64);
                    let sum = grouped.sums[usize::from(acc)];
                    emitter.asm.op2(Op2::ToFloat, sum, Rm::Reg(sum))?;
                    emitter.asm.op3(Op3::Mul, sum, sum, Rm::Reg(factor))?;
                    emitter.asm.op3(Op3::Fma231, acc, sum, Rm::Reg(grouped.left.0))?;
                }
                if nibbles {
                    emitter.asm.broadcast(grouped.left.1, row.at(group.terms + 4), 4)?;
                    for (v, &(_, summand)) in (from..to).zip(&grouped.right) {
                        let acc = grouped.size.accumulator(r as i64, v as i64);
                        emitter.asm.op3(Op3::Fma231, acc, summand, Rm::Reg(grouped.left.1))?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Makes floats of the two f16 of each lane of `low`; that of the upper half goes to `high`. Exponent and
    /// mantissa are shifted to their places in an f32, whose exponent bias is 112 larger.
    fn halves_to_floats(&mut self, low: V, high: V) -> Result<(), Refused> {
        let (bits, power) = (self.asm.constant(0x8fff_e000), self.asm.constant((127 + 112) << 23));
        self.asm.shift(Shift::Right, high, low, 3)?;
        self.asm.shift(Shift::Left, low, low, 16)?;
        self.asm.shift(Shift::Right, low, low, 3)?;
        for v in [low, high] {
            self.asm.op3(Op3::And, v, v, bits)?;
            self.asm.op3(Op3::Mul, v, v, power)?;
        }
        Ok(())
    }
}
