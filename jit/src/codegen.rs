//! Defines the functions of a network in a Cranelift module: lanes programs and
//! the loop nests around them, each once.
//!
//! Everything here works on any [`Module`], so that an object file is another driver.

use crate::blob::refused;
use crate::code::{Code, Extent, Pointer};
use crate::lanes::clif::{self, Options};
use crate::lanes::x86;
use crate::lanes::{Inst, Len, Program, Stmt, Tile};
use crate::loops::{self, Menu};
use crate::machine::Machine;
use crate::spec::KernelSpec;
use crate::{CompileError, Dump};
use cranelift::codegen::ir::{Function, Signature, UserFuncName, Value, types};
use cranelift::prelude::*;
use cranelift_module::{FuncId, Linkage, Module, ModuleError};
use std::collections::HashMap;

/// The functions defined so far.
pub struct Functions<'m, M: Module> {
    module: &'m mut M,
    options: Options,
    machine: Machine,
    programs: HashMap<Program, Callee>,
    /// Wide code made while a menu was chosen, until it is defined.
    wide: HashMap<Program, Option<Vec<u8>>>,
    kernels: HashMap<KernelSpec, FuncId>,
    builder: FunctionBuilderContext,
    context: codegen::Context,
    /// Texts of the functions, if they are wanted.
    pub dumps: Option<Vec<Dump>>,
    /// Bytes of machine code.
    pub code_bytes: usize,
}

/// A lanes program as a callee.
#[derive(Clone, Copy, Debug)]
pub struct Callee {
    id: FuncId,
    /// Emitted wide: it takes the address of its arguments instead of the arguments.
    wide: bool,
}

/// A program with its integers renumbered, and the kernel parameters behind them.
pub type Prepared = (Program, Vec<u16>);

/// Renumbers the integers of a program so that only those it uses are passed.
pub fn compact(p: &Program) -> Prepared {
    let mut used: Vec<u16> = Vec::new();
    let mut rename = |l: Len| match l {
        Len::Const(n) => Len::Const(n),
        Len::Arg(i) => {
            let at = used.iter().position(|u| *u == i).unwrap_or_else(|| {
                used.push(i);
                used.len() - 1
            });
            Len::Arg(at as u16)
        }
    };
    let mut stmts = p.stmts.clone();
    for s in &mut stmts {
        let body = match s {
            Stmt::Once { body, .. } => body,
            Stmt::Map { len, body, .. } => {
                *len = rename(*len);
                body
            }
            Stmt::Tile(Tile { k, panel: strip, left_row: a_row, body, .. }) => {
                *k = rename(*k);
                *strip = rename(*strip);
                *a_row = rename(*a_row);
                body
            }
        };
        for i in body {
            match i {
                Inst::ArgInt(l) => *l = rename(*l),
                Inst::Load { step, row_step, .. } | Inst::Store { step, row_step, .. } => {
                    *step = rename(*step);
                    *row_step = rename(*row_step);
                }
                _ => {}
            }
        }
    }
    (Program { ints: used.len() as u16, stmts, derived: p.derived.clone(), ..*p }, used)
}

impl<'m, M: Module> Functions<'m, M> {
    /// Starts with no functions.
    pub fn new(module: &'m mut M, options: Options, machine: Machine, dump: bool) -> Self {
        Functions {
            module,
            options,
            machine,
            programs: HashMap::new(),
            wide: HashMap::new(),
            kernels: HashMap::new(),
            builder: FunctionBuilderContext::new(),
            context: codegen::Context::new(),
            dumps: dump.then(Vec::new),
            code_bytes: 0,
        }
    }

    /// Number of kernels defined.
    pub fn kernel_count(&self) -> usize {
        self.kernels.len()
    }

    /// Number of lanes programs defined.
    pub fn program_count(&self) -> usize {
        self.programs.len()
    }

