//! What the code is generated for.

use crate::CompileError;
use cranelift::codegen::isa::OwnedTargetIsa;
use cranelift::prelude::*;

/// A compilation target: the machine at hand, and how careful the code is.
///
/// ```
/// use tancho_jit::Target;
/// let fast = Target::host();
/// let careful = Target::host().checked(true); // every access tested, for tests
/// assert!(careful.is_checked() && !fast.is_checked());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    checked: bool,
}

impl Target {
    /// The machine this program runs on, 128-bit vectors.
    pub fn host() -> Target {
        Target { checked: false }
    }

    /// Checked mode: every load and store is tested against its buffer. Slow; for tests.
    pub fn checked(self, checked: bool) -> Target {
        Target { checked }
    }

    /// Whether accesses are tested.
    pub fn is_checked(self) -> bool {
        self.checked
    }

    /// Cranelift's back end for it.
    pub(crate) fn isa(self) -> Result<OwnedTargetIsa, CompileError> {
        let mut flags = settings::builder();
        // The verifier stays on: it catches a fault of ours before it is code. No mid-end: it moves
        // every multiply-add of a block behind the block's loads, which spills a tile's accumulators
        // (measured: 27 GFLOP/s with it, 48 without); loops here hoist what is constant themselves.
        for (name, value) in [("opt_level", "none"), ("enable_verifier", "true"), ("is_pic", "false"), ("use_colocated_libcalls", "false")]
        {
            flags.set(name, value).map_err(|e| CompileError::Host(e.to_string()))?;
        }
        let builder = cranelift_native::builder().map_err(|e| CompileError::Host(e.into()))?;
        let isa = builder.finish(settings::Flags::new(flags)).map_err(|e| CompileError::Host(e.to_string()))?;
        if matches!(isa.triple().architecture, target_lexicon::Architecture::X86_64) && !has_fma(isa.as_ref()) {
            return Err(CompileError::Host("the CPU has no FMA instructions (Haswell, 2013, or later is needed)".into()));
        }
        Ok(isa)
    }
}

fn has_fma(isa: &dyn isa::TargetIsa) -> bool {
    isa.isa_flags().iter().any(|f| f.name == "has_fma" && f.as_bool() == Some(true))
}
