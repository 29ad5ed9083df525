//! What the declaration of all ops (`op/list.rs`) expands to: the enum [`Op`](crate::op::Op), the rows of the
//! [table](crate::table), the constructors by name, the options of an op and its text form. A declaration has
//! this form:
//!
//! ```text
//! /// What it computes.
//! Name {
//!     /// An option that a call must state, of a kind that is listed in `table/attr.rs`.
//!     axis: usize = must("over", Axis),
//!     /// An option with a default.
//!     eps: Number = or("eps", Float, "1e-5"),
//!     /// Whether the optional parameter `gain` is given.
//!     gain: bool = given("gain"),
//!     /// A field that follows from which of its names the op is called by.
//!     log: bool,
//! } = Norm composite "one_name"(x, [gain]) { log: false } "a formula in one line",
//!     Norm composite internal "other_name"(x, [gain]) { log: true } "another";
//! ```
//!
//! Before the name stands what sort of work the op is, a [`Class`](crate::op::Class). A `composite` is
//! defined by other ops, as all of class `Lowered` are. Parameters in brackets are optional. An `internal`
//! name is no function of the language; of a `variadic` op the last parameter may be given many times. Fields
//! that take several options, or one under some names alone, have a form of their own in `table/field.rs`.
//! What one option can state is in `table/value.rs`.

use super::field::{Options, same};
use super::{OpDef, OptionDef};

