//! Gradients of convolutions and pooling.

use super::{Backward, NoGradient, Rule};
use crate::dim::Dim;
use crate::emit::Emit;
use crate::graph::Value;
use crate::infer::ShapeError;
use crate::op::{Binary, Layout, Op, Padding, Pooling, Window};
use crate::types::DType;

/// A window with its numbers: those of the rows, then those of the columns.
struct Places {
    /// Pixels before the image and after it.
    before: [Dim; 2],
    after: [Dim; 2],
    kernel: [i64; 2],
    stride: [Dim; 2],
    dilation: [i64; 2],
    /// Positions of the window.
    out: [Dim; 2],
    /// The axis of the rows.
    rows: usize,
}

impl Places {
    /// The elements of the window, each by row and column.
    fn elements(&self) -> impl Iterator<Item = [i64; 2]> + use<> {
        let [down, across] = self.kernel;
        (0..down).flat_map(move |i| (0..across).map(move |j| [i, j]))
    }
}

fn unknown(what: &str) -> NoGradient {
    ShapeError::new(format!("{what} of a window is not known when the network is compiled")).into()
}

impl Backward {
    fn places(&self, window: &Window, kernel: [&Dim; 2], layout: Layout, x: Value, y: Value) -> Rule<Places> {
        let rows = layout.rows();
        let (image, out) = (self.shape(x), self.shape(y));
        let sizes = [0, 1].map(|i| (image[rows + i].clone(), out[rows + i].clone()));
        let known = |d: &Dim| d.as_const().ok_or_else(|| unknown("a size"));
        let kernel = [known(kernel[0])?, known(kernel[1])?];
        let dilation = [known(&window.dilation[0])?, known(&window.dilation[1])?];
        let (mut before, mut after) =
            ([Dim::constant(0), Dim::constant(0)], [Dim::constant(0), Dim::constant(0)]);
        for i in [0, 1] {
            match &window.pad {
                Padding::Explicit(pad) => {
                    (before[i], after[i]) = (pad[2 * i].clone(), pad[2 * i + 1].clone());
                }
                Padding::Same => {
                    let (image, out) = &sizes[i];
                    let last = out.minus(&Dim::constant(1))?.times(&window.stride[i])?;
                    let span = (kernel[i] - 1) * dilation[i] + 1;
                    let all = last.plus(&Dim::constant(span))?.minus(image)?;
                    let all = all.as_const().ok_or_else(|| unknown("the padding"))?.max(0);
                    (before[i], after[i]) = (Dim::constant(all / 2), Dim::constant(all - all / 2));
                }
            }
        }
        let [(_, down), (_, across)] = sizes;
        Ok(Places {
            before,
            after,
            kernel,
            stride: window.stride.clone(),
            dilation,
            out: [down, across],
            rows,
        })
    }

    /// What one element of the window sees at all of its positions.
    fn seen(&mut self, padded: Value, places: &Places, element: [i64; 2]) -> Rule<Value> {
        let mut x = padded;
        for i in [0, 1] {
            let start = Dim::constant(element[i] * places.dilation[i]);
            let last = places.out[i].minus(&Dim::constant(1))?.times(&places.stride[i])?;
            let end = start.plus(&last)?.plus(&Dim::constant(1))?;
            let cut = Op::Slice { axis: places.rows + i, start, end, step: places.stride[i].clone() };
            x = self.push(cut, &[x])?;
        }
        Ok(x)
    }

    /// The other way round: a gradient for each position, at the pixel that the element sees there.
    fn unseen(&mut self, d: Value, places: &Places, element: [i64; 2], padded: &[Dim]) -> Rule<Value> {
        let mut d = d;
        for i in [0, 1] {
            let (axis, start) = (places.rows + i, Dim::constant(element[i] * places.dilation[i]));
            d = self.spread(d, axis, &start, &places.stride[i], &padded[axis])?;
        }
        Ok(d)
    }

    fn surrounded(&mut self, x: Value, places: &Places) -> Rule<Value> {
        let x = self.padded(x, places.rows, &places.before[0], &places.after[0])?;
        self.padded(x, places.rows + 1, &places.before[1], &places.after[1])
    }

    /// The gradient of an image from that of the image with what surrounds it.
    fn give_inside(&mut self, x: Value, d: Value, places: &Places) -> Rule {
        let mut d = d;
        for i in [0, 1] {
            let (axis, start) = (places.rows + i, places.before[i].clone());
            let end = start.plus(&self.shape(x)[axis])?;
            if !start.is(0) || end != self.shape(d)[axis] {
                d = self.push(Op::Slice { axis, start, end, step: Dim::constant(1) }, &[d])?;
            }
        }
        self.give(x, d)
    }

    /// `args` are images `[N, C, H, W]`, filters `[O, C / groups, KH, KW]`, and the bias if there is one.
    pub(super) fn conv2d(&mut self, op: &Op, args: &[Value], d: Value) -> Rule {
        let Op::Conv2d { window, groups, bias, layout: Layout::Nchw } = op else {
            return Err(ShapeError::new("a convolution is differentiated with channels first").into());
        };
        let (x, w) = (args[0], args[1]);
        let shape = self.shape(w);
        let places = self.places(window, [&shape[2], &shape[3]], Layout::Nchw, x, d)?;
        if *bias {
            let sums = self.sum(d, vec![0, 2, 3], false)?;
            self.give(args[2], sums)?;
        }
        let images = if self.wants(w) { Some(self.surrounded(x, &places)?) } else { None };
        if self.wants(x) {
            self.give_image(x, w, d, &places, (window, groups))?;
        }
        let Some(images) = images else { return Ok(()) };
        let mut parts = Vec::new();
        for element in places.elements() {
            let seen = self.seen(images, &places, element)?;
            let part = self.filters_of(seen, d, groups)?;
            let mut one = self.shape(part);
            one.insert(0, Dim::constant(1));
            parts.push(self.push(Op::Reshape(one), &[part])?);
        }
        let all = if let [one] = parts[..] { one } else { self.push(Op::Concat { axis: 0 }, &parts)? };
        let all = self.push(Op::Transpose(vec![1, 2, 0]), &[all])?;
        let back = self.push(Op::Reshape(shape), &[all])?;
        self.give(w, back)
    }

