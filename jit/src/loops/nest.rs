//! What a loop nest works with: the arguments of its kernel, and the programs it calls.

use crate::code::{Extent, FunctionCode, Pointer};
use crate::lanes::{Len, Local, Program, compact};
use crate::spec::WorkPart;
use cranelift::codegen::ir::{FuncRef, Value, types};
use cranelift::prelude::*;
use std::marker::PhantomData;

/// Numbers from the first one up to the second.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: Value,
    pub to: Value,
}

/// The pointers of a program, each with a name.
pub trait Pointers {
    /// The pointers in the order in which the program numbers them.
    fn in_order(self) -> Vec<Pointer>;
}

/// A program of a kernel, which is called with the pointers `P`.
#[derive(Debug)]
pub struct ProgramId<P> {
    number: usize,
    pointers: PhantomData<fn(P)>,
}

impl<P> Clone for ProgramId<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for ProgramId<P> {}

/// A program of a kernel.
struct PoolProgram {
    program: Program,
    /// What its integers are: parameters of the kernel and locals of the nest.
    integers: Vec<Len>,
    /// What it does in the kernel.
    part: WorkPart,
}

/// The programs of a kernel, in the order in which they are defined.
#[derive(Default)]
pub struct Pool {
    programs: Vec<PoolProgram>,
}

impl Pool {
    /// Adds a program; its integers are renumbered, so that only those it uses are passed.
    pub fn add<P: Pointers>(&mut self, program: &Program) -> ProgramId<P> {
        self.add_part(program, WorkPart::Own)
    }

    /// The same for a program that does that part of the kernel. Its statements are those of the part.
    pub fn add_part<P: Pointers>(&mut self, program: &Program, part: WorkPart) -> ProgramId<P> {
        let (program, integers) = compact(program);
        self.programs.push(PoolProgram { program, integers, part });
        ProgramId { number: self.programs.len() - 1, pointers: PhantomData }
    }

    /// The programs in order.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.parts().map(|(program, _)| program)
    }

    /// The programs in order, with what each does.
    pub fn parts(&self) -> impl Iterator<Item = (&Program, WorkPart)> {
        self.programs.iter().map(|known| (&known.program, known.part))
    }
}

/// A program as a function that a nest may call.
#[derive(Clone, Copy, Debug)]
pub struct Callee {
    /// The function.
    pub function: FuncRef,
    /// It takes the address of its arguments instead of the arguments.
    pub by_address: bool,
}

/// The arguments of a kernel, and its programs.
pub struct Nest {
    buffers: Value,
    sizes: Value,
    params: Value,
    scratch: Value,
    /// Which units are meant ([`UnitKind`](crate::UnitKind)).
    pub unit_kind: Value,
    /// The guard of checked mode.
    pub guard: Option<Value>,
    callees: Vec<Callee>,
    pool: Pool,
}

impl Nest {
    /// Reads the argument block ([`Arguments`](crate::Arguments), field by field). The callees are the
    /// functions of the pool's programs.
    pub fn enter(
        code: &mut FunctionCode<'_, '_>,
        arguments: Value,
        checked: bool,
        pool: Pool,
        callees: Vec<Callee>,
    ) -> Nest {
        assert_eq!(pool.programs.len(), callees.len(), "each program is a function");
        Nest {
            buffers: code.field(arguments, 0),
            sizes: code.field(arguments, 1),
            params: code.field(arguments, 2),
            guard: checked.then(|| code.field(arguments, 3)),
            scratch: code.field(arguments, 4),
            unit_kind: code.field(arguments, 5),
            callees,
            pool,
        }
    }

    /// The start of a buffer.
    pub fn buffer(&self, code: &mut FunctionCode<'_, '_>, i: u16) -> Pointer {
        let addr = code.field(self.buffers, i32::from(i));
        let extent = self.guard.map(|_| Extent { low: addr, size: code.field(self.sizes, i32::from(i)) });
        Pointer { addr, extent }
    }

    /// The start of this thread's part of working memory.
    pub fn scratch(&self, code: &mut FunctionCode<'_, '_>, i: u16) -> Pointer {
        let base = self.buffer(code, i);
        code.moved(base, self.scratch)
    }

    /// A length: a constant, or a parameter.
    pub fn len(&self, code: &mut FunctionCode<'_, '_>, len: Len) -> Value {
        match len {
            Len::Const(n) => code.int(n),
            Len::Arg(i) => code.field(self.params, i32::from(i)),
            Len::Local(local) => local.unbound(),
        }
    }

    /// `value * len`
    pub fn times(&self, code: &mut FunctionCode<'_, '_>, value: Value, len: Len) -> Value {
        match len {
            Len::Const(n) => code.mul_imm(value, n),
            len => {
                let n = self.len(code, len);
                code.mul(value, n)
            }
        }
    }

    /// Calls a program that takes no locals.
    pub fn call<P: Pointers>(&self, code: &mut FunctionCode<'_, '_>, program: ProgramId<P>, pointers: P) {
        self.call_with(code, program, pointers, &[]);
    }

    /// Calls a program with these locals.
    ///
    /// # Panics
    /// The program has another number of pointers, or wants a local that is not among these. Emitted code
    /// would read whatever stands behind its arguments.
    pub fn call_with<P: Pointers>(
        &self,
        code: &mut FunctionCode<'_, '_>,
        program: ProgramId<P>,
        pointers: P,
        locals: &[(Local, Value)],
    ) {
        let number = program.number;
        let PoolProgram { program, integers, .. } = &self.pool.programs[number];
        let pointers = pointers.in_order();
        assert_eq!(usize::from(program.ptrs), pointers.len(), "pointers of program {number}");
        let mut args: Vec<Value> = pointers.iter().map(|pointer| pointer.addr).collect();
        for integer in integers {
            args.push(match *integer {
                Len::Local(wanted) => match locals.iter().find(|(local, _)| *local == wanted) {
                    Some((_, value)) => *value,
                    None => panic!("program {number} is called without {wanted:?}"),
                },
                param => self.len(code, param),
            });
        }
        let Callee { function, by_address } = self.callees[number];
        if by_address {
            let slot = code.builder.create_sized_stack_slot(StackSlotData::new(
                StackSlotKind::ExplicitSlot,
                8 * args.len() as u32,
                3,
            ));
            for (i, arg) in args.iter().enumerate() {
                code.ins().stack_store(types::I64, *arg, slot, 8 * i as i32);
            }
            let block = code.ins().stack_addr(types::I64, slot, 0);
            code.ins().call(function, &[block]);
            return;
        }
        if let Some(guard) = self.guard {
            for pointer in pointers {
                match pointer.extent {
                    Some(extent) => args.extend([extent.low, extent.size]),
                    None => {
                        let zero = code.int(0);
                        args.extend([zero, zero]);
                    }
                }
            }
            args.push(guard);
        }
        code.ins().call(function, &args);
    }
}