    fn define(
        &mut self,
        name: &str,
        signature: Signature,
        build: impl FnOnce(&mut Self, &mut Function),
    ) -> Result<FuncId, CompileError> {
        let id = self.module.declare_function(name, Linkage::Local, &signature).map_err(|e| fail(name, e))?;
        let mut func = Function::with_name_signature(UserFuncName::user(0, id.as_u32()), signature);
        build(self, &mut func);
        let clif = self.dumps.is_some().then(|| func.display().to_string());
        self.context.clear();
        self.context.func = func;
        self.context.set_disasm(self.dumps.is_some());
        self.module.define_function(id, &mut self.context).map_err(|e| fail(name, e))?;
        if let Some(code) = self.context.compiled_code() {
            self.code_bytes += code.code_info().total_size as usize;
            if let (Some(dumps), Some(clif)) = (&mut self.dumps, clif) {
                dumps.push(Dump { name: name.into(), clif, asm: code.vcode.clone().unwrap_or_default() });
            }
        }
        Ok(id)
    }

    /// The function of a lanes program: wide if the target has that and the emitter does the program.
    pub fn program(&mut self, p: &Program) -> Result<Callee, CompileError> {
        if let Some(&callee) = self.programs.get(p) {
            return Ok(callee);
        }
        let name = format!("lanes{}", self.programs.len());
        let config = self.module.isa().frontend_config();
        let code = self.wide.remove(p).unwrap_or_else(|| self.emit(p));
        let callee = match code {
            Some(code) => self.emitted(name, &code, p)?,
            None => {
                let signature = clif::signature(p, self.options, config.default_call_conv);
                let id = self.define(&name, signature, |me, func| {
                    clif::build(p, me.options, func, &mut me.builder, config)
                })?;
                Callee { id, wide: false }
            }
        };
        self.programs.insert(p.clone(), callee);
        Ok(callee)
    }

    fn emit(&self, p: &Program) -> Option<Vec<u8>> {
        self.machine.width.and_then(|w| x86::emit(p, w, self.machine.dots).ok())
    }

    /// The programs of a kernel with the menu of its tiles: the wide one if the emitter does them all.
    fn choose(&mut self, spec: &KernelSpec) -> (Menu, Vec<Prepared>) {
        if self.machine.width.is_some() {
            let menu = Menu::Wide(self.machine);
            let programs = loops::programs(spec, menu);
            let mut tiles =
                programs.iter().map(|p| &p.0).filter(|p| p.stmts.iter().any(|s| matches!(s, Stmt::Tile(_))));
            let all = tiles.all(|p| {
                if self.programs.get(p).is_some_and(|c| c.wide) {
                    return true;
                }
                let code = self.emit(p);
                let done = code.is_some();
                self.wide.insert(p.clone(), code);
                done
            });
            if all {
                return (menu, programs);
            }
        }
        (Menu::Narrow, loops::programs(spec, Menu::Narrow))
    }

    /// Emitted code as a function, once it is verified.
    pub fn emitted(&mut self, name: String, code: &[u8], p: &Program) -> Result<Callee, CompileError> {
        x86::verify::verify(code, p)
            .map_err(|message| CompileError::Emitted { function: name.clone(), message })?;
        let mut signature = Signature::new(self.module.isa().frontend_config().default_call_conv);
        signature.params = vec![AbiParam::new(types::I64)];
        let id =
            self.module.declare_function(&name, Linkage::Local, &signature).map_err(|e| fail(&name, e))?;
        self.module.define_function_bytes(id, 64, code, &[]).map_err(|e| fail(&name, e))?;
        self.code_bytes += code.len();
        if let Some(dumps) = &mut self.dumps {
            dumps.push(Dump { name, clif: String::new(), asm: x86::verify::listing(code) });
        }
        Ok(Callee { id, wide: true })
    }

