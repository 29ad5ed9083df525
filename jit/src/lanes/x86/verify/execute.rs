//! Abstract execution of emitted code: general registers as [`AbstractValue`]s, every access checked; loops
//! are in [`super::iterations`].

use super::decode::{Decoded, Lanes, MemoryAccess, Vector, What};
use super::extent::Regions;
use super::general::{Address, GeneralOp, Operand};
use super::value::{AbstractValue, Base};
use iced_x86::Mnemonic;

pub const RSP: usize = 4;
const RDI: usize = 7;
/// Registers that a callee gives back as they were (System V): rbx, rbp, r12 to r15.
const KEPT: [usize; 6] = [3, 5, 12, 13, 14, 15];

/// What is known between two instructions.
#[derive(Clone)]
pub struct State {
    pub general: [AbstractValue; 16],
    /// The set lanes of opmasks, and of vectors that are masks. All are set where they are not known.
    pub opmasks: [u64; 8],
    pub vectors: [u16; 32],
    /// The number whose comparison with 0 the flags are.
    pub flags: AbstractValue,
}

/// An address in a loop, and its bytes.
pub struct LoopAccess {
    pub ip: u64,
    pub from: AbstractValue,
    pub bytes: i64,
    pub written: bool,
}

/// An abstract execution of the code.
pub struct AbstractMachine<'c> {
    pub code: &'c Decoded<'c>,
    extents: Regions,
    ints: &'c [i64],
    pub state: State,
    stack: Vec<AbstractValue>,
    /// What was known before the first iteration of the last loop.
    pub head: Option<(usize, State)>,
    /// The accesses of all iterations of a loop, to be checked when the number of iterations is known.
    pub spans: Vec<LoopAccess>,
    /// Whether it executes all iterations of a loop at once.
    pub all: bool,
    /// Where jumps inside of the loop go, and what was known at them. An iteration may take such a jump or
    /// not.
    pub skips: Vec<(usize, State)>,
}

/// What comes after a step.
pub enum Next {
    Step,
    To(usize),
    Return,
}