/// Declares the ops.
macro_rules! ops {
    ($(
        $(#[$doc:meta])*
        $variant:ident
        $(( $($item:ident : $item_ty:ty = $item_by:expr),+ ))?
        $({ $( $(#[$field_doc:meta])* $field:ident : $field_ty:ty $(= $by:expr)? ),+ $(,)? })?
        = $(
            $class:ident $($flag:ident)* $name:literal $params:tt
            $({ $($key:ident : $($value:ident)::+),+ })? $formula:literal
        ),+ ;
    )+) => {
        /// One operation. Arguments are the node's; attributes are here.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Op {
            /// Elementwise function of one argument.
            Unary(Unary),
            /// Elementwise function of two arguments.
            Binary(Binary),
            $(
                $(#[$doc])*
                $variant $(( $($item_ty),+ ))? $({ $( $(#[$field_doc])* $field: $field_ty ),+ })?
            ),+
        }

        /// The rows of each variant.
        const ROWS: &[&[OpDef]] = &[
            Unary::ROWS,
            Binary::ROWS,
            $( rows! {
                $variant
                [$( ( $($item: $item_ty = $item_by),+ ) )? $( { $($field: $field_ty $(= $by)?),+ } )?]
                $( [$class $($flag)*] $name $params [$( $($key: $($value)::+),+ )?] $formula ),+
            } ),+
        ];

        /// Every operation.
        pub const OPS: &[OpDef] = &joined::<{ count(ROWS) }>(ROWS);

        /// The row of an op.
        pub const fn row_of(op: &Op) -> &'static OpDef {
            match op {
                Op::Unary(u) => u.row(),
                Op::Binary(b) => b.row(),
                $($(
                    Op::$variant { $( $($key: $($value)::+,)+ )? .. } => const { row_named(OPS, $name) },
                )+)+
            }
        }

        /// The options of an op in the order of its row; those that are absent are left out.
        pub fn attrs_of(op: &Op) -> Vec<(&'static str, Attr)> {
            let mut written = Written::of(row_of(op));
            match op {
                Op::Unary(_) | Op::Binary(_) => {}
                $( Op::$variant $(( $($item),+ ))? $({ $($field),+ })? => {
                    $($( Field::<$item_ty>::write(&$item_by, $item, &mut written); )+)?
                    $($(
                        let _ = $field;
                        $( Field::<$field_ty>::write(&$by, $field, &mut written); )?
                    )+)?
                } )+
            }
            written.options
        }

        /// The parameters of the row that the op has no arguments for.
        pub(crate) fn absent_params(op: &Op) -> Vec<&'static str> {
            let mut absent = Vec::new();
            match op {
                Op::Unary(_) | Op::Binary(_) => {}
                $( Op::$variant $(( $($item),+ ))? $({ $($field),+ })? => {
                    $($( absent.extend(Field::<$item_ty>::absent_param(&$item_by, $item)); )+)?
                    $($(
                        let _ = $field;
                        $( absent.extend(Field::<$field_ty>::absent_param(&$by, $field)); )?
                    )+)?
                } )+
            }
            absent
        }
    };
}

/// The rows of a variant. Its fields are one token tree from here on, so that each row can have them.
macro_rules! rows {
    ($variant:ident $fields:tt $( $sort:tt $name:literal $params:tt $set:tt $formula:literal ),+) => {
        &[$( row! { $variant $fields $sort $name $params $set $formula } ),+]
    };
}

/// One row of the table:
/// `row! { Variant [fields] [Class flags] "name" (parameters) [fields set by the name] "formula" }`.
macro_rules! row {
    (
        $variant:ident $fields:tt [$class:ident $($flag:ident)*] $name:literal
        ($($param:ident),* $(, [$optional:ident])*) [$($set:tt)*] $formula:literal
    ) => {
        OpDef {
            name: $name,
            params: &[
                $( Param { name: stringify!($param), optional: false }, )*
                $( Param { name: stringify!($optional), optional: true }, )*
            ],
            variadic: row!(is variadic $($flag)*),
            options: row!(options $name $fields),
            callable: !row!(is internal $($flag)*),
            formula: $formula,
            class: Class::$class,
            composite: row!(is composite $($flag)*) || matches!(Class::$class, Class::Lowered),
            read: row!(read $variant $fields $($set)*),
        }
    };
    (is $what:ident) => { false };
    (is variadic variadic $($flag:ident)*) => { true };
    (is internal internal $($flag:ident)*) => { true };
    (is composite composite $($flag:ident)*) => { true };
    (is $what:ident $other:ident $($flag:ident)*) => { row!(is $what $($flag)*) };
    (options $name:literal []) => { &[] };
    (options $name:literal [( $($field:ident : $ty:ty = $by:expr),+ )]) => {
        row!(options $name [{ $($field: $ty = $by),+ }])
    };
    (options $name:literal [{ $($field:ident : $ty:ty $(= $by:expr)?),+ }]) => { {
        const FIELDS: &[Options] = &[$( $( $by.options($name), )? )+];
        &options::<{ option_count(FIELDS) }>(FIELDS)
    } };
    (read $variant:ident []) => { |_| Ok(Op::$variant) };
    (read $variant:ident [( $($field:ident : $ty:ty = $by:expr),+ )]) => {
        |call| Ok(Op::$variant($( Field::<$ty>::read(&$by, call)? ),+))
    };
    (
        read $variant:ident [{ $($field:ident : $ty:ty $(= $by:expr)?),+ }]
        $($key:ident : $($value:ident)::+),*
    ) => {
        |call| {
            $( $( let $field = Field::<$ty>::read(&$by, call)?; )? )+
            $( let $key = $($value)::+; )*
            Ok(Op::$variant { $($field),+ })
        }
    };
}

pub(crate) use {ops, row, rows};

/// How many rows there are.
pub const fn count(parts: &[&[OpDef]]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < parts.len() {
        n += parts[i].len();
        i += 1;
    }
    n
}

/// The rows one after another.
pub const fn joined<const N: usize>(parts: &[&[OpDef]]) -> [OpDef; N] {
    let mut all = [parts[0][0]; N];
    let (mut n, mut part) = (0, 0);
    while part < parts.len() {
        let mut i = 0;
        while i < parts[part].len() {
            all[n] = parts[part][i];
            n += 1;
            i += 1;
        }
        part += 1;
    }
    all
}

/// The row of that name, which exists: this is evaluated at compile time.
pub const fn row_named(rows: &'static [OpDef], name: &str) -> &'static OpDef {
    let mut i = 0;
    while !same(rows[i].name, name) {
        i += 1;
    }
    &rows[i]
}

/// How many options the fields of a row have.
pub const fn option_count(fields: &[Options]) -> usize {
    let (mut n, mut field) = (0, 0);
    while field < fields.len() {
        let mut i = 0;
        while i < fields[field].len() {
            n += fields[field][i].is_some() as usize;
            i += 1;
        }
        field += 1;
    }
    n
}

/// The options of the fields of a row, in order.
pub const fn options<const N: usize>(fields: &[Options]) -> [OptionDef; N] {
    let mut all = [OptionDef { name: "", kind: super::Kind::Bool, default: None }; N];
    let (mut n, mut field) = (0, 0);
    while field < fields.len() {
        let mut i = 0;
        while i < fields[field].len() {
            if let Some(option) = fields[field][i] {
                all[n] = option;
                n += 1;
            }
            i += 1;
        }
        field += 1;
    }
    all
}