    /// A kernel that calls a program alone, once for each unit: its first argument points at the
    /// program's arguments, 8 bytes each.
    pub fn caller(&mut self, p: &Program) -> Result<FuncId, CompileError> {
        let callee = self.program(p)?;
        let call_conv = self.module.isa().frontend_config().default_call_conv;
        let count = clif::signature(p, self.options, call_conv).params.len();
        self.calls(callee, count)
    }

    /// A kernel that calls `callee` with `count` arguments once for each unit.
    pub fn calls(&mut self, callee: Callee, count: usize) -> Result<FuncId, CompileError> {
        self.bare(&format!("caller{}", callee.id.as_u32()), |module, c, [from, begin, end]| {
            let program = module.declare_func_in_func(callee.id, c.b.func);
            let args: Vec<Value> =
                if callee.wide { vec![from] } else { (0..count).map(|i| c.field(from, i as i32)).collect() };
            c.for_each(begin, end, 1, &mut |c, _| {
                c.b.ins().call(program, &args);
            });
        })
    }

    /// A function of the kernels' signature with any body, that gives "all went well".
    pub fn bare(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut M, &mut Code<'_, '_>, [Value; 3]),
    ) -> Result<FuncId, CompileError> {
        let signature = self.kernel_signature();
        let config = self.module.isa().frontend_config();
        self.define(name, signature, |me, func| {
            let mut b = FunctionBuilder::new(func, &mut me.builder);
            let entry = b.create_block();
            b.append_block_params_for_function_params(entry);
            b.switch_to_block(entry);
            b.seal_block(entry);
            let params = b.block_params(entry);
            let params = [params[0], params[1], params[2]];
            let mut code = Code { b: &mut b, guard: None };
            body(me.module, &mut code, params);
            let ok = code.int(-1);
            code.b.ins().return_(&[ok]);
            b.finalize(config);
        })
    }

    /// `fn(arguments, begin, end) -> status`
    fn kernel_signature(&self) -> Signature {
        let mut signature = Signature::new(self.module.isa().frontend_config().default_call_conv);
        signature.params = vec![AbiParam::new(types::I64); 3];
        signature.returns = vec![AbiParam::new(types::I64)];
        signature
    }

    /// The function of a kernel: `fn(arguments, begin, end) -> status` over a range of its units.
    pub fn kernel(&mut self, spec: &KernelSpec) -> Result<FuncId, CompileError> {
        if let Some(&id) = self.kernels.get(spec) {
            return Ok(id);
        }
        let name = format!("kernel{}", self.kernels.len());
        // The programs first: a nest refers to them.
        let (menu, programs) = self.choose(spec);
        let callees = programs.iter().map(|(p, _)| self.program(p)).collect::<Result<Vec<_>, _>>()?;
        let config = self.module.isa().frontend_config();
        let signature = self.kernel_signature();
        let id = self.define(&name, signature, |me, func| {
            let refs: Vec<_> =
                callees.iter().map(|c| (me.module.declare_func_in_func(c.id, func), c.wide)).collect();
            let mut b = FunctionBuilder::new(func, &mut me.builder);
            let entry = b.create_block();
            b.append_block_params_for_function_params(entry);
            b.switch_to_block(entry);
            b.seal_block(entry);
            let params = b.block_params(entry).to_vec();
            let mut code = Code { b: &mut b, guard: None };
            let mut nest = Nest::enter(&mut code, params[0], me.options.checked, menu, refs, programs);
            code.guard = nest.guard;
            loops::build(spec, &mut nest, &mut code, params[1], params[2]);
            let ok = code.int(-1);
            code.b.ins().return_(&[ok]);
            b.finalize(config);
        })?;
        self.kernels.insert(spec.clone(), id);
        Ok(id)
    }
}

fn fail(name: &str, e: ModuleError) -> CompileError {
    if matches!(e, ModuleError::Allocation { .. }) {
        return refused(e);
    }
    CompileError::Cranelift { function: name.into(), message: format!("{e:?}") }
}

