//! Emitted code as steps of the abstract execution: which instructions there may be, and what each reads,
//! writes and changes as far as addresses depend on it. A new vector instruction is one more name in
//! [`form`].

use super::general::{Address, GeneralOp, operation, split};
use crate::lanes::Program;
use crate::lanes::x86::parts::frame;
use iced_x86::{
    CodeSize, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register, UsedMemory,
};

/// How the verifier treats an instruction.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Computes vectors or opmasks: its memory is what iced reports, under its opmask.
    Vector,
    /// The same, but the lanes of its second operand are its mask.
    MaskedBySecond,
    /// Computes addresses, counts and masks, or jumps: the abstract execution follows it.
    General,
}

/// The instructions that the emitter uses.
fn form(m: Mnemonic) -> Option<Form> {
    use Mnemonic::*;
    Some(match m {
        Vaddps | Vsubps | Vmulps | Vdivps | Vmaxps | Vminps | Vfmadd231ps | Vfmadd213ps | Vdpbf16ps
        | Vpdpbusd | Vsqrtps => Form::Vector,
        Vpand | Vpandd | Vpor | Vpord | Vpxor | Vpxord | Vpslld | Vpsrad | Vprold => Form::Vector,
        Vpmaddwd | Vpmaddubsw | Vpaddw | Vpsllw | Vpsraw | Vpsrlw => Form::Vector,
        Vpaddd | Vpsubd | Vpmulld | Vpmaxsd | Vpminsd | Vcvttps2dq | Vcvtdq2ps | Vroundps | Vrndscaleps => {
            Form::Vector
        }
        Vcmpps | Vpcmpd | Vpmovm2d | Vblendvps | Vpternlogd | Vshuff32x4 | Vperm2f128 | Vpermilps => {
            Form::Vector
        }
        Vmovups | Vbroadcastss | Vmovss | Vpmovzxbd | Vzeroupper => Form::Vector,
        Vpsrld | Vpcmpeqd | Vpcmpgtd | Vpmovzxwd | Vpmovdb | Vpmovdw | Vpackusdw | Vpackuswb => Form::Vector,
        Vpbroadcastb | Vpbroadcastw | Vpbroadcastd | Vpinsrb | Vpinsrw | Vpinsrd | Vpextrb | Vpextrw
        | Vpextrd => Form::Vector,
        Vinserti128 | Vinserti32x4 | Vextracti128 | Vextracti32x4 | Vmovd | Vmovq | Vmovdqu => Form::Vector,
        Vmaskmovps => Form::MaskedBySecond,
        Kmovw | Bzhi | Mov | Add | Sub | And | Cmp | Test | Dec | Neg | Shl | Sar | Lea | Push | Pop
        | Nop | Ret => Form::General,
        Imul | Cmovge | Prefetcht1 => Form::General,
        Jge | Jg | Jle | Jl | Jne => Form::General,
        _ => return None,
    })
}

/// Which lanes an access touches.
#[derive(Clone, Copy, Debug)]
pub enum Lanes {
    All,
    /// The set bits of an opmask.
    Opmask(usize),
    /// The lanes of a vector register with their sign bit set.
    Vector(usize),
}

/// A read or a write of a vector instruction.
#[derive(Clone, Copy, Debug)]
pub struct MemoryAccess {
    pub address: Address,
    /// Bytes of all lanes and of one.
    pub size: i64,
    pub element: i64,
    pub lanes: Lanes,
    pub written: bool,
}

/// What a vector instruction does, as far as addresses and masks go.
#[derive(Clone, Debug, Default)]
pub struct Vector {
    pub access: Option<MemoryAccess>,
    /// The vector register that it loads, where the register may be a mask later.
    pub mask: Option<usize>,
    /// Masks that it overwrites, a bit each: vector registers, opmasks.
    pub vectors: u32,
    pub opmasks: u8,
    /// General registers that it overwrites, a bit each.
    pub general: u16,
    pub flags: bool,
}

/// A step of the abstract execution.
#[derive(Clone, Debug)]
pub enum What {
    /// The first instruction of a loop comes next.
    Head,
    Vector(Vector),
    General(GeneralOp, usize),
    /// A jump with that condition to a step.
    Jump(Mnemonic, usize),
}

/// A step with its place in the code.
#[derive(Clone, Debug)]
pub struct DecodedStep {
    pub ip: u64,
    pub what: What,
}

