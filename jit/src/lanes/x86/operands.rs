//! Where a tile's operands are: addresses of the left operand's rows, of the right operand's panels, and of
//! what is prefetched.

use super::asm::{Mask, V};
use super::body::{ElementCount, Tail};
use super::{Emitter, Refused, Width};
use crate::lanes::{Encoding, Len, PANEL, Prefetch, Tile, UNROLL};
use iced_x86::{Code, Instruction, MemoryOperand, Register};

/// The size of a tile in vector registers.
#[derive(Clone, Copy)]
pub struct TileSize {
    /// Rows of accumulators.
    pub rows: i64,
    /// Vectors of a row of accumulators.
    pub vectors: i64,
    /// Columns of the last vector if it is not whole, else 0.
    pub remainder: i64,
}

impl TileSize {
    pub fn of(tile: &Tile, width: Width) -> TileSize {
        let (cols, lanes) = (i64::from(tile.cols), width.lanes());
        TileSize { rows: i64::from(tile.rows), vectors: (cols + lanes - 1) / lanes, remainder: cols % lanes }
    }

    pub fn accumulators(self) -> i64 {
        self.rows * self.vectors
    }

    /// The register of the accumulator of a row and a vector: accumulators take the first registers.
    pub fn accumulator(self, row: i64, vector: i64) -> V {
        (row * self.vectors + vector) as V
    }

    /// The registers of all accumulators.
    pub fn registers(self) -> std::ops::Range<V> {
        0..self.accumulators() as V
    }

    /// The mask of the last vector as the epilogue takes it.
    pub fn tail(self, mask: Option<Mask>) -> Option<Tail> {
        mask.map(|mask| Tail { mask, count: ElementCount::Known(self.remainder) })
    }
}

/// Where a row of the left operand begins.
pub struct LeftRow {
    base: Register,
    /// The register of a stride to add, and how many times: once or twice.
    index: Option<(Register, u32)>,
    displacement: i64,
}

impl LeftRow {
    /// The element `bytes` bytes after the start of the row.
    pub fn at(&self, bytes: i64) -> MemoryOperand {
        let at = self.displacement + bytes;
        match self.index {
            Some((i, scale)) => MemoryOperand::with_base_index_scale_displ_size(self.base, i, scale, at, 1),
            None => MemoryOperand::with_base_displ(self.base, at),
        }
    }
}

/// A vector of the right operand: a base register and a displacement.
#[derive(Clone, Copy)]
pub struct RightVector {
    base: Register,
    displacement: i64,
}

impl RightVector {
    /// The vector in row `row` of the panel.
    pub fn at(self, row: i64) -> MemoryOperand {
        MemoryOperand::with_base_displ(self.base, self.displacement + row * PANEL * 4)
    }
}

/// Where a tile's operands are.
#[derive(Default)]
pub struct TileOperands {
    /// The rows of the left operand.
    pub rows: Vec<LeftRow>,
    /// The vectors of the right operand.
    pub right: Vec<RightVector>,
    /// Bytes from one term of a row of the left operand to the next, where that is known.
    pub left_step: i64,
    /// Else the register that has them, and those to which it is added after each term.
    left_stride: Option<(Register, Vec<Register>)>,
    /// Registers to move along the sum, with the bytes of one term or group.
    moving: Vec<(Register, i64)>,
    /// The address that is prefetched, and cache lines in each iteration.
    prefetch: Option<(Register, u8)>,
}