/// What a nest works with: the argument block, and the programs it calls.
pub struct Nest {
    buffers: Value,
    sizes: Value,
    params: Value,
    scratch: Value,
    /// Which units are meant ([`Part`](crate::Part)).
    pub part: Value,
    /// The guard of checked mode.
    pub guard: Option<Value>,
    /// Which tiles there are.
    pub menu: Menu,
    refs: Vec<(codegen::ir::FuncRef, bool)>,
    programs: Vec<Prepared>,
}

impl Nest {
    /// Reads the argument block ([`Arguments`](crate::Arguments), field by field).
    fn enter(
        c: &mut Code<'_, '_>,
        ctx: Value,
        checked: bool,
        menu: Menu,
        refs: Vec<(codegen::ir::FuncRef, bool)>,
        programs: Vec<Prepared>,
    ) -> Nest {
        Nest {
            buffers: c.field(ctx, 0),
            sizes: c.field(ctx, 1),
            params: c.field(ctx, 2),
            guard: checked.then(|| c.field(ctx, 3)),
            scratch: c.field(ctx, 4),
            part: c.field(ctx, 5),
            menu,
            refs,
            programs,
        }
    }

    /// The start of a buffer.
    pub fn buffer(&self, c: &mut Code<'_, '_>, i: u16) -> Pointer {
        let addr = c.field(self.buffers, i32::from(i));
        let extent = self.guard.map(|_| Extent { low: addr, size: c.field(self.sizes, i32::from(i)) });
        Pointer { addr, extent }
    }

    /// The start of this thread's part of working memory.
    pub fn scratch(&self, c: &mut Code<'_, '_>, i: u16) -> Pointer {
        let base = self.buffer(c, i);
        c.moved(base, self.scratch)
    }

    /// A length: a constant, or a parameter.
    pub fn len(&self, c: &mut Code<'_, '_>, l: Len) -> Value {
        match l {
            Len::Const(n) => c.int(n),
            Len::Arg(i) => c.field(self.params, i32::from(i)),
        }
    }

    /// `value * l`
    pub fn times(&self, c: &mut Code<'_, '_>, value: Value, l: Len) -> Value {
        match l {
            Len::Const(n) => c.mul_imm(value, n),
            l => {
                let n = self.len(c, l);
                c.mul(value, n)
            }
        }
    }

    /// Calls the nest's program of that number.
    pub fn call(&self, c: &mut Code<'_, '_>, program: usize, ptrs: &[Pointer], extra: &[Value]) {
        let (p, used) = &self.programs[program];
        debug_assert_eq!(p.ptrs as usize, ptrs.len(), "pointers of program {program}");
        let mut args: Vec<Value> = ptrs.iter().map(|p| p.addr).collect();
        // Integers beyond the kernel's parameters are values of the nest itself.
        for u in used {
            args.push(match u.checked_sub(EXTRA) {
                Some(i) => extra[i as usize],
                None => self.len(c, Len::Arg(*u)),
            });
        }
        let (callee, wide) = self.refs[program];
        if wide {
            let slot = c.b.create_sized_stack_slot(StackSlotData::new(
                StackSlotKind::ExplicitSlot,
                8 * args.len() as u32,
                3,
            ));
            for (i, a) in args.iter().enumerate() {
                c.b.ins().stack_store(types::I64, *a, slot, 8 * i as i32);
            }
            let block = c.b.ins().stack_addr(types::I64, slot, 0);
            c.b.ins().call(callee, &[block]);
            return;
        }
        if let Some(guard) = self.guard {
            for p in ptrs {
                match p.extent {
                    Some(e) => args.extend([e.low, e.size]),
                    None => {
                        let zero = c.int(0);
                        args.extend([zero, zero]);
                    }
                }
            }
            args.push(guard);
        }
        c.b.ins().call(callee, &args);
    }
}

/// Integer arguments from here on are values that the nest computes, not parameters.
pub const EXTRA: u16 = 0x8000;
