//! Windows over images: what a convolution or a pooling reads, and the filters.

use super::body::Body;
use super::{Lower, WeightPack, WeightPart, Wide, bind};
use crate::CompileError;
use crate::lanes::{Len, Mem, Reg, STRIP};
use crate::spec::{Binding, Buffer, KernelSpec, PackSpec, WindowFold, WindowSpec, written_out};
use tancho_ir::access::resolve;
use tancho_ir::op::{Op, Pooling};
use tancho_ir::{Dim, Sight, Value};

/// A window before dims are bound.
pub struct WideWindow {
    from: Wide,
    image: [Dim; 2],
    out: [Dim; 2],
    before: [Dim; 2],
    pub kernel: [i64; 2],
    stride: [i64; 2],
    dilation: [i64; 2],
    chunk: i64,
    grouped: bool,
    fill: f32,
}

/// Floats of a patch at most: what surrounds an image is copied into one with all that lies between the
/// window's elements.
const PATCH: i64 = 1 << 20;

impl WideWindow {
    /// Elements from one pixel of a row to the next.
    fn column(&self) -> i64 {
        self.from.strides[2].as_const().unwrap_or(self.chunk)
    }

    /// Whether code is written for each of its elements.
    fn is_small(&self) -> bool {
        let row = (self.kernel[1] - 1)
            .checked_mul(self.dilation[1])
            .and_then(|n| n.checked_add(1)?.checked_mul(self.column()));
        let patch = row.and_then(|n| n.checked_mul(self.kernel[0]));
        self.kernel[0].checked_mul(self.kernel[1]).is_some_and(written_out)
            && patch.is_some_and(|n| n <= PATCH)
    }

    pub fn bind(&self, b: &mut Binding) -> WindowSpec {
        WindowSpec {
            from: bind(b, &self.from),
            image: [b.len(&self.image[0]), b.len(&self.image[1])],
            out: [b.len(&self.out[0]), b.len(&self.out[1])],
            before: [b.len(&self.before[0]), b.len(&self.before[1])],
            kernel: self.kernel,
            stride: self.stride,
            dilation: self.dilation,
            chunk: self.chunk,
            grouped: self.grouped,
            fill: self.fill.to_bits(),
        }
    }
}

