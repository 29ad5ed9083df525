//! Machine code line by line: x86-64 is disassembled, other code is as Cranelift prints it.

use super::{LineKind, MarkedLine};
use crate::lanes::marks::Mark;
use crate::lanes::x86::{Assembled, verify};
use cranelift::codegen::ir::{ExternalName, Function};
use cranelift::codegen::{CompiledCode, FinalizedRelocTarget, MachSrcLoc};
use iced_x86::{Decoder, DecoderOptions, FastFormatter, FlowControl, Instruction};

/// Machine code of x86-64.
struct MachineCode<'c> {
    /// Instructions, then constants.
    bytes: &'c [u8],
    /// Where the instructions end.
    end: usize,
    /// Where the constants begin.
    constants: usize,
    /// The function that is named inside of an instruction which begins and ends at these offsets, if there
    /// is one.
    callee: &'c dyn Fn(u64, u64) -> Option<String>,
    /// The mark of the instruction at an offset.
    mark: &'c dyn Fn(u64) -> Option<Mark>,
}

/// The lines of a function that Cranelift has compiled, given the names of functions by their numbers.
pub fn compiled(code: &CompiledCode, function: &Function, name: &dyn Fn(u32) -> String) -> Vec<MarkedLine> {
    let ranges = code.buffer.get_srclocs_sorted();
    let callee = |from: u64, to: u64| {
        let inside = |offset: u32| (from..to).contains(&offset.into());
        let reloc = code.buffer.relocs().iter().find(|reloc| inside(reloc.offset))?;
        let FinalizedRelocTarget::ExternalName(ExternalName::User(user)) = &reloc.target else { return None };
        function.params.user_named_funcs().get(*user).map(|user| name(user.index))
    };
    let mark = |at: u64| {
        let range = ranges.partition_point(|range| u64::from(range.start) <= at).checked_sub(1)?;
        let MachSrcLoc { end, loc, .. } = ranges[range];
        (u64::from(end) > at && !loc.is_default()).then(|| loc.bits())
    };
    let bytes = code.buffer.data();
    // Each instruction lies in a range, and constants behind all of them.
    let end = ranges.iter().map(|range| range.end as usize).max().unwrap_or(bytes.len());
    // Cranelift aligns its constants; nothing but padding lies before them.
    MachineCode { bytes, end, constants: end.next_multiple_of(4), callee: &callee, mark: &mark }.lines()
}

/// The lines of emitted code.
pub fn emitted(code: &Assembled) -> Vec<MarkedLine> {
    let Assembled { bytes, marks } = code;
    let mark = |at: u64| {
        let known = marks.binary_search_by_key(&at, |(offset, _)| (*offset).into()).ok()?;
        Some(marks[known].1)
    };
    let end = verify::end(bytes);
    MachineCode { bytes, end, constants: end, callee: &|_, _| None, mark: &mark }.lines()
}

impl MachineCode<'_> {
    /// The instructions, each with its offset; then the constants, 32 bits at a time.
    fn lines(&self) -> Vec<MarkedLine> {
        let mut formatter = FastFormatter::new();
        let options = formatter.options_mut();
        options.set_space_after_operand_separator(true);
        options.set_use_hex_prefix(true);
        options.set_uppercase_hex(false);
        let code = &self.bytes[..self.end.min(self.bytes.len())];
        let mut lines = Vec::new();
        for instruction in Decoder::new(64, code, DecoderOptions::NONE).iter() {
            let text = format!("{:6x}  {}", instruction.ip(), self.text(&instruction, &mut formatter));
            let kind = LineKind::Instruction((self.mark)(instruction.ip()));
            lines.push(MarkedLine { text, kind });
        }
        lines.extend(self.constants());
        lines
    }

    fn text(&self, instruction: &Instruction, formatter: &mut FastFormatter) -> String {
        let callee = (self.callee)(instruction.ip(), instruction.next_ip());
        if let (Some(name), FlowControl::Call) = (&callee, instruction.flow_control()) {
            return format!("call {name}");
        }
        let mut text = String::new();
        formatter.format(instruction, &mut text);
        callee.map_or(text.clone(), |name| format!("{text} <{name}>"))
    }

    /// What lies behind the instructions: equal words in one line.
    fn constants(&self) -> Vec<MarkedLine> {
        let rest = self.bytes.get(self.constants..).unwrap_or_default();
        let words: Vec<u32> =
            rest.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let mut at = self.constants;
        let runs = words.chunk_by(|a, b| a == b).map(|run| {
            let times = if run.len() > 1 { format!(" x {}", run.len()) } else { String::new() };
            let line = MarkedLine::layout(format!("{at:6x}  dword {:#x}{times}", run[0]));
            at += 4 * run.len();
            line
        });
        runs.collect()
    }
}

/// The lines of Cranelift's own text of machine code. They have no marks.
pub fn listing(text: &str) -> Vec<MarkedLine> {
    let line = |line: &str| {
        let is_instruction = line.starts_with(' ') && !line.trim().is_empty();
        let kind = if is_instruction { LineKind::Instruction(None) } else { LineKind::Layout };
        MarkedLine { text: line.into(), kind }
    };
    text.trim_end().lines().map(line).collect()
}
