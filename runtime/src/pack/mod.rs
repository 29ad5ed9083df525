//! Weights in the layout of the kernels: strips of 16 columns, `[N / 16][K][16]` per batch, all in one arena.
//!
//! Strips are independent of each other, so that threads take chunks of them until none is left.

mod integers;

use crate::error::Error;
use crate::interp::{Dims, Interpreter};
use crate::memory::Lines;
use crate::tensor::Tensor;
use crate::weights::{Coded, WeightData, Weights};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tancho_ir::Graph;
use tancho_jit::lanes::STRIP;
use tancho_jit::{Constant, Format, WeightPack, WeightPart};

const WIDTH: usize = STRIP as usize;
/// Floats that a thread packs at a time.
const CHUNK: usize = 1 << 18;

/// The packed weights of a network.
#[derive(Debug)]
pub struct Packed {
    arena: Lines,
    /// The bytes of each.
    ranges: Vec<Range<usize>>,
}

impl Packed {
    /// Packs weights. Memory of mapped files is given back as soon as it has been read.
    pub fn new(weights: &Weights, packs: &[WeightPack], prepared: &Graph) -> Result<Packed, Error> {
        let prepared = prepare(prepared, weights)?;
        let known = Known { weights, prepared: &prepared };
        let mut ranges = Vec::new();
        let mut end = 0usize;
        for p in packs {
            let start = end;
            let bytes = p.floats().and_then(|f| f.checked_mul(4));
            end = bytes.and_then(|b| start.checked_add(b)).ok_or(Error::Memory { bytes: u128::MAX })?;
            ranges.push(start..end);
        }
        let mut arena = Lines::default();
        if !arena.reserve(end) {
            return Err(Error::Memory { bytes: end as u128 });
        }
        let mut chunks = Vec::new();
        let mut rest = arena.floats_mut();
        for (p, range) in packs.iter().zip(&ranges) {
            let (mine, others) = rest.split_at_mut(range.len() / 4);
            cut(&known, p, mine, &mut chunks)?;
            rest = others;
        }
        run(chunks).map_err(|c| weights.no_integers(c))?;
        packs.iter().flat_map(|p| &p.parts).filter_map(|p| known.weight(p.from)).for_each(WeightData::release_pages);
        Ok(Packed { arena, ranges })
    }

    /// The packed weight of that number.
    pub fn get(&self, i: usize) -> &[u8] {
        &self.arena.bytes()[self.ranges[i].clone()]
    }

    /// Bytes of all of them.
    pub fn len(&self) -> usize {
        self.ranges.last().map_or(0, |r| r.end)
    }
}

/// The values that follow from weights.
fn prepare(g: &Graph, weights: &Weights) -> Result<Vec<Tensor>, Error> {
    if g.outputs.is_empty() {
        return Ok(Vec::new());
    }
    let of = |i: usize| weights.at(i).map(WeightData::to_tensor).ok_or_else(|| weights.not_f32(i));
    Interpreter::new(g, Dims::default())?.run(&[], &of)
}

/// Numbers that packs are made of.
struct Known<'a> {
    weights: &'a Weights,
    prepared: &'a [Tensor],
}

impl<'a> Known<'a> {
    fn weight(&self, c: Constant) -> Option<&'a WeightData> {
        if let Constant::Weight(i) = c { self.weights.at(i) } else { None }
    }

    fn scale(&self, part: &WeightPart) -> Result<Factors<'a>, Error> {
        part.scale.map(|s| Ok((self.floats(s.by)?, s.run as usize))).transpose()
    }

    /// The elements of a constant, decoded only where they are packed.
    fn elements(&self, c: Constant) -> Result<Elements<'a>, Error> {
        match self.weight(c).and_then(WeightData::coded) {
            Some(coded) => Ok(Elements::Coded(coded)),
            None => self.floats(c).map(Elements::Floats),
        }
    }

    fn floats(&self, c: Constant) -> Result<&'a [f32], Error> {
        match c {
            Constant::Weight(i) => self.weights.at(i).and_then(|w| w.as_f32()).ok_or_else(|| self.weights.not_f32(i)),
            Constant::Prepared(i) => {
                let t = self.prepared.get(i).and_then(|t| t.as_f32());
                t.ok_or_else(|| Error::Graph(format!("there is no prepared value {i}")))
            }
        }
    }
}

