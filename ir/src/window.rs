//! Positions of a window on an image: lengths of results, and the padding around the image.

use crate::dim::{Dim, DimError};
use crate::graph::{Graph, Value};
use crate::op::{Op, Padding, Window};

/// A window over an image: how it runs, and along rows and columns the lengths of the image and of the
/// window.
#[derive(Clone, Debug)]
pub struct Sight {
    /// How it runs.
    pub window: Window,
    /// Rows and columns of the image.
    pub image: [Dim; 2],
    /// Rows and columns of the window.
    pub kernel: [Dim; 2],
}

impl Graph {
    /// The window of a convolution or a pooling; that of a signal is one over an image of one row.
    pub fn sight(&self, v: Value) -> Option<Sight> {
        let node = self.node(v);
        let shape = |i: usize| &self.ty(node.args[i]).shape;
        let pair = |s: &[Dim], at: usize| [s[at].clone(), s[at + 1].clone()];
        let one_row = |length: &Dim| [Dim::constant(1), length.clone()];
        let (window, image, kernel) = match &node.op {
            Op::Conv2d { window, layout, .. } => (window, pair(shape(0), layout.rows()), pair(shape(1), 2)),
            Op::Conv1d { window, .. } => (window, one_row(&shape(0)[2]), one_row(&shape(1)[2])),
            Op::Pool2d { kernel, window, layout, .. } => {
                (window, pair(shape(0), layout.rows()), kernel.clone())
            }
            _ => return None,
        };
        Some(Sight { window: window.clone(), image, kernel })
    }
}

impl Window {
    /// A window that moves pixel by pixel over an image with nothing around it.
    pub fn dense() -> Window {
        let one = || [Dim::constant(1), Dim::constant(1)];
        Window {
            stride: one(),
            pad: Padding::Explicit(std::array::from_fn(|_| Dim::constant(0))),
            dilation: one(),
        }
    }

    /// A window along one axis, as one over an image of one row.
    pub fn along_columns(stride: &Dim, pad: &Padding, dilation: &Dim) -> Window {
        let one = Dim::constant(1);
        let pad = match pad {
            Padding::Same => Padding::Same,
            Padding::Explicit([.., left, right]) => {
                Padding::Explicit([Dim::constant(0), Dim::constant(0), left.clone(), right.clone()])
            }
        };
        Window { stride: [one.clone(), stride.clone()], pad, dilation: [one, dilation.clone()] }
    }

    /// Whether nothing surrounds the image where the window is one pixel.
    pub fn is_bare(&self) -> bool {
        match &self.pad {
            Padding::Same => true,
            Padding::Explicit(p) => p.iter().all(|d| d.is(0)),
        }
    }

    /// Pixels from the first to the last of a window of `kernel` elements, both counted; `axis` is 0 for
    /// rows, 1 for columns.
    ///
    /// # Errors
    /// The result is too large.
    pub fn extent(&self, axis: usize, kernel: &Dim) -> Result<Dim, DimError> {
        kernel.minus(&Dim::constant(1))?.times(&self.dilation[axis])?.plus(&Dim::constant(1))
    }

    /// What surrounds an image of that length before and after it.
    ///
    /// # Errors
    /// The result is too large, or it is no polynomial: `same` with a window that is smaller than the stride,
    /// over a length that is not known.
    pub fn around(&self, axis: usize, length: &Dim, kernel: &Dim) -> Result<(Dim, Dim), DimError> {
        if let Padding::Explicit(p) = &self.pad {
            return Ok((p[2 * axis].clone(), p[2 * axis + 1].clone()));
        }
        let (stride, extent) = (&self.stride[axis], self.extent(axis, kernel)?);
        let steps = length.ceil_div(stride)?.minus(&Dim::constant(1))?;
        let all = steps.times(stride)?.plus(&extent)?.minus(length)?;
        let all = match (all.as_const(), extent.as_const(), stride.as_const()) {
            (Some(n), ..) => Dim::constant(n.max(0)),
            _ if extent.is(1) => Dim::constant(0),
            (_, Some(e), Some(s)) if e < s => return Err(DimError::TooComplex),
            _ => all,
        };
        let before = all.floor_div(&Dim::constant(2))?;
        let after = all.minus(&before)?;
        Ok((before, after))
    }

    /// How many positions a window of `kernel` elements has.
    ///
    /// # Errors
    /// The result is too large.
    pub fn positions(&self, axis: usize, length: &Dim, kernel: &Dim) -> Result<Dim, DimError> {
        match &self.pad {
            Padding::Same => length.ceil_div(&self.stride[axis]),
            Padding::Explicit(_) => {
                self.slack(axis, length, kernel)?.floor_div(&self.stride[axis])?.plus(&Dim::constant(1))
            }
        }
    }

    /// How far the window can move: negative where it does not fit. `same` always fits.
    ///
    /// # Errors
    /// The result is too large.
    pub fn slack(&self, axis: usize, length: &Dim, kernel: &Dim) -> Result<Dim, DimError> {
        match &self.pad {
            Padding::Same => Ok(Dim::constant(0)),
            Padding::Explicit(p) => {
                length.plus(&p[2 * axis])?.plus(&p[2 * axis + 1])?.minus(&self.extent(axis, kernel)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dim(text: &str) -> Dim {
        Dim::parse(text).expect("a dim")
    }

    fn window(stride: &str, dilation: &str, pad: Padding) -> Window {
        Window { stride: [dim(stride), dim(stride)], pad, dilation: [dim(dilation), dim(dilation)] }
    }

    #[test]
    fn positions_are_those_of_pytorch_and_tensorflow() {
        let pad = |n: i64| Padding::Explicit(std::array::from_fn(|_| Dim::constant(n)));
        let positions = |w: &Window, length: &str, kernel: &str| {
            w.positions(0, &dim(length), &dim(kernel)).expect("a length").to_string()
        };
        assert_eq!(positions(&window("2", "1", pad(3)), "224", "7"), "112");
        assert_eq!(positions(&window("1", "2", pad(0)), "9", "3"), "5");
        assert_eq!(positions(&window("2", "1", pad(1)), "H", "3"), dim("ceil(H / 2)").to_string());
        assert_eq!(positions(&window("2", "1", Padding::Same), "7", "5"), "4");
        assert_eq!(positions(&window("S", "1", Padding::Same), "H", "3"), dim("ceil(H / S)").to_string());
    }

    #[test]
    fn same_has_the_odd_pixel_behind() {
        let w = window("2", "1", Padding::Same);
        let around = |length: &str, kernel: &str| {
            w.around(0, &dim(length), &dim(kernel)).map(|(a, b)| (a.to_string(), b.to_string()))
        };
        let text = |a: &str, b: &str| Ok((a.to_string(), b.to_string()));
        assert_eq!(around("224", "3"), text("0", "1"));
        assert_eq!(around("7", "3"), text("1", "1"));
        assert_eq!(around("6", "1"), text("0", "0"));
        assert_eq!(around("H", "1"), text("0", "0"));
        let wide = window("3", "1", Padding::Same);
        assert_eq!(wide.around(0, &dim("H"), &dim("2")), Err(DimError::TooComplex));
        for h in 1..20 {
            for k in [3, 5] {
                let (before, after) = w.around(0, &dim("H"), &Dim::constant(k)).expect("a polynomial");
                let value = |d: &Dim| d.eval(&|_| Some(h)).expect("a number");
                let all = ((h + 1) / 2 - 1) * 2 + k - h;
                assert_eq!((value(&before), value(&after)), (all / 2, all - all / 2), "{k} over {h}");
            }
        }
    }
}
