//! Random tiles of a matrix product.

use super::body::Body;
use super::{Case, MEMS, NONE, ONE, Rng};
use tancho_jit::lanes::{Encoding, Inst, Len, Mem, PANEL, PART, Prefetch, Ptr, Stmt, Tile, Ty};

impl Case {
    /// Fills the operands of a tile of integers, rows and panels of so many groups: any bytes and factors,
    /// and the sums of the bytes.
    fn integers(
        &mut self,
        rng: &mut Rng,
        encoding: Encoding,
        (a, row, rows): (u16, i64, i64),
        (b, elements): (u16, i64),
        groups: i64,
    ) {
        let group = encoding.group().expect("groups");
        let mut write = |arg: u16, at: i64, word: u32| {
            let (buffer, from) = self.ptrs[usize::from(arg)];
            let at = (from + 4 * at) as usize;
            self.memory[buffer][at..at + 4].copy_from_slice(&word.to_le_bytes());
        };
        for (r, g) in (0..rows).flat_map(|r| (0..groups).map(move |g| (r, g))) {
            let at = r * row + g * group.left_len();
            let words: Vec<u32> = (0..group.terms / 4).map(|_| rng.bits() as u32).collect();
            words.iter().zip(0..).for_each(|(word, i)| write(a, at + i, *word));
            if encoding == Encoding::Bytes {
                // Back ends may read it or make it: -128 times the sum.
                let sum: i32 = words.iter().flat_map(|w| w.to_le_bytes()).map(|b| i32::from(b as i8)).sum();
                write(a, at + group.terms / 4 + 1, (-128 * sum) as u32);
            }
        }
        for line in (0..elements / PANEL).filter(|l| l % group.panel_rows() < group.rows) {
            (0..PANEL).for_each(|c| write(b, line * PANEL + c, rng.bits() as u32));
        }
    }
}

/// Whether this machine adds products of bf16.
pub fn pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A tile with an epilogue that reads a bias and others, and stores in every kind of memory.
pub fn tile(seed: u64, (rows, cols): (u8, u8), k: i64, plain: bool) -> Case {
    let rng = &mut Rng::new(seed);
    let encoding = match rng.below(8) {
        0 | 1 => Encoding::Halves,
        2 if pairs() => Encoding::Pairs,
        3 => Encoding::Bytes,
        4 => Encoding::Nibbles,
        _ => Encoding::F32,
    };
    tile_of(rng, encoding, (rows, cols), k, plain)
}

/// 32-bit elements from one row of the left operand to the next, and from one element of a row to the next.
fn left_strides(rng: &mut Rng, encoding: Encoding, k: i64, rows: i64) -> (i64, i64) {
    if encoding == Encoding::F32 && rng.below(3) == 0 {
        // A transposed matrix: the rows of the tile are neighbours in it.
        return (1 + rng.below(2) as i64, 2 * rows + rng.below(40) as i64);
    }
    (encoding.left_len(k) + rng.below(4) as i64, 1)
}

/// The same with the operands given.
pub fn tile_of(rng: &mut Rng, encoding: Encoding, (rows, cols): (u8, u8), k: i64, plain: bool) -> Case {
    let mut case = Case { plain, ..Case::default() };
    // A few groups, or as many as make a sum of parts.
    let groups = if k < 4 * PART { k % 4 } else { k / 4 };
    let (k, depth) = match (encoding, encoding.group()) {
        (_, Some(group)) => (groups * group.terms, Len::Const(groups * group.terms)),
        (Encoding::F32, None) => (k, case.len(rng, k)),
        _ => (k + k % 2, Len::Const(k + k % 2)),
    };
    // Of every fourth panel there is more than the sum takes.
    let (more, whole) =
        if rng.below(4) == 0 { (rng.below(5) as i64 * encoding.unit(), false) } else { (0, true) };
    let panel_terms = k + more;
    let panel = match (depth, encoding) {
        (depth, _) if whole => depth,
        (_, Encoding::F32) => case.len(rng, panel_terms),
        _ => Len::Const(panel_terms),
    };
    let (r, c) = (i64::from(rows), i64::from(cols));
    let (left_row, left_step) = left_strides(rng, encoding, k, r);
    let a_row = case.len(rng, left_row);
    let a_step = if encoding == Encoding::F32 { case.step(rng, left_step) } else { ONE };
    let left = (r - 1) * left_row + (encoding.left_len(k) - 1).max(0) * left_step + 1;
    let a = if encoding == Encoding::Pairs {
        case.pointer(rng, Mem::Bf16, 2 * left)
    } else {
        case.pointer(rng, Mem::F32, left)
    };
    // Nothing behind the last column of the last panel: a tile may begin inside of one.
    let panels = (c + PANEL - 1) / PANEL;
    let lines = (panels - 1) * encoding.panel_rows(panel_terms) + encoding.panel_rows(k);
    let elements = if k > 0 { (lines - 1) * PANEL + (c - 1) % PANEL + 1 } else { 0 };
    let b = match encoding {
        Encoding::Halves | Encoding::Pairs => case.pointer(rng, Mem::Bf16, 2 * elements),
        _ => case.pointer(rng, Mem::F32, elements),
    };
    if let Some(group) = encoding.group() {
        case.integers(rng, encoding, (a, left_row, r), (b, elements), k / group.terms);
    }
    // Whatever is said to come next, be it no memory at all.
    let lines = rng.below(4) as u8;
    let prefetch = (rng.below(3) == 0).then(|| Prefetch { arg: case.pointer(rng, Mem::F32, 1), lines });
    let mut body = Body { insts: vec![Inst::Acc] };
    let bias = case.pointer(rng, Mem::F32, c);
    body.push(Inst::Load { ptr: Ptr::Arg(bias), step: ONE, row_step: NONE, mem: Mem::F32 });
    for _ in 0..rng.below(3) {
        let mem = case.one_of(rng, 3, &MEMS);
        let (step, row) = case.one_of(rng, 4, &[(1, c), (1, c + 3), (0, 1), (0, 0), (2, 2 * c + 1)]);
        let ptr = Ptr::Arg(case.pointer(rng, mem, (r - 1) * row + (c - 1) * step + 1));
        let (step, row_step) = (case.step(rng, step), case.len(rng, row));
        body.push(Inst::Load { ptr, step, row_step, mem });
    }
    for _ in 0..rng.below(8) {
        body.step(rng);
    }
    for _ in 0..1 + rng.below(2) {
        let value = if rng.below(2) == 0 { 0 } else { body.reg(rng, Ty::F) };
        let mem = case.one_of(rng, 2, &[Mem::F32, Mem::F32, Mem::Bf16]);
        let (step, row) = case.one_of(rng, 2, &[(1, c), (1, c + 5), (2, 2 * c)]);
        let ptr = Ptr::Arg(case.pointer(rng, mem, (r - 1) * row + (c - 1) * step + 1));
        let (step, row_step) = (case.step(rng, step), case.len(rng, row));
        body.push(Inst::Store { ptr, step, row_step, mem, value });
        case.results.push((case.memory.len() - 1, mem, 0.0));
    }
    case.program.stmts = vec![Stmt::Tile(Tile {
        rows,
        cols,
        k: depth,
        panel,
        left: a,
        left_row: a_row,
        left_step: a_step,
        right: b,
        encoding,
        prefetch,
        body: body.insts,
    })];
    case
}
