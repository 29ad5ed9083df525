//! Weights in the layout of the kernels: strips of 16 columns, `[N / 16][K][16]` per batch, all in one arena.
//!
//! Strips are independent of each other, so that threads take chunks of them until none is left.

mod integers;
#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::interpreter::{Dims, Interpreter};
use crate::reserve::{collected, short, zeros};
use crate::run::memory::Lines;
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
    ///
    /// # Errors
    /// A weight is no f32, its format has no numbers for it, or there is no memory ([`Error::WeightMemory`]).
    pub fn new(weights: &Weights, packs: &[WeightPack], prepared: &Graph) -> Result<Packed, Error> {
        Packed::pack(weights, packs, prepared).map_err(|e| e.of_weight("the packed weights"))
    }

    fn pack(weights: &Weights, packs: &[WeightPack], prepared: &Graph) -> Result<Packed, Error> {
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
        run(chunks).map_err(|fault| match fault {
            Fault::Numbers(c) => weights.no_integers(c),
            Fault::Memory(e) => e,
        })?;
        packs
            .iter()
            .flat_map(|p| &p.parts)
            .filter_map(|p| known.weight(p.from))
            .for_each(WeightData::release_pages);
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
    let of = |i: usize| weights.at(i).ok_or_else(|| weights.not_f32(i))?.to_tensor();
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
            Constant::Weight(i) => {
                let floats = self.weights.at(i).map(WeightData::floats).transpose()?;
                floats.flatten().ok_or_else(|| self.weights.not_f32(i))
            }
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
    fn new(extents: &[i64], strides: &[i64]) -> Result<Rows, Error> {
        Ok(match (extents, strides) {
            ([], _) | (_, []) => Rows::Even(0),
            ([_], [stride]) => Rows::Even(*stride as usize),
            _ => {
                let mut at = vec![0usize];
                for (n, stride) in extents.iter().zip(strides) {
                    let all = usize::try_from(*n)
                        .ok()
                        .and_then(|n| at.len().checked_mul(n))
                        .ok_or(Error::Memory { bytes: u128::MAX })?;
                    at = collected(
                        all,
                        at.iter().flat_map(|a| (0..*n).map(move |i| a + (i * stride) as usize)),
                    )?;
                }
                Rows::At(at)
            }
        })
    }

    /// Elements from the first row's to behind the last row's of `count`.
    fn reach(&self, count: usize) -> usize {
        match self {
            Rows::Even(stride) => count.saturating_sub(1).saturating_mul(*stride).saturating_add(1),
            Rows::At(all) => all.iter().max().map_or(0, |m| m + 1),
            Rows::Filter([down, across, channel]) => {
                2 * (down + across) + count.saturating_sub(1).saturating_mul(*channel) + 1
            }
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
fn cut<'a>(
    known: &Known<'a>,
    p: &WeightPack,
    mut to: &'a mut [f32],
    chunks: &mut Vec<Chunk<'a>>,
) -> Result<(), Error> {
    // Nothing to pack, though there may be ever so many batches of it.
    if to.is_empty() {
        return Ok(());
    }
    let (batches, strip) = (p.batch.iter().product::<i64>(), p.rows().unwrap_or(0) as usize * WIDTH);
    if let Some(m) = p.winograd {
        return filters(known, p, m as usize, to, chunks);
    }
    for b in 0..batches {
        for part in &p.parts {
            let (weight, data) = (known.weight(part.from), known.elements(part.from)?);
            let scale = known.scale(part)?;
            let rows = Arc::new(Rows::new(&p.k, &part.k_strides)?);
            let stored = p.lines().unwrap_or(0) as usize * WIDTH;
            let (mine, others) = to.split_at_mut((part.n.0 as usize).div_ceil(WIDTH) * stored);
            to = others;
            let per = (CHUNK / strip.max(1)).max(1);
            let count = mine.len().div_ceil((per * stored).max(1));
            for (i, to) in mine.chunks_mut((per * stored).max(1)).enumerate() {
                let first = (i * per * WIDTH) as i64;
                chunks.try_reserve(1).map_err(|_| short::<Chunk<'_>>(chunks.len() + 1))?;
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
fn filters<'a>(
    known: &Known<'a>,
    p: &WeightPack,
    m: usize,
    to: &'a mut [f32],
    chunks: &mut Vec<Chunk<'a>>,
) -> Result<(), Error> {
    let [part] = p.parts.as_slice() else { return Err(Error::Graph("filters have one part".into())) };
    let &[down, across, channel] = part.k_strides.as_slice() else {
        return Err(Error::Graph("filters have three strides".into()));
    };
    let rows = Arc::new(Rows::Filter([down, across, channel].map(|s| s as usize)));
    let (strip, places) = (p.rows().unwrap_or(0) as usize * WIDTH, (m + 2) * (m + 2));
    let (weight, data) = (known.weight(part.from), Elements::Floats(known.floats(part.from)?));
    let scale = known.scale(part)?;
    let per = (CHUNK / (strip * places).max(1)).max(1);
    let strips = (part.n.0 as usize).div_ceil(WIDTH);
    let count = strips.div_ceil(per);
    let mut to: Vec<_> =
        to.chunks_mut((strips * strip).max(1)).map(|place| place.chunks_mut((per * strip).max(1))).collect();
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

/// Why a chunk was not packed.
enum Fault {
    /// Its format has no numbers for this.
    Numbers(Constant),
    /// There is no memory for the elements in between.
    Memory(Error),
}

/// Packs the chunks on as many threads as the machine has cores. The error is that of one of them.
fn run(chunks: Vec<Chunk<'_>>) -> Result<(), Fault> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(chunks.len());
    let queue = Mutex::new(chunks.into_iter());
    let failed = Mutex::new(Ok(()));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(mut chunk) = next() {
            let fault = match chunk.pack() {
                Ok(true) => None,
                Ok(false) => Some(Fault::Numbers(chunk.number)),
                Err(e) => Some(Fault::Memory(e)),
            };
            if let Some(fault) = fault {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Err(fault);
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
        let (Rows::Filter([down, across, channel]), Elements::Floats(data)) = (&*self.rows, self.data) else {
            return;
        };
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
                    let half: [[f32; WIDTH]; 3] =
                        [0, 1, 2].map(|j| combined(row, [&taps[0][j], &taps[1][j], &taps[2][j]]));
                    for (b, column) in g.iter().enumerate() {
                        let to = &mut self.transformed[a * side + b][s * self.strip + k * WIDTH..][..WIDTH];
                        to.copy_from_slice(&combined(column, [&half[0], &half[1], &half[2]]));
                    }
                }
            }
        }
    }

    /// Gives the file's pages of what was read back, of filters and rows one by one, else when all of it was
    /// read.
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
    ///
    /// # Errors
    /// There is no memory for what is in between.
    fn pack(&mut self) -> Result<bool, Error> {
        if !self.transformed.is_empty() {
            self.transform();
            return Ok(true);
        }
        if self.format == Format::F32 {
            return self.pack_floats().map(|()| true);
        }
        if let Some(whole) = integers::copy_nibbles(self) {
            return Ok(whole);
        }
        let words = std::mem::take(&mut self.to);
        let mut floats = zeros::<f32>(words.len() / self.stored.max(1) * self.strip)?;
        let (format, stored) = (self.format, self.stored);
        Chunk {
            format: Format::F32,
            stored: self.strip,
            to: &mut floats,
            rows: self.rows.clone(),
            transformed: Vec::new(),
            ..*self
        }
        .pack_floats()?;
        let strips = floats.chunks_exact(self.strip.max(1)).zip(words.chunks_exact_mut(stored.max(1)));
        let mut strips =
            strips.map(|(from, to)| (from.as_chunks::<WIDTH>().0, to.as_chunks_mut::<WIDTH>().0));
        let whole = match format {
            Format::Int8 => strips.all(|(from, to)| integers::bytes(from, to)),
            Format::Q4 => strips.all(|(from, to)| integers::nibbles(from, to)),
            Format::F32 | Format::Bf16 => strips.all(|(from, to)| {
                for ([first, second], to) in from.as_chunks::<2>().0.iter().zip(to) {
                    *to = std::array::from_fn(|c| {
                        f32::from_bits(bf16_bits(first[c]) | bf16_bits(second[c]) << 16)
                    });
                }
                true
            }),
        };
        self.to = words;
        Ok(whole)
    }

    fn pack_floats(&mut self) -> Result<(), Error> {
        let (n_stride, rows) = (self.n_stride, self.rows.clone());
        let columns = self.n.min(self.to.len() / self.strip.max(1) * WIDTH);
        let decoded;
        // Where the data begins in the weight.
        let (data, begin) = match self.data {
            Elements::Floats(data) => (data, 0),
            Elements::Coded(coded) => {
                let reach = columns.saturating_sub(1) * n_stride + rows.reach(self.strip / WIDTH);
                let (first, floats) = coded.decode(self.from..self.from + reach)?;
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
                let factors: [f32; WIDTH] = std::array::from_fn(|c| {
                    if c < width {
                        by.get((place + c * n_stride) / run.max(1)).copied().unwrap_or(0.0)
                    } else {
                        0.0
                    }
                });
                for line in lines.iter_mut() {
                    line[..width].iter_mut().zip(&factors).for_each(|(x, f)| *x *= f);
                }
            }
        }
        Ok(())
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
