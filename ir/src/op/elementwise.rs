//! The elementwise functions of one and two arguments, one line each: name in the language, whether it is a
//! core op or a composite, the element types it takes, and its formula.

use super::{Class, Op};
use crate::table::{OpDef, Param};
use crate::types::DType;

const FLOATS: &[DType] = &[DType::F32];
const NUMBERS: &[DType] = &[DType::F32, DType::I32];
const BOOLS: &[DType] = &[DType::Bool];
const NUMBERS_AND_BOOLS: &[DType] = &[DType::F32, DType::I32, DType::Bool];

/// Declares an enum of functions. One with an operator is written with it, and cannot be called by its name.
macro_rules! elementwise {
    (
        $(#[$meta:meta])*
        $name:ident $params:tt
        $(
            $variant:ident $text:literal $sort:ident($types:ident) $formula:literal
            $(operator $symbol:literal)? ;
        )+
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // the names are the field's
        pub enum $name { $( $variant ),+ }

        impl $name {
            /// Their rows of the table of ops, in order.
            pub(crate) const ROWS: &[OpDef] = &[$(
                OpDef {
                    name: $text,
                    params: elementwise!(params $params),
                    variadic: false,
                    options: &[],
                    callable: elementwise!(operator $($symbol)?).is_none(),
                    formula: $formula,
                    class: Class::Elementwise,
                    composite: elementwise!(is_composite $sort),
                    read: |_| Ok(Op::$name($name::$variant)),
                }
            ),+];

            /// The functions with their names in the language, in order.
            pub const TABLE: [($name, &'static str); $name::ROWS.len()] = [$(($name::$variant, $text)),+];

            /// Its row of the table of ops.
            pub(crate) const fn row(self) -> &'static OpDef {
                &$name::ROWS[self as usize]
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                self.row().name
            }

            /// The operator it is written with, if there is one.
            pub const fn symbol(self) -> Option<&'static str> {
                match self { $( $name::$variant => elementwise!(operator $($symbol)?) ),+ }
            }

            /// The element types it takes. Two arguments are of the same type.
            pub const fn types(self) -> &'static [DType] {
                match self { $( $name::$variant => $types ),+ }
            }

            /// Whether it takes `bool` alone.
            pub const fn is_logical(self) -> bool {
                matches!(self.types(), [DType::Bool])
            }
        }
    };
    (params ($($param:ident),+)) => {
        &[$( Param { name: stringify!($param), optional: false } ),+]
    };
    (operator) => { None::<&'static str> };
    (operator $symbol:literal) => { Some($symbol) };
    (is_composite core) => { false };
    (is_composite composite) => { true };
}

elementwise! {
    /// Elementwise function of one argument.
    Unary(x)
    Neg       "neg"        core(NUMBERS)      "-x";
    Abs       "abs"        core(NUMBERS)      "|x|";
    Exp       "exp"        core(FLOATS)       "e^x";
    Log       "log"        core(FLOATS)       "natural logarithm";
    Sqrt      "sqrt"       core(FLOATS)       "square root";
    Rsqrt     "rsqrt"      core(FLOATS)       "1 / sqrt(x)";
    Tanh      "tanh"       core(FLOATS)       "hyperbolic tangent";
    Erf       "erf"        core(FLOATS)       "error function";
    Sin       "sin"        core(FLOATS)       "sine; NaN beyond 2^22, where neighbouring numbers are half a radian apart";
    Cos       "cos"        core(FLOATS)       "cosine; NaN beyond 2^22, where neighbouring numbers are half a radian apart";
    Not       "not"        core(BOOLS)        "logical not, bool";
    Relu      "relu"       composite(NUMBERS) "max(x, 0); NaN stays";
    Relu6     "relu6"      composite(FLOATS)  "min(max(x, 0), 6)";
    Sigmoid   "sigmoid"    composite(FLOATS)  "1 / (1 + e^-x)";
    Silu      "silu"       composite(FLOATS)  "x * sigmoid(x)";
    Gelu      "gelu"       composite(FLOATS)  "x * (1 + erf(x / sqrt(2))) / 2";
    GeluTanh  "gelu_tanh"  composite(FLOATS)  "x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2";
    HardSwish "hard_swish" composite(FLOATS)  "x * relu6(x + 3) / 6";
    Softsign  "softsign"   composite(FLOATS)  "x / (1 + |x|)";
    Softplus  "softplus"   composite(FLOATS)  "log(1 + e^x)";
    Mish      "mish"       composite(FLOATS)  "x * tanh(softplus(x))";
    HardSigmoid "hard_sigmoid" composite(FLOATS) "relu6(x + 3) / 6";
    Floor     "floor"      core(FLOATS)       "the largest whole number that is not above x";
    Round     "round"      core(FLOATS)       "the nearest whole number, of two the even one";
    Sign      "sign"       core(NUMBERS)      "1, 0 or -1 as x is above, equal to or below 0; NaN stays";
}

elementwise! {
    /// Elementwise function of two arguments; one shape may be a trailing suffix of the other.
    Binary(a, b)
    Add    "add"    core(NUMBERS)           "a + b" operator "+";
    Sub    "sub"    core(NUMBERS)           "a - b" operator "-";
    Mul    "mul"    core(NUMBERS)           "a * b" operator "*";
    Div    "div"    core(FLOATS)            "a / b" operator "/";
    Max    "max"    core(NUMBERS)           "the larger, elementwise; NaN if either is";
    Min    "min"    core(NUMBERS)           "the smaller, elementwise; NaN if either is";
    And    "and"    core(BOOLS)             "logical and, bool";
    Or     "or"     core(BOOLS)             "logical or, bool";
    Eq     "eq"     core(NUMBERS_AND_BOOLS) "a == b";
    Ne     "ne"     core(NUMBERS_AND_BOOLS) "a != b";
    Lt     "lt"     core(NUMBERS)           "a < b";
    Le     "le"     core(NUMBERS)           "a <= b";
    Gt     "gt"     core(NUMBERS)           "a > b";
    Ge     "ge"     core(NUMBERS)           "a >= b";
    Rem    "rem"    core(NUMBERS)           "a - floor(a / b) * b, exactly: the remainder with the sign of b";
    Swiglu "swiglu" composite(FLOATS)       "silu(a) * b";
}

impl Binary {
    /// Whether the result is `bool` whatever the arguments are.
    pub const fn is_comparison(self) -> bool {
        match self {
            Binary::Eq | Binary::Ne | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge => true,
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Max | Binary::Min => false,
            Binary::And | Binary::Or | Binary::Swiglu | Binary::Rem => false,
        }
    }
}
