//! How a call states the fields of an op: as options, or by giving a parameter or not.
//!
//! What a declaration in `op/list.rs` writes after a field, such as `or("eps", Float, "1e-5")`, is one of
//! the values here. It reads the field from a call, and writes it as the call would: both directions stand
//! side by side.

use super::call::Reader;
use super::value::AttrValue;
use super::{Attr, CallError, Kind, OpDef, OptionDef};
use crate::dim::Dim;
use crate::op::{Number, Scalar, Window};

/// What states a field of type `T`.
pub trait Field<T> {
    /// The field, read from a call.
    fn read(&self, call: &Reader<'_>) -> Result<T, CallError>;

    /// Writes the field as options.
    fn write(&self, value: &T, written: &mut Written);

    /// The parameter that is not given where the field has this value.
    fn absent_param(&self, _: &T) -> Option<&'static str> {
        None
    }
}

/// The options of an op, written for its row.
pub struct Written {
    row: &'static OpDef,
    /// In the order of the row.
    pub options: Vec<(&'static str, Attr)>,
}

impl Written {
    /// None yet.
    pub fn of(row: &'static OpDef) -> Written {
        Written { row, options: Vec::new() }
    }

    fn push<T: AttrValue>(&mut self, option: &OptionDef, value: &T) {
        self.options.extend(value.to_attr(option.kind).map(|attr| (option.name, attr)));
    }
}

/// Options that one field adds to a row.
pub type Options = [Option<OptionDef>; 3];

/// An option that every call states.
pub const fn must(name: &'static str, kind: Kind) -> OptionDef {
    OptionDef { name, kind, default: None }
}

/// An option with a default.
pub const fn or(name: &'static str, kind: Kind, default: &'static str) -> OptionDef {
    OptionDef { name, kind, default: Some(default) }
}

impl OptionDef {
    pub(crate) const fn options(self, _: &str) -> Options {
        [Some(self), None, None]
    }
}

impl<T: AttrValue> Field<T> for OptionDef {
    fn read(&self, call: &Reader<'_>) -> Result<T, CallError> {
        call.option(self)
    }

    fn write(&self, value: &T, written: &mut Written) {
        written.push(self, value);
    }
}

/// An option that is not written where it has its default.
pub struct Quiet(OptionDef);

/// An option with a default, which is not written.
pub const fn quietly(name: &'static str, kind: Kind, default: &'static str) -> Quiet {
    Quiet(or(name, kind, default))
}

impl Quiet {
    pub const fn options(self, row: &str) -> Options {
        self.0.options(row)
    }
}

impl<T: AttrValue> Field<T> for Quiet {
    fn read(&self, call: &Reader<'_>) -> Result<T, CallError> {
        call.option(&self.0)
    }

    fn write(&self, value: &T, written: &mut Written) {
        let OptionDef { kind, default, .. } = self.0;
        if value.to_attr(kind) != default.and_then(|text| kind.parse(text)) {
            written.push(&self.0, value);
        }
    }
}

/// Whether the optional parameter of that name is given.
pub struct Given(&'static str);

/// Whether a call gives the optional parameter of that name.
pub const fn given(param: &'static str) -> Given {
    Given(param)
}

impl Given {
    pub const fn options(self, _: &str) -> Options {
        [None; 3]
    }
}

impl Field<bool> for Given {
    fn read(&self, call: &Reader<'_>) -> Result<bool, CallError> {
        Ok(call.has(self.0))
    }

    fn write(&self, _: &bool, _: &mut Written) {}

    fn absent_param(&self, given: &bool) -> Option<&'static str> {
        (!given).then_some(self.0)
    }
}

/// A flag that one of the op's names has as an option; it is off for the others.
pub struct OnlyOf {
    row: &'static str,
    option: OptionDef,
}

/// A flag that the row of that name has as an option, and no other row of the op.
pub const fn only_of(row: &'static str, option: OptionDef) -> OnlyOf {
    OnlyOf { row, option }
}

impl OnlyOf {
    pub const fn options(self, row: &str) -> Options {
        [if same(row, self.row) { Some(self.option) } else { None }, None, None]
    }
}

impl Field<bool> for OnlyOf {
    fn read(&self, call: &Reader<'_>) -> Result<bool, CallError> {
        if call.takes(&self.option) { call.option(&self.option) } else { Ok(false) }
    }

