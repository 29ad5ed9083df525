//! Abstract execution of emitted code: general registers as [`Value`]s, every access checked.
//!
//! A loop is executed once as it is. If its jump is taken, each register's change in that turn is assumed to be its
//! change in every turn, and the loop is executed once more for all turns at the same time, with values affine in the number of
//! the turn. That proves the assumption by induction, gives every address as affine and hence
//! monotone, so that its first and last turn bound the others, and the number of turns from the jump's condition.

use super::decode::{Access, Decoded, Lanes, Vector, What};
use super::extent::Extents;
use super::general::{Address, Op, Operand};
use super::value::{Base, Value};
use iced_x86::Mnemonic;

const RSP: usize = 4;
const RDI: usize = 7;
/// Registers that a callee gives back as they were (System V): rbx, rbp, r12 to r15.
const KEPT: [usize; 6] = [3, 5, 12, 13, 14, 15];

/// What is known between two instructions.
#[derive(Clone)]
struct State {
    general: [Value; 16],
    /// The set lanes of masks; all where they are not known.
    opmasks: [u64; 8],
    vectors: [u16; 32],
    /// The number whose comparison with 0 the flags are.
    flags: Value,
}

/// An address in a loop, and its bytes.
struct Span {
    ip: u64,
    from: Value,
    bytes: i64,
    written: bool,
}

/// A run of the code.
pub struct Machine<'c> {
    code: &'c Decoded<'c>,
    extents: Extents,
    ints: &'c [i64],
    s: State,
    stack: Vec<Value>,
    /// What was known before the first turn of the last loop.
    head: Option<(usize, State)>,
    /// Whether it executes all turns at once: then the accesses, to be checked when the number of turns is known.
    spans: Vec<Span>,
    all: bool,
}

/// What comes after a step.
enum Next {
    Step,
    To(usize),
    Return,
}

impl<'c> Machine<'c> {
    /// At the entry of a function.
    pub fn new(code: &'c Decoded<'c>, extents: Extents, ints: &'c [i64]) -> Machine<'c> {
        let mut general: [Value; 16] = std::array::from_fn(|r| Value::new(Base::Entry(r as u8), 0));
        general[RSP] = Value::new(Base::Stack, 0);
        let s = State { general, opmasks: [u64::MAX; 8], vectors: [u16::MAX; 32], flags: Value::UNKNOWN };
        Machine { code, extents, ints, s, stack: Vec::new(), head: None, spans: Vec::new(), all: false }
    }

    /// Executes the function.
    ///
    /// # Errors
    /// An access outside of its extent, or one that is not followed, and where.
    pub fn run(mut self) -> Result<(), String> {
        let mut at = 0;
        loop {
            at = match self.step(at)? {
                Next::Step => at + 1,
                Next::To(to) if to > at => to,
                Next::To(to) => {
                    self.all_turns(to, at)?;
                    at + 1
                }
                Next::Return => return Ok(()),
            };
        }
    }

    fn step(&mut self, at: usize) -> Result<Next, String> {
        let step = self.code.steps.get(at).ok_or("no return")?;
        let fail = |what: &str| format!("{what} at {:#x}", step.ip);
        match &step.what {
            What::Head if !self.all => self.head = Some((at, self.s.clone())),
            What::Head => {}
            What::Vector(v) => self.vector(v, step.ip).map_err(|e| fail(&e))?,
            What::Jump(m, to) => {
                let (Base::Int, true) = (self.s.flags.base, self.all || self.s.flags.turn == 0) else {
                    return Err(fail("a jump on flags that are not followed"));
                };
                if !self.all && taken(*m, self.s.flags.at) {
                    return Ok(Next::To(*to));
                }
            }
            What::General(Op::Return, _) => {
                self.leave().map_err(fail)?;
                return Ok(Next::Return);
            }
            What::General(op, to) => self.general(*op, *to).map_err(fail)?,
        }
        Ok(Next::Step)
    }

    /// At the return: the caller's registers and stack are as they were.
    fn leave(&self) -> Result<(), &'static str> {
        let kept = KEPT.iter().all(|r| self.s.general[*r] == Value::new(Base::Entry(*r as u8), 0));
        match kept && self.stack.is_empty() && self.s.general[RSP] == Value::new(Base::Stack, 0) {
            true => Ok(()),
            false => Err("the stack or a kept register is not as it was"),
        }
    }

