//! What the code is generated for.

use crate::CompileError;
use crate::format::Format;
use crate::lanes::x86::Width;
use crate::machine::Machine;
use cranelift::codegen::isa::OwnedTargetIsa;
use cranelift::prelude::*;
use std::fmt;

/// The vectors of the innermost loops.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isa {
    /// 128 bits, by Cranelift alone: what every platform has.
    Clif128,
    /// 256 bits: AVX2 and FMA.
    Avx2,
    /// 512 bits: AVX-512 F, BW, VL and DQ.
    Avx512,
}

impl Isa {
    /// All levels, narrow to wide.
    pub const ALL: [Isa; 3] = [Isa::Clif128, Isa::Avx2, Isa::Avx512];

    /// The widest level that this machine has.
    pub fn host() -> Isa {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") && has!("fma") && has!("bmi2") {
                let wide = has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512dq");
                return if wide { Isa::Avx512 } else { Isa::Avx2 };
            }
        }
        Isa::Clif128
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Isa::Clif128 => "clif128",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        })
    }
}

/// How convolutions of 3x3 pixels at a stride of 1 are computed: as they are written, or with fewer products
/// by Winograd's algorithm (Lavin and Gray 2016).
///
/// Errors of a result, divided by its sum of `|x * w|`, were measured with random images and filters of 16 to
/// 512 channels. The largest and the root mean square are 3e-7 and 2.6e-8 as written, 1.3e-7 and 1.7e-8 with
/// tiles of 2x2 results, whose sums are shorter, and 1.3e-6 and 1.2e-7 with tiles of 4x4 results.
///
/// An infinity or a NaN in an image may make all results NaN whose tiles read it. As written, only results
/// whose window has it are affected.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Sums of products as they are written.
    Direct,
    /// Tiles of 2x2 results, 2.25 times fewer products.
    #[default]
    Standard,
    /// Tiles of 4x4 results, 4 times fewer products, and larger errors.
    Fast,
}

impl Precision {
    /// All of them, from the most exact.
    pub const ALL: [Precision; 3] = [Precision::Direct, Precision::Standard, Precision::Fast];
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Direct => "direct",
            Precision::Standard => "standard",
            Precision::Fast => "fast",
        })
    }
}

/// A compilation target: the machine at hand, how wide its vectors are taken, and how careful the code is.
///
/// ```
/// use tancho_jit::{Isa, Target};
/// let fast = Target::host();
/// let narrow = Target::host().with_isa(Isa::Clif128).unwrap();
/// let careful = Target::host().with_checked(true); // every access tested, for tests
/// assert!(fast.isa() >= narrow.isa() && careful.is_checked());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a target describes what to compile for; its methods give another one"]
pub struct Target {
    isa: Isa,
    checked: bool,
    precision: Precision,
    weights: Format,
    bf16_states: bool,
}

impl Target {
    /// The machine this program runs on, with its widest vectors.
    pub fn host() -> Target {
        Target {
            isa: Isa::host(),
            checked: false,
            precision: Precision::Standard,
            weights: Format::F32,
            bf16_states: false,
        }
    }

    /// The same with narrower vectors.
    ///
    /// # Errors
    /// The machine does not have that level.
    pub fn with_isa(self, isa: Isa) -> Result<Target, CompileError> {
        let host = Isa::host();
        if isa > host { Err(CompileError::Isa { isa, host }) } else { Ok(Target { isa, ..self }) }
    }

    /// Checked mode, for tests: every load and store of Cranelift's code is tested against its buffer, which
    /// is slow. Its vectors have 128 bits. Emitted code is checked by decoding it instead.
    pub fn with_checked(self, checked: bool) -> Target {
        Target { checked, ..self }
    }

    /// The same with convolutions more or less exact.
    ///
    /// ```
    /// use tancho_jit::{Precision, Target};
    /// let fast = Target::host().with_precision(Precision::Fast);
    /// assert_eq!((fast.precision(), Target::host().precision()), (Precision::Fast, Precision::Standard));
    /// ```
    pub fn with_precision(self, precision: Precision) -> Target {
        Target { precision, ..self }
    }

