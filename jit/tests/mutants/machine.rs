//! A plain interpreter of emitted code, one instruction after the other with real numbers: which bytes behind
//! which pointer it touches. It judges mutants for the verifier's test and shares nothing with the verifier.

use iced_x86::{
    Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};
use std::collections::{BTreeMap, BTreeSet};
use tancho_jit::lanes::{Inst, Len, PANEL, Program, Stmt};

/// Bytes touched: pointer, whether written, offset.
pub type Touched = BTreeSet<(u16, bool, i64)>;

/// Instructions after which a run is given up.
const LIMIT: usize = 100_000;
const BLOCK: i64 = 1000;
const STACK: i64 = 1001;

/// Areas lie 2^40 bytes apart; area 0 is the code, pointer `p` is area `p + 1`.
fn start(area: i64) -> i64 {
    if area == 0 { 0 } else { (area << 40) + (1 << 39) }
}

/// The instructions of a function with its constants behind them.
pub fn decode(code: &[u8]) -> Vec<Instruction> {
    let mut list = Vec::new();
    for i in Decoder::new(64, code, DecoderOptions::NONE).iter() {
        list.push(i);
        if i.mnemonic() == Mnemonic::Ret {
            break;
        }
    }
    list
}

/// How a run ended.
pub enum Run {
    /// At the return, having touched these bytes behind pointers.
    Touched(Touched),
    /// With an access that is to no pointer, and not to its own arguments, frame and constants either.
    Astray,
    /// Not at all.
    Endless,
}

struct Emulator<'c> {
    code: &'c [u8],
    end: i64,
    arguments: Vec<i64>,
    ptrs: i64,
    general: [i64; 16],
    opmasks: [u64; 8],
    vectors: [u64; 32],
    flags: i128,
    pushed: Vec<i64>,
    touched: Touched,
}

/// Runs code with these integers.
pub fn run(code: &[u8], p: &Program, ints: &[i64]) -> Run {
    let list = decode(code);
    let at: BTreeMap<u64, usize> = list.iter().enumerate().map(|(n, i)| (i.ip(), n)).collect();
    let mut m = Emulator {
        code,
        end: list.last().map_or(0, |i| i.next_ip() as i64),
        arguments: (0..i64::from(p.ptrs)).map(|p| start(p + 1)).chain(ints.iter().copied()).collect(),
        ptrs: i64::from(p.ptrs),
        general: [0; 16],
        opmasks: [u64::MAX; 8],
        vectors: [u64::MAX; 32],
        flags: 0,
        pushed: Vec::new(),
        touched: Touched::new(),
    };
    (m.general[7], m.general[4]) = (start(BLOCK), start(STACK));
    let (mut info, mut pc) = (InstructionInfoFactory::new(), 0);
    for _ in 0..LIMIT {
        let Some(i) = list.get(pc) else { return Run::Astray };
        pc += 1;
        if i.mnemonic() == Mnemonic::Ret {
            return Run::Touched(m.touched);
        }
        if i.is_jcc_short_or_near() {
            let Some(to) = at.get(&i.near_branch_target()) else { return Run::Astray };
            if taken(i.mnemonic(), m.flags) {
                pc = *to;
            }
        } else if (0..i.op_count())
            .any(|n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_vector_register())
        {
            if m.vector(i, &mut info).is_none() {
                return Run::Astray;
            }
        } else if m.scalar(i).is_none() {
            return Run::Astray;
        }
    }
    Run::Endless
}

fn taken(m: Mnemonic, flags: i128) -> bool {
    match m {
        Mnemonic::Jl => flags < 0,
        Mnemonic::Jle => flags <= 0,
        Mnemonic::Jg => flags > 0,
        Mnemonic::Jge => flags >= 0,
        Mnemonic::Je => flags == 0,
        _ => flags != 0,
    }
}

