//! Helpers over Cranelift's function builder: counted loops, addresses, and the
//! guards of checked mode.

use crate::lanes::Len;
use cranelift::codegen::ir::{BlockArg, Endianness, MemFlagsData, Value, types};
use cranelift::frontend::FuncInstBuilder;
use cranelift::prelude::*;

/// Flags of a bitcast: lanes in little-endian order.
pub fn lane_order() -> MemFlagsData {
    MemFlagsData::new().with_endianness(Endianness::Little)
}

/// Flags of an access to tensor memory: any alignment, no trap.
pub fn mem_flags() -> MemFlagsData {
    MemFlagsData::new().with_endianness(Endianness::Little).with_notrap()
}

/// The bytes a guarded access may touch: `[low, low + size)`.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// First address.
    pub low: Value,
    /// Number of bytes.
    pub size: Value,
}

/// A base pointer, with the extent of its buffer in checked mode.
#[derive(Clone, Copy, Debug)]
pub struct Pointer {
    /// The address.
    pub addr: Value,
    /// Where its buffer lies; only in checked mode.
    pub extent: Option<Extent>,
}

/// One iteration of a loop: the counter and the carried values give the next ones.
pub type Iteration<'t> = &'t mut dyn FnMut(&mut FunctionCode<'_, '_>, Value, &[Value]) -> Vec<Value>;

/// A function being built.
pub struct FunctionCode<'a, 'f> {
    /// Cranelift's builder.
    pub builder: &'a mut FunctionBuilder<'f>,
    /// Where violations are counted in checked mode: 8 bytes of count, then a spare place for one access.
    pub guard: Option<Value>,
}

