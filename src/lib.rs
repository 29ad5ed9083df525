//! Neural networks declared in Rust source with [`network!`], checked at compile time,
//! compiled to native CPU code at run time, and open to inspection at every stage.
//!
//! ```
//! use tancho::{AsView, Target, network};
//!
//! network! {
//!     /// Residual linear layer followed by layer norm.
//!     pub ResidualNorm<B, D = 48>(x: [B, D]) -> [B, D] {
//!         param w:    [D, D] = xavier;
//!         param gain: [D] = ones;
//!         param bias: [D] = zeros;
//!
//!         layer_norm(x + x @ w.t, gain, bias, over = D, eps = 1e-5)
//!     }
//! }
//!
//! # fn main() -> Result<(), tancho::Error> {
//! let net = ResidualNorm::init(42)?;              // or load("weights.safetensors")
//! println!("{}", net.ir());                       // one line per op, with its source
//! let compiled = net.compile(Target::host())?;    // Send + Sync
//! println!("{}", compiled.fused_ir());            // what was fused into which kernel
//! let x = vec![0.5; 2 * 48];
//! let mut session = compiled.session();           // owns the buffers, one per thread
//! let y = session.run(x.view([2, 48]))?;          // B = 2 is bound here
//! assert_eq!(y.shape(), [2, 48]);
//! compiled.check(x.view([2, 48]))?.into_result()?; // against the reference interpreter
//! # Ok(())
//! # }
//! ```
//!
//! The [`tutorial`] leads in nine steps from a formula to a layer of BERT, its machine code, and what is
//! wrong or slow in it, and [`train`] says how networks are trained. The language is described at
//! [`network!`], each compile error in the repository's `docs/errors.md`, and what is proved about shapes in
//! `docs/shapes.md`. Networks of the prelude are in [`nn`].

#![forbid(unsafe_code)]

// The macro's output names this crate `tancho`, here too.
extern crate self as tancho;

pub use tancho_ir::builder::OptionValue;
pub use tancho_ir::{DType, Dim, ElementType, Graph};
#[doc(hidden)]
pub use tancho_macros::network as __network;
pub use tancho_runtime::{
    AnyView, AsView, Blueprint, CodeLine, CompileError, Compiled, ConstantValues, Dump, Element, Error,
    Format, InputElement, Isa, LoadError, LoadOptions, LoadReport, Model, OutputMut, Precision, Profile,
    Report, Session, Stats, Target, Tensor, TensorData, TensorType, Trace, View, ViewError, Weights, bf16,
    f16,
};

#[doc = include_str!("../docs/language.md")]
#[macro_export]
macro_rules! network {
    ($($tokens:tt)*) => { $crate::__network! { $crate $($tokens)* } };
}

/// Looking at a network and its runs: comparison with the reference interpreter, traces, profiles, and what
/// the machine can do.
///
/// Most of it is reached from a compiled network or a session: `check`, `trace`,
/// [`profile`](crate::Session::profile). The [`Interpreter`](inspect::Interpreter) runs a [`Graph`] without
/// compiling it, [`compare`](inspect::compare) compares two tensors by the measure of `check`, and
/// [`Limits`](inspect::Limits) measures the arithmetic and the bandwidth that profiles are set against.
///
/// A network with several entry points has a part for each, which is reached by its name:
///
/// ```
/// use tancho::{AsView, Target, network};
///
/// network! {
///     /// Two layers with one matrix.
///     pub Coder<B, D = 4, H = 8> {
///         param w: [H, D] = xavier;
///         pub fn encode(x: [B, D]) -> [B, H] { x @ w.t }
///         fn decode(h: [B, H]) -> [B, D] { h @ w }
///         pub fn forward(x: [B, D]) -> [B, D] { decode(encode(x)) }
///     }
/// }
///
/// # fn main() -> Result<(), tancho::Error> {
/// let compiled = Coder::init(1)?.compile(Target::host())?;
/// for (name, part) in compiled.entries() {
///     println!("{name}: {} different kernels\n{}", part.stats().kernels, part.fused_ir());
/// }
/// let mut session = compiled.session();
/// session.set_profiling(true);
/// session.encode([0.5; 4].view([1, 4]))?;
/// let runs = |name| session.entry(name).map(|part| part.profile().runs);
/// assert_eq!((runs("encode"), runs("decode"), runs("no such")), (Some(1), Some(0), None));
/// # Ok(())
/// # }
/// ```
///
#[doc = include_str!("../docs/inspecting.md")]
pub mod inspect {
    pub use tancho_runtime::inspect::activations::Comparison;
    pub use tancho_runtime::inspect::bisect::{Bisection, WrongStage};
    pub use tancho_runtime::inspect::compare::compare;
    pub use tancho_runtime::inspect::finite::NotFinite;
    pub use tancho_runtime::inspect::limits::{Level, Limits};
    pub use tancho_runtime::inspect::price::Price;
    pub use tancho_runtime::inspect::profile::{Bound, Cost, KernelCost, LineCost, Profile, Roof, Span};
    pub use tancho_runtime::inspect::report::{BOUND, Bad, OpReport, Report, TensorReport};
    pub use tancho_runtime::inspect::reproduction::{AnyTensor, REPRODUCTION_DIR, Reproduction};
    pub use tancho_runtime::inspect::stages::Stage;
    pub use tancho_runtime::inspect::trace::Trace;
    pub use tancho_runtime::interpreter::{Dims, Interpreter};
}

#[doc = include_str!("../docs/tutorial.md")]
pub mod tutorial {}

#[doc = include_str!("../docs/training.md")]
pub mod train {
    pub use tancho_runtime::train::{
        Checkpoints, Kept, Recomputed, Schedule, StepPrice, TrainOptions, Trainer,
    };
}

/// Weights: loading, replacing and saving them, and what a GGUF file says about its model.
pub mod weights {
    pub use tancho_runtime::weights::{
        ConstantProblem, Gguf, List, LoadError, LoadOptions, LoadReport, Metadata, Problem, WeightData,
        Weights,
    };
}

#[cfg(feature = "hub")]
pub mod hub;

/// The prelude: networks that every `network!` knows by name, with PyTorch's weight names.
pub mod nn {
    tancho_macros::__prelude!();
}

/// What the macro's output uses; not for anybody else.
#[doc(hidden)]
pub mod __private {
    pub use tancho_ir::builder::*;
    pub use tancho_ir::const_check;
    pub use tancho_ir::graph::*;
    pub use tancho_ir::op::{Number, Scalar};
    pub use tancho_ir::training::Objective;
    pub use tancho_runtime::{Declared, Model, OutputMut, Packs, dims, serde};

    /// What stands for types of a network whose header does not parse.
    #[derive(Clone, Debug)]
    pub struct Unknown<const N: usize>;

    /// What editors see: see `macros/src/expand/mirror.rs`.
    pub mod ide {
        /// A dimension.
        #[derive(Clone, Copy, Debug)]
        pub struct Dim;
        /// A tensor.
        #[derive(Clone, Copy, Debug)]
        pub struct Tensor;
        /// A network in use.
        #[derive(Clone, Copy, Debug)]
        pub struct Net<N>(std::marker::PhantomData<fn() -> N>);

        impl<N> Net<N> {
            /// The only value.
            pub const NEW: Net<N> = Net(std::marker::PhantomData);
        }

        /// The ops, as functions that editors can look up.
        pub mod ops {
            tancho_macros::__ops!();
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod dims_tests;
