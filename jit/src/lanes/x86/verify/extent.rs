//! What a program reads and writes after each pointer, from the program alone.

use crate::lanes::{Inst, Len, Mem, PANEL, Program, Stmt};

/// Rows of bytes at equal distances, relative to a pointer. Bytes between the elements of a row belong to the
/// row; bytes between the rows do not.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// The first byte.
    from: i64,
    /// Bytes of a row.
    bytes: i64,
    rows: i64,
    /// Bytes from one row to the next.
    stride: i64,
}

impl Region {
    /// `rows` times `count` elements; `None` if there are no elements. Steps may be negative.
    fn new((count, step): (i64, i64), (rows, row_step): (i64, i64), size: i64) -> Option<Region> {
        if count <= 0 || rows <= 0 {
            return None;
        }
        let along = (count - 1).checked_mul(step)?.checked_mul(size)?;
        let stride = row_step.checked_mul(size)?;
        let down = (rows - 1).checked_mul(stride)?;
        Some(Region {
            from: along.min(0) + down.min(0),
            bytes: along.abs() + size,
            rows,
            stride: stride.abs(),
        })
    }

    /// Whether the bytes `from..to` lie in it: in one row, or anywhere if there is nothing between the rows.
    #[inline]
    fn holds(&self, from: i64, to: i64) -> bool {
        let (from, to) = (from - self.from, to - self.from);
        if self.stride > self.bytes && self.rows > 1 {
            let row = from.div_euclid(self.stride);
            return (0..self.rows).contains(&row) && to - row * self.stride <= self.bytes;
        }
        from >= 0 && to <= (self.rows - 1) * self.stride + self.bytes
    }
}

/// The extents of a program's pointers for given integers.
#[derive(Debug, Default)]
pub struct Regions {
    /// Each with its pointer and whether it is written.
    regions: Vec<(u16, bool, Region)>,
}

impl Regions {
    /// The extents of a program.
    ///
    /// # Errors
    /// The program names a pointer or integer that it does not have.
    pub fn new(program: &Program, ints: &[i64]) -> Result<Regions, String> {
        let mut regions = Vec::with_capacity(8);
        let mut add = |arg: u16, written: bool, region: Option<Region>| match region {
            _ if arg >= program.ptrs => Err(format!("the program has no pointer argument {arg}")),
            Some(r) => {
                regions.push((arg, written, r));
                Ok(())
            }
            None => Ok(()),
        };
        let len = |len: Len| match len {
            Len::Const(n) => Ok(n),
            Len::Local(local) => local.unbound(),
            Len::Arg(i) => {
                ints.get(usize::from(i)).copied().ok_or_else(|| format!("the program has no integer {i}"))
            }
        };
        for stmt in &program.stmts {
            let (count, rows, body) = match stmt {
                Stmt::Scalar { body, .. } => (1, 1, body),
                Stmt::Map { len: n, body, .. } => (len(*n)?, 1, body),
                Stmt::Tile(tile) => {
                    let (rows, cols) = (i64::from(tile.rows), i64::from(tile.cols));
                    let (k, panel) = (len(tile.k)?, len(tile.panel)?);
                    let left = (tile.encoding.left_len(k), len(tile.left_step)?);
                    add(tile.left, false, Region::new(left, (rows, len(tile.left_row)?), Mem::F32.size()))?;
                    // Whole panels, and of the last panel what its last row has up to the last column: a tile
                    // may begin inside of a panel.
                    let (panels, columns) = ((cols + PANEL - 1) / PANEL, (cols - 1) % PANEL + 1);
                    let (read, panel) = (tile.encoding.panel_rows(k), tile.encoding.panel_rows(panel));
                    // Panels of length 0 start at the same address: the last but one then reaches further.
                    let before = if panels > 1 { ((panels - 2) * panel + read) * PANEL } else { 0 };
                    let elements = if read > 0 {
                        before.max(((panels - 1) * panel + read - 1) * PANEL + columns)
                    } else {
                        0
                    };
                    add(tile.right, false, Region::new((elements, 1), (1, 0), Mem::F32.size()))?;
                    (cols, rows, &tile.body)
                }
            };
            for inst in body {
                let (Inst::Load { ptr, step, row_step, mem } | Inst::Store { ptr, step, row_step, mem, .. }) =
                    inst
                else {
                    continue;
                };
                let region = Region::new((count, len(*step)?), (rows, len(*row_step)?), mem.size());
                let (arg, more) =
                    program.resolve(*ptr).ok_or_else(|| format!("the program has no pointer {ptr:?}"))?;
                add(
                    arg,
                    matches!(inst, Inst::Store { .. }),
                    region.map(|r| Region { from: r.from + more, ..r }),
                )?;
            }
        }
        Ok(Regions { regions })
    }

    /// Whether the program reads (or writes) the bytes `from..to` after a pointer argument.
    #[inline]
    pub fn allow(&self, arg: u16, written: bool, from: i64, to: i64) -> bool {
        self.regions.iter().any(|r| (r.0, r.1) == (arg, written) && r.2.holds(from, to))
    }
}