/// What is packed.
#[derive(Clone, Copy)]
enum Elements<'a> {
    Floats(&'a [f32]),
    Coded(&'a Coded),
}

/// Factors, and the elements of a weight that have one.
type Factors<'a> = Option<(&'a [f32], usize)>;

/// Strips of one matrix of one weight, and where they go.
struct Chunk<'a> {
    weight: Option<&'a WeightData>,
    number: Constant,
    data: Elements<'a>,
    /// The place in `data` of the first strip's first element.
    from: usize,
    rows: Arc<Rows>,
    scale: Factors<'a>,
    n: usize,
    n_stride: usize,
    /// Floats of a strip.
    strip: usize,
    /// Words of a strip as it is kept.
    stored: usize,
    /// How they are kept.
    format: Format,
    to: &'a mut [f32],
    /// Filters are transformed: the strips of each place of a patch.
    transformed: Vec<&'a mut [f32]>,
    /// Nothing is read from the weight behind this chunk.
    last: bool,
}

/// Where the rows of a matrix lie.
enum Rows {
    /// At equal distances.
    Even(usize),
    /// Each at a distance of its own from the first.
    At(Vec<usize>),
    /// Filters to be transformed: the distances down, across and from channel to channel.
    Filter([usize; 3]),
}

impl Rows {
    fn new(extents: &[i64], strides: &[i64]) -> Rows {
        match (extents, strides) {
            ([], _) | (_, []) => Rows::Even(0),
            ([_], [stride]) => Rows::Even(*stride as usize),
            _ => {
                let mut at = vec![0usize];
                for (n, stride) in extents.iter().zip(strides) {
                    at = at.iter().flat_map(|a| (0..*n).map(move |i| a + (i * stride) as usize)).collect();
                }
                Rows::At(at)
            }
        }
    }

    /// Elements from the first row's to behind the last row's of `count`.
    fn reach(&self, count: usize) -> usize {
        match self {
            Rows::Even(stride) => count.saturating_sub(1).saturating_mul(*stride).saturating_add(1),
            Rows::At(all) => all.iter().max().map_or(0, |m| m + 1),
            Rows::Filter([down, across, channel]) => 2 * (down + across) + count.saturating_sub(1).saturating_mul(*channel) + 1,
        }
    }

    fn at(&self, i: usize) -> usize {
        match self {
            Rows::Even(stride) => i * stride,
            Rows::At(all) => all[i],
            Rows::Filter([.., channel]) => i * channel,
        }
    }
}

/// Cuts the work on one packed weight into chunks.
fn cut<'a>(known: &Known<'a>, p: &WeightPack, mut to: &'a mut [f32], chunks: &mut Vec<Chunk<'a>>) -> Result<(), Error> {
    let (batches, strip) = (p.batch.iter().product::<i64>(), p.rows().unwrap_or(0) as usize * WIDTH);
    if let Some(m) = p.winograd {
        return filters(known, p, m as usize, to, chunks);
    }
    for b in 0..batches {
        for part in &p.parts {
            let (weight, data) = (known.weight(part.from), known.elements(part.from)?);
            let scale = known.scale(part)?;
            let rows = Arc::new(Rows::new(&p.k, &part.k_strides));
            let stored = p.lines().unwrap_or(0) as usize * WIDTH;
            let (mine, others) = to.split_at_mut((part.n.0 as usize).div_ceil(WIDTH) * stored);
            to = others;
            let per = (CHUNK / strip.max(1)).max(1);
            let count = mine.len().div_ceil((per * stored).max(1));
            for (i, to) in mine.chunks_mut((per * stored).max(1)).enumerate() {
                let first = (i * per * WIDTH) as i64;
                chunks.push(Chunk {
                    weight,
                    number: part.from,
                    data,
                    from: (batch_offset(p, part, b) + first * part.n.1) as usize,
                    rows: rows.clone(),
                    scale,
                    n: (part.n.0 - first) as usize,
                    n_stride: part.n.1 as usize,
                    strip,
                    stored,
                    format: p.format,
                    to,
                    transformed: Vec::new(),
                    last: b + 1 == batches && i + 1 == count,
                });
            }
        }
    }
    Ok(())
}