/// The code of a function.
pub struct Decoded<'c> {
    pub steps: Vec<DecodedStep>,
    pub bytes: &'c [u8],
    /// Where the constants begin.
    pub end: i64,
    /// Arguments of each kind, bytes of the frame.
    pub ptrs: i64,
    pub ints: i64,
    pub frame: i64,
    /// The power of two by which the code splits integers.
    pub modulus: i64,
}

/// The instructions of a function, up to its return.
pub fn instructions(code: &[u8]) -> Result<Vec<Instruction>, String> {
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut list = Vec::new();
    while decoder.can_decode() {
        let i = decoder.decode();
        if i.is_invalid() {
            return Err(format!("no instruction at {:#x}", i.ip()));
        }
        list.push(i);
        if i.mnemonic() == Mnemonic::Ret {
            return Ok(list);
        }
    }
    Err("no return".into())
}

/// The full register of that number.
fn number(r: Register) -> usize {
    r.full_register().number()
}

/// The masks that accesses go by, a bit each: vector registers, opmasks.
fn masks(list: &[Instruction]) -> (u32, u8) {
    list.iter().fold((0, 0), |(v, k), i| match i.op_mask() {
        Register::None if form(i.mnemonic()) == Some(Form::MaskedBySecond) => {
            (v | 1 << number(i.op1_register()), k)
        }
        Register::None => (v, k),
        r => (v, k | 1 << r.number()),
    })
}

/// Loops, as numbers of their first and last instruction: entered at the first alone and left after the
/// last. Jumps inside go forward and stay inside.
fn loops(list: &[Instruction]) -> Result<Vec<(usize, usize)>, String> {
    let mut jumps = Vec::new();
    for (n, i) in list.iter().enumerate() {
        match i.flow_control() {
            FlowControl::ConditionalBranch => {
                let to = list.binary_search_by_key(&i.near_branch_target(), Instruction::ip);
                jumps.push((
                    n,
                    to.map_err(|_| format!("a jump to no instruction of the function at {:#x}", i.ip()))?,
                ));
            }
            FlowControl::Next | FlowControl::Return => {}
            _ => return Err(format!("a jump or call of another kind at {:#x}", i.ip())),
        }
    }
    let loops: Vec<_> = jumps.iter().filter(|(n, to)| to <= n).map(|(n, to)| (*to, *n)).collect();
    for (head, last) in &loops {
        let within = |n: &usize| (head..=last).contains(&n);
        let crosses = |(n, to): &(usize, usize)| match (within(n), within(to)) {
            (true, true) => n != last && to <= n,
            (true, false) => n != last,
            (false, inside) => inside && to != head,
        };
        let inside = jumps.iter().any(crosses);
        let stack = list[*head..=*last]
            .iter()
            .any(|i| matches!(i.mnemonic(), Mnemonic::Push | Mnemonic::Pop | Mnemonic::Ret));
        if inside || stack {
            return Err(format!("a loop that is no plain one at {:#x}", list[*head].ip()));
        }
    }
    Ok(loops)
}