    /// The turns of the loop of steps `head..=jump` behind the first.
    fn all_turns(&mut self, head: usize, jump: usize) -> Result<(), String> {
        let fail = |what: &str| format!("{what} in the loop up to {:#x}", self.code.steps[jump].ip);
        let Some((_, mut start)) = self.head.take().filter(|h| h.0 == head) else { return Err(fail("no way in")) };
        for (a, b) in start.general.iter_mut().zip(&self.s.general) {
            let change = b.minus(*a);
            *a = if a.base == b.base && change.base == Base::Int { Value { turn: change.at, ..*a } } else { Value::UNKNOWN };
        }
        if start.general[RSP].turn != 0 || start.general[RSP].base != Base::Stack {
            return Err(fail("a stack that moves"));
        }
        start.flags = Value::UNKNOWN;
        // What is not as assumed behind the turn is unknown before it, until all the rest is: no more than there are registers.
        let last = loop {
            self.s = start.clone();
            self.spans.clear();
            self.all = true;
            for at in head..=jump {
                self.step(at)?;
            }
            self.all = false;
            if !self.assume_less(&mut start) {
                let What::Jump(m, _) = self.code.steps[jump].what else { return Err(fail("no jump")) };
                break last_turn(m, self.s.flags).ok_or_else(|| fail("no count that meets its limit"))?;
            }
        };
        for s in &self.spans {
            let outside = || format!("memory outside of its extent at {:#x}, turn {last} of a loop", s.ip);
            let (a, b) = (s.from.at, s.from.in_turn(last).ok_or_else(outside)?);
            if !self.inside(s.from.base, s.written, a.min(b), a.max(b).saturating_add(s.bytes)) {
                return Err(outside());
            }
        }
        for v in &mut self.s.general {
            *v = v.in_turn(last).map_or(Value::UNKNOWN, |at| Value::new(v.base, at));
        }
        self.s.flags = Value::UNKNOWN;
        Ok(())
    }

    /// Takes out of the state before a turn what the one behind it contradicts; gives whether there was any.
    fn assume_less(&self, start: &mut State) -> bool {
        let mut less = false;
        for (before, after) in start.general.iter_mut().zip(&self.s.general) {
            let next = before.at.checked_add(before.turn).map(|at| Value { at, ..*before });
            if before.base != Base::Unknown && next != Some(*after) {
                (*before, less) = (Value::UNKNOWN, true);
            }
        }
        for (before, _) in start.opmasks.iter_mut().zip(self.s.opmasks).filter(|(b, a)| **b != u64::MAX && **b != *a) {
            (*before, less) = (u64::MAX, true);
        }
        for (before, _) in start.vectors.iter_mut().zip(self.s.vectors).filter(|(b, a)| **b != u16::MAX && **b != *a) {
            (*before, less) = (u16::MAX, true);
        }
        less
    }

    fn vector(&mut self, v: &Vector, ip: u64) -> Result<(), String> {
        let read = match &v.access {
            Some(a) => Some(self.access(a, ip)?),
            None => None,
        };
        for r in bits(v.vectors) {
            self.s.vectors[r] = u16::MAX;
        }
        for r in bits(v.opmasks) {
            self.s.opmasks[r] = u64::MAX;
        }
        for r in bits(v.general) {
            self.s.general[r] = Value::UNKNOWN;
        }
        if v.flags {
            self.s.flags = Value::UNKNOWN;
        }
        if let (Some(r), Some(Value { base: Base::Code, at, turn: 0 }), Some(a)) = (v.mask, read, &v.access) {
            let lanes = usize::try_from(at).ok().and_then(|at| self.code.bytes.get(at..at + a.size as usize));
            let signs = lanes.map(|b| b.chunks(4).enumerate().fold(0, |m, (n, lane)| m | u16::from(lane[3] >> 7) << n));
            self.s.vectors[r] = signs.unwrap_or(u16::MAX);
        }
        Ok(())
    }