impl Emitter<'_> {
    /// Loads the addresses of a tile's operands; `panel` is the number of 32-bit rows of a panel.
    pub fn operands(&mut self, tile: &Tile, size: TileSize, panel: Len) -> Result<TileOperands, Refused> {
        let prefetch = match tile.prefetch {
            Some(Prefetch { arg, lines }) if lines > 0 => Some((self.pointer(arg)?, lines)),
            _ => None,
        };
        let mut operands = TileOperands { prefetch, ..TileOperands::default() };
        self.left_rows(tile, size, &mut operands)?;
        self.panels(tile, size, panel, &mut operands)?;
        Ok(operands)
    }

    fn left_rows(&mut self, tile: &Tile, size: TileSize, operands: &mut TileOperands) -> Result<(), Refused> {
        let first = self.pointer(tile.left)?;
        let mut bases = vec![first];
        let whole = 4 * tile.encoding.left_len(tile.encoding.unit());
        let (term, stride) = match tile.left_step {
            Len::ONE => (whole, None),
            _ if tile.encoding != Encoding::F32 => return Err(Refused("a row with gaps".into())),
            Len::Const(n) => (n.saturating_mul(4), None),
            Len::Local(l) => l.unbound(),
            Len::Arg(i) => (0, Some(self.stride(i)?)),
        };
        let reach = |n: i64| {
            let (down, along) = (n.checked_mul(4 * size.rows)?, term.checked_mul(UNROLL)?);
            i32::try_from(down.checked_add(along)?).ok()
        };
        match tile.left_row {
            Len::Const(n) if reach(n).is_some() => {
                let row = |r: i64| LeftRow { base: first, index: None, displacement: r * n * 4 };
                operands.rows = (0..size.rows).map(row).collect();
            }
            Len::Const(_) => return Err(Refused("rows too far apart".into())),
            Len::Local(l) => l.unbound(),
            Len::Arg(i) => {
                // Each register reaches three rows: at it, one stride and two strides on.
                let stride = self.stride(i)?;
                let mut base = first;
                for r in 0..size.rows {
                    if r > 0 && r % 3 == 0 {
                        let next = self.general()?;
                        // next = base + 3 * stride
                        let two_on = MemoryOperand::with_base_index_scale(base, stride, 2);
                        self.push(Instruction::with2(Code::Lea_r64_m, next, two_on))?;
                        self.push(Instruction::with2(Code::Add_r64_rm64, next, stride))?;
                        bases.push(next);
                        base = next;
                    }
                    let index = [None, Some((stride, 1)), Some((stride, 2))][r as usize % 3];
                    operands.rows.push(LeftRow { base, index, displacement: 0 });
                }
            }
        }
        operands.left_step = term;
        match stride {
            Some(stride) => operands.left_stride = Some((stride, bases)),
            None => operands.moving.extend(bases.into_iter().map(|base| (base, term))),
        }
        Ok(())
    }

    /// A register with the bytes of as many 32-bit elements as an argument gives.
    fn stride(&mut self, argument: u16) -> Result<Register, Refused> {
        let stride = self.integer(argument)?;
        self.push(Instruction::with2(Code::Shl_rm64_imm8, stride, 2))?;
        Ok(stride)
    }

    fn panels(
        &mut self,
        tile: &Tile,
        size: TileSize,
        panel: Len,
        operands: &mut TileOperands,
    ) -> Result<(), Refused> {
        let lanes = self.asm.width.lanes();
        let row = 4 * PANEL * tile.encoding.panel_rows(tile.encoding.unit());
        let mut base = self.pointer(tile.right)?;
        operands.moving.push((base, row));
        let mut last = 0;
        for v in 0..size.vectors {
            let (number, inside) = (v * lanes / PANEL, v * lanes % PANEL);
            match panel {
                // Panels of a known length lie at constant distances.
                Len::Const(n) => {
                    let displacement = number * n * PANEL * 4 + inside * 4;
                    if i32::try_from(displacement + UNROLL * row).is_err() {
                        return Err(Refused("panels too far apart".into()));
                    }
                    operands.right.push(RightVector { base, displacement });
                }
                Len::Local(l) => l.unbound(),
                Len::Arg(i) => {
                    if number != last {
                        let next = self.general()?;
                        let length = self.argument(self.program.ptrs + i);
                        self.push(Instruction::with2(Code::Mov_r64_rm64, next, length))?;
                        self.push(Instruction::with2(Code::Shl_rm64_imm8, next, 6))?;
                        self.push(Instruction::with2(Code::Add_r64_rm64, next, base))?;
                        operands.moving.push((next, row));
                        base = next;
                        last = number;
                    }
                    operands.right.push(RightVector { base, displacement: inside * 4 });
                }
            }
        }
        Ok(())
    }

    /// Moves the left operand on by a term, if how far that is has to be read from a register.
    pub fn next_left(&mut self, operands: &TileOperands) -> Result<(), Refused> {
        let Some((stride, bases)) = &operands.left_stride else { return Ok(()) };
        bases.iter().try_for_each(|base| self.push(Instruction::with2(Code::Add_r64_rm64, *base, *stride)))
    }

    /// Prefetches what one iteration may, and moves the address on.
    pub fn prefetch(&mut self, operands: &TileOperands) -> Result<(), Refused> {
        let Some((address, lines)) = operands.prefetch else { return Ok(()) };
        for line in 0..i64::from(lines) {
            let at = MemoryOperand::with_base_displ(address, 64 * line);
            self.push(Instruction::with1(Code::Prefetcht1_m8, at))?;
        }
        self.push(Instruction::with2(Code::Add_rm64_imm32, address, 64 * i32::from(lines)))
    }

    /// Moves the operands along the sum by `terms` terms or groups.
    pub fn advance(&mut self, operands: &TileOperands, terms: i64) -> Result<(), Refused> {
        for (register, bytes) in &operands.moving {
            self.push(Instruction::with2(Code::Add_rm64_imm32, *register, (terms * bytes) as i32))?;
        }
        Ok(())
    }
}
