//! Cranelift's IR line by line: source locations, which are marks, become those of the lines, and functions
//! are called by their names.

use super::{LineKind, MarkedLine};
use crate::lanes::marks::Mark;
use cranelift::codegen::ir::Function;

/// Spaces before an instruction.
const INDENT: &str = "    ";

/// The lines of a function, given the names of functions by their numbers.
pub fn lines(function: &Function, name: &dyn Fn(u32) -> String) -> Vec<MarkedLine> {
    let text = function.display().to_string();
    let mut in_blocks = false;
    let mut line = |line: &str| {
        let words = line.trim();
        if words.starts_with("block") && words.ends_with(':') {
            in_blocks = true;
            return MarkedLine::layout(words);
        }
        // An alias of a value is `v1 -> v2`.
        if !in_blocks || words == "}" || words.split(' ').nth(1) == Some("->") {
            return MarkedLine::layout(named(line, name));
        }
        let (mark, words) = marked(words);
        MarkedLine { text: format!("{INDENT}{words}"), kind: LineKind::Instruction(mark) }
    };
    text.lines().filter(|text| !text.trim().is_empty()).map(&mut line).collect()
}

/// Parts an instruction from the source location before it, which is printed as `@` and hexadecimal digits.
fn marked(words: &str) -> (Option<Mark>, &str) {
    let parted = words.strip_prefix('@').and_then(|rest| rest.split_once(' '));
    match parted.and_then(|(digits, rest)| Some((Mark::from_str_radix(digits, 16).ok()?, rest))) {
        Some((mark, rest)) => (Some(mark), rest.trim_start()),
        None => (None, words),
    }
}

/// A line with the names of functions in place of `u0:1`, as Cranelift numbers them.
fn named(line: &str, name: &dyn Fn(u32) -> String) -> String {
    let Some((before, rest)) = line.split_once("u0:") else { return line.into() };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    match rest[..digits].parse() {
        Ok(number) => format!("{before}%{}{}", name(number), &rest[digits..]),
        Err(_) => line.into(),
    }
}