    /// Checks an access; gives its address.
    fn access(&mut self, a: &Access, ip: u64) -> Result<Value, String> {
        let address = self.address(&a.address);
        if matches!(address.base, Base::Unknown | Base::Int | Base::Entry(_)) {
            return Err("an address that is not followed".into());
        }
        let all = u64::MAX >> (64 - (a.size / a.element).clamp(1, 64));
        let lanes = all
            & match a.lanes {
                Lanes::All => all,
                Lanes::Opmask(k) => self.s.opmasks[k],
                Lanes::Vector(v) => u64::from(self.s.vectors[v]),
            };
        if lanes == 0 {
            return Ok(address);
        }
        let (first, behind) = (i64::from(lanes.trailing_zeros()), 64 - i64::from(lanes.leading_zeros()));
        let from = address.plus(Value::int(first * a.element));
        let bytes = (behind - first) * a.element;
        if self.all {
            self.spans.push(Span { ip, from, bytes, written: a.written });
            return Ok(address);
        }
        let (from, to) = (from.at, from.at.saturating_add(bytes));
        if !self.inside(address.base, a.written, from, to) {
            return Err(format!("bytes {from} to {to} of {:?}, outside of its extent,", address.base));
        }
        Ok(address)
    }

    /// Whether bytes may be read, or written.
    fn inside(&self, base: Base, written: bool, from: i64, to: i64) -> bool {
        match base {
            Base::Pointer(p) => self.extents.allow(p, written, from, to),
            Base::Code => !written && self.code.holds(from, to),
            // The frame, below what was pushed.
            Base::Stack => from >= self.s.general[RSP].at && to <= -8 * self.stack.len() as i64,
            _ => false,
        }
    }