/// Cuts the work on filters that are transformed into chunks: some strips of every place of a patch.
fn filters<'a>(known: &Known<'a>, p: &WeightPack, m: usize, to: &'a mut [f32], chunks: &mut Vec<Chunk<'a>>) -> Result<(), Error> {
    let [part] = p.parts.as_slice() else { return Err(Error::Graph("filters have one part".into())) };
    let &[down, across, channel] = part.k_strides.as_slice() else { return Err(Error::Graph("filters have three strides".into())) };
    let rows = Arc::new(Rows::Filter([down, across, channel].map(|s| s as usize)));
    let (strip, places) = (p.rows().unwrap_or(0) as usize * WIDTH, (m + 2) * (m + 2));
    let (weight, data) = (known.weight(part.from), Elements::Floats(known.floats(part.from)?));
    let scale = known.scale(part)?;
    let per = (CHUNK / (strip * places).max(1)).max(1);
    let strips = (part.n.0 as usize).div_ceil(WIDTH);
    let count = strips.div_ceil(per);
    let mut to: Vec<_> = to.chunks_mut((strips * strip).max(1)).map(|place| place.chunks_mut((per * strip).max(1))).collect();
    for i in 0..count {
        let first = (i * per * WIDTH) as i64;
        chunks.push(Chunk {
            weight,
            number: part.from,
            data,
            from: (part.offset + first * part.n.1) as usize,
            rows: rows.clone(),
            scale,
            n: (part.n.0 - first) as usize,
            n_stride: part.n.1 as usize,
            strip,
            stored: strip,
            format: Format::F32,
            to: &mut [],
            transformed: to.iter_mut().filter_map(Iterator::next).collect(),
            last: i + 1 == count,
        });
    }
    Ok(())
}

/// The place in a weight of the first element of one of its matrices.
fn batch_offset(p: &WeightPack, part: &WeightPart, mut b: i64) -> i64 {
    let mut at = part.offset;
    for (extent, stride) in p.batch.iter().zip(&part.batch_strides).rev() {
        at += b % extent * stride;
        b /= extent;
    }
    at
}

