//! Loads and stores of lanes: whole vectors where elements lie one after another, else lane by lane.

use super::*;

impl Translator {
    /// Pointer and constant offset of the first lane, and the bytes from lane to lane.
    fn address(
        &self,
        code: &mut FunctionCode<'_, '_>,
        place: BodyPosition,
        ptr: Ptr,
        steps: (Len, Len),
        size: i64,
    ) -> (Pointer, i32, Option<Value>) {
        let (step, row_step) = steps;
        let (arg, mut offset) = resolve(&self.derived, ptr).expect("a pointer of the program");
        let mut p = self.ptrs[usize::from(arg)];
        let mut run_time = None;
        if place.row != 0 && !row_step.is(0) {
            match row_step {
                Len::Const(n) => offset += place.row * n * size,
                Len::Arg(_) | Len::Local(_) => {
                    let n = code.len(row_step, &self.ints);
                    let bytes = code.mul_imm(n, place.row * size);
                    p = code.moved(p, bytes);
                }
            }
        }
        match step {
            Len::Const(n) => {
                if let (Some(i), true) = (place.index, n != 0) {
                    let bytes = code.mul_imm(i, n * size);
                    p = code.moved(p, bytes);
                }
                offset += place.plus * n * size;
            }
            Len::Arg(_) | Len::Local(_) => {
                let n = code.len(step, &self.ints);
                let bytes = code.mul_imm(n, size);
                let zero = code.int(0);
                let i = code.add_imm(place.index.unwrap_or(zero), place.plus);
                let from = code.mul(i, bytes);
                p = code.moved(p, from);
                run_time = Some(bytes);
            }
        }
        // Offsets beyond 31 bits go into the address.
        match i32::try_from(offset) {
            Ok(o) => (p, o, run_time),
            Err(_) => {
                let bytes = code.int(offset);
                (code.moved(p, bytes), 0, run_time)
            }
        }
    }

    /// Pointers and offsets of each lane.
    fn lanes(
        &self,
        code: &mut FunctionCode<'_, '_>,
        place: BodyPosition,
        ptr: Ptr,
        steps: (Len, Len),
        size: i64,
    ) -> Vec<(Pointer, i32)> {
        let (p, offset, run_time) = self.address(code, place, ptr, steps, size);
        let n = if place.wide { 4 } else { 1 };
        let mut out = vec![(p, offset)];
        for lane in 1..n {
            out.push(match (run_time, steps.0) {
                (Some(bytes), _) => {
                    let more = code.mul_imm(bytes, lane);
                    (code.moved(p, more), offset)
                }
                (None, Len::Const(step)) => {
                    let more = code.int(lane * step * size);
                    (code.moved(p, more), offset)
                }
                (None, Len::Arg(_) | Len::Local(_)) => (p, offset),
            });
        }
        out
    }

    pub fn load(
        &self,
        code: &mut FunctionCode<'_, '_>,
        place: BodyPosition,
        ptr: Ptr,
        steps: (Len, Len),
        mem: Mem,
    ) -> Value {
        let ty = mem.ty();
        if !place.wide {
            let (p, offset, _) = self.address(code, place, ptr, steps, mem.size());
            return self.load_one(code, p, offset, mem);
        }
        match steps.0 {
            Len::Const(0) => {
                let (p, offset, _) = self.address(code, place, ptr, steps, mem.size());
                let s = self.load_one(code, p, offset, mem);
                code.ins().splat(lane_type(ty, true), s)
            }
            Len::Const(1) => {
                let (p, offset, _) = self.address(code, place, ptr, steps, mem.size());
                match mem {
                    Mem::F32 | Mem::I32 => code.load(lane_type(ty, true), p, offset),
                    Mem::Bf16 => {
                        let s = code.load(I64, p, offset);
                        let v = code.ins().scalar_to_vector(types::I64X2, s);
                        let v = self.cast(code, v, I16X8);
                        let v = code.ins().uwiden_low(v);
                        let v = code.ins().ishl_imm_s(v, 16);
                        self.cast(code, v, F32X4)
                    }
                    Mem::Bool => {
                        let s = code.load(I32, p, offset);
                        let v = code.ins().scalar_to_vector(I32X4, s);
                        let v = self.cast(code, v, I8X16);
                        let v = code.ins().uwiden_low(v);
                        let v = code.ins().uwiden_low(v);
                        let zero = self.integer(code, 0, true);
                        code.ins().icmp(IntCC::NotEqual, v, zero)
                    }
                    Mem::I8 => {
                        let s = code.load(I32, p, offset);
                        let v = code.ins().scalar_to_vector(I32X4, s);
                        let v = self.cast(code, v, I8X16);
                        let v = code.ins().swiden_low(v);
                        code.ins().swiden_low(v)
                    }
                }
            }
            _ => {
                let lanes = self.lanes(code, place, ptr, steps, mem.size());
                let first = self.load_one(code, lanes[0].0, lanes[0].1, mem);
                let mut v = code.ins().splat(lane_type(ty, true), first);
                for (i, (p, offset)) in lanes.into_iter().enumerate().skip(1) {
                    let s = self.load_one(code, p, offset, mem);
                    v = code.ins().insertlane(v, s, i as u8);
                }
                v
            }
        }
    }