    /// An operation on the register, or opmask, of that number.
    fn general(&mut self, op: Op, to: usize) -> Result<(), &'static str> {
        let x = self.s.general[to];
        let of = |y: Operand| match y {
            Operand::Register(r) => self.s.general[r],
            Operand::Number(n) => Value::int(n),
        };
        // What is written, and what the flags compare with 0.
        let (result, flags) = match op {
            Op::Nothing | Op::Return => (None, None),
            Op::Set(y) => (Some(of(y)), None),
            Op::Argument(n) => (Some(self.argument(n)?), None),
            Op::Address(a) => (Some(self.address(&a)), None),
            Op::Add(y) => (Some(x.plus(of(y))), Some(x.plus(of(y)))),
            Op::Sub(y) => (Some(x.minus(of(y))), Some(x.minus(of(y)))),
            Op::Compare(y) => (None, Some(x.minus(of(y)))),
            Op::Test => (None, Some(x)),
            Op::Negate => (Some(Value::int(0).minus(x)), Some(Value::int(0).minus(x))),
            Op::And(mask) => (Some(x.map(|n| n & mask)), Some(x.map(|n| n & mask))),
            Op::Times(factor) => (Some(x.times(factor)), Some(Value::UNKNOWN)),
            Op::Product(y) => (Some(x.product(self.s.general[y])), Some(Value::UNKNOWN)),
            Op::SetProduct(y, factor) => (Some(self.s.general[y].times(factor)), Some(Value::UNKNOWN)),
            Op::IfNotLess(y) => {
                let y = self.s.general[y];
                let known = self.s.flags.fixed().map(|n| if n >= 0 { y } else { x });
                (Some(known.unwrap_or(Value::UNKNOWN)), None)
            }
            Op::ShiftRight(by) => (Some(x.map(|n| n >> by)), Some(Value::UNKNOWN)),
            Op::LowBits(y, by) => (Some(low_bits(self.s.general[y], self.s.general[by])), Some(Value::UNKNOWN)),
            Op::Opmask(y) => {
                self.s.opmasks[to] = self.s.general[y].fixed().map_or(u64::MAX, |n| n as u64 & 0xffff);
                (None, None)
            }
            Op::Push => {
                self.push(x)?;
                (None, None)
            }
            Op::Pop => (Some(self.pop()?), None),
        };
        if let Some(v) = result {
            let top = -8 * self.stack.len() as i64;
            match to {
                RDI => return Err("the address of the arguments is overwritten"),
                RSP if v.base != Base::Stack || !(top - self.code.frame..=top).contains(&v.at) => {
                    return Err("a frame that is not the program's");
                }
                _ => self.s.general[to] = v,
            }
        }
        self.s.flags = flags.unwrap_or(self.s.flags);
        Ok(())
    }

    fn push(&mut self, x: Value) -> Result<(), &'static str> {
        self.stack.push(x);
        let below = Value::new(Base::Stack, -8 * self.stack.len() as i64);
        let at = self.s.general[RSP].minus(Value::int(8));
        self.s.general[RSP] = at;
        if at == below { Ok(()) } else { Err("something pushed below the frame") }
    }

    fn pop(&mut self) -> Result<Value, &'static str> {
        if self.s.general[RSP] != Value::new(Base::Stack, -8 * self.stack.len() as i64) {
            return Err("something popped from the frame");
        }
        self.s.general[RSP] = self.s.general[RSP].plus(Value::int(8));
        self.stack.pop().ok_or("something popped from the caller")
    }

    fn argument(&self, n: i64) -> Result<Value, &'static str> {
        match n - self.code.ptrs {
            0.. => self.ints.get((n - self.code.ptrs) as usize).map(|n| Value::int(*n)).ok_or("memory outside of the arguments"),
            _ => Ok(Value::new(Base::Pointer(n as u16), 0)),
        }
    }

    fn address(&self, a: &Address) -> Value {
        let base = a.base.map_or(Value::new(Base::Code, 0), |r| self.s.general[r]);
        let index = a.index.map_or(Value::int(0), |(r, scale)| self.s.general[r].times(scale));
        base.plus(index).plus(Value::int(a.displacement))
    }
}

/// `bzhi` on 32 bits.
fn low_bits(of: Value, by: Value) -> Value {
    Value::from(of.fixed().zip(by.fixed()).map(|(n, by)| match by & 0xff {
        by @ 0..32 => n & ((1 << by) - 1),
        _ => n & 0xffff_ffff,
    }))
}

/// The numbers of the set bits.
fn bits(set: impl Into<u32>) -> impl Iterator<Item = usize> {
    let mut left = set.into();
    std::iter::from_fn(move || {
        let n = left.trailing_zeros();
        left &= left.wrapping_sub(1);
        (n < 32).then_some(n as usize)
    })
}

/// Whether a jump is taken, by the number its flags compare with 0.
fn taken(m: Mnemonic, n: i64) -> bool {
    match m {
        Mnemonic::Jl => n < 0,
        Mnemonic::Jle => n <= 0,
        Mnemonic::Jg => n > 0,
        Mnemonic::Jge => n >= 0,
        _ => n != 0,
    }
}

/// The first turn behind which a jump is not taken. The count must meet its limit: then the number of turns is affine in
/// both, while one that steps over it is not.
fn last_turn(m: Mnemonic, flags: Value) -> Option<i64> {
    let Value { base: Base::Int, at, turn } = flags else { return None };
    let (left, by) = if turn < 0 { (at, turn.checked_neg()?) } else { (at.checked_neg()?, turn) };
    if by == 0 || left < 0 || left % by != 0 {
        return None;
    }
    match (m, turn > 0) {
        (Mnemonic::Jne, _) | (Mnemonic::Jl, true) | (Mnemonic::Jg, false) => Some(left / by),
        (Mnemonic::Jle, true) | (Mnemonic::Jge, false) => Some(left / by + 1),
        _ => None,
    }
}
