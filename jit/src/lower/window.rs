//! Windows over images: what a convolution or a pooling reads, and the filters.

use super::body::Body;
use super::unbound::{Unbound, bind};
use super::{Lower, WeightPack, WeightPart};
use crate::CompileError;
use crate::lanes::{Len, Mem, Reg, math};
use crate::spec::extents::whole_panels;
use crate::spec::{Binding, Buffer, KernelSpec, PackSpec, WindowReduction, WindowSpec, written_out};
use tancho_ir::access::resolve;
use tancho_ir::op::{Binary, Op, Pooling};
use tancho_ir::{Dim, Sight, Value};

/// A window before dims are bound.
pub struct UnboundWindow {
    from: Unbound,
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

/// The most floats of a patch. What surrounds an image is copied into one, with all that lies between the
/// window's elements.
const PATCH: i64 = 1 << 20;

/// A window that a row is made of.
pub struct UnboundRowWindow {
    /// The convolution or pooling.
    pub of: Value,
    pub window: UnboundWindow,
    /// The first of its slots.
    pub first: usize,
    /// How it is reduced before the work, if it is.
    pub reduction: Option<WindowReduction>,
}

impl UnboundWindow {
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

    /// The window with its dims bound.
    pub fn bind(&self, binding: &mut Binding) -> WindowSpec {
        WindowSpec {
            from: bind(binding, &self.from),
            image: [binding.len(&self.image[0]), binding.len(&self.image[1])],
            out: [binding.len(&self.out[0]), binding.len(&self.out[1])],
            before: [binding.len(&self.before[0]), binding.len(&self.before[1])],
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
    pub fn window(&self, v: Value, chunk: Option<i64>) -> Result<UnboundWindow, CompileError> {
        let unknown =
            |what: &str| self.unsupported(v, &format!("{what} of a window must be known when compiled"));
        let node = self.graph.node(v);
        let x = node.args[0];
        let Sight { window, image, kernel } =
            self.graph.sight(v).ok_or_else(|| self.unsupported(v, "it has no window"))?;
        let fill =
            if matches!(node.op, Op::Pool2d { kind: Pooling::Max, .. }) { f32::NEG_INFINITY } else { 0.0 };
        let shape = &self.graph.ty(x).shape;
        let pair = |dims: &[Dim], what: &str| match (dims[0].as_const(), dims[1].as_const()) {
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
        let mut from = self.slot(x, access);
        // The one pixel of a row has no next one: any distance will do, but patches are laid out by it.
        if shape[2].is(1) {
            from.strides[2] = Dim::constant(channels);
        }
        let out = &node.ty.shape;
        let before = [before(0)?, before(1)?];
        Ok(UnboundWindow {
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

    /// The filters of a convolution in panels, a matrix `[KH * KW * C, O]` for each group, if they follow
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
        let filters = self.graph.node(v).args[1];
        let Some(access) =
            resolve(self.graph, filters, &|_| false).filter(|access| self.is_constant(access.root))
        else {
            return Ok(None);
        };
        let consts = |dims: &[Dim]| dims.iter().map(Dim::as_const).collect::<Option<Vec<i64>>>();
        let (Some(shape), Some(strides), Some(offset)) =
            (consts(&self.graph.ty(filters).shape), consts(&access.strides), access.offset.as_const())
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

    /// Filters that another kernel made are brought into panels by a kernel of its own.
    pub fn pack_filters(&mut self, v: Value, groups: i64) -> Result<(), CompileError> {
        let filters = self.graph.node(v).args[1];
        let [o, c, kh, kw] = self
            .graph
            .ty(filters)
            .shape
            .clone()
            .try_into()
            .map_err(|_| self.unsupported(v, "its filters have four axes"))?;
        let all = o
            .as_const()
            .ok_or_else(|| self.unsupported(v, "the number of its filters must be known when compiled"))?;
        let each = all / groups.max(1);
        let access = self.access(filters)?;
        let mut from = self.slot(filters, access);
        let [so, sc, sh] = [0, 1, 2].map(|i| from.strides[i].clone());
        let sw = std::mem::replace(&mut from.step, so.clone());
        let group = so.times(&Dim::constant(each)).map_err(|e| self.unsupported(v, &e.to_string()))?;
        from.strides = vec![group, sh, sw, sc];
        let mut binding = Binding::default();
        let spec = PackSpec {
            batch: vec![Len::Const(groups)],
            k: binding.lens(&[kh, kw, c]),
            n: Len::Const(each),
            from: bind(&mut binding, &from),
            to: binding.buffer(Buffer::Packed(v)),
        };
        self.push(KernelSpec::Pack(spec), binding, v)
    }

    /// The filters of a convolution of one channel each: a row of channels for each element of the window, in
    /// whole panels.
    fn taps(&mut self, v: Value) -> Result<Taps, CompileError> {
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
        Ok(Taps { pack, apart: whole_panels(part.n.0) })
    }

    /// A convolution of one channel each, or a pooling: what each element of the window adds, channel by
    /// channel. The window's rows are slots of their own, or its result is one where it has too many
    /// elements.
    pub fn reduce_window(
        &mut self,
        body: &mut Body,
        v: Value,
        window: UnboundWindow,
    ) -> Result<UnboundRowWindow, CompileError> {
        let op = self.graph.node(v).op.clone();
        let taps = if matches!(op, Op::Conv2d { .. }) { Some(self.taps(v)?) } else { None };
        let max = matches!(op, Op::Pool2d { kind: Pooling::Max, .. });
        let first = body.slots.len();
        body.expr.origin = Some(v);
        let (result, reduction) = if window.is_small() {
            (window.written_out(body, taps, max), None)
        } else {
            let (result, reduction) = window.reduced(body, taps, max);
            (result, Some(reduction))
        };
        body.define(v, result);
        Ok(UnboundRowWindow { of: v, window, first, reduction })
    }
}

/// Filters of one channel each: a row of channels for each element of a window.
#[derive(Clone, Copy)]
struct Taps {
    pack: usize,
    /// Floats from one row to the next.
    apart: i64,
}

impl UnboundWindow {
    /// A slot that is moved by the nest: a row of the window, or what it is reduced to.
    fn row(&self) -> Unbound {
        Unbound::floats(self.from.buffer.clone(), 3)
    }

    /// The result of a window that loops reduce before the work on the row.
    fn reduced(&self, body: &mut Body, taps: Option<Taps>, max: bool) -> (Reg, WindowReduction) {
        let result = body.pointer(self.row());
        let reduction = match taps {
            Some(Taps { pack, apart }) => {
                let slot = body.pointer(Unbound::floats(Buffer::PackedWeight(pack), 3));
                WindowReduction::Filtered { slot: usize::from(slot), apart }
            }
            None if max => WindowReduction::Max,
            None => WindowReduction::Sum,
        };
        (body.expr.load(result, Len::ONE, Len::ZERO, Mem::F32), reduction)
    }

    /// The result of a window with code for each of its elements.
    fn written_out(&self, body: &mut Body, taps: Option<Taps>, max: bool) -> Reg {
        let column = self.column();
        let rows: Vec<u16> = (0..self.kernel[0]).map(|_| body.pointer(self.row())).collect();
        let filters = taps.map(|taps| {
            let ptr = body.pointer(Unbound::floats(Buffer::PackedWeight(taps.pack), 3));
            (ptr, taps.apart)
        });
        let expr = &mut body.expr;
        let mut acc: Option<Reg> = None;
        for (i, ptr) in rows.iter().enumerate() {
            for j in 0..self.kernel[1] {
                let x = expr.load_at(*ptr, j * self.dilation[1] * column, Len::ONE);
                acc = Some(match (filters, acc) {
                    (Some((filters, apart)), acc) => {
                        let element = i as i64 * self.kernel[1] + j;
                        let tap = expr.load_at(filters, element * apart, Len::ONE);
                        match acc {
                            Some(acc) => expr.fma(x, tap, acc),
                            None => expr.mul(x, tap),
                        }
                    }
                    (None, None) => x,
                    (None, Some(acc)) if max => math::binary(expr, Binary::Max, acc, x),
                    (None, Some(acc)) => expr.add(acc, x),
                });
            }
        }
        acc.unwrap_or_else(|| expr.float(0.0))
    }
}