impl<'f> FunctionCode<'_, 'f> {
    /// Adds an instruction.
    pub fn ins(&mut self) -> FuncInstBuilder<'_, 'f> {
        self.builder.ins()
    }

    /// An i64 constant.
    pub fn int(&mut self, n: i64) -> Value {
        self.ins().iconst(types::I64, n)
    }

    /// `a + b`
    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.ins().iadd(a, b)
    }

    /// `a - b`
    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        self.ins().isub(a, b)
    }

    /// The smaller of two signed numbers.
    pub fn min(&mut self, a: Value, b: Value) -> Value {
        self.ins().smin(a, b)
    }

    /// The larger of two signed numbers.
    pub fn max(&mut self, a: Value, b: Value) -> Value {
        self.ins().smax(a, b)
    }

    /// `ceil(a / n)` for a positive constant.
    pub fn ceil_div(&mut self, a: Value, n: i64) -> Value {
        let a = self.add_imm(a, n - 1);
        self.ins().sdiv_imm_s(a, n)
    }

    /// `a * b`
    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        self.ins().imul(a, b)
    }

    /// `a + n`
    pub fn add_imm(&mut self, a: Value, n: i64) -> Value {
        if n == 0 { a } else { self.ins().iadd_imm_s(a, n) }
    }

    /// `a * n`
    pub fn mul_imm(&mut self, a: Value, n: i64) -> Value {
        if n == 1 { a } else { self.ins().imul_imm_s(a, n) }
    }

    /// A length as a value.
    pub fn len(&mut self, len: Len, args: &[Value]) -> Value {
        match len {
            Len::Const(n) => self.int(n),
            Len::Arg(i) => args[i as usize],
            Len::Local(local) => local.unbound(),
        }
    }

    /// A field of 8 bytes in the function's argument block.
    pub fn field(&mut self, arguments: Value, index: i32) -> Value {
        // Nothing writes the argument block while a kernel runs: these loads may leave loops.
        self.ins().load(types::I64, mem_flags().with_readonly().with_can_move(), arguments, index * 8)
    }

    /// The pointer moved by `bytes`.
    pub fn moved(&mut self, p: Pointer, bytes: Value) -> Pointer {
        Pointer { addr: self.add(p.addr, bytes), ..p }
    }

    /// Runs `body(i, carried)` for `i` from `from` below `end` in steps of `step`. The test stands
    /// at the top: a loop may have no iteration, and Cranelift keeps folding loads into arithmetic.
    pub fn for_range(
        &mut self,
        from: Value,
        end: Value,
        step: i64,
        carried: &[Value],
        body: Iteration<'_>,
    ) -> Vec<Value> {
        let (head, inside, after) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        self.builder.append_block_param(head, types::I64);
        for value in carried {
            let ty = self.builder.func.dfg.value_type(*value);
            self.builder.append_block_param(head, ty);
        }
        let mut args: Vec<BlockArg> = vec![from.into()];
        args.extend(carried.iter().map(|value| BlockArg::from(*value)));
        self.ins().jump(head, &args);
        self.builder.switch_to_block(head);
        let params = self.builder.block_params(head).to_vec();
        let more = self.ins().icmp(IntCC::SignedLessThan, params[0], end);
        self.ins().brif(more, inside, &[], after, &[]);
        self.builder.switch_to_block(inside);
        self.builder.seal_block(inside);
        let guard = self.guard;
        let next = body(&mut FunctionCode { builder: self.builder, guard }, params[0], &params[1..]);
        let i = self.add_imm(params[0], step);
        let mut args: Vec<BlockArg> = vec![i.into()];
        args.extend(next.into_iter().map(BlockArg::from));
        self.ins().jump(head, &args);
        self.builder.seal_block(head);
        self.builder.switch_to_block(after);
        self.builder.seal_block(after);
        params[1..].to_vec()
    }

    /// A loop that carries nothing.
    pub fn for_each(
        &mut self,
        from: Value,
        end: Value,
        step: i64,
        body: &mut dyn FnMut(&mut FunctionCode<'_, '_>, Value),
    ) {
        self.for_range(from, end, step, &[], &mut |code, i, _| {
            body(code, i);
            Vec::new()
        });
    }

    /// A loop whose body says how far each iteration goes on: `body(i)` gives a positive number.
    pub fn for_spans(
        &mut self,
        from: Value,
        end: Value,
        body: &mut dyn FnMut(&mut FunctionCode<'_, '_>, Value) -> Value,
    ) {
        let (head, inside, after) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let i = self.builder.append_block_param(head, types::I64);
        self.ins().jump(head, &[from.into()]);
        self.builder.switch_to_block(head);
        let more = self.ins().icmp(IntCC::SignedLessThan, i, end);
        self.ins().brif(more, inside, &[], after, &[]);
        self.builder.switch_to_block(inside);
        self.builder.seal_block(inside);
        let guard = self.guard;
        let by = body(&mut FunctionCode { builder: self.builder, guard }, i);
        let next = self.add(i, by);
        self.ins().jump(head, &[next.into()]);
        self.builder.seal_block(head);
        self.builder.switch_to_block(after);
        self.builder.seal_block(after);
    }

    /// Runs `body` only where `condition` is not 0.
    pub fn when(&mut self, condition: Value, body: &mut dyn FnMut(&mut FunctionCode<'_, '_>)) {
        let (inside, after) = (self.builder.create_block(), self.builder.create_block());
        self.ins().brif(condition, inside, &[], after, &[]);
        self.builder.switch_to_block(inside);
        self.builder.seal_block(inside);
        let guard = self.guard;
        body(&mut FunctionCode { builder: self.builder, guard });
        self.ins().jump(after, &[]);
        self.builder.switch_to_block(after);
        self.builder.seal_block(after);
    }

    /// The value of `yes` where `condition` is not 0, else that of `no`; only one of them runs.
    pub fn either<'t>(
        &mut self,
        condition: Value,
        yes: &'t mut dyn FnMut(&mut FunctionCode<'_, '_>) -> Value,
        no: &'t mut dyn FnMut(&mut FunctionCode<'_, '_>) -> Value,
    ) -> Value {
        let (inside, others, after) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        self.ins().brif(condition, inside, &[], others, &[]);
        let guard = self.guard;
        for (block, body) in [(inside, yes), (others, no)] {
            self.builder.switch_to_block(block);
            self.builder.seal_block(block);
            let value = body(&mut FunctionCode { builder: self.builder, guard });
            if self.builder.block_params(after).is_empty() {
                let ty = self.builder.func.dfg.value_type(value);
                self.builder.append_block_param(after, ty);
            }
            self.ins().jump(after, &[value.into()]);
        }
        self.builder.switch_to_block(after);
        self.builder.seal_block(after);
        self.builder.block_params(after)[0]
    }

    /// The address of an access of `bytes` bytes. In checked mode an access outside of its
    /// buffer is counted and goes to the guard's own memory instead.
    pub fn guarded(&mut self, p: Pointer, offset: i32, bytes: i64) -> (Value, i32) {
        let (Some(guard), Some(extent)) = (self.guard, p.extent) else {
            return (p.addr, offset);
        };
        let at = self.add_imm(p.addr, i64::from(offset));
        let relative = self.ins().isub(at, extent.low);
        let last = self.add_imm(extent.size, -bytes);
        let fits = self.ins().icmp(IntCC::UnsignedLessThanOrEqual, relative, last);
        let large = self.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, extent.size, bytes);
        let ok = self.ins().band(fits, large);
        let bad = self.ins().icmp_imm_s(IntCC::Equal, ok, 0);
        let bad = self.ins().uextend(types::I64, bad);
        let count = self.ins().load(types::I64, mem_flags(), guard, 0);
        let count = self.add(count, bad);
        self.ins().store(mem_flags(), count, guard, 0);
        let spare = self.add_imm(guard, 8);
        (self.ins().select(ok, at, spare), 0)
    }

    /// A guarded load of one scalar or vector.
    pub fn load(&mut self, ty: Type, p: Pointer, offset: i32) -> Value {
        let (addr, offset) = self.guarded(p, offset, i64::from(ty.bytes()));
        self.ins().load(ty, mem_flags(), addr, offset)
    }

    /// A guarded store.
    pub fn store(&mut self, value: Value, p: Pointer, offset: i32) {
        let bytes = i64::from(self.builder.func.dfg.value_type(value).bytes());
        let (addr, offset) = self.guarded(p, offset, bytes);
        self.ins().store(mem_flags(), value, addr, offset);
    }
}