    /// The same with the weights of matrix products in another format. Convolutions of single pixels are
    /// among them. The weights of other convolutions, of norms, and of embeddings that are gathered stay f32.
    ///
    /// ```
    /// use tancho_jit::{Format, Target};
    /// assert_eq!(Target::host().weight_format(), Format::F32); // only where asked for
    /// assert_eq!(Target::host().with_weight_format(Format::Bf16).weight_format(), Format::Bf16);
    /// ```
    pub fn with_weight_format(self, weights: Format) -> Target {
        Target { weights, ..self }
    }

    /// The same with states that grow, such as caches of keys and values, kept as bf16 instead of f32. They
    /// take half the memory, and attention reads half the bytes for a token. What is pushed is rounded to
    /// 8 bits of mantissa, to nearest even.
    ///
    /// ```
    /// use tancho_jit::Target;
    /// let target = Target::host().with_bf16_states(true);
    /// assert!(target.bf16_states() && !Target::host().bf16_states()); // only where asked for
    /// ```
    pub fn with_bf16_states(self, bf16_states: bool) -> Target {
        Target { bf16_states, ..self }
    }

    /// Whether states that grow are kept as bf16.
    pub fn bf16_states(self) -> bool {
        self.bf16_states
    }

    /// The format of weights.
    pub fn weight_format(self) -> Format {
        self.weights
    }

    /// How exact convolutions are.
    pub fn precision(self) -> Precision {
        self.precision
    }

    /// Whether accesses are tested.
    pub fn is_checked(self) -> bool {
        self.checked
    }

    /// The level of its vectors.
    pub fn isa(self) -> Isa {
        if self.checked { Isa::Clif128 } else { self.isa }
    }

    /// The width of emitted programs, if there are any.
    pub(crate) fn width(self) -> Option<Width> {
        match self.isa() {
            Isa::Clif128 => None,
            Isa::Avx2 => Some(Width::Y),
            Isa::Avx512 => Some(Width::Z),
        }
    }

    /// What sizes of tiles and blocks follow from.
    pub fn machine(self) -> Machine {
        Machine::host(self.width())
    }

    /// Cranelift's back end for it.
    pub(crate) fn back_end(self) -> Result<OwnedTargetIsa, CompileError> {
        let mut flags = settings::builder();
        // Cranelift's verifier takes an eighth of the time to compile. It catches faults of ours, so that it
        // runs in tests and in checked mode. No mid-end: it moves every multiply-add of a block after the
        // block's loads, which spills a tile's accumulators (measured: 27 GFLOP/s with it, 48 without); loops
        // here hoist what is constant themselves.
        for (name, value) in [
            ("opt_level", "none"),
            ("enable_verifier", if cfg!(debug_assertions) || self.checked { "true" } else { "false" }),
            // Windows gives a stack its pages one after the other: frames of several pages touch each.
            ("enable_probestack", if cfg!(windows) { "true" } else { "false" }),
            ("probestack_strategy", "inline"),
            ("is_pic", "false"),
            ("use_colocated_libcalls", "false"),
        ] {
            flags.set(name, value).map_err(|e| CompileError::Host(e.to_string()))?;
        }
        let builder = cranelift_native::builder().map_err(|e| CompileError::Host(e.into()))?;
        let isa =
            builder.finish(settings::Flags::new(flags)).map_err(|e| CompileError::Host(e.to_string()))?;
        if matches!(isa.triple().architecture, target_lexicon::Architecture::X86_64) && !has_fma(isa.as_ref())
        {
            return Err(CompileError::Host(
                "the CPU has no FMA instructions (Haswell, 2013, or later is needed)".into(),
            ));
        }
        Ok(isa)
    }
}

fn has_fma(isa: &dyn isa::TargetIsa) -> bool {
    isa.isa_flags().iter().any(|f| f.name == "has_fma" && f.as_bool() == Some(true))
}