/// Packs the chunks on as many threads as the machine has cores. The error is of one that its format has no numbers for.
fn run(chunks: Vec<Chunk<'_>>) -> Result<(), Constant> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(chunks.len());
    let queue = Mutex::new(chunks.into_iter());
    let failed = Mutex::new(Ok(()));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(mut chunk) = next() {
            if !chunk.pack() {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Err(chunk.number);
                return;
            }
            chunk.release();
        }
    };
    thread::scope(|s| {
        for _ in 1..threads {
            // Without another thread this one does the work alone.
            if thread::Builder::new().name("tancho-pack".into()).spawn_scoped(s, work).is_err() {
                break;
            }
        }
        work();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Chunk<'_> {
    /// `G g Gt` of 16 filters at a time.
    fn transform(&mut self) {
        let side = self.transformed.len().isqrt();
        let g = tancho_jit::winograd::matrices(side.saturating_sub(2)).g;
        let (Rows::Filter([down, across, channel]), Elements::Floats(data)) = (&*self.rows, self.data) else { return };
        let (down, across, channel) = (*down, *across, *channel);
        let strips = self.transformed.first().map_or(0, |t| t.len() / self.strip.max(1));
        for s in 0..strips {
            let width = WIDTH.min(self.n - s * WIDTH);
            let from = |c: usize| self.from + (s * WIDTH + c) * self.n_stride;
            let factors: [f32; WIDTH] = std::array::from_fn(|c| match self.scale {
                Some((by, run)) if c < width => by.get(from(c) / run.max(1)).copied().unwrap_or(0.0),
                _ => 1.0,
            });
            for k in 0..self.strip / WIDTH {
                let mut taps = [[[0.0f32; WIDTH]; 3]; 3];
                for (c, factor) in factors.iter().enumerate().take(width) {
                    let at = from(c) + k * channel;
                    for (i, row) in taps.iter_mut().enumerate() {
                        for (j, tap) in row.iter_mut().enumerate() {
                            tap[c] = data[at + i * down + j * across] * factor;
                        }
                    }
                }
                for (a, row) in g.iter().enumerate() {
                    let half: [[f32; WIDTH]; 3] = [0, 1, 2].map(|j| combined(row, [&taps[0][j], &taps[1][j], &taps[2][j]]));
                    for (b, column) in g.iter().enumerate() {
                        let to = &mut self.transformed[a * side + b][s * self.strip + k * WIDTH..][..WIDTH];
                        to.copy_from_slice(&combined(column, [&half[0], &half[1], &half[2]]));
                    }
                }
            }
        }
    }

    /// Gives the file's pages of what was read back, of filters and rows one by one, else when all of it was read.
    fn release(&self) {
        let Some(weight) = self.weight else { return };
        if self.n_stride > 1 && self.rows.reach(self.strip / WIDTH) <= self.n_stride {
            let strips = self.transformed.first().map_or(self.to.len(), |t| t.len()) / self.stored.max(1);
            let columns = self.n.min(strips * WIDTH);
            weight.release_part(self.from..self.from + columns * self.n_stride);
        }
        if self.last {
            weight.release_pages();
        }
    }

    /// Packs it; gives whether its format has numbers for all elements.
    fn pack(&mut self) -> bool {
        if !self.transformed.is_empty() {
            self.transform();
            return true;
        }
        if self.format == Format::F32 {
            self.pack_floats();
            return true;
        }
        if let Some(whole) = integers::copy_nibbles(self) {
            return whole;
        }
        let words = std::mem::take(&mut self.to);
        let mut floats = vec![0.0; words.len() / self.stored.max(1) * self.strip];
        let (format, stored) = (self.format, self.stored);
        Chunk { format: Format::F32, stored: self.strip, to: &mut floats, rows: self.rows.clone(), transformed: Vec::new(), ..*self }
            .pack_floats();
        let strips = floats.chunks_exact(self.strip.max(1)).zip(words.chunks_exact_mut(stored.max(1)));
        let mut strips = strips.map(|(from, to)| (from.as_chunks::<WIDTH>().0, to.as_chunks_mut::<WIDTH>().0));
        let whole = match format {
            Format::Int8 => strips.all(|(from, to)| integers::bytes(from, to)),
            Format::Q4 => strips.all(|(from, to)| integers::nibbles(from, to)),
            Format::F32 | Format::Bf16 => strips.all(|(from, to)| {
                for ([first, second], to) in from.as_chunks::<2>().0.iter().zip(to) {
                    *to = std::array::from_fn(|c| f32::from_bits(bf16_bits(first[c]) | bf16_bits(second[c]) << 16));
                }
                true
            }),
        };
        self.to = words;
        whole
    }

    fn pack_floats(&mut self) {
        let (n_stride, rows) = (self.n_stride, self.rows.clone());
        let columns = self.n.min(self.to.len() / self.strip.max(1) * WIDTH);
        let decoded;
        // Where the data begins in the weight.
        let (data, begin) = match self.data {
            Elements::Floats(data) => (data, 0),
            Elements::Coded(coded) => {
                let reach = columns.saturating_sub(1) * n_stride + rows.reach(self.strip / WIDTH);
                let (first, floats) = coded.decode(self.from..self.from + reach);
                decoded = floats;
                (decoded.as_slice(), first)
            }
        };
        for (s, to) in self.to.chunks_exact_mut(self.strip).enumerate() {
            let place = self.from + s * WIDTH * n_stride;
            let from = place - begin;
            let width = WIDTH.min(self.n - s * WIDTH);
            let lines = to.as_chunks_mut::<WIDTH>().0;
            if n_stride == 1 {
                for (i, line) in lines.iter_mut().enumerate() {
                    line[..width].copy_from_slice(&data[from + rows.at(i)..][..width]);
                }
            } else if matches!(*rows, Rows::Even(1)) && width == WIDTH {
                transpose(std::array::from_fn(|c| &data[from + c * n_stride..][..lines.len()]), lines);
            } else {
                for (i, line) in lines.iter_mut().enumerate() {
                    let from = from + rows.at(i);
                    for (c, x) in line[..width].iter_mut().enumerate() {
                        *x = data[from + c * n_stride];
                    }
                }
            }
            if let Some((by, run)) = self.scale {
                let factors: [f32; WIDTH] =
                    std::array::from_fn(
                        |c| if c < width { by.get((place + c * n_stride) / run.max(1)).copied().unwrap_or(0.0) } else { 0.0 },
                    );
                for line in lines.iter_mut() {
                    line[..width].iter_mut().zip(&factors).for_each(|(x, f)| *x *= f);
                }
            }
        }
    }
}

/// The bits of the nearest bf16, ties to even; NaN stays NaN. What the crate `half` does, without branches.
fn bf16_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = (bits.wrapping_add(0x7fff + (bits >> 16 & 1))) >> 16;
    let nan = bits >> 16 | 0x40;
    if bits & 0x7fff_ffff > 0x7f80_0000 { nan } else { rounded }
}

