//! Vector programs as text.
//!
//! ```text
//! program(p0, p1; n0)
//!   each of n0 {
//!     r0 = f32 p0[i]
//!     r1 = f32 p1[i]
//!     r2 = add r0, r1
//!     s0 = sum r2
//!   }
//!   once {
//!     r0 = s0
//!     f32 p1[0] = r0
//!   }
//! ```
//!
//! `p` are pointer arguments, `n` integer arguments, `s` row scalars, and `r` the registers of one body.

use super::{Inst, Len, Mem, Program, Ptr, Reduce, Reg, Stmt, Tile, Ty};
use std::fmt::{self, Formatter};

impl fmt::Display for Len {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Len::Const(n) => write!(f, "{n}"),
            Len::Arg(i) => write!(f, "n{i}"),
            Len::Local(local) => write!(f, "l{}", local.0),
        }
    }
}

impl fmt::Display for Mem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mem::F32 => "f32",
            Mem::Bf16 => "bf16",
            Mem::I32 => "i32",
            Mem::Bool => "bool",
            Mem::I8 => "i8",
        })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names =
            |letter: char, n: u16| (0..n).map(|i| format!("{letter}{i}")).collect::<Vec<_>>().join(", ");
        let semicolon = if self.ints > 0 { "; " } else { "" };
        writeln!(f, "program({}{semicolon}{})", names('p', self.ptrs), names('n', self.ints))?;
        for stmt in &self.stmts {
            match stmt {
                Stmt::Scalar { body, outs } => {
                    writeln!(f, "  once {{")?;
                    self.body(f, body, false)?;
                    for out in outs {
                        writeln!(f, "    s{} = r{}", out.slot, out.value)?;
                    }
                }
                Stmt::Map { len, body, reductions } => {
                    writeln!(f, "  each of {len} {{")?;
                    self.body(f, body, false)?;
                    for r in reductions {
                        writeln!(f, "    s{} = {} r{}", r.slot, name_of(r.how), r.value)?;
                    }
                }
                Stmt::Tile(tile) => {
                    print_tile(f, tile)?;
                    self.body(f, &tile.body, true)?;
                }
            }
            writeln!(f, "  }}")?;
        }
        Ok(())
    }
}

impl Program {
    fn body(&self, f: &mut Formatter<'_>, body: &[Inst], in_tile: bool) -> fmt::Result {
        for (r, inst) in body.iter().enumerate() {
            write!(f, "    ")?;
            self.inst(f, r as Reg, inst, in_tile)?;
            writeln!(f)?;
        }
        Ok(())
    }

    fn inst(&self, f: &mut Formatter<'_>, r: Reg, inst: &Inst, in_tile: bool) -> fmt::Result {
        if let Inst::Store { ptr, step, row_step, mem, value } = inst {
            return write!(f, "{} = r{value}", self.place(*mem, *ptr, *step, *row_step, in_tile));
        }
        write!(f, "r{r} = ")?;
        match *inst {
            Inst::Float(bits) => write!(f, "{:?}", f32::from_bits(bits)),
            Inst::Int(i) => write!(f, "{i}"),
            Inst::ArgInt(len) => write!(f, "{len}"),
            Inst::Slot(s, Ty::F) => write!(f, "s{s}"),
            Inst::Slot(s, Ty::I) => write!(f, "s{s} as i32"),
            Inst::Slot(s, Ty::M) => write!(f, "s{s} as mask"),
            Inst::Index => f.write_str("i"),
            Inst::Acc => f.write_str("acc"),
            Inst::Load { ptr, step, row_step, mem } => {
                f.write_str(&self.place(mem, ptr, step, row_step, in_tile))
            }
            Inst::Un(un, a) => write!(f, "{} r{a}", word(un)),
            Inst::Bin(bin, a, b) => write!(f, "{} r{a}, r{b}", word(bin)),
            Inst::Fma(a, b, c) => write!(f, "fma r{a}, r{b}, r{c}"),
            Inst::Cmp(cmp, a, b) => write!(f, "{} r{a}, r{b}", word(cmp)),
            Inst::Select(mask, a, b) => write!(f, "select r{mask}, r{a}, r{b}"),
            Inst::Reduce(how, a) => write!(f, "{} r{a}", name_of(how)),
            Inst::Store { .. } => Ok(()),
        }
    }

    /// `f32 p1[i]`: `i` is the element of the row, `row` that of the tile.
    fn place(&self, mem: Mem, ptr: Ptr, step: Len, row_step: Len, in_tile: bool) -> String {
        let base = match self.resolve(ptr) {
            Some((arg, 0)) => format!("p{arg}"),
            Some((arg, bytes)) => format!("(p{arg} + {})", bytes / 4),
            None => "p?".into(),
        };
        let times = |letter: &str, by: Len| match by {
            Len::Const(0) => None,
            Len::Const(1) => Some(letter.to_string()),
            by => Some(format!("{letter} * {by}")),
        };
        let row = Some(row_step).filter(|_| in_tile).and_then(|by| times("row", by));
        let parts: Vec<String> = row.into_iter().chain(times("i", step)).collect();
        let index = if parts.is_empty() { "0".into() } else { parts.join(" + ") };
        format!("{mem} {base}[{index}]")
    }
}

fn print_tile(f: &mut Formatter<'_>, tile: &Tile) -> fmt::Result {
    let Tile { rows, cols, k, panel, left, left_row, left_step, right, encoding, prefetch, .. } = tile;
    write!(f, "  tile {rows}x{cols}, {k} products of p{left} (rows {left_row} apart")?;
    if !left_step.is(1) {
        write!(f, ", elements {left_step}")?;
    }
    write!(f, ") and p{right}")?;
    write!(f, " (panels of {panel} rows, {})", word(encoding))?;
    if let Some(p) = prefetch {
        write!(f, ", prefetching {} lines of p{}", p.lines, p.arg)?;
    }
    writeln!(f, " {{")
}

/// The name of a variant as one word.
fn word(variant: impl fmt::Debug) -> String {
    format!("{variant:?}").to_lowercase()
}

fn name_of(how: Reduce) -> &'static str {
    match how {
        Reduce::Sum => "sum",
        Reduce::Max => "max, NaN may be lost, of",
        Reduce::MaxNan => "max",
        Reduce::MinNan => "min",
        Reduce::ISum => "sum of i32",
        Reduce::IMax => "max of i32",
        Reduce::IMin => "min of i32",
    }
}