impl Emulator<'_> {
    /// Notes the bytes of one lane.
    fn touch(&mut self, address: i64, size: i64, written: bool) -> Option<()> {
        let area = address >> 40;
        let at = address - start(area);
        match area {
            0 if !written && at >= self.end && at + size <= self.code.len() as i64 => {}
            BLOCK if !written && at >= 0 && at + size <= 8 * self.arguments.len() as i64 => {}
            STACK if address >= self.general[4] && at + size <= -8 * self.pushed.len() as i64 => {}
            1.. if area <= self.ptrs => {
                self.touched.extend((at..at + size).map(|b| (area as u16 - 1, written, b)))
            }
            _ => return None,
        }
        Some(())
    }

    fn vector(&mut self, i: &Instruction, info: &mut InstructionInfoFactory) -> Option<()> {
        let number = |r: Register| r.full_register().number();
        let mut mask = match i.op_mask() {
            Register::None => u64::MAX,
            k => self.opmasks[k.number()],
        };
        if i.mnemonic() == Mnemonic::Vmaskmovps {
            mask = self.vectors[number(i.op1_register())];
        }
        let info = info.info(i);
        let mut loaded = u64::MAX;
        for m in info.used_memory() {
            let written = matches!(m.access(), OpAccess::Write | OpAccess::CondWrite);
            let address = m.virtual_address(0, |r, _, _| {
                Some(if r.is_gpr64() { self.general[r.number()] as u64 } else { 0 })
            })? as i64;
            let (size, element) = (m.memory_size().size() as i64, m.memory_size().element_size() as i64);
            for n in (0..size / element).filter(|n| mask >> n & 1 != 0) {
                self.touch(address + n * element, element, written)?;
            }
            if i.mnemonic() == Mnemonic::Vmovups && address >> 40 == 0 {
                let lanes = self.code.get(address as usize..(address + size) as usize)?;
                loaded = lanes.chunks(4).enumerate().fold(0, |m, (n, lane)| m | u64::from(lane[3] >> 7) << n);
            }
        }
        if i.op0_register().is_vector_register() {
            self.vectors[number(i.op0_register())] = loaded;
        } else if i.op0_register().is_k() {
            self.opmasks[i.op0_register().number()] = u64::MAX;
        }
        Some(())
    }

    fn read(&mut self, i: &Instruction, n: u32) -> Option<i64> {
        Some(match i.op_kind(n) {
            OpKind::Register if i.op_register(n).is_gpr64() => self.general[i.op_register(n).number()],
            OpKind::Register => self.general[i.op_register(n).full_register().number()] & 0xffff_ffff,
            OpKind::Memory => {
                let at = self.address(i);
                self.touch(at, 8, false)?;
                *self.arguments.get(((at - start(BLOCK)) / 8) as usize)?
            }
            _ => i.immediate(n) as i64,
        })
    }

    fn address(&self, i: &Instruction) -> i64 {
        let of = |r: Register| if r.is_gpr64() { self.general[r.number()] } else { 0 };
        let index = of(i.memory_index()).wrapping_mul(i64::from(i.memory_index_scale()));
        of(i.memory_base()).wrapping_add(index).wrapping_add(i.memory_displacement64() as i64)
    }

    fn scalar(&mut self, i: &Instruction) -> Option<()> {
        use Mnemonic::*;
        let to = i.op0_register();
        let y = if i.op_count() > 1 && i.mnemonic() != Lea { self.read(i, 1)? } else { 0 };
        let x = if i.op_count() > 0 && to.is_gpr() { self.read(i, 0)? } else { 0 };
        let signed = |n: i64| if to.is_gpr32() { i64::from(n as i32) } else { n };
        let result = match i.mnemonic() {
            // A hint reads nothing.
            Nop | Vzeroupper | Prefetcht1 => return Some(()),
            Push => {
                self.general[4] -= 8;
                self.pushed.push(x);
                return Some(());
            }
            Pop => {
                self.general[4] += 8;
                self.pushed.pop()?
            }
            Kmovw => {
                self.opmasks[to.number()] = y as u64 & 0xffff;
                return Some(());
            }
            Cmp => {
                self.flags = i128::from(x) - i128::from(y);
                return Some(());
            }
            Test => {
                self.flags = i128::from(x & y);
                return Some(());
            }
            Mov => y,
            Lea => self.address(i),
            Bzhi => match self.read(i, 2)? & 0xff {
                by @ 0..32 => y & ((1 << by) - 1),
                _ => y,
            },
            Add => x.wrapping_add(y),
            Sub => x.wrapping_sub(y),
            Dec => x.wrapping_sub(1),
            Neg => x.wrapping_neg(),
            Imul if i.op_count() == 3 => y.wrapping_mul(self.read(i, 2)?),
            Imul => x.wrapping_mul(y),
            Cmovge if self.flags >= 0 => y,
            Cmovge => x,
            And => x & y,
            Shl => x.wrapping_shl(y as u32),
            Sar => x >> (y & 63),
            _ => return None,
        };
        self.general[to.full_register().number()] = if to.is_gpr32() { result & 0xffff_ffff } else { result };
        if !matches!(i.mnemonic(), Mov | Lea | Pop | Cmovge) {
            self.flags = i128::from(signed(result));
        }
        Some(())
    }
}

/// The bytes that a program reads and writes: of each row from its first element to its last, of a tile's
/// panels too.
pub fn allowed(p: &Program, ints: &[i64]) -> Touched {
    let mut touched = Touched::new();
    let mut mark = |ptr: u16, written: bool, element: i64, size: i64| {
        touched.extend((element * size..(element + 1) * size).map(|b| (ptr, written, b)));
    };
    let len = |l: Len| match l {
        Len::Const(n) => n,
        Len::Arg(i) => ints[usize::from(i)],
        Len::Local(local) => local.unbound(),
    };
    for stmt in &p.stmts {
        let (rows, count, body) = match stmt {
            Stmt::Scalar { body, .. } => (1, 1, body),
            Stmt::Map { len: n, body, .. } => (1, len(*n), body),
            Stmt::Tile(t) => {
                let (rows, cols, k) = (i64::from(t.rows), i64::from(t.cols), len(t.k));
                let left = t.encoding.left_len(k);
                for e in 0..if left > 0 { (left - 1) * len(t.left_step) + 1 } else { 0 } {
                    (0..rows).for_each(|r| mark(t.left, false, r * len(t.left_row) + e, 4));
                }
                let lines = t.encoding.panel_rows(k);
                let panel = |n: i64, columns: i64| {
                    (n * t.encoding.panel_rows(len(t.panel)) + lines - 1) * PANEL + columns
                };
                let whole = if cols > PANEL { panel((cols - 1) / PANEL - 1, PANEL) } else { 0 };
                let end = whole.max(panel((cols - 1) / PANEL, (cols - 1) % PANEL + 1));
                (0..if lines > 0 { end } else { 0 }).for_each(|e| mark(t.right, false, e, 4));
                (rows, cols, &t.body)
            }
        };
        for inst in body {
            let (Inst::Load { ptr, step, row_step, mem } | Inst::Store { ptr, step, row_step, mem, .. }) =
                inst
            else {
                continue;
            };
            let written = matches!(inst, Inst::Store { .. });
            let (arg, more) = p.resolve(*ptr).expect("a pointer of the program");
            let more = more / mem.size();
            for r in 0..if count > 0 { rows } else { 0 } {
                let (first, last) = (r * len(*row_step), r * len(*row_step) + (count - 1) * len(*step));
                (first.min(last)..=first.max(last)).for_each(|e| mark(arg, written, more + e, mem.size()));
            }
        }
    }
    touched
}
