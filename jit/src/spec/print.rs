//! Steps and their kernel specs as text. Lengths are those of the step: constants, or the dims behind the
//! parameters.

use super::*;
use crate::Step;
use std::fmt::{self, Formatter, Write};
use tancho_ir::Dim;

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Buffer::Value(v) => write!(f, "{v}"),
            Buffer::Source(v) => write!(f, "{v} as it came in"),
            Buffer::Packed(v) => write!(f, "{v} packed"),
            Buffer::PackedWeight(n) => write!(f, "packed weight {n}"),
            Buffer::Scratch => write!(f, "scratch"),
        }
    }
}

impl Step {
    /// What it does, on what.
    pub fn text(&self) -> String {
        let mut text = Text { step: self, out: String::new() };
        text.step();
        text.out
    }
}

struct Text<'s> {
    step: &'s Step,
    out: String,
}

impl Text<'_> {
    /// A line, indented.
    fn line(&mut self, line: impl fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "  {line}");
    }

    fn dim(&self, len: Len) -> Dim {
        len.bind(&self.step.binding.params)
    }

    fn dims(&self, lens: &[Len]) -> String {
        let all: Vec<String> = lens.iter().map(|len| self.dim(*len).to_string()).collect();
        format!("[{}]", all.join(", "))
    }

    fn buffer(&self, buffer: u16) -> String {
        self.step.binding.buffers.get(usize::from(buffer)).map_or("?".into(), ToString::to_string)
    }

    /// `f32 %3 + 4, strides [64, 1], step 1`
    fn slot(&self, slot: &Slot) -> String {
        let mut out = format!("{} {}", slot.mem, self.buffer(slot.buffer));
        if slot.offset != Len::Const(0) {
            let _ = write!(out, " + {}", self.dim(slot.offset));
        }
        let _ = write!(out, ", strides {}, step {}", self.dims(&slot.strides), self.dim(slot.step));
        if slot.block {
            out.push_str(", of one block");
        }
        if let Some(g) = &slot.gather {
            let (rows, apart) = (self.dim(g.rows), self.dim(g.row_stride));
            let _ = write!(out, ", rows {apart} apart by the number below {rows} in ({})", self.slot(&g.ids));
        }
        out
    }

    fn slots(&mut self, slots: &[Slot]) {
        for (i, slot) in slots.iter().enumerate() {
            let text = self.slot(slot);
            self.line(format_args!("p{i}: {text}"));
        }
    }

    fn work(&mut self, name: &str, work: &Scheduled) {
        self.line(format_args!("{name}, {} scratch rows:", work.scratch_rows));
        for line in work.program.to_string().lines() {
            self.line(format_args!("  {line}"));
        }
    }

    fn window(&mut self, w: &WindowSpec) {
        let (image, out, before) = (self.dims(&w.image), self.dims(&w.out), self.dims(&w.before));
        let WindowSpec { kernel, stride, dilation, chunk, fill, .. } = w;
        self.line(format_args!(
            "window {kernel:?} of {chunk} channels over {image} -> {out}, stride {stride:?}, dilation {dilation:?}, {before} before, filled with {:?}",
            f32::from_bits(*fill)
        ));
        let from = self.slot(&w.from);
        self.line(format_args!("image: {from}"));
    }

    fn step(&mut self) {
        let Step { name, units, columns, scratch, flops, bytes, .. } = self.step;
        let _ = write!(self.out, "{name}: {units} units");
        if let Some(columns) = columns {
            let _ = write!(self.out, ", or {columns} of columns");
        }
        let _ = writeln!(self.out, "; {flops} flops, {bytes} bytes, {scratch} bytes of scratch a thread");
        match &self.step.spec {
            StepSpec::Kernel(spec) => self.kernel(spec),
            StepSpec::Scan(spec) => self.scan(spec),
            StepSpec::Experts(spec) => {
                let (rows, each) = (self.dim(spec.rows), self.dim(spec.each));
                let last = spec.body + spec.experts;
                self.line(format_args!("bodies {}..{last} for {rows} rows by {each} ids each", spec.body));
                let ids = self.buffer(spec.ids);
                self.line(format_args!("ids: {ids}"));
                self.parts("rows of input", &spec.inputs);
                self.parts("rows of result", std::slice::from_ref(&spec.result));
            }
        }
    }

    fn scan(&mut self, spec: &ScanSpec) {
        let len = self.dim(spec.len);
        let order = if spec.backwards { ", the last element first" } else { "" };
        self.line(format_args!(
            "body {} for {len} elements of {} sequences with {} carried values{order}",
            spec.body, spec.sequences, spec.carried
        ));
        self.parts("input", &spec.inputs);
        self.parts("result", &spec.results);
    }

    fn parts(&mut self, what: &str, parts: &[Part]) {
        for (i, part) in parts.iter().enumerate() {
            let bytes = self.dim(part.bytes);
            let buffer = part.buffer.map_or("nothing".into(), |b| self.buffer(b));
            self.line(format_args!("{what} {i}: {buffer}, {bytes} bytes"));
        }
    }

    fn kernel(&mut self, spec: &KernelSpec) {
        match spec {
            KernelSpec::Row(spec) => self.rows(spec),
            KernelSpec::Matmul(spec) => self.matmul(spec),
            KernelSpec::Winograd(spec) => {
                let (m, images) = (spec.m, self.dim(spec.images));
                self.line(format_args!(
                    "winograd {m}x{m}: {images} images, {} channels -> {} parts of {}, blocks of {} tiles",
                    spec.channels, spec.parts, spec.columns, spec.block
                ));
                self.window(&spec.window);
                self.slots(&spec.slots);
                for (i, work) in spec.work.iter().enumerate() {
                    self.work(&format!("result {i} of a tile"), work);
                }
            }
            KernelSpec::Pack(spec) => {
                let (batch, k, n) = (self.dims(&spec.batch), self.dims(&spec.k), self.dim(spec.n));
                let (from, to) = (self.slot(&spec.from), self.buffer(spec.to));
                self.line(format_args!("pack {batch} x {k} rows of {n} columns into panels"));
                self.line(format_args!("from: {from}"));
                self.line(format_args!("to: {to}"));
            }
            KernelSpec::Attention(spec) => self.attention(spec),
            KernelSpec::Cumulative(spec) => {
                let (outer, steps, len) = (self.dims(&spec.outer), self.dim(spec.steps), self.dim(spec.len));
                self.line(format_args!("sums along {steps} elements of rows of {len}, for {outer}"));
                let (from, to) = (self.slot(&spec.from), self.slot(&spec.to));
                self.line(format_args!("from: {from}"));
                self.line(format_args!("to: {to}"));
            }
            KernelSpec::Scatter(spec) => {
                let (axes, len) = (self.dims(&spec.axes), self.dim(spec.len));
                self.line(format_args!("rows of {len} elements added by the ids of {axes}"));
                let (from, to) = (self.slot(&spec.from), self.slot(&spec.to));
                self.line(format_args!("from: {from}"));
                self.line(format_args!("to: {to}"));
            }
        }
    }

    fn rows(&mut self, spec: &RowSpec) {
        let (outer, len) = (self.dims(&spec.outer), self.dim(spec.len));
        self.line(format_args!("rows {outer} of {len} elements"));
        if let Some(w) = &spec.window {
            self.window(&w.window);
            if let Some(how) = &w.reduction {
                self.line(format_args!("reduced before the work: {how:?}"));
            }
        }
        if let Some(sums) = &spec.sums {
            let of = if sums.part == 0 { "all".into() } else { sums.part.to_string() };
            let slots: Vec<String> = sums.slots.iter().map(|slot| format!("p{slot}")).collect();
            self.line(format_args!("sums of {of} rows in {}", slots.join(", ")));
        }
        self.slots(&spec.slots);
        self.work("a row", &spec.work);
    }

    fn matmul(&mut self, spec: &MatmulSpec) {
        let (batch, m, n, k) = (self.dims(&spec.batch), self.dim(spec.m), self.dim(spec.n), self.dim(spec.k));
        let Blocking { rows, cols, block } = spec.blocking;
        self.line(format_args!("matmul {batch} of [{m}, {k}] @ [{k}, {n}]"));
        self.line(format_args!(
            "tiles {rows}x{cols}, blocks of {block} rows, {:?} in tiles of many rows, {:?} of few",
            spec.encodings.many_rows, spec.encodings.few_rows
        ));
        let (a, b) = (self.slot(&spec.a), self.slot(&spec.b));
        self.line(format_args!("a: {a}"));
        self.line(format_args!("b: {b}"));
        if let Some(w) = &spec.window {
            self.window(w);
        }
        self.slots(&spec.slots);
        let ptrs = spec.slots.len() as u16;
        let body = Scheduled {
            program: crate::lanes::Program {
                ptrs,
                stmts: vec![crate::lanes::Stmt::Scalar { body: spec.epilogue.clone(), outs: Vec::new() }],
                ..Default::default()
            },
            scratch_rows: 0,
        };
        self.work("an accumulator", &body);
        if let Some(rows) = &spec.rows {
            self.line("work on finished rows:");
            self.slots(&rows.slots);
            self.work("a row", &rows.work);
        }
    }

    fn attention(&mut self, spec: &AttentionSpec) {
        let (batch, queries, keys) = (self.dim(spec.batch), self.dim(spec.queries), self.dim(spec.keys));
        let AttentionSpec { heads, key_heads, width, block, score_cols, value_cols, .. } = spec;
        self.line(format_args!(
            "attention of {batch} sequences, {heads} heads of {width} ({key_heads} of keys), {queries} queries, {keys} keys"
        ));
        self.line(format_args!("blocks of {block} queries, tiles of {score_cols} and {value_cols} columns"));
        let causal = if spec.causal { ", causal" } else { "" };
        let window = spec.window.map(|w| format!(", window {}", self.dim(w))).unwrap_or_default();
        let cap = spec.softcap.map(|c| format!(", softcap {:?}", f32::from_bits(c))).unwrap_or_default();
        self.line(format_args!("scale {:?}{causal}{window}{cap}", f32::from_bits(spec.scale)));
        let all =
            [("q", Some(&spec.q)), ("k", Some(&spec.k)), ("v", Some(&spec.v)), ("mask", spec.mask.as_ref())];
        for (name, slot) in all.into_iter().chain([("bias", spec.bias.as_ref()), ("out", Some(&spec.out))]) {
            if let Some(text) = slot.map(|slot| self.slot(slot)) {
                self.line(format_args!("{name}: {text}"));
            }
        }
    }
}