    fn load_one(&self, code: &mut FunctionCode<'_, '_>, p: Pointer, offset: i32, mem: Mem) -> Value {
        match mem {
            Mem::F32 => code.load(F32, p, offset),
            Mem::I32 => code.load(I32, p, offset),
            Mem::Bf16 => {
                let s = code.load(I16, p, offset);
                let s = code.ins().uextend(I32, s);
                let s = code.ins().ishl_imm_s(s, 16);
                self.cast(code, s, F32)
            }
            Mem::Bool => {
                let s = code.load(I8, p, offset);
                code.ins().bmask(I32, s)
            }
            Mem::I8 => {
                let s = code.load(I8, p, offset);
                code.ins().sextend(I32, s)
            }
        }
    }

    pub fn store(
        &self,
        code: &mut FunctionCode<'_, '_>,
        place: BodyPosition,
        ptr: Ptr,
        steps: (Len, Len),
        mem: Mem,
        value: Value,
    ) {
        if !place.wide {
            let (p, offset, _) = self.address(code, place, ptr, steps, mem.size());
            self.store_one(code, p, offset, mem, value);
        } else if steps.0.is(1) && matches!(mem, Mem::F32 | Mem::I32) {
            let (p, offset, _) = self.address(code, place, ptr, steps, mem.size());
            code.store(value, p, offset);
        } else {
            for (i, (p, offset)) in self.lanes(code, place, ptr, steps, mem.size()).into_iter().enumerate() {
                let s = code.ins().extractlane(value, i as u8);
                self.store_one(code, p, offset, mem, s);
            }
        }
    }

    fn store_one(&self, code: &mut FunctionCode<'_, '_>, p: Pointer, offset: i32, mem: Mem, value: Value) {
        match mem {
            Mem::F32 | Mem::I32 => code.store(value, p, offset),
            Mem::Bool => {
                let s = code.ins().band_imm_s(value, 1);
                let s = code.ins().ireduce(I8, s);
                code.store(s, p, offset);
            }
            Mem::I8 => {
                let s = code.ins().ireduce(I8, value);
                code.store(s, p, offset);
            }
            Mem::Bf16 => {
                let bits = self.cast(code, value, I32);
                let odd = code.ins().ushr_imm_s(bits, 16);
                let odd = code.ins().band_imm_s(odd, 1);
                let half = code.ins().iadd_imm_s(odd, 0x7fff);
                let rounded = code.ins().iadd(bits, half);
                let quiet = code.ins().bor_imm_s(bits, 0x40_0000);
                let nan = code.ins().fcmp(FloatCC::Unordered, value, value);
                let bits = code.ins().select(nan, quiet, rounded);
                let bits = code.ins().ushr_imm_s(bits, 16);
                let s = code.ins().ireduce(I16, bits);
                code.store(s, p, offset);
            }
        }
    }
}