impl<'c> AbstractMachine<'c> {
    /// At the entry of a function.
    pub fn new(code: &'c Decoded<'c>, extents: Regions, ints: &'c [i64]) -> AbstractMachine<'c> {
        let mut general: [AbstractValue; 16] =
            std::array::from_fn(|r| AbstractValue::new(Base::Entry(r as u8), 0));
        general[RSP] = AbstractValue::new(Base::Stack, 0);
        let state =
            State { general, opmasks: [u64::MAX; 8], vectors: [u16::MAX; 32], flags: AbstractValue::UNKNOWN };
        AbstractMachine {
            code,
            extents,
            ints,
            state,
            stack: Vec::new(),
            head: None,
            spans: Vec::new(),
            all: false,
            skips: Vec::new(),
        }
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
                    self.all_iterations(to, at)?;
                    at + 1
                }
                Next::Return => return Ok(()),
            };
        }
    }

    #[inline]
    pub fn step(&mut self, at: usize) -> Result<Next, String> {
        let step = self.code.steps.get(at).ok_or("no return")?;
        let fail = |what: &str| format!("{what} at {:#x}", step.ip);
        match &step.what {
            What::Head if !self.all => self.head = Some((at, self.state.clone())),
            What::Head => {}
            What::Vector(vector) => self.vector(vector, step.ip).map_err(|error| fail(&error))?,
            What::Jump(_, to) if self.all && *to > at => self.skips.push((*to, self.state.clone())),
            What::Jump(m, to) => {
                let (Base::Int, true) = (self.state.flags.base, self.all || self.state.flags.iteration == 0)
                else {
                    return Err(fail("a jump on flags that are not followed"));
                };
                if !self.all && taken(*m, self.state.flags.at) {
                    return Ok(Next::To(*to));
                }
            }
            What::General(GeneralOp::Return, _) => {
                self.leave().map_err(fail)?;
                return Ok(Next::Return);
            }
            What::General(op, to) => self.general(*op, *to).map_err(fail)?,
        }
        Ok(Next::Step)
    }

    /// At the return: the caller's registers and stack are as they were.
    fn leave(&self) -> Result<(), &'static str> {
        let kept =
            KEPT.iter().all(|r| self.state.general[*r] == AbstractValue::new(Base::Entry(*r as u8), 0));
        match kept && self.stack.is_empty() && self.state.general[RSP] == AbstractValue::new(Base::Stack, 0) {
            true => Ok(()),
            false => Err("the stack or a kept register is not as it was"),
        }
    }

    #[inline]
    fn vector(&mut self, vector: &Vector, ip: u64) -> Result<(), String> {
        let read = match &vector.access {
            Some(access) => Some(self.access(access, ip)?),
            None => None,
        };
        for r in bits(vector.vectors) {
            self.state.vectors[r] = u16::MAX;
        }
        for r in bits(vector.opmasks) {
            self.state.opmasks[r] = u64::MAX;
        }
        for r in bits(vector.general) {
            self.state.general[r] = AbstractValue::UNKNOWN;
        }
        if vector.flags {
            self.state.flags = AbstractValue::UNKNOWN;
        }
        if let (Some(r), Some(AbstractValue { base: Base::Code, at, iteration: 0 }), Some(access)) =
            (vector.mask, read, &vector.access)
        {
            let lanes =
                usize::try_from(at).ok().and_then(|at| self.code.bytes.get(at..at + access.size as usize));
            let signs = lanes
                .map(|b| b.chunks(4).enumerate().fold(0, |m, (n, lane)| m | u16::from(lane[3] >> 7) << n));
            self.state.vectors[r] = signs.unwrap_or(u16::MAX);
        }
        Ok(())
    }

    /// Checks an access; gives its address.
    fn access(&mut self, access: &MemoryAccess, ip: u64) -> Result<AbstractValue, String> {
        let address = self.address(&access.address);
        if matches!(address.base, Base::Unknown | Base::Int | Base::Entry(_)) {
            return Err("an address that is not followed".into());
        }
        let all = u64::MAX >> (64 - (access.size / access.element).clamp(1, 64));
        let lanes = all
            & match access.lanes {
                Lanes::All => all,
                Lanes::Opmask(k) => self.state.opmasks[k],
                Lanes::Vector(v) => u64::from(self.state.vectors[v]),
            };
        if lanes == 0 {
            return Ok(address);
        }
        let (first, behind) = (i64::from(lanes.trailing_zeros()), 64 - i64::from(lanes.leading_zeros()));
        let from = address.plus(AbstractValue::int(first * access.element));
        let bytes = (behind - first) * access.element;
        if self.all {
            self.spans.push(LoopAccess { ip, from, bytes, written: access.written });
            return Ok(address);
        }
        let (from, to) = (from.at, from.at.saturating_add(bytes));
        if !self.inside(address.base, access.written, from, to) {
            return Err(format!("bytes {from} to {to} of {:?}, outside of its extent,", address.base));
        }
        Ok(address)
    }

    /// Whether bytes may be read, or written.
    pub fn inside(&self, base: Base, written: bool, from: i64, to: i64) -> bool {
        match base {
            Base::Pointer(p) => self.extents.allow(p, written, from, to),
            Base::Code => !written && self.code.holds(from, to),
            // The frame, below what was pushed.
            Base::Stack => from >= self.state.general[RSP].at && to <= -8 * self.stack.len() as i64,
            _ => false,
        }
    }

    /// An operation on the register, or opmask, of that number.
    fn general(&mut self, op: GeneralOp, to: usize) -> Result<(), &'static str> {
        let x = self.state.general[to];
        let of = |y: Operand| match y {
            Operand::Register(r) => self.state.general[r],
            Operand::Number(n) => AbstractValue::int(n),
        };
        // What is written, and what the flags compare with 0.
        let (result, flags) = match op {
            GeneralOp::Nothing | GeneralOp::Return => (None, None),
            GeneralOp::Set(y) => (Some(of(y)), None),
            GeneralOp::Argument(n) => (Some(self.argument(n)?), None),
            GeneralOp::Address(a) => (Some(self.address(&a)), None),
            GeneralOp::Add(y) => (Some(x.plus(of(y))), Some(x.plus(of(y)))),
            GeneralOp::Sub(y) => (Some(x.minus(of(y))), Some(x.minus(of(y)))),
            GeneralOp::Compare(y) => (None, Some(x.minus(of(y)))),
            GeneralOp::Test => (None, Some(x)),
            GeneralOp::TestBits(mask) => (None, Some(x.map(|n| n & mask))),
            GeneralOp::Negate => (Some(AbstractValue::int(0).minus(x)), Some(AbstractValue::int(0).minus(x))),
            GeneralOp::And(mask) => (Some(x.map(|n| n & mask)), Some(x.map(|n| n & mask))),
            GeneralOp::Times(factor) => (Some(x.times(factor)), Some(AbstractValue::UNKNOWN)),
            GeneralOp::Product(y) => (Some(x.product(self.state.general[y])), Some(AbstractValue::UNKNOWN)),
            GeneralOp::SetProduct(y, factor) => {
                (Some(self.state.general[y].times(factor)), Some(AbstractValue::UNKNOWN))
            }
            GeneralOp::IfNotLess(y) => {
                let y = self.state.general[y];
                let known = self.state.flags.fixed().map(|n| if n >= 0 { y } else { x });
                (Some(known.unwrap_or(AbstractValue::UNKNOWN)), None)
            }
            GeneralOp::ShiftRight(by) => (Some(x.map(|n| n >> by)), Some(AbstractValue::UNKNOWN)),
            GeneralOp::LowBits(y, by) => {
                (Some(low_bits(self.state.general[y], self.state.general[by])), Some(AbstractValue::UNKNOWN))
            }
            GeneralOp::Opmask(y) => {
                self.state.opmasks[to] =
                    self.state.general[y].fixed().map_or(u64::MAX, |n| n as u64 & 0xffff);
                (None, None)
            }
            GeneralOp::Push => {
                self.push(x)?;
                (None, None)
            }
            GeneralOp::Pop => (Some(self.pop()?), None),
        };
        if let Some(v) = result {
            let top = -8 * self.stack.len() as i64;
            match to {
                RDI => return Err("the address of the arguments is overwritten"),
                RSP if v.base != Base::Stack || !(top - self.code.frame..=top).contains(&v.at) => {
                    return Err("a frame that is not the program's");
                }
                _ => self.state.general[to] = v,
            }
        }
        self.state.flags = flags.unwrap_or(self.state.flags);
        Ok(())
    }

    fn push(&mut self, x: AbstractValue) -> Result<(), &'static str> {
        self.stack.push(x);
        let below = AbstractValue::new(Base::Stack, -8 * self.stack.len() as i64);
        let at = self.state.general[RSP].minus(AbstractValue::int(8));
        self.state.general[RSP] = at;
        if at == below { Ok(()) } else { Err("something pushed below the frame") }
    }

    fn pop(&mut self) -> Result<AbstractValue, &'static str> {
        if self.state.general[RSP] != AbstractValue::new(Base::Stack, -8 * self.stack.len() as i64) {
            return Err("something popped from the frame");
        }
        self.state.general[RSP] = self.state.general[RSP].plus(AbstractValue::int(8));
        self.stack.pop().ok_or("something popped from the caller")
    }

    fn argument(&self, n: i64) -> Result<AbstractValue, &'static str> {
        match n - self.code.ptrs {
            0.. => self
                .ints
                .get((n - self.code.ptrs) as usize)
                .map(|n| AbstractValue::int(*n))
                .ok_or("memory outside of the arguments"),
            _ => Ok(AbstractValue::new(Base::Pointer(n as u16), 0)),
        }
    }

    fn address(&self, address: &Address) -> AbstractValue {
        let base = address.base.map_or(AbstractValue::new(Base::Code, 0), |r| self.state.general[r]);
        let index =
            address.index.map_or(AbstractValue::int(0), |(r, scale)| self.state.general[r].times(scale));
        base.plus(index).plus(AbstractValue::int(address.displacement))
    }
}

/// `bzhi` on 32 bits.
fn low_bits(of: AbstractValue, by: AbstractValue) -> AbstractValue {
    AbstractValue::from(of.fixed().zip(by.fixed()).map(|(n, by)| match by & 0xff {
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