impl<'c> Decoded<'c> {
    /// Decodes the code of a program.
    ///
    /// # Errors
    /// An instruction that the emitter does not use, or whose effects the verifier does not follow.
    pub fn new(bytes: &'c [u8], program: &Program) -> Result<Decoded<'c>, String> {
        let list = instructions(bytes)?;
        let loops = loops(&list)?;
        let masks = masks(&list);
        let mut d = Decoded {
            steps: Vec::with_capacity(list.len()),
            bytes,
            end: list.last().map_or(0, |i| i.next_ip() as i64),
            ptrs: i64::from(program.ptrs),
            ints: i64::from(program.ints),
            frame: frame(program),
            modulus: 1,
        };
        let mut info = InstructionInfoFactory::new();
        let mut first = Vec::with_capacity(list.len());
        for (n, i) in list.iter().enumerate() {
            first.push(d.steps.len());
            let at = |what: &str| format!("{what} at {:#x}", i.ip());
            let form =
                form(i.mnemonic()).ok_or_else(|| at("an instruction that the emitter does not use"))?;
            if loops.iter().any(|l| l.0 == n) {
                d.steps.push(DecodedStep { ip: i.ip(), what: What::Head });
            }
            let what = match form {
                Form::General if i.flow_control() == FlowControl::ConditionalBranch => {
                    Some(What::Jump(i.mnemonic(), i.near_branch_target() as usize))
                }
                Form::General => {
                    if i.mnemonic() == Mnemonic::Ret
                        && (n == 0 || list[n - 1].mnemonic() != Mnemonic::Vzeroupper)
                    {
                        return Err(at("upper halves left dirty"));
                    }
                    let (op, to) = operation(i)
                        .ok_or_else(|| at("an instruction of a form that the emitter does not use"))?;
                    d.modulus = d
                        .modulus
                        .max(split(op).ok_or_else(|| at("an integer split by no small power of two"))?);
                    Some(What::General(op, to))
                }
                _ => d.vector(i, form, masks, &mut info).map_err(at)?.map(What::Vector),
            };
            d.steps.extend(what.map(|what| DecodedStep { ip: i.ip(), what }));
        }
        for s in &mut d.steps {
            if let What::Jump(_, to) = &mut s.what {
                *to = list.binary_search_by_key(&(*to as u64), Instruction::ip).map_or(0, |n| first[n]);
            }
        }
        Ok(d)
    }

    /// Whether these bytes of the code are constants.
    pub fn holds(&self, from: i64, to: i64) -> bool {
        from >= self.end && to <= self.bytes.len() as i64
    }

    /// What a vector instruction does; `None` if neither addresses nor masks depend on it.
    fn vector(
        &self,
        i: &Instruction,
        form: Form,
        masks: (u32, u8),
        info: &mut InstructionInfoFactory,
    ) -> Result<Option<Vector>, &'static str> {
        let info = info.info(i);
        let mut v = Vector { flags: i.rflags_modified() != 0, ..Vector::default() };
        for r in info.used_registers() {
            if matches!(
                r.access(),
                OpAccess::Read | OpAccess::CondRead | OpAccess::None | OpAccess::NoMemAccess
            ) {
                continue;
            }
            let (register, n) = (r.register(), number(r.register()));
            match register {
                r if r.is_vector_register() => v.vectors |= masks.0 & 1 << n,
                r if r.is_k() => v.opmasks |= masks.1 & 1 << n,
                r if r.is_gpr() && !matches!(r.full_register(), Register::RSP | Register::RDI) => {
                    v.general |= 1 << n
                }
                _ => return Err("a register overwritten that must not be"),
            }
        }
        for m in info.used_memory() {
            self.memory(i, form, m, &mut v)?;
        }
        let nothing = v.access.is_none() && v.vectors == 0 && v.opmasks == 0 && v.general == 0 && !v.flags;
        Ok((!nothing).then_some(v))
    }

    /// What a vector instruction reads or writes in memory.
    fn memory(
        &self,
        i: &Instruction,
        form: Form,
        m: &UsedMemory,
        v: &mut Vector,
    ) -> Result<(), &'static str> {
        let written = match m.access() {
            OpAccess::Read | OpAccess::CondRead => false,
            OpAccess::Write | OpAccess::CondWrite => true,
            _ => return Err("memory that is both read and written"),
        };
        if m.address_size() != CodeSize::Code64
            || matches!(m.segment(), Register::FS | Register::GS)
            || v.access.is_some()
        {
            return Err("memory of a form that the emitter does not use");
        }
        // Lanes at addresses of their own would be checked one by one against the known lanes of this
        // register.
        if m.index().is_vector_register() {
            return Err("addresses in the lanes of a vector");
        }
        let lanes = match (form, i.op_mask()) {
            (Form::MaskedBySecond, _) => Lanes::Vector(number(i.op1_register())),
            (_, Register::None) => Lanes::All,
            (_, k) => Lanes::Opmask(k.number()),
        };
        let address = Address {
            base: (!matches!(m.base(), Register::None | Register::RIP)).then(|| number(m.base())),
            index: (m.index() != Register::None).then(|| (number(m.index()), i64::from(m.scale()))),
            displacement: m.displacement() as i64,
        };
        let (size, element) = (m.memory_size().size() as i64, m.memory_size().element_size() as i64);
        if element <= 0 || size % element != 0 {
            return Err("memory of unknown size");
        }
        let access = MemoryAccess { address, size, element, lanes, written };
        let (from, to) = (address.displacement, address.displacement.saturating_add(size));
        if m.base() == Register::RDI {
            let outside = from < 0 || to > 8 * (self.ptrs + self.ints);
            if address.index.is_some() || written || outside {
                return Err("memory outside of the arguments");
            }
            return Ok(());
        }
        let whole = i.mnemonic() == Mnemonic::Vmovups
            && matches!(lanes, Lanes::All)
            && i.op0_kind() == OpKind::Register;
        v.mask = (whole && v.vectors != 0).then(|| number(i.op0_register()));
        let constant = matches!(m.base(), Register::None | Register::RIP) && address.index.is_none();
        if constant && (written || !self.holds(from, to)) {
            return Err("memory outside of the constants");
        }
        v.access = (!constant || v.mask.is_some()).then_some(access);
        Ok(())
    }
}
