//! Checks emitted code by decoding it, in every build: what it contains, where it jumps, what it writes.
//!
//! Every instruction is one that the emitter uses; every jump goes to an instruction of the function;
//! nothing but its argument block, what the block points at, its frame and its constants is addressed; the stack is as it
//! was and the upper halves are clean at the one return.

use crate::lanes::Program;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, Register};
use std::collections::BTreeSet;

/// The instructions of a function, up to its return.
fn decode(code: &[u8]) -> Result<Vec<Instruction>, String> {
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

/// Whether the emitter uses an instruction.
fn known(m: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(
        m,
        Vaddps | Vsubps | Vmulps | Vdivps | Vmaxps | Vminps | Vfmadd231ps | Vfmadd213ps | Vpand | Vpandd | Vpor | Vpord | Vpxor | Vpxord
    ) || matches!(
        m,
        Vpaddd | Vpsubd | Vpmulld | Vpmaxsd | Vpminsd | Vsqrtps | Vcvttps2dq | Vcvtdq2ps | Vmovups | Vbroadcastss | Vroundps | Vrndscaleps
    ) || matches!(
        m,
        Vpslld | Vpsrad | Vcmpps | Vpcmpd | Vpmovm2d | Vblendvps | Vpternlogd | Vmaskmovps | Vmovss | Vpmovzxbd | Vshuff32x4 | Vperm2f128
    ) || matches!(
        m,
        Vpermilps | Vzeroupper | Kmovw | Bzhi | Mov | Add | Sub | And | Cmp | Test | Dec | Neg | Shl | Sar | Lea | Push | Pop | Nop | Ret
    ) || matches!(
        m,
        Vpsrld | Vpcmpeqd | Vpcmpgtd | Vpmovzxwd | Vpmovdb | Vpmovdw | Vpackusdw | Vpackuswb | Vpbroadcastb | Vpbroadcastw | Vpbroadcastd
    ) || matches!(m, Vpinsrb | Vpinsrw | Vpinsrd | Vpextrb | Vpextrw | Vpextrd | Vinserti128 | Vinserti32x4 | Vextracti128 | Vextracti32x4)
        || matches!(m, Vmovd | Vmovq | Vmovdqu | Imul | Cmovge | Jge | Jle | Jl | Jne)
}

/// Checks the code of a program.
///
/// # Errors
/// What is not as it must be, and where.
pub fn verify(code: &[u8], p: &Program) -> Result<(), String> {
    let list = decode(code)?;
    let end = list.last().map_or(0, |i| i.next_ip());
    let starts: BTreeSet<u64> = list.iter().map(Instruction::ip).collect();
    let mut info = InstructionInfoFactory::new();
    let mut depth = 0i64;
    let arguments = 8 * (i64::from(p.ptrs) + i64::from(p.ints));
    let frame = 64 * i64::from(p.slots);
    for (n, i) in list.iter().enumerate() {
        let at = |what: &str| Err(format!("{what} at {:#x}", i.ip()));
        if !known(i.mnemonic()) {
            return at("an instruction that the emitter does not use");
        }
        if i.flow_control() == FlowControl::ConditionalBranch && !starts.contains(&i.near_branch_target()) {
            return at("a jump to no instruction of the function");
        }
        match i.mnemonic() {
            Mnemonic::Push => depth += 8,
            Mnemonic::Pop => depth -= 8,
            Mnemonic::Sub if i.op0_register() == Register::RSP => depth += i.immediate(1) as i64,
            Mnemonic::Add if i.op0_register() == Register::RSP => depth -= i.immediate(1) as i64,
            Mnemonic::Ret if n == 0 || list[n - 1].mnemonic() != Mnemonic::Vzeroupper => return at("upper halves left dirty"),
            _ => {}
        }
        let info = info.info(i);
        for r in info.used_registers() {
            let writes = !matches!(r.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::None | OpAccess::NoMemAccess);
            if writes && r.register().full_register() == Register::RDI {
                return at("the address of the arguments is overwritten");
            }
        }
        for m in info.used_memory() {
            let writes = !matches!(m.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
            let (from, size) = (m.displacement() as i64, m.memory_size().size() as i64);
            let stack_move = matches!(i.mnemonic(), Mnemonic::Push | Mnemonic::Pop | Mnemonic::Ret);
            match m.base() {
                Register::RSP if stack_move => {}
                Register::RSP if from < 0 || from + size > frame || m.index() != Register::None => {
                    return at("memory outside of the frame");
                }
                Register::RDI if writes || from < 0 || from + size > arguments || m.index() != Register::None => {
                    return at("memory outside of the arguments");
                }
                Register::None | Register::RIP
                    if i.mnemonic() != Mnemonic::Lea && (writes || (from as u64) < end || from + size > code.len() as i64) =>
                {
                    return at("memory outside of the constants");
                }
                _ => {}
            }
        }
    }
    if depth != 0 { Err("the stack is not as it was".into()) } else { Ok(()) }
}

/// The instructions as text, one a line.
pub fn listing(code: &[u8]) -> String {
    decode(code).map_or_else(|e| e, |list| list.iter().map(|i| format!("{:6x}  {:?}\n", i.ip(), i.code())).collect())
}
