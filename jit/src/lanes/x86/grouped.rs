//! Tiles whose operands are integers in groups: the products of a group are summed in integers, then scaled
//! and added to the accumulators.

use super::asm::{Mask, Op2, Op3, Rm, Shift, V};
use super::body::{Count, Tail};
use super::parts::Sums;
use super::tile::Operands;
use super::{Emit, Refused};
use crate::lanes::{Group, Inst, Len, PART, STRIP, Terms};
use iced_x86::{Code, Instruction, MemoryOperand};

/// Registers of such a tile.
struct Registers {
    /// The sum of a group for each accumulator.
    sums: Vec<V>,
    /// Of each vector at hand of the right operand: its bytes; its lower and upper halves of bytes; or its
    /// even and odd bytes.
    right: Vec<(V, V)>,
    /// Elements of the left operand.
    left: (V, V),
    /// Sums of two products, where there is no instruction for four.
    product: Option<V>,
}

impl Emit<'_> {
    /// A tile that reads `lines` of strips that have `strip`.
    pub fn grouped(
        &mut self,
        shape: (u8, u8),
        (lines, strip, terms, group): (Len, Len, Terms, Group),
        a: (u16, Len),
        b: u16,
        body: &[Inst],
    ) -> Result<(), Refused> {
        let Len::Const(count) = lines else {
            return Err(Refused("a number of groups that is no constant".into()));
        };
        let lanes = self.a.width.lanes();
        let (rows, cols) = (i64::from(shape.0), i64::from(shape.1));
        let vectors = (cols + lanes - 1) / lanes;
        let (accs, all, rest) = (rows * vectors, i64::from(self.a.width.registers()), cols % lanes);
        // One row takes the vectors of the right operand one after another.
        let held = if rows > 1 { vectors } else { 1 };
        let both = terms == Terms::Nibbles || !self.dots;
        let each = if both { 2 } else { 1 };
        if 2 * accs + held * each + each + i64::from(!self.dots) + i64::from(rest > 0) > all {
            return Err(Refused(format!("{rows} x {cols} accumulators and sums")));
        }
        let counter = self.general()?;
        let o = self.operands(rows, vectors, (strip, terms), a, b)?;
        for i in 0..accs as V {
            self.a.op3(Op3::Xor, i, i, Rm::Reg(i))?;
        }
        let mut spare: Vec<V> = (accs as V..all as V).collect();
        let mask = if rest > 0 { Some(self.known_mask(rest, &mut spare)?) } else { None };
        let free = spare.clone();
        let mut take = || spare.pop().ok_or_else(|| Refused("too few registers".into()));
        let mut pair = |both: bool| -> Result<(V, V), Refused> {
            let first = take()?;
            Ok((first, if both { take()? } else { first }))
        };
        let r = Registers {
            left: pair(both)?,
            right: (0..held).map(|_| pair(both)).collect::<Result<_, _>>()?,
            product: if self.dots { None } else { Some(pair(false)?.0) },
            sums: (0..accs).map(|_| Ok(pair(false)?.0)).collect::<Result<_, Refused>>()?,
        };
        let turns = count / group.right();
        let (sums, helpers) = (Sums::of(Len::Const(turns), 1, accs as usize), (r.left.0, r.right[0].0));
        self.begin_totals(sums, helpers.0)?;
        if turns > 0 {
            let top = self.a.label();
            let turns = i32::try_from(turns).map_err(|_| Refused("a sum beyond 31 bits".into()))?;
            self.push(Instruction::with2(Code::Mov_r32_imm32, counter.full_register32(), turns))?;
            self.a.place(top);
            self.at_parts(sums, (counter, PART), |e| {
                (0..accs as V).try_for_each(|i| e.add_part(sums, i, usize::from(i), helpers))
            })?;
            self.begin_group(&r, &o, terms, group)?;
            for line in 0..group.lines {
                self.line(&r, &o, terms, line, mask)?;
            }
            self.end_group(&r, &o, terms, group, mask)?;
            self.bring_nearer(&o)?;
            self.advance(&o, 1)?;
            self.push(Instruction::with1(Code::Dec_rm64, counter))?;
            self.push(Instruction::with_branch(Code::Jne_rel32_64, top))?;
        }
        self.add_totals(sums, &(0..accs as V).collect::<Vec<V>>(), helpers)?;
        self.used = 0;
        let tail = mask.map(|mask| Tail { mask, count: Count::Known(rest) });
        self.epilogue((rows, vectors), body, free, tail)
    }

    /// What the sums of a group begin with: bytes are stored 128 too large, which the row's sum takes back.
    fn begin_group(
        &mut self,
        r: &Registers,
        o: &Operands,
        terms: Terms,
        group: Group,
    ) -> Result<(), Refused> {
        for (i, sum) in r.sums.iter().enumerate() {
            match terms {
                Terms::Bytes => self.a.broadcast(*sum, o.rows[i / o.right.len()].at(group.terms + 4), 4)?,
                _ => self.a.op3(Op3::Xor, *sum, *sum, Rm::Reg(*sum))?,
            }
        }
        Ok(())
    }

    /// Calls for the vectors of the right operand as many at a time as registers hold, with the first one's
    /// number.
    fn each_turn(
        &mut self,
        r: &Registers,
        o: &Operands,
        mut turn: impl FnMut(&mut Self, usize, usize) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        (0..o.right.len())
            .step_by(r.right.len())
            .try_for_each(|from| turn(self, from, (from + r.right.len()).min(o.right.len())))
    }

    /// Loads 32 bits of each column of a vector of the right operand.
    fn right(&mut self, o: &Operands, v: usize, line: i64, to: V, mask: Option<Mask>) -> Result<(), Refused> {
        let (base, at) = o.right[v];
        let masked = if v + 1 == o.right.len() { mask } else { None };
        self.a.load(to, MemoryOperand::with_base_displ(base, at + line * STRIP * 4), 4, masked)
    }

    /// The products of one line.
    fn line(
        &mut self,
        r: &Registers,
        o: &Operands,
        terms: Terms,
        line: i64,
        mask: Option<Mask>,
    ) -> Result<(), Refused> {
        let nibbles = terms == Terms::Nibbles;
        let left = |e: &mut Self, row: usize| -> Result<(), Refused> {
            let row = &o.rows[row];
            let (first, second) = r.left;
            if nibbles {
                e.a.broadcast(first, row.at(8 * line), 4)?;
                return e.a.broadcast(second, row.at(8 * line + 4), 4);
            }
            e.a.broadcast(first, row.at(4 * line), 4)?;
            if !e.dots {
                e.a.shift_words(Shift::Right, second, first, 8)?;
                e.a.shift_words(Shift::Left, first, first, 8)?;
                e.a.shift_words(Shift::Right, first, first, 8)?;
            }
            Ok(())
        };
        let alone = o.rows.len() == 1;
        if alone {
            left(self, 0)?;
        }
        let (low, even) = (self.a.constant(0x0f0f_0f0f), self.a.constant(0x00ff_00ff));
        self.each_turn(r, o, |e, from, to| {
            for (v, &(first, second)) in (from..to).zip(&r.right) {
                e.right(o, v, line, first, mask)?;
                if nibbles {
                    e.a.shift(Shift::RightZero, second, first, 4)?;
                    e.a.op3(Op3::And, first, first, low)?;
                    e.a.op3(Op3::And, second, second, low)?;
                } else if !e.dots {
                    e.a.shift_words(Shift::RightZero, second, first, 8)?;
                    e.a.op3(Op3::And, first, first, even)?;
                }
            }
            for row in 0..o.rows.len() {
                if !alone {
                    left(e, row)?;
                }
                for (v, &(first, second)) in (from..to).zip(&r.right) {
                    let sum = r.sums[row * o.right.len() + v];
                    let both = [(first, r.left.0), (second, r.left.1)];
                    match r.product {
                        None => {
                            for (w, x) in both.into_iter().take(if nibbles { 2 } else { 1 }) {
                                e.a.op3(Op3::DotBytes, sum, w, Rm::Reg(x))?;
                            }
                        }
                        Some(product) => {
                            // Sums of a whole group of 4 by 8 bits are below 2^15.
                            let (dot, add) = if nibbles {
                                (Op3::DotBytesInWords, Op3::AddWords)
                            } else {
                                (Op3::DotWords, Op3::IAdd)
                            };
                            for (w, x) in both {
                                e.a.op3(dot, product, w, Rm::Reg(x))?;
                                e.a.op3(add, sum, sum, Rm::Reg(product))?;
                            }
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// Scales the sums of a group and adds them to the accumulators.
    fn end_group(
        &mut self,
        r: &Registers,
        o: &Operands,
        terms: Terms,
        group: Group,
        mask: Option<Mask>,
    ) -> Result<(), Refused> {
        if let Some(ones) = r.product.filter(|_| terms == Terms::Nibbles) {
            let words = self.a.constant(0x0001_0001);
            self.a.op2(Op2::Move, ones, words)?;
            for sum in &r.sums {
                self.a.op3(Op3::DotWords, *sum, *sum, Rm::Reg(ones))?;
            }
        }
        self.each_turn(r, o, |e, from, to| {
            for (v, &(first, second)) in (from..to).zip(&r.right) {
                e.right(o, v, group.lines, first, mask)?;
                if terms == Terms::Nibbles {
                    e.halves_to_floats(first, second)?;
                }
            }
            for (n, row) in o.rows.iter().enumerate() {
                let acc = |v: usize| (n * o.right.len() + v) as V;
                e.a.broadcast(r.left.0, row.at(group.terms), 4)?;
                for (v, &(factor, _)) in (from..to).zip(&r.right) {
                    let sum = r.sums[usize::from(acc(v))];
                    e.a.op2(Op2::ToFloat, sum, Rm::Reg(sum))?;
                    e.a.op3(Op3::Mul, sum, sum, Rm::Reg(factor))?;
                    e.a.op3(Op3::Fma231, acc(v), sum, Rm::Reg(r.left.0))?;
                }
                if terms == Terms::Nibbles {
                    e.a.broadcast(r.left.1, row.at(group.terms + 4), 4)?;
                    for (v, &(_, summand)) in (from..to).zip(&r.right) {
                        e.a.op3(Op3::Fma231, acc(v), summand, Rm::Reg(r.left.1))?;
                    }
                }
            }
            Ok(())
        })
    }

    /// The two f16 of each lane of `low` as floats, that of the upper half in `high`: exponent and mantissa
    /// at their place in an f32, whose exponent counts from 112 more.
    fn halves_to_floats(&mut self, low: V, high: V) -> Result<(), Refused> {
        let (bits, power) = (self.a.constant(0x8fff_e000), self.a.constant((127 + 112) << 23));
        self.a.shift(Shift::Right, high, low, 3)?;
        self.a.shift(Shift::Left, low, low, 16)?;
        self.a.shift(Shift::Right, low, low, 3)?;
        for v in [low, high] {
            self.a.op3(Op3::And, v, v, bits)?;
            self.a.op3(Op3::Mul, v, v, power)?;
        }
        Ok(())
    }
}
