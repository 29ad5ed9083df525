//! Defines the functions of a network in a Cranelift module: vector programs and the loop nests around them,
//! each once.
//!
//! Everything here works on any [`Module`], so that an object file would need another driver alone.

use crate::CompileError;
use crate::blob::refused;
use crate::code::FunctionCode;
use crate::lanes::Program;
use crate::lanes::clif::{self, ClifOptions};
use crate::lanes::x86;
use crate::loops::nest::{self, Nest, Pool, Span};
use crate::programs::{Emitter, KernelPrograms};
use crate::spec::WorkPart;
use crate::texts::{self, MarkedLine, Texts, machine};
use cranelift::codegen::ir::{Function, Signature, UserFuncName, Value, types};
use cranelift::prelude::*;
use cranelift_module::{FuncId, Linkage, Module, ModuleError};
use std::collections::HashMap;

/// The functions defined so far.
pub struct Functions<'m, M: Module> {
    module: &'m mut M,
    options: ClifOptions,
    emitter: Emitter,
    programs: HashMap<Program, DefinedProgram>,
    kernels: usize,
    builder: FunctionBuilderContext,
    context: codegen::Context,
    /// Texts of the functions, if they are wanted.
    pub texts: Option<Texts>,
    /// Every function.
    pub functions: Vec<DefinedFunction>,
}

/// A function that was defined.
#[derive(Debug)]
pub struct DefinedFunction {
    pub id: FuncId,
    pub name: String,
    /// The number of the kernel that it is, or that called it first.
    pub kernel: usize,
    /// Bytes of its machine code.
    pub bytes: usize,
}

/// A vector program as a callee.
#[derive(Clone, Copy, Debug)]
pub struct DefinedProgram {
    id: FuncId,
    /// Made by the emitter: it takes the address of its arguments instead of the arguments.
    emitted: bool,
}

impl<'m, M: Module> Functions<'m, M> {
    /// Starts with no functions. Those that are marked are kept as texts.
    pub fn new(module: &'m mut M, options: ClifOptions, emitter: Emitter) -> Self {
        Functions {
            module,
            options,
            emitter,
            programs: HashMap::new(),
            kernels: 0,
            builder: FunctionBuilderContext::new(),
            context: codegen::Context::new(),
            texts: options.marked.then(Texts::default),
            functions: Vec::new(),
        }
    }

    /// Number of kernels defined.
    pub fn kernel_count(&self) -> usize {
        self.kernels
    }

    /// Number of vector programs defined.
    pub fn program_count(&self) -> usize {
        self.programs.len()
    }

    /// Defines a function whose body `build` writes. It does that part of the kernel at hand.
    fn define(
        &mut self,
        name: &str,
        part: WorkPart,
        signature: Signature,
        build: impl FnOnce(&mut Self, &mut Function),
    ) -> Result<FuncId, CompileError> {
        let id = self.module.declare_function(name, Linkage::Local, &signature).map_err(|e| fail(name, e))?;
        let mut func = Function::with_name_signature(UserFuncName::user(0, id.as_u32()), signature);
        build(self, &mut func);
        let clif = self.texts.is_some().then(|| texts::clif::lines(&func, &|n| self.name_of(n)));
        self.context.clear();
        self.context.func = func;
        self.context.set_disasm(self.texts.is_some() && !self.options.x86);
        self.module.define_function(id, &mut self.context).map_err(|e| fail(name, e))?;
        if let Some(code) = self.context.compiled_code() {
            let (kernel, bytes) = (self.kernel_at_hand(), code.code_info().total_size as usize);
            self.functions.push(DefinedFunction { id, name: name.into(), kernel, bytes });
        }
        if let Some(clif) = clif {
            let (asm, kernel) = (self.machine_lines(), self.kernel_at_hand());
            if let Some(texts) = &mut self.texts {
                texts.add((id, name), (kernel, part), clif, asm);
            }
        }
        Ok(id)
    }