    fn write(&self, value: &bool, written: &mut Written) {
        if written.row.name == self.row {
            written.push(&self.option, value);
        }
    }
}

/// A number, an integer or a bool: which of them, the name of the option says.
pub struct Constant;

/// The value of a constant.
pub const fn constant() -> Constant {
    Constant
}

impl Constant {
    pub const fn options(self, _: &str) -> Options {
        [Some(or("f32", Kind::Float, "")), Some(or("i32", Kind::Int, "")), Some(or("bool", Kind::Bool, ""))]
    }
}

impl Field<Scalar> for Constant {
    fn read(&self, call: &Reader<'_>) -> Result<Scalar, CallError> {
        match ["f32", "i32", "bool"].iter().find_map(|name| call.given(name)) {
            Some(Attr::Float(x)) => Ok(Scalar::F32(Number(*x))),
            Some(Attr::Int(i)) => Ok(Scalar::I32(*i)),
            Some(Attr::Bool(b)) => Ok(Scalar::Bool(*b)),
            _ => Err(CallError::Missing("f32")),
        }
    }

    fn write(&self, value: &Scalar, written: &mut Written) {
        written.options.push(match value {
            Scalar::F32(n) => ("f32", Attr::Float(n.0)),
            Scalar::I32(i) => ("i32", Attr::Int(*i)),
            Scalar::Bool(b) => ("bool", Attr::Bool(*b)),
        });
    }
}

/// How a window runs over an image.
pub struct OverImage {
    stride: OptionDef,
    pad: OptionDef,
    dilation: OptionDef,
}

/// How a window runs over an image, by three options.
pub const fn over_image(stride: OptionDef, pad: OptionDef, dilation: OptionDef) -> OverImage {
    OverImage { stride, pad, dilation }
}

impl OverImage {
    pub const fn options(self, _: &str) -> Options {
        [Some(self.stride), Some(self.pad), Some(self.dilation)]
    }
}

impl Field<Window> for OverImage {
    fn read(&self, call: &Reader<'_>) -> Result<Window, CallError> {
        let stride = call.option(&self.stride)?;
        Ok(Window { stride, pad: call.option(&self.pad)?, dilation: call.option(&self.dilation)? })
    }

    fn write(&self, value: &Window, written: &mut Written) {
        written.push(&self.stride, &value.stride);
        written.push(&self.pad, &value.pad);
        written.push(&self.dilation, &value.dilation);
    }
}

/// How a window runs over a signal, which is an image of one row.
pub struct OverSignal(OverImage);

/// How a window runs over a signal, by three options.
pub const fn over_signal(stride: OptionDef, pad: OptionDef, dilation: OptionDef) -> OverSignal {
    OverSignal(over_image(stride, pad, dilation))
}

impl OverSignal {
    pub const fn options(self, row: &str) -> Options {
        self.0.options(row)
    }
}

impl Field<Window> for OverSignal {
    fn read(&self, call: &Reader<'_>) -> Result<Window, CallError> {
        let OverImage { stride, pad, dilation } = &self.0;
        let stride: Dim = call.option(stride)?;
        Ok(Window::along_columns(&stride, &call.option(pad)?, &call.option(dilation)?))
    }

    fn write(&self, value: &Window, written: &mut Written) {
        written.push(&self.0.stride, &value.stride[1]);
        written.push(&self.0.pad, &value.pad);
        written.push(&self.0.dilation, &value.dilation[1]);
    }
}

/// How the window of a pooling runs: without dilation, by its own size where no stride is given.
pub struct OfPooling {
    kernel: OptionDef,
    stride: OptionDef,
    pad: OptionDef,
}

/// How the window of a pooling runs; `kernel` is the option of its size.
pub const fn of_pooling(kernel: OptionDef, stride: OptionDef, pad: OptionDef) -> OfPooling {
    OfPooling { kernel, stride, pad }
}

impl OfPooling {
    pub const fn options(self, _: &str) -> Options {
        [Some(self.stride), Some(self.pad), None]
    }
}

impl Field<Window> for OfPooling {
    fn read(&self, call: &Reader<'_>) -> Result<Window, CallError> {
        let stride = match call.option(&self.stride)? {
            Some(stride) => stride,
            None => call.option(&self.kernel)?,
        };
        let dilation = [Dim::constant(1), Dim::constant(1)];
        Ok(Window { stride, pad: call.option(&self.pad)?, dilation })
    }

    fn write(&self, value: &Window, written: &mut Written) {
        written.push(&self.stride, &value.stride);
        written.push(&self.pad, &value.pad);
    }
}

/// Whether two texts are the same, at compile time.
pub const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}
