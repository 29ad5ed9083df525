//! The types of fields that one option states, and how their values are read and written.

use super::{Attr, Kind};
use crate::dim::Dim;
use crate::op::{EpsOn, Layout, Number, Padding, Pairs, Resampling, Scaling};
use crate::types::DType;

/// A type of fields that one option states.
pub trait AttrValue: Sized {
    /// From what a call gives for an option of that kind; `None` where it is of another kind.
    fn from_attr(attr: &Attr, kind: Kind) -> Option<Self>;

    /// As an option of that kind; `None` where the option is left out.
    fn to_attr(&self, kind: Kind) -> Option<Attr>;

    /// What it is where nothing is given and the default is no value.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: AttrValue> AttrValue for Option<T> {
    fn from_attr(attr: &Attr, kind: Kind) -> Option<Option<T>> {
        T::from_attr(attr, kind).map(Some)
    }

    fn to_attr(&self, kind: Kind) -> Option<Attr> {
        self.as_ref().and_then(|value| value.to_attr(kind))
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }
}

/// One axis, or the number of an input.
impl AttrValue for usize {
    fn from_attr(attr: &Attr, kind: Kind) -> Option<usize> {
        match (kind, attr) {
            (Kind::Dim, Attr::Dim(d)) => d.as_const().and_then(|n| usize::try_from(n).ok()),
            (_, Attr::Axes(axes)) => <[usize; 1]>::try_from(axes.as_slice()).ok().map(|[axis]| axis),
            _ => None,
        }
    }

    fn to_attr(&self, kind: Kind) -> Option<Attr> {
        Some(if kind == Kind::Dim { Attr::Dim(Dim::from(*self)) } else { Attr::Axes(vec![*self]) })
    }
}

/// Axes to work over, which have no order and of which there is one, or all axes in a new order.
impl AttrValue for Vec<usize> {
    fn from_attr(attr: &Attr, kind: Kind) -> Option<Vec<usize>> {
        let Attr::Axes(axes) = attr else { return None };
        let mut axes = axes.clone();
        if kind == Kind::Perm {
            return Some(axes);
        }
        axes.sort_unstable();
        axes.dedup();
        (!axes.is_empty()).then_some(axes)
    }

    fn to_attr(&self, _: Kind) -> Option<Attr> {
        Some(Attr::Axes(self.clone()))
    }
}

impl AttrValue for Dim {
    fn from_attr(attr: &Attr, _: Kind) -> Option<Dim> {
        if let Attr::Dim(d) = attr { Some(d.clone()) } else { None }
    }

    fn to_attr(&self, _: Kind) -> Option<Attr> {
        Some(Attr::Dim(self.clone()))
    }
}

impl AttrValue for Vec<Dim> {
    fn from_attr(attr: &Attr, _: Kind) -> Option<Vec<Dim>> {
        if let Attr::Dims(dims) = attr { Some(dims.clone()) } else { None }
    }

    fn to_attr(&self, _: Kind) -> Option<Attr> {
        Some(Attr::Dims(self.clone()))
    }
}

/// One dim for both, or two.
impl AttrValue for [Dim; 2] {
    fn from_attr(attr: &Attr, _: Kind) -> Option<[Dim; 2]> {
        match attr {
            Attr::Dims(dims) => match dims.as_slice() {
                [both] => Some([both.clone(), both.clone()]),
                [rows, columns] => Some([rows.clone(), columns.clone()]),
                _ => None,
            },
            _ => None,
        }
    }

    fn to_attr(&self, _: Kind) -> Option<Attr> {
        Some(Attr::Dims(self.to_vec()))
    }
}

impl AttrValue for Padding {
    fn from_attr(attr: &Attr, kind: Kind) -> Option<Padding> {
        let dims = match attr {
            Attr::Word(w) if w == "same" => return Some(Padding::Same),
            Attr::Dims(dims) => dims.as_slice(),
            _ => return None,
        };
        // A signal's padding is that of an image of one row.
        let none = || Dim::constant(0);
        Some(Padding::Explicit(match (kind, dims) {
            (Kind::Ends, [both]) => [none(), none(), both.clone(), both.clone()],
            (Kind::Ends, [before, after]) => [none(), none(), before.clone(), after.clone()],
            (Kind::Pad, [all]) => std::array::from_fn(|_| all.clone()),
            (Kind::Pad, [rows, columns]) => [rows.clone(), rows.clone(), columns.clone(), columns.clone()],
            (Kind::Pad, [above, below, left, right]) => {
                [above.clone(), below.clone(), left.clone(), right.clone()]
            }
            _ => return None,
        }))
    }

    fn to_attr(&self, kind: Kind) -> Option<Attr> {
        Some(match self {
            Padding::Same => Attr::Word("same".into()),
            Padding::Explicit([.., before, after]) if kind == Kind::Ends => {
                Attr::Dims(vec![before.clone(), after.clone()])
            }
            Padding::Explicit(sides) => Attr::Dims(sides.to_vec()),
        })
    }
}

impl AttrValue for Number {
    fn from_attr(attr: &Attr, _: Kind) -> Option<Number> {
        if let Attr::Float(x) = attr { Some(Number(*x)) } else { None }
    }

    fn to_attr(&self, _: Kind) -> Option<Attr> {
        Some(Attr::Float(self.0))
    }
}

impl AttrValue for i32 {
    fn from_attr(attr: &Attr, _: Kind) -> Option<i32> {
        if let Attr::Int(i) = attr { Some(*i) } else { None }
    }

    fn to_attr(&self, _: Kind) -> Option<Attr> {
        Some(Attr::Int(*self))
    }
}

impl AttrValue for bool {
    fn from_attr(attr: &Attr, _: Kind) -> Option<bool> {
        if let Attr::Bool(b) = attr { Some(*b) } else { None }
    }

    fn to_attr(&self, _: Kind) -> Option<Attr> {
        Some(Attr::Bool(*self))
    }
}

macro_rules! word_values {
    ($($name:ident in $all:expr;)+) => { $(
        impl AttrValue for $name {
            fn from_attr(attr: &Attr, _: Kind) -> Option<$name> {
                let Attr::Word(word) = attr else { return None };
                $all.into_iter().find(|value| value.name() == word)
            }

            fn to_attr(&self, _: Kind) -> Option<Attr> {
                Some(Attr::Word(self.name().into()))
            }
        }
    )+ };
}

word_values! {
    DType in DType::ALL;
    EpsOn in EpsOn::ALL;
    Layout in Layout::ALL;
    Pairs in Pairs::ALL;
    Resampling in Resampling::ALL;
    Scaling in Scaling::ALL;
}