    /// The number of the kernel at hand.
    fn kernel_at_hand(&self) -> usize {
        self.kernels.saturating_sub(1)
    }

    /// The name of the function of that number.
    fn name_of(&self, number: u32) -> String {
        let id = FuncId::from_u32(number);
        self.module.declarations().get_function_decl(id).linkage_name(id).into_owned()
    }

    /// The machine code of the function that was compiled last.
    fn machine_lines(&self) -> Vec<MarkedLine> {
        match self.context.compiled_code() {
            Some(code) if self.options.x86 => {
                machine::compiled(code, &self.context.func, &|number| self.name_of(number))
            }
            Some(code) => machine::listing(code.vcode.as_deref().unwrap_or_default()),
            None => Vec::new(),
        }
    }

    /// The function of a vector program: the emitter's if the target has one and it makes the program, else
    /// Cranelift's.
    pub fn program(&mut self, program: &Program, part: WorkPart) -> Result<DefinedProgram, CompileError> {
        let kernel = self.kernel_at_hand();
        if let Some(&callee) = self.programs.get(program) {
            self.texts.iter_mut().for_each(|texts| texts.shared(callee.id, kernel));
            return Ok(callee);
        }
        let name = format!("lanes{}", self.programs.len());
        let config = self.module.isa().frontend_config();
        let code = self.emitter.emit(program).map(<[u8]>::to_vec);
        let callee = match code {
            Some(code) => {
                let callee = self.emitted(&name, &code, program)?;
                if let Some(texts) = &mut self.texts
                    && let Some(code) = self.emitter.emit_with_marks(program)
                {
                    texts.add((callee.id, &name), (kernel, part), Vec::new(), machine::emitted(&code));
                }
                callee
            }
            None => {
                let signature = clif::signature(program, self.options, config.default_call_conv);
                let id = self.define(&name, part, signature, |me, func| {
                    clif::build(program, me.options, func, &mut me.builder, config)
                })?;
                DefinedProgram { id, emitted: false }
            }
        };
        self.programs.insert(program.clone(), callee);
        Ok(callee)
    }

    /// Emitted code as a function, once it is verified.
    pub fn emitted(
        &mut self,
        name: &str,
        code: &[u8],
        program: &Program,
    ) -> Result<DefinedProgram, CompileError> {
        x86::verify::verify(code, program)
            .map_err(|message| CompileError::Emitted { function: name.into(), message })?;
        // One convention on every system: the verifier knows which registers it leaves to the caller, and
        // Cranelift saves those that the caller's own convention does not.
        let mut signature = Signature::new(isa::CallConv::SystemV);
        signature.params = vec![AbiParam::new(types::I64)];
        let id = self.module.declare_function(name, Linkage::Local, &signature).map_err(|e| fail(name, e))?;
        self.module.define_function_bytes(id, 64, code, &[]).map_err(|e| fail(name, e))?;
        let (kernel, bytes) = (self.kernel_at_hand(), code.len());
        self.functions.push(DefinedFunction { id, name: name.into(), kernel, bytes });
        Ok(DefinedProgram { id, emitted: true })
    }

    /// A kernel that calls a program alone, once for each unit. Its first argument points at the program's
    /// arguments, 8 bytes each.
    pub fn caller(&mut self, program: &Program) -> Result<FuncId, CompileError> {
        let callee = self.program(program, WorkPart::Own)?;
        let call_conv = self.module.isa().frontend_config().default_call_conv;
        let count = clif::signature(program, self.options, call_conv).params.len();
        self.calls(callee, count)
    }

    /// A kernel that calls `callee` with `count` arguments once for each unit.
    pub fn calls(&mut self, callee: DefinedProgram, count: usize) -> Result<FuncId, CompileError> {
        self.bare(&format!("caller{}", callee.id.as_u32()), |module, code, [from, begin, end]| {
            let program = module.declare_func_in_func(callee.id, code.builder.func);
            let args: Vec<Value> = if callee.emitted {
                vec![from]
            } else {
                (0..count).map(|i| code.field(from, i as i32)).collect()
            };
            code.for_each(begin, end, 1, &mut |code, _| {
                code.ins().call(program, &args);
            });
        })
    }