/// `Σ by * x`, lane by lane.
fn combined(by: &[f32; 3], x: [&[f32; WIDTH]; 3]) -> [f32; WIDTH] {
    let mut sum = [0.0; WIDTH];
    for (i, sum) in sum.iter_mut().enumerate() {
        *sum = by[0] * x[0][i] + by[1] * x[1][i] + by[2] * x[2][i];
    }
    sum
}

/// Sixteen rows of a linear layer's weight become the columns of `lines`, a few lines at a time, which are
/// written whole while they are in cache.
fn transpose(rows: [&[f32]; WIDTH], lines: &mut [[f32; WIDTH]]) {
    const BLOCK: usize = 4;
    let whole = lines.len() / BLOCK * BLOCK;
    let (blocks, tail) = lines.split_at_mut(whole);
    for (i, block) in blocks.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
        for (c, row) in rows.iter().enumerate() {
            let four = &row[i * BLOCK..][..BLOCK];
            for (line, x) in block.iter_mut().zip(four) {
                line[c] = *x;
            }
        }
    }
    for (i, line) in tail.iter_mut().enumerate() {
        for (x, row) in line.iter_mut().zip(&rows) {
            *x = row[whole + i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tancho_ir::Graph;

    #[test]
    fn bf16_is_rounded_as_the_crate_half_does() {
        let special = [0.0, -0.0, 1.0, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-45, -1e-40];
        let some = (0..200_000u32).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761)));
        for x in special.into_iter().chain(some) {
            assert_eq!(bf16_bits(x), u32::from(half::bf16::from_f32(x).to_bits()), "{x:e}");
        }
    }

    /// Weights `a: [40, 23]`, `b: [7, 40]`, `c: [3, 5, 18]` and `e: [0, 4]`, each element its own number.
    fn weights() -> Weights {
        let text = "network A<>\nweight \"a\": f32[40, 23] = zeros\nweight \"b\": f32[7, 40] = zeros\nweight \"c\": f32[3, 5, 18] = zeros\nweight \"e\": f32[0, 4] = zeros\nweight \"i\": i32[16, 16] = ones\n%0: f32[40, 23] = weight(index = 0)\nreturn %0";
        let g = Graph::parse(text).expect("the text of a graph");
        let mut w = Weights::init(&g, 0).expect("weights");
        for (i, (name, shape)) in [("a", vec![40usize, 23]), ("b", vec![7, 40]), ("c", vec![3, 5, 18])].into_iter().enumerate() {
            let data: Vec<f32> = (0..shape.iter().product()).map(|x: usize| (1000 * (i + 1) + x) as f32).collect();
            w.set(name, Tensor::new(data, shape).expect("a tensor")).expect("set");
        }
        w
    }

    fn part(weight: usize, offset: i64, batch_strides: &[i64], k_stride: i64, n: (i64, i64)) -> WeightPart {
        WeightPart {
            from: Constant::Weight(weight),
            scale: None,
            offset,
            batch_strides: batch_strides.to_vec(),
            k_strides: vec![k_stride],
            n,
        }
    }

    #[test]
    fn strips_hold_what_the_strides_say() {
        let w = weights();
        let packs = [
            // A linear layer's weight: transposed.
            WeightPack { format: Format::F32, winograd: None, batch: vec![], k: vec![23], parts: vec![part(0, 0, &[], 1, (40, 23))] },
            // Rows as they lie.
            WeightPack { format: Format::F32, winograd: None, batch: vec![], k: vec![7], parts: vec![part(1, 0, &[], 40, (40, 1))] },
            // Neither step is 1: every third row of `a`, two elements apart.
            WeightPack { format: Format::F32, winograd: None, batch: vec![], k: vec![11], parts: vec![part(0, 23, &[], 2, (13, 69))] },
            // Parts side by side, of two weights.
            WeightPack {
                format: Format::F32,
                winograd: None,
                batch: vec![],
                k: vec![7],
                parts: vec![part(0, 3, &[], 1, (32, 23)), part(1, 8, &[], 40, (16, 1)), part(1, 0, &[], 40, (5, 1))],
            },
            // A matrix per batch.
            WeightPack { format: Format::F32, winograd: None, batch: vec![3], k: vec![5], parts: vec![part(2, 0, &[90], 18, (18, 1))] },
            WeightPack {
                format: Format::F32,
                winograd: None,
                batch: vec![2, 3],
                k: vec![6],
                parts: vec![part(2, 0, &[6, 90], 1, (5, 18))],
            },
            // Nothing at all.
            WeightPack { format: Format::F32, winograd: None, batch: vec![], k: vec![4], parts: vec![part(3, 0, &[], 1, (0, 4))] },
            WeightPack { format: Format::F32, winograd: None, batch: vec![], k: vec![0], parts: vec![part(3, 0, &[], 4, (4, 1))] },
        ];
        let packed = Packed::new(&w, &packs, &Graph::default()).expect("packed");
        assert_eq!(packed.len(), packs.iter().map(|p| 4 * p.floats().expect("counted")).sum::<usize>());
        for (at, p) in packs.iter().enumerate() {
            let got: &[f32] = bytemuck::cast_slice(packed.get(at));
            assert_eq!(packed.get(at).as_ptr().addr() % 64, 0);
            let mut want = Vec::new();
            for b in 0..p.batch.iter().product() {
                for q in &p.parts {
                    let Constant::Weight(weight) = q.from else { panic!("a weight") };
                    let data = w.at(weight).and_then(|w| w.as_f32()).expect("f32");
                    for s in 0..(q.n.0 + 15) / 16 {
                        for (i, j) in (0..p.k[0]).flat_map(|i| (16 * s..16 * (s + 1)).map(move |j| (i, j))) {
                            let from = batch_offset(p, q, b) + i * q.k_strides[0] + j * q.n.1;
                            want.push(if j < q.n.0 { data[from as usize] } else { 0.0 });
                        }
                    }
                }
            }
            assert_eq!(got, want, "pack {at}");
        }
        assert_eq!(batch_offset(&packs[5], &packs[5].parts[0], 4), 96);
    }

    /// Filters `[20, 3, 3, 3]` by hand: in the order of a window's elements, with a factor each, and transformed.
    #[test]
    fn filters_are_ordered_scaled_and_transformed() {
        let text = "network A<>\nweight \"f\": f32[20, 3, 3, 3] = normal(1.0)\nweight \"s\": f32[20] = uniform(0.5, 2.0)\n%0: f32[20] = weight(index = 1)\nreturn %0";
        let g = Graph::parse(text).expect("the text of a graph");
        let double = Graph::parse(
            "network D<>\nweight \"f\": f32[20, 3, 3, 3] = zeros\nweight \"s\": f32[20] = zeros\n%0: f32[20] = weight(index = 1)\n%1: f32[20] = add(%0, %0)\nreturn %1",
        );
        let w = Weights::init(&g, 9).expect("weights");
        let [f, s] = [0, 1].map(|i| w.at(i).and_then(|w| w.as_f32()).expect("f32"));
        let scale = Some(tancho_jit::Scale { by: Constant::Prepared(0), run: 27 });
        let part = WeightPart { from: Constant::Weight(0), scale, offset: 0, batch_strides: vec![], k_strides: vec![3, 1, 9], n: (20, 27) };
        let pack = |winograd: Option<i64>, k: &[i64]| WeightPack {
            format: Format::F32,
            winograd,
            batch: vec![],
            k: k.to_vec(),
            parts: vec![part.clone()],
        };
        let packs = [pack(None, &[3, 3, 3]), pack(Some(2), &[3]), pack(Some(4), &[3])];
        let packed = Packed::new(&w, &packs, &double.expect("the text of a graph")).expect("packed");
        let value = |o: usize, c: usize, i: usize, j: usize| if o < 20 { f[o * 27 + c * 9 + i * 3 + j] * 2.0 * s[o] } else { 0.0 };
        let got: &[f32] = bytemuck::cast_slice(packed.get(0));
        for (o, k) in (0..32).flat_map(|o| (0..27).map(move |k| (o, k))) {
            assert_eq!(got[(o / 16 * 27 + k) * 16 + o % 16], value(o, k % 3, k / 9, k / 3 % 3));
        }
        for (at, m) in [(1, 2), (2, 4)] {
            let (got, g): (&[f32], _) = (bytemuck::cast_slice(packed.get(at)), tancho_jit::winograd::matrices(m).g);
            assert_eq!(got.len(), (m + 2) * (m + 2) * 2 * 3 * 16);
            for (a, b) in (0..m + 2).flat_map(|a| (0..m + 2).map(move |b| (a, b))) {
                for (o, c) in (0..32).flat_map(|o| (0..3).map(move |c| (o, c))) {
                    let terms = (0..9).map(|n| f64::from(g[a][n / 3]) * f64::from(value(o, c, n / 3, n % 3)) * f64::from(g[b][n % 3]));
                    let (want, size) = terms.fold((0.0, 0.0), |(s, t), x| (s + x, t + x.abs()));
                    let place = a * (m + 2) + b;
                    let got = f64::from(got[((place * 2 + o / 16) * 3 + c) * 16 + o % 16]);
                    assert!((got - want).abs() <= 1e-6 * size, "F({m}) place {a}, {b} of filter {o}: {got}, not {want}");
                }
            }
        }
    }

    #[test]
    fn many_chunks_are_all_packed() {
        let text = "network A<>\nweight \"a\": f32[1600, 700] = normal(1.0)\n%0: f32[1600, 700] = weight(index = 0)\nreturn %0";
        let w = Weights::init(&Graph::parse(text).expect("the text of a graph"), 3).expect("weights");
        let pack =
            WeightPack { format: Format::F32, winograd: None, batch: vec![], k: vec![700], parts: vec![part(0, 0, &[], 1, (1600, 700))] };
        let packed = Packed::new(&w, std::slice::from_ref(&pack), &Graph::default()).expect("packed");
        let (got, data): (&[f32], _) = (bytemuck::cast_slice(packed.get(0)), w.at(0).and_then(|w| w.as_f32()).expect("f32"));
        assert!(got.len() > 4 * CHUNK);
        assert!((0..1600 * 700).all(|i| got[i] == data[(i / 11200 * 16 + i % 16) * 700 + i / 16 % 700]));
    }

    #[test]
    fn what_cannot_be_packed_is_an_error() {
        let w = weights();
        let one = |p: WeightPart, k: i64| {
            Packed::new(
                &w,
                &[WeightPack { format: Format::F32, winograd: None, batch: vec![], k: vec![k], parts: vec![p] }],
                &Graph::default(),
            )
            .map(|_| ())
        };
        let e = one(part(4, 0, &[], 1, (16, 16)), 16).expect_err("not f32");
        assert_eq!(e.to_string(), "weight `i` is i32, but products read f32 weights only; declare it f32, or cast it");
        assert!(matches!(one(part(9, 0, &[], 1, (16, 16)), 16), Err(Error::Graph(_))));
        for k in [i64::MAX, 1 << 55] {
            assert!(matches!(one(part(0, 0, &[], 1, (16, 16)), k), Err(Error::Memory { .. })), "{k}");
        }
    }
}
