//! The meaning of a vector program: plain Rust, one element at a time, on safe memory.

mod tile;

use super::*;

/// The memory of the oracle: buffers by number.
pub type Memory = Vec<Vec<u8>>;

/// A pointer of the oracle: the number of a buffer and an offset in bytes.
pub type Pointer = (usize, i64);

struct Execution<'a> {
    program: &'a Program,
    mem: &'a mut Memory,
    ptrs: &'a [Pointer],
    ints: &'a [i64],
    slots: Vec<u32>,
}

/// Runs a program.
///
/// # Panics
/// The program has a fault: an access is outside of its buffer.
pub fn run(program: &Program, mem: &mut Memory, ptrs: &[Pointer], ints: &[i64]) {
    assert!(
        ptrs.len() == program.ptrs as usize && ints.len() == program.ints as usize,
        "arguments as declared"
    );
    let mut execution = Execution { program, mem, ptrs, ints, slots: vec![0; program.slots as usize] };
    for stmt in &program.stmts {
        execution.stmt(stmt);
    }
}

fn f(bits: u32) -> f32 {
    f32::from_bits(bits)
}

fn mask(b: bool) -> u32 {
    if b { u32::MAX } else { 0 }
}

impl Execution<'_> {
    fn len(&self, l: Len) -> i64 {
        match l {
            Len::Const(n) => n,
            Len::Arg(i) => self.ints[i as usize],
            Len::Local(local) => local.unbound(),
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Scalar { body, outs } => {
                let regs = self.body(body, 0, 0, 0);
                for ScalarOutput { value, slot } in outs {
                    self.slots[usize::from(*slot)] = regs[*value as usize];
                }
            }
            Stmt::Map { len, body, reductions } => {
                let mut acc: Vec<u32> = reductions.iter().map(|reduction| reduction.how.identity()).collect();
                let mut sums = vec![0f64; reductions.len()];
                for i in 0..self.len(*len) {
                    let regs = self.body(body, i, 0, 0);
                    for ((acc, sum), reduction) in acc.iter_mut().zip(&mut sums).zip(reductions) {
                        let value = regs[reduction.value as usize];
                        match reduction.how {
                            Reduce::Sum => *sum += f64::from(f(value)),
                            how => *acc = reduce(how, *acc, value),
                        }
                    }
                }
                for ((acc, sum), reduction) in acc.iter().zip(&sums).zip(reductions) {
                    let whole = if reduction.how == Reduce::Sum { (*sum as f32).to_bits() } else { *acc };
                    self.slots[usize::from(reduction.slot)] = whole;
                }
            }
            Stmt::Tile(tile) => self.tile(tile),
        }
    }

    fn at(&self, ptr: Ptr, element: i64, size: i64) -> (usize, usize) {
        let (arg, more) = self.program.resolve(ptr).expect("a pointer of the program");
        let (buf, offset) = self.ptrs[usize::from(arg)];
        let byte = offset + more + element * size;
        assert!(byte >= 0 && byte + size <= self.mem[buf].len() as i64, "byte {byte} of buffer {buf}");
        (buf, byte as usize)
    }

    fn load(&self, ptr: Ptr, element: i64, mem: Mem) -> u32 {
        let (buf, at) = self.at(ptr, element, mem.size());
        let b = &self.mem[buf][at..];
        match mem {
            Mem::F32 | Mem::I32 => u32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            Mem::Bf16 => u32::from(u16::from_le_bytes([b[0], b[1]])) << 16,
            Mem::Bool => mask(b[0] != 0),
            Mem::I8 => b[0] as i8 as i32 as u32,
        }
    }

    fn store(&mut self, ptr: Ptr, element: i64, mem: Mem, value: u32) {
        let (buf, at) = self.at(ptr, element, mem.size());
        let b = &mut self.mem[buf][at..];
        match mem {
            Mem::F32 | Mem::I32 => b[..4].copy_from_slice(&value.to_le_bytes()),
            Mem::Bf16 => b[..2].copy_from_slice(&to_bf16(value).to_le_bytes()),
            Mem::Bool => b[0] = u8::from(value != 0),
            Mem::I8 => b[0] = value as u8,
        }
    }

    fn body(&mut self, body: &[Inst], index: i64, row: i64, acc: u32) -> Vec<u32> {
        let types = body_types(body);
        let mut regs: Vec<u32> = Vec::with_capacity(body.len());
        for inst in body {
            let r = |i: Reg| regs[i as usize];
            let v = match *inst {
                Inst::Float(bits) => bits,
                Inst::Int(i) => i as u32,
                Inst::ArgInt(l) => self.len(l) as i32 as u32,
                Inst::Slot(s, _) => self.slots[s as usize],
                Inst::Index => index as i32 as u32,
                Inst::Acc => acc,
                Inst::Load { ptr, step, row_step, mem } => {
                    self.load(ptr, index * self.len(step) + row * self.len(row_step), mem)
                }
                Inst::Store { ptr, step, row_step, mem, value } => {
                    self.store(ptr, index * self.len(step) + row * self.len(row_step), mem, r(value));
                    r(value)
                }
                Inst::Un(op, a) => un(op, r(a)),
                Inst::Bin(op, a, b) => bin(op, r(a), r(b)),
                Inst::Fma(a, b, c) => f(r(a)).mul_add(f(r(b)), f(r(c))).to_bits(),
                Inst::Cmp(op, a, b) => mask(match types[a as usize] {
                    Ty::F => cmp(op, &f(r(a)), &f(r(b))),
                    _ => cmp(op, &(r(a) as i32), &(r(b) as i32)),
                }),
                Inst::Select(m, a, b) => (r(m) & r(a)) | (!r(m) & r(b)),
                Inst::Reduce(..) => unreachable!("scheduling takes reductions out of bodies"),
            };
            regs.push(v);
        }
        regs
    }
}

