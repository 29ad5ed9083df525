//! The values that ops have as fields: numbers, paddings, windows, and words such as `nchw`.

use crate::dim::Dim;
use crate::types::DType;

/// Declares an enum whose values have names in the language: its words, in order, and the name of each.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal ),+ $(,)? }
    )+) => { $(
        $(#[$meta])*
        pub enum $name { $( $(#[$doc])* $variant ),+ }

        impl $name {
            /// The names of the values.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The values, in order.
            pub const ALL: [$name; $name::WORDS.len()] = [$($name::$variant),+];

            /// The values with their names, in order.
            pub const TABLE: [($name, &'static str); $name::WORDS.len()] = [$(($name::$variant, $word)),+];

            /// Its name in the language.
            pub const fn name(self) -> &'static str {
                match self { $( $name::$variant => $word ),+ }
            }
        }
    )+ };
}

words! {
    /// How a reduction combines the elements of the axes it removes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[allow(missing_docs)] // the names are the field's
    Reduction { Sum = "sum", Mean = "mean", Max = "max", Min = "min" }

    /// Where `layer_norm` adds its eps: the textbook's or the article's form.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    EpsOn {
        /// `(x - mean) / sqrt(var + eps)`: the textbook and `torch.nn.LayerNorm`.
        Var = "var",
        /// `(x - mean) / (std + eps)`, biased std.
        Std = "std",
    }

    /// Which elements of a head `rope` rotates together.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    Pairs {
        /// Element `i` with `i + HD / 2`, as GPT-NeoX and Llama in Hugging Face's form.
        Halves = "halves",
        /// Element `2 i` with `2 i + 1`, as the article and Llama in Meta's form.
        Adjacent = "adjacent",
    }

    /// How `rope` scales its frequencies, as Hugging Face's models do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    Scaling {
        /// They stay as they are.
        None = "none",
        /// All are divided by one factor.
        Linear = "linear",
        /// Low ones are divided by a factor, high ones stay, by Llama 3's rule.
        Llama3 = "llama3",
        /// Low ones are divided by a factor, high ones stay, by the rule of Peng et al. 2023.
        Yarn = "yarn",
    }

    /// How the pixels of a resized image follow from those that are nearest.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    Resampling {
        /// The pixel whose square holds the corner of the new one, as PyTorch's `nearest`.
        Nearest = "nearest",
        /// The four pixels around, by their distance, as PyTorch without `align_corners`.
        Bilinear = "bilinear",
    }

    /// Where the channels of an image stand.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    Layout {
        /// `[N, C, H, W]`, as PyTorch has it.
        Nchw = "nchw",
        /// `[N, H, W, C]`: a pixel's channels lie side by side.
        Nhwc = "nhwc",
    }
}

impl Layout {
    /// The axis of the channels.
    pub fn channels(self) -> usize {
        match self {
            Layout::Nchw => 1,
            Layout::Nhwc => 3,
        }
    }

    /// The axis of the rows; that of the columns is the next.
    pub fn rows(self) -> usize {
        match self {
            Layout::Nchw => 2,
            Layout::Nhwc => 1,
        }
    }
}

/// What surrounds an image before a window runs over it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// TensorFlow's: as much as `ceil(length / stride)` positions need, the odd one after.
    Same,
    /// Above, below, left and right.
    Explicit([Dim; 4]),
}

/// How a window runs over the rows and columns of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Pixels from one position to the next, down and across.
    pub stride: [Dim; 2],
    /// What surrounds the image.
    pub pad: Padding,
    /// Pixels from one element of the window to the next.
    pub dilation: [Dim; 2],
}

/// How a pooling combines the pixels of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Pooling {
    Max,
    Avg,
    Sum,
}

/// A float attribute compared and hashed by its bits.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Number {}

impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A scalar constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// An f32, kept as f64 until it is used.
    F32(Number),
    /// An i32.
    I32(i32),
    /// A bool.
    Bool(bool),
}

impl Scalar {
    /// Its element type.
    pub fn dtype(self) -> DType {
        match self {
            Scalar::F32(_) => DType::F32,
            Scalar::I32(_) => DType::I32,
            Scalar::Bool(_) => DType::Bool,
        }
    }
}
