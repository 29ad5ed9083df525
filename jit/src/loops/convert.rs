//! Rows of a left operand in the encoding that tiles want: bf16, or integers in groups.

use super::nest::{Nest, Pointers, Pool, ProgramId};
use super::program::{Copy, load_of, store_of};
use crate::code::{FunctionCode, Pointer};
use crate::lanes::{
    Bin, Cmp, Encoding, Group, Inst, Len, Mem, Program, Reduce, RowReduction, ScalarOutput, Stmt, Ty, Un,
    derive,
};

/// The largest magnitude of an element in integers.
const LARGEST: f32 = 127.0;
/// Groups of smaller magnitudes count as zeros: the reciprocal of their factor would not be finite.
const SMALLEST: f32 = 1e-30;

/// The pointers of [`quantize`].
struct Quantize {
    from: Pointer,
    bytes: Pointer,
    /// The factor, then what [`Encoding`] wants of the sum.
    factor: Pointer,
}

impl Pointers for Quantize {
    fn in_order(self) -> Vec<Pointer> {
        vec![self.from, self.bytes, self.factor]
    }
}

impl Quantize {
    const FROM: u16 = 0;
    const BYTES: u16 = 1;
    const FACTOR: u16 = 2;
}

/// The conversion of rows of `k` elements.
pub struct Conversion {
    k: i64,
    pub encoding: Encoding,
    how: ConversionPrograms,
}

enum ConversionPrograms {
    /// A row at a time.
    Bf16(ProgramId<Copy>),
    /// A group at a time.
    Integers(Group, ProgramId<Quantize>),
}

impl Conversion {
    /// Adds the program that converts a row, or a group of one.
    pub fn new(k: i64, encoding: Encoding, pool: &mut Pool) -> Conversion {
        let how = match encoding.group() {
            Some(group) => {
                ConversionPrograms::Integers(group, pool.add(&quantize(encoding, Len::Const(group.terms))))
            }
            None => ConversionPrograms::Bf16(pool.add(&to_bf16(Len::Const(k)))),
        };
        Conversion { k, encoding, how }
    }

    /// Elements of 32 bits of a converted row.
    pub fn row(&self) -> i64 {
        self.encoding.left_len(self.k)
    }

    /// Converts one row.
    pub fn convert(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, from: Pointer, to: Pointer) {
        let (group, program) = match self.how {
            ConversionPrograms::Bf16(program) => return nest.call(code, program, Copy { from, to }),
            ConversionPrograms::Integers(group, program) => (group, program),
        };
        let (zero, count) = (code.int(0), code.int(self.k / group.terms));
        code.for_each(zero, count, 1, &mut |code, i| {
            let (read, written) = (code.mul_imm(i, 4 * group.terms), code.mul_imm(i, 4 * group.left_len()));
            let (from, bytes) = (code.moved(from, read), code.moved(to, written));
            let size = code.int(group.terms);
            let factor = code.moved(bytes, size);
            nest.call(code, program, Quantize { from, bytes, factor });
        });
    }
}

/// A row of floats as bf16.
fn to_bf16(k: Len) -> Program {
    let body = vec![load_of(Copy::FROM, Len::ONE, Mem::F32), store_of(Copy::TO, Len::ONE, Mem::Bf16, 0)];
    let stmts = vec![Stmt::Map { len: k, body, reductions: Vec::new() }];
    Program { ptrs: 2, stmts, ..Program::default() }
}

/// A group of floats as bytes. The largest magnitude becomes 127; NaN and infinities make the factor one.
fn quantize(encoding: Encoding, len: Len) -> Program {
    /// The row scalars.
    const LARGEST_MAGNITUDE: u16 = 0;
    const RECIPROCAL: u16 = 1;
    const GROUP_FACTOR: u16 = 2;
    const SUM: u16 = 3;
    let float = |x: f32| Inst::Float(x.to_bits());
    let load = load_of(Quantize::FROM, Len::ONE, Mem::F32);
    let magnitudes = vec![
        load,
        Inst::Un(Un::Bits, 0),
        Inst::Int(i32::MAX),
        Inst::Bin(Bin::And, 1, 2),
        Inst::Un(Un::FromBits, 3),
    ];
    let factor = vec![
        Inst::Slot(LARGEST_MAGNITUDE, Ty::F),
        float(SMALLEST),
        Inst::Cmp(Cmp::Lt, 0, 1),
        float(LARGEST),
        float(0.0),
        Inst::Bin(Bin::Div, 3, 0),
        Inst::Select(2, 4, 5),
        Inst::Bin(Bin::Div, 0, 3),
        Inst::Select(2, 4, 7),
        store_of(Quantize::FACTOR, Len::ZERO, Mem::F32, 8),
    ];
    let bytes = vec![
        load,
        Inst::Slot(RECIPROCAL, Ty::F),
        Inst::Bin(Bin::Mul, 0, 1),
        Inst::Un(Un::Round, 2),
        Inst::Un(Un::ToInt, 3),
        store_of(Quantize::BYTES, Len::ONE, Mem::I8, 4),
    ];
    let mut derived = Vec::new();
    let behind = derive(&mut derived, Quantize::FACTOR, 1);
    let mut sum = vec![Inst::Slot(SUM, Ty::I)];
    if encoding == Encoding::Bytes {
        let store = store_of(behind, Len::ZERO, Mem::I32, 2);
        sum.extend([Inst::Int(-128), Inst::Bin(Bin::IMul, 0, 1), store]);
    } else {
        let store = store_of(behind, Len::ZERO, Mem::F32, 3);
        sum.extend([
            Inst::Un(Un::ToFloat, 0),
            Inst::Slot(GROUP_FACTOR, Ty::F),
            Inst::Bin(Bin::Mul, 1, 2),
            store,
        ]);
    }
    let stmts = vec![
        Stmt::Map {
            len,
            body: magnitudes,
            reductions: vec![RowReduction { how: Reduce::MaxNan, value: 4, slot: LARGEST_MAGNITUDE }],
        },
        Stmt::Scalar {
            body: factor,
            outs: vec![
                ScalarOutput { value: 6, slot: RECIPROCAL },
                ScalarOutput { value: 8, slot: GROUP_FACTOR },
            ],
        },
        Stmt::Map {
            len,
            body: bytes,
            reductions: vec![RowReduction { how: Reduce::ISum, value: 4, slot: SUM }],
        },
        Stmt::Scalar { body: sum, outs: Vec::new() },
    ];
    Program { ptrs: 3, slots: 4, derived, stmts, ..Program::default() }
}