    /// A function of the kernels' signature with any body; it returns that all went well.
    pub fn bare(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut M, &mut FunctionCode<'_, '_>, [Value; 3]),
    ) -> Result<FuncId, CompileError> {
        let signature = self.kernel_signature();
        let config = self.module.isa().frontend_config();
        self.define(name, WorkPart::Nest, signature, |me, func| {
            let mut builder = FunctionBuilder::new(func, &mut me.builder);
            let entry = builder.create_block();
            builder.append_block_params_for_function_params(entry);
            builder.switch_to_block(entry);
            builder.seal_block(entry);
            let params = builder.block_params(entry);
            let params = [params[0], params[1], params[2]];
            let mut code = FunctionCode { builder: &mut builder, guard: None };
            body(me.module, &mut code, params);
            let ok = code.int(-1);
            code.ins().return_(&[ok]);
            builder.finalize(config);
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
    pub fn kernel(&mut self, kernel: KernelPrograms<'_>) -> Result<FuncId, CompileError> {
        let name = format!("kernel{}", self.kernels);
        self.kernels += 1;
        self.nest(&name, kernel.pool, |nest, code, units| kernel.nest.build(nest, code, units))
    }

    /// A function of the kernels' signature that may call the programs of a pool.
    fn nest(
        &mut self,
        name: &str,
        pool: Pool,
        build: impl FnOnce(&Nest, &mut FunctionCode<'_, '_>, Span),
    ) -> Result<FuncId, CompileError> {
        // The programs first: a nest refers to them.
        let callees =
            pool.parts().map(|(program, part)| self.program(program, part)).collect::<Result<Vec<_>, _>>()?;
        let checked = self.options.checked;
        self.bare(name, |module, code, [arguments, from, to]| {
            let callee = |callee: &DefinedProgram| nest::Callee {
                function: module.declare_func_in_func(callee.id, code.builder.func),
                by_address: callee.emitted,
            };
            let callees = callees.iter().map(callee).collect();
            let nest = Nest::enter(code, arguments, checked, pool, callees);
            code.guard = nest.guard;
            build(&nest, code, Span { from, to });
        })
    }
}

/// The error of a function that the module does not take.
fn fail(name: &str, e: ModuleError) -> CompileError {
    if matches!(e, ModuleError::Allocation { .. }) {
        return refused(e);
    }
    CompileError::Cranelift { function: name.into(), message: format!("{e:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::CodeBlob;
    use crate::code::Pointer;
    use crate::lanes::{Inst, Len, Local, Mem, Ptr, Stmt};
    use crate::loops::nest::Pointers;
    use crate::target::Target;

    const LENGTH: Local = Local(3);

    struct All(Vec<Pointer>);

    impl Pointers for All {
        fn in_order(self) -> Vec<Pointer> {
            self.0
        }
    }

    /// Builds a nest that calls a program with `pointers` pointers and the local `given`. The program takes
    /// one pointer and [`LENGTH`].
    fn call(pointers: usize, given: Local) {
        let store =
            Inst::Store { ptr: Ptr::Arg(0), step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32, value: 0 };
        let body = vec![Inst::Float(0), store];
        let stmts = vec![Stmt::Map { len: Len::Local(LENGTH), body, reductions: Vec::new() }];
        let program = Program { ptrs: 1, stmts, ..Program::default() };
        let (target, mut pool) = (Target::host(), Pool::default());
        let clear = pool.add::<All>(&program);
        let mut blob = CodeBlob::new(target.back_end().unwrap()).unwrap();
        let options = ClifOptions { x86: cfg!(target_arch = "x86_64"), checked: false, marked: false };
        let mut functions = Functions::new(&mut blob.module, options, Emitter::new(target.machine()));
        let id = functions.nest("nest", pool, |nest, code, units| {
            let pointer = nest.buffer(code, 0);
            nest.call_with(code, clear, All(vec![pointer; pointers]), &[(given, units.to)]);
        });
        id.unwrap();
    }

    /// Windows keeps ten vector registers for the caller, which emitted code overwrites: the code around it
    /// must save them.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)] // calls a function by another convention
    #[test]
    fn emitted_code_leaves_callers_of_every_convention_their_registers() {
        use std::arch::asm;
        let at = |inst: fn(Ptr) -> Inst, arg| inst(Ptr::Arg(arg));
        let load = |ptr| Inst::Load { ptr, step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32 };
        let store = |ptr| Inst::Store { ptr, step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32, value: 21 };
        // As many constants as a body may hold in registers.
        let mut body = vec![at(load, 0)];
        body.extend((1..=10).map(|i| Inst::Float((i as f32).to_bits())));
        body.push(Inst::Bin(crate::lanes::Bin::Add, 0, 10));
        body.extend((1..=10).map(|i| Inst::Fma(10 + i, i, 0)));
        body.push(at(store, 1));
        let stmts = vec![Stmt::Map { len: Len::Const(100), body, reductions: Vec::new() }];
        let program = Program { ptrs: 2, stmts, ..Program::default() };
        let target = Target::host();
        let triple = "x86_64-pc-windows-msvc".parse().unwrap();
        let builder = isa::lookup(triple).unwrap();
        let windows = builder.finish(settings::Flags::new(settings::builder())).unwrap();
        assert_eq!(windows.default_call_conv(), isa::CallConv::WindowsFastcall);
        let mut blob = CodeBlob::new(windows).unwrap();
        let options = ClifOptions { x86: true, checked: false, marked: false };
        let mut functions = Functions::new(&mut blob.module, options, Emitter::new(target.machine()));
        let id = functions.caller(&program).unwrap();
        let (_code, addresses) = blob.finish_with(&[id], &[id]).unwrap();
        let (from, mut to) = ([1.5f32; 100], [0.0f32; 100]);
        let arguments = [from.as_ptr().addr(), to.as_mut_ptr().addr()];
        let (mut a, mut b, mut c, mut d, mut e) = (1.5f64, 2.5f64, 3.5f64, 4.5f64, 5.5f64);
        let (mut f, mut g, mut h, mut i, mut j) = (6.5f64, 7.5f64, 8.5f64, 9.5f64, 10.5f64);
        // SAFETY: the function has the kernels' signature by the convention of Windows, which wants 32 bytes
        // of stack; its first argument has two pointers to 100 elements each.
        unsafe {
            asm!("sub rsp, 32", "call {entry}", "add rsp, 32", entry = in(reg) addresses[0],
                in("rcx") arguments.as_ptr(), in("rdx") 0, in("r8") 1,
                inout("xmm6") a, inout("xmm7") b, inout("xmm8") c, inout("xmm9") d, inout("xmm10") e,
                inout("xmm11") f, inout("xmm12") g, inout("xmm13") h, inout("xmm14") i, inout("xmm15") j,
                clobber_abi("win64"));
        }
        assert_eq!([a, b, c, d, e, f, g, h, i, j], [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5]);
        let wanted = (1..=10).fold(11.5f32, |x, i| x.mul_add(i as f32, 1.5));
        assert_eq!(to, [wanted; 100]);
    }

    #[test]
    fn a_call_with_all_arguments_is_built() {
        call(1, LENGTH);
    }

    #[test]
    #[should_panic(expected = "pointers of program 0")]
    fn a_call_without_a_pointer_is_refused() {
        call(0, LENGTH);
    }

    #[test]
    #[should_panic(expected = "program 0 is called without Local(3)")]
    fn a_call_without_a_local_is_refused() {
        call(1, Local(4));
    }
}