/// The float of a finite f16. Exponent and mantissa are shifted to their places in an f32, whose exponent
/// bias is 112 larger.
fn half(bits: u16) -> f32 {
    let (sign, magnitude) = (u32::from(bits >> 15) << 31, u32::from(bits & 0x7fff) << 13);
    f(sign | magnitude) * f((127 + 112) << 23)
}

/// Round to nearest even; a NaN keeps its sign and stays NaN.
pub fn to_bf16(bits: u32) -> u16 {
    if f(bits).is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

fn un(op: Un, a: u32) -> u32 {
    match op {
        Un::Sqrt => f(a).sqrt().to_bits(),
        Un::Round => f(a).round_ties_even().to_bits(),
        Un::ToInt => {
            let x = f(a);
            let fits = x > -2_147_483_904.0 && x < 2_147_483_648.0;
            (if fits { x as i32 } else { i32::MIN }) as u32
        }
        Un::ToIntSat => f(a) as i32 as u32,
        Un::ToFloat => (a as i32 as f32).to_bits(),
        Un::Bits | Un::FromBits => a,
        Un::Not => !a,
    }
}

fn bin(op: Bin, a: u32, b: u32) -> u32 {
    let float = |x: f32| x.to_bits();
    match op {
        Bin::Add => float(f(a) + f(b)),
        Bin::Sub => float(f(a) - f(b)),
        Bin::Mul => float(f(a) * f(b)),
        Bin::Div => float(f(a) / f(b)),
        Bin::Max => {
            if f(a) > f(b) {
                a
            } else {
                b
            }
        }
        Bin::Min => {
            if f(a) < f(b) {
                a
            } else {
                b
            }
        }
        Bin::IAdd => a.wrapping_add(b),
        Bin::ISub => a.wrapping_sub(b),
        Bin::IMul => a.wrapping_mul(b),
        Bin::And => a & b,
        Bin::Or => a | b,
        Bin::Xor => a ^ b,
        Bin::Shl => a << (b & 31),
        Bin::Shr => ((a as i32) >> (b & 31)) as u32,
        Bin::RotateLeft => a.rotate_left(b & 31),
    }
}

fn cmp<T: PartialOrd>(op: Cmp, a: &T, b: &T) -> bool {
    match op {
        Cmp::Eq => a == b,
        Cmp::Ne => a != b,
        Cmp::Lt => a < b,
        Cmp::Le => a <= b,
        Cmp::Gt => a > b,
        Cmp::Ge => a >= b,
    }
}

/// One step of a reduction.
pub fn reduce(how: Reduce, acc: u32, x: u32) -> u32 {
    match how {
        Reduce::Sum => bin(Bin::Add, acc, x),
        Reduce::Max => bin(Bin::Max, x, acc),
        Reduce::MaxNan => {
            if f(acc).is_nan() || f(acc) > f(x) {
                acc
            } else {
                x
            }
        }
        Reduce::MinNan => {
            if f(acc).is_nan() || f(acc) < f(x) {
                acc
            } else {
                x
            }
        }
        Reduce::ISum => acc.wrapping_add(x),
        Reduce::IMax => (acc as i32).max(x as i32) as u32,
        Reduce::IMin => (acc as i32).min(x as i32) as u32,
    }
}