impl Lower<'_> {
    /// The window of a convolution or a pooling; `chunk` channels are seen at a time.
    pub fn window(&self, v: Value, chunk: Option<i64>) -> Result<WideWindow, CompileError> {
        let unknown =
            |what: &str| self.unsupported(v, &format!("{what} of a window must be known when compiled"));
        let node = self.g.node(v);
        let x = node.args[0];
        let Sight { window, image, kernel } =
            self.g.sight(v).ok_or_else(|| self.unsupported(v, "it has no window"))?;
        let fill =
            if matches!(node.op, Op::Pool2d { kind: Pooling::Max, .. }) { f32::NEG_INFINITY } else { 0.0 };
        let shape = &self.g.ty(x).shape;
        let pair = |d: &[Dim], what: &str| match (d[0].as_const(), d[1].as_const()) {
            (Some(a), Some(b)) => Ok([a, b]),
            _ => Err(unknown(what)),
        };
        let before = |axis: usize| {
            let around = window.around(axis, &image[axis], &kernel[axis]);
            around.map(|a| a.0).map_err(|e| self.unsupported(v, &e.to_string()))
        };
        let access = self.access(x)?;
        let whole = access.strides.len() == 4 && access.strides[2].as_const().is_some();
        let channels = shape[3].as_const().ok_or_else(|| unknown("the channels"))?;
        if !whole || !(access.strides[3].is(1) || channels <= 1) {
            return Err(self.unsupported(v, "its image must lie in memory pixel by pixel"));
        }
        let mut from = self.wide(x, access);
        // The one pixel of a row has no next one: any distance will do, but patches are laid out by it.
        if shape[2].is(1) {
            from.strides[2] = Dim::constant(channels);
        }
        let out = &node.ty.shape;
        let before = [before(0)?, before(1)?];
        Ok(WideWindow {
            from,
            image,
            out: [out[1].clone(), out[2].clone()],
            before,
            kernel: pair(&kernel, "the size")?,
            stride: pair(&window.stride, "the stride")?,
            dilation: pair(&window.dilation, "the dilation")?,
            chunk: chunk.unwrap_or(channels),
            grouped: chunk.is_some(),
            fill,
        })
    }

    /// The filters of a convolution in strips, a matrix `[KH * KW * C, O]` for each group, if they follow
    /// from weights.
    pub fn filters(&mut self, v: Value, groups: i64) -> Result<Option<usize>, CompileError> {
        let part = self.filter_part(v, groups)?;
        Ok(part.map(|(k, part)| self.pack(WeightPack::plain(vec![groups], k, vec![part]))))
    }

    /// How filters that follow from weights are read; the extents of their rows.
    pub fn filter_part(
        &mut self,
        v: Value,
        groups: i64,
    ) -> Result<Option<(Vec<i64>, WeightPart)>, CompileError> {
        let w = self.g.node(v).args[1];
        let Some(access) = resolve(self.g, w, &|_| false).filter(|a| self.is_constant(a.root)) else {
            return Ok(None);
        };
        let consts = |dims: &[Dim]| dims.iter().map(Dim::as_const).collect::<Option<Vec<i64>>>();
        let (Some(shape), Some(strides), Some(offset)) =
            (consts(&self.g.ty(w).shape), consts(&access.strides), access.offset.as_const())
        else {
            return Ok(None);
        };
        let (&[o, c, kh, kw], &[so, sc, sh, sw]) = (shape.as_slice(), strides.as_slice()) else {
            return Ok(None);
        };
        let each = o / groups.max(1);
        let (from, scale) = self.read(&access, so);
        let part = WeightPart {
            from,
            scale,
            offset,
            batch_strides: vec![so * each],
            k_strides: vec![sh, sw, sc],
            n: (each, so),
        };
        Ok(Some((vec![kh, kw, c], part)))
    }

    /// Filters that another kernel made are brought into strips by a kernel of its own.
    pub fn pack_filters(&mut self, v: Value, groups: i64) -> Result<(), CompileError> {
        let w = self.g.node(v).args[1];
        let [o, c, kh, kw] = self
            .g
            .ty(w)
            .shape
            .clone()
            .try_into()
            .map_err(|_| self.unsupported(v, "its filters have four axes"))?;
        let all = o
            .as_const()
            .ok_or_else(|| self.unsupported(v, "the number of its filters must be known when compiled"))?;
        let each = all / groups.max(1);
        let access = self.access(w)?;
        let mut from = self.wide(w, access);
        let [so, sc, sh] = [0, 1, 2].map(|i| from.strides[i].clone());
        let sw = std::mem::replace(&mut from.step, so.clone());
        let group = so.times(&Dim::constant(each)).map_err(|e| self.unsupported(v, &e.to_string()))?;
        from.strides = vec![group, sh, sw, sc];
        let mut b = Binding::default();
        let spec = PackSpec {
            batch: vec![Len::Const(groups)],
            k: b.lens(&[kh, kw, c]),
            n: Len::Const(each),
            from: bind(&mut b, &from),
            to: b.buffer(Buffer::Packed(v)),
        };
        self.push(KernelSpec::Pack(spec), b, v)
    }

    /// The filters of a convolution of one channel each: a row of channels for each element of the window, in
    /// whole strips.
    fn taps(&mut self, v: Value) -> Result<(usize, i64), CompileError> {
        let (k, part) = self
            .filter_part(v, 1)?
            .ok_or_else(|| self.unsupported(v, "its filters are not known when compiled"))?;
        let mut rows = Vec::new();
        for i in 0..k[0] {
            for j in 0..k[1] {
                let mut row = part.clone();
                row.offset += i * part.k_strides[0] + j * part.k_strides[1];
                row.k_strides = Vec::new();
                row.batch_strides = Vec::new();
                rows.push(row);
            }
        }
        let pack = self.pack(WeightPack::plain(Vec::new(), Vec::new(), rows));
        Ok((pack, (part.n.0 + STRIP - 1) / STRIP * STRIP))
    }

    /// A convolution of one channel each, or a pooling: what each element of the window adds, channel by
    /// channel. The window's rows are slots of their own, or its result is one where it has too many
    /// elements; gives the number of the first.
    pub fn fold_window(
        &mut self,
        body: &mut Body,
        v: Value,
        w: &WideWindow,
    ) -> Result<(usize, Option<WindowFold>), CompileError> {
        let op = self.g.node(v).op.clone();
        let taps = if matches!(op, Op::Conv2d { .. }) { Some(self.taps(v)?) } else { None };
        let first = body.slots.len();
        if !w.is_small() {
            let row = Wide::floats(w.from.buffer.clone(), 3);
            let result = body.pointer(row);
            let fold = match (taps, &op) {
                (Some((pack, row)), _) => WindowFold::Filtered(
                    usize::from(body.pointer(Wide::floats(Buffer::PackedWeight(pack), 3))),
                    row,
                ),
                (None, Op::Pool2d { kind: Pooling::Max, .. }) => WindowFold::Max,
                _ => WindowFold::Sum,
            };
            let result = body.e.load(result, Len::Const(1), Len::Const(0), Mem::F32);
            body.define(v, result);
            return Ok((first, Some(fold)));
        }
        let column = w.column();
        let row = Wide::floats(w.from.buffer.clone(), 3);
        let rows: Vec<u16> = (0..w.kernel[0]).map(|_| body.pointer(row.clone())).collect();
        let filters = taps.map(|(pack, _)| body.pointer(Wide::floats(Buffer::PackedWeight(pack), 3)));
        let one = Len::Const(1);
        let e = &mut body.e;
        let mut acc: Option<Reg> = None;
        for (i, ptr) in rows.iter().enumerate() {
            for j in 0..w.kernel[1] {
                let x = e.load_at(*ptr, j * w.dilation[1] * column, one);
                acc = Some(match (filters.zip(taps), acc, &op) {
                    (Some((f, (_, row))), acc, _) => {
                        let tap = e.load_at(f, (i as i64 * w.kernel[1] + j) * row, one);
                        match acc {
                            Some(acc) => e.fma(x, tap, acc),
                            None => e.mul(x, tap),
                        }
                    }
                    (None, None, _) => x,
                    (None, Some(acc), Op::Pool2d { kind: Pooling::Max, .. }) => {
                        crate::lanes::math::binary(e, tancho_ir::op::Binary::Max, acc, x)
                    }
                    (None, Some(acc), _) => e.add(acc, x),
                });
            }
        }
        let acc = acc.unwrap_or_else(|| e.c(0.0));
        body.define(v, acc);
        Ok((first, None))
    }
}