    /// For one element of the filters, `[O, C / groups]`: the products of what it sees, `[N, C, OH, OW]`, and
    /// the gradient `[N, O, OH, OW]`, summed over images and positions. Pixels are the rows of both, as they
    /// lie where channels are last.
    fn filters_of(&mut self, seen: Value, d: Value, groups: &Dim) -> Rule<Value> {
        let (channels, filters) = (self.shape(seen)[1].clone(), self.shape(d)[1].clone());
        let (inputs, outputs) = (channels.exact_div(groups)?, filters.exact_div(groups)?);
        let mut sides = Vec::new();
        for (v, each) in [(d, outputs), (seen, inputs.clone())] {
            let shape = self.shape(v);
            let pixels = shape[2].times(&shape[3])?;
            let mut rows = self.push(Op::Transpose(vec![0, 2, 3, 1]), &[v])?;
            if groups.is(1) {
                rows = self.push(Op::Reshape(vec![shape[0].clone(), pixels, each]), &[rows])?;
            } else {
                let split = vec![shape[0].clone(), pixels, groups.clone(), each];
                rows = self.push(Op::Reshape(split), &[rows])?;
                rows = self.push(Op::Transpose(vec![0, 2, 1, 3]), &[rows])?;
            }
            sides.push(rows);
        }
        let turned = self.transposed(sides[0])?;
        // A product for each image finds its operands in the cache, and threads divide the images.
        let products = self.push(Op::Matmul, &[turned, sides[1]])?;
        let sum = self.sum(products, vec![0], false)?;
        self.push(Op::Reshape(vec![filters, inputs]), &[sum])
    }

    /// The gradient of the images: a transposed convolution of that of the result.
    fn give_image(
        &mut self,
        x: Value,
        w: Value,
        d: Value,
        places: &Places,
        (window, groups): (&Window, &Dim),
    ) -> Rule {
        let transposed = |pad: [Dim; 2], output_pad: [Dim; 2]| Op::ConvTranspose2d {
            stride: window.stride.clone(),
            pad,
            output_pad,
            dilation: window.dilation.clone(),
            groups: groups.clone(),
            bias: false,
        };
        if let Some(missing) = self.missing(x, places)? {
            let back = self.push(transposed(places.before.clone(), missing), &[d, w])?;
            return self.give(x, back);
        }
        let none = || [Dim::constant(0), Dim::constant(0)];
        let mut back = self.push(transposed(none(), none()), &[d, w])?;
        for i in [0, 1] {
            // Pixels behind the last position that the window reaches have no gradient.
            let axis = places.rows + i;
            let all = places.before[i].plus(&self.shape(x)[axis])?.plus(&places.after[i])?;
            let missing = all.minus(&self.shape(back)[axis])?;
            back = self.padded(back, axis, &Dim::constant(0), &missing)?;
        }
        self.give_inside(x, back, places)
    }

    /// Pixels of an image that a transposed convolution without what surrounds it would leave out at the end;
    /// `None` where it cannot make them, or makes more than there are.
    fn missing(&self, x: Value, places: &Places) -> Rule<Option<[Dim; 2]>> {
        let mut missing = [Dim::constant(0), Dim::constant(0)];
        for i in [0, 1] {
            let steps = places.out[i].minus(&Dim::constant(1))?.times(&places.stride[i])?;
            let span = (places.kernel[i] - 1) * places.dilation[i] + 1;
            let made =
                steps.plus(&Dim::constant(span))?.minus(&places.before[i])?.minus(&places.before[i])?;
            missing[i] = self.shape(x)[places.rows + i].minus(&made)?;
            let most = places.stride[i].as_const().unwrap_or(1).max(places.dilation[i]);
            if !missing[i].as_const().is_some_and(|n| (0..most).contains(&n)) {
                return Ok(None);
            }
        }
        Ok(Some(missing))
    }

    pub(super) fn pool2d(&mut self, op: &Op, x: Value, y: Value, d: Value) -> Rule {
        let Op::Pool2d { kind, kernel, window, layout, .. } = op else { return Ok(()) };
        let places = self.places(window, [&kernel[0], &kernel[1]], *layout, x, d)?;
        let images = self.surrounded(x, &places)?;
        let padded = self.shape(images);
        let mut sum = None;
        let mut taken: Option<Value> = None;
        for element in places.elements() {
            let mut part = d;
            if *kind == Pooling::Max {
                // The first of equal pixels has the gradient.
                let seen = self.seen(images, &places, element)?;
                let mut is = self.binary_of(Binary::Eq, seen, y)?;
                if let Some(before) = taken {
                    let free = self.unary_of(crate::op::Unary::Not, before)?;
                    is = self.binary_of(Binary::And, is, free)?;
                }
                taken = Some(match taken {
                    Some(before) => self.binary_of(Binary::Or, before, is)?,
                    None => is,
                });
                let ones = self.push(Op::Cast(DType::F32), &[is])?;
                part = self.times(d, ones)?;
            }
            let back = self.unseen(part, &places, element, &padded)?;
            sum = Some(match sum {
                Some(known) => self.binary_of(Binary::Add, known, back)?,
                None => back,
            });
        }
        match sum {
            Some(back) => self.give_inside(x, back, &places),
            None => Ok(()),
        }
    }
}
