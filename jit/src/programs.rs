//! The vector programs of a network: for every kernel its loop nest, with the programs that the nest calls.

use crate::lanes::{Program, Stmt, x86};
use crate::loops::nest::Pool;
use crate::loops::{LoopNest, loop_nest};
use crate::lower::Schedule;
use crate::machine::Machine;
use crate::spec::KernelSpec;
use crate::target::Target;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// What the emitter makes of vector programs. What it made once is kept.
#[derive(Debug)]
pub struct Emitter {
    machine: Machine,
    made: HashMap<Program, Option<Vec<u8>>>,
}

impl Emitter {
    pub fn new(machine: Machine) -> Emitter {
        Emitter { machine, made: HashMap::new() }
    }

    /// The code of a program; `None` if the machine has no emitter, or the emitter refuses the program.
    pub fn emit(&mut self, program: &Program) -> Option<&[u8]> {
        let machine = self.machine;
        let emit = || machine.width.and_then(|width| x86::emit(program, width, machine.dots).ok());
        // A program that is known is not cloned to be looked up.
        if !self.made.contains_key(program) {
            self.made.insert(program.clone(), emit());
        }
        self.made.get(program)?.as_deref()
    }
}

impl Emitter {
    /// The code of a program that [`Emitter::emit`] makes, with the marks of its instructions. They are not
    /// kept, since dumps alone have a use for them.
    pub fn emit_with_marks(&self, program: &Program) -> Option<x86::Assembled> {
        let Machine { width, dots, .. } = self.machine;
        x86::emit_with_marks(program, width?, dots).ok()
    }
}

/// A kernel's loop nest, with the programs that it calls.
pub struct KernelPrograms<'s> {
    /// The kernel.
    pub spec: &'s KernelSpec,
    pub(crate) nest: Box<dyn LoopNest + 's>,
    pub(crate) pool: Pool,
}

impl KernelPrograms<'_> {
    /// The vector programs that the loop nest calls.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.pool.programs()
    }
}

impl fmt::Debug for KernelPrograms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pool.programs()).finish()
    }
}

/// The vector programs of a network.
#[derive(Debug)]
pub struct Programs<'s> {
    /// The different kernels, in the order of their first steps.
    pub kernels: Vec<KernelPrograms<'s>>,
    pub(crate) emitter: Emitter,
}

/// Makes the vector programs of every kernel: with the tiles of the machine's vectors if the emitter makes
/// them all, otherwise with Cranelift's.
pub fn programs(schedule: &Schedule, target: Target) -> Programs<'_> {
    let machine = target.machine();
    let mut emitter = Emitter::new(machine);
    let mut known = HashSet::new();
    let specs =
        schedule.steps.iter().filter_map(|step| step.spec.kernel()).filter(|spec| known.insert(*spec));
    let kernels = specs.map(|spec| choose(spec, machine, &mut emitter)).collect();
    Programs { kernels, emitter }
}

fn choose<'s>(spec: &'s KernelSpec, machine: Machine, emitter: &mut Emitter) -> KernelPrograms<'s> {
    if machine.width.is_some() {
        let mut pool = Pool::default();
        let nest = loop_nest(spec, machine, &mut pool);
        if pool.programs().filter(|program| has_tile(program)).all(|tile| emitter.emit(tile).is_some()) {
            return KernelPrograms { spec, nest, pool };
        }
    }
    let mut pool = Pool::default();
    let nest = loop_nest(spec, Machine { width: None, ..machine }, &mut pool);
    KernelPrograms { spec, nest, pool }
}

/// Whether a program has tiles.
fn has_tile(program: &Program) -> bool {
    program.stmts.iter().any(|stmt| matches!(stmt, Stmt::Tile(_)))
}
