//! Numbers the integers of a program for a call.

use super::{Inst, Len, Program, Stmt, Tile};

/// The program with its integers renumbered in the order of their first use, and what each of them is: a
/// parameter of the kernel or a local of its loop nest. So only those that a program uses are passed.
pub fn compact(program: &Program) -> (Program, Vec<Len>) {
    let mut used: Vec<Len> = Vec::new();
    let mut rename = |len: &mut Len| {
        if let Len::Const(_) = len {
            return;
        }
        let number = used.iter().position(|other| other == len).unwrap_or_else(|| {
            used.push(*len);
            used.len() - 1
        });
        *len = Len::Arg(number as u16);
    };
    let mut stmts = program.stmts.clone();
    for stmt in &mut stmts {
        let body = match stmt {
            Stmt::Scalar { body, .. } => body,
            Stmt::Map { len, body, .. } => {
                rename(len);
                body
            }
            Stmt::Tile(Tile { k, panel, left_row, left_step, body, .. }) => {
                rename(k);
                rename(panel);
                rename(left_row);
                rename(left_step);
                body
            }
        };
        for inst in body {
            match inst {
                Inst::ArgInt(len) => rename(len),
                Inst::Load { step, row_step, .. } | Inst::Store { step, row_step, .. } => {
                    rename(step);
                    rename(row_step);
                }
                _ => {}
            }
        }
    }
    let program = Program { ints: used.len() as u16, stmts, derived: program.derived.clone(), ..*program };
    (program, used)
}
