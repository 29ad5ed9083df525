//! A piece of the work of packing that one thread does: some panels of one matrix of one weight.

use super::integers::{self, NIBBLES};
use super::panel::{Line, Rows, WIDTH};
use super::source::{Elements, Factors};
use crate::error::Error;
use crate::reserve::zeros;
use crate::weights::WeightData;
use std::array::from_fn;
use std::sync::Arc;
use tancho_jit::{Constant, Format};

/// Panels of one matrix of one weight, and where they go.
pub struct Chunk<'a> {
    /// The weight that the elements are of, if they are of one.
    pub weight: Option<&'a WeightData>,
    /// What is packed.
    pub constant: Constant,
    /// Its elements.
    pub data: Elements<'a>,
    /// The place in `data` of the first panel's first element.
    pub from: usize,
    /// Where the rows of the matrix lie.
    pub rows: Arc<Rows>,
    /// Factors of the elements, if they have some.
    pub scale: Option<Factors<'a>>,
    /// Columns from the first panel's to the last of the matrix.
    pub columns: usize,
    /// Distance of neighbouring columns in the weight.
    pub column_stride: usize,
    /// Floats of a panel.
    pub panel: usize,
    /// Words of a panel as it is kept.
    pub stored_panel: usize,
    /// How they are kept.
    pub format: Format,
    /// Where the panels are kept.
    pub to: &'a mut [f32],
    /// Filters are transformed: the panels of each place of a patch.
    pub transformed: Vec<&'a mut [f32]>,
    /// Nothing is read from the weight behind this chunk.
    pub last: bool,
}

impl Chunk<'_> {
    /// Gives the file's pages of what was read back, of filters and rows one by one, else when all of it was
    /// read.
    pub fn release(&self) {
        let Some(weight) = self.weight else { return };
        if self.column_stride > 1 && self.rows.reach(self.panel / WIDTH) <= self.column_stride {
            let panels =
                self.transformed.first().map_or(self.to.len(), |t| t.len()) / self.stored_panel.max(1);
            let columns = self.columns.min(panels * WIDTH);
            weight.release_part(self.from..self.from + columns * self.column_stride);
        }
        if self.last {
            weight.release_pages();
        }
    }

    /// Packs it; gives whether its format has numbers for all elements.
    ///
    /// # Errors
    /// There is no memory for what is in between.
    pub fn pack(&mut self) -> Result<bool, Error> {
        if !self.transformed.is_empty() {
            self.transform();
            return Ok(true);
        }
        if self.format == Format::F32 {
            return self.pack_floats().map(|()| true);
        }
        if let Some(whole) = self.copy_nibbles() {
            return Ok(whole);
        }
        let words = std::mem::take(&mut self.to);
        let mut floats = zeros::<f32>(words.len() / self.stored_panel.max(1) * self.panel)?;
        let (format, stored_panel) = (self.format, self.stored_panel);
        Chunk {
            format: Format::F32,
            stored_panel: self.panel,
            to: &mut floats,
            rows: self.rows.clone(),
            transformed: Vec::new(),
            ..*self
        }
        .pack_floats()?;
        let panels = floats.chunks_exact(self.panel.max(1)).zip(words.chunks_exact_mut(stored_panel.max(1)));
        let mut panels =
            panels.map(|(from, to)| (from.as_chunks::<WIDTH>().0, to.as_chunks_mut::<WIDTH>().0));
        let whole = match format {
            Format::Int8 => panels.all(|(from, to)| integers::bytes(from, to)),
            Format::Q4 => panels.all(|(from, to)| integers::nibbles(from, to)),
            Format::F32 | Format::Bf16 => {
                panels.for_each(|(from, to)| halves(from, to));
                true
            }
        };
        self.to = words;
        Ok(whole)
    }

    /// Copies blocks of 4 bits as they are in the file; `None` if the chunk does not consist of whole ones.
    /// Gives whether all their elements are held.
    fn copy_nibbles(&mut self) -> Option<bool> {
        let Elements::Coded(coded) = self.data else { return None };
        let aligned = matches!(*self.rows, Rows::Even(1))
            && [self.from, self.column_stride].iter().all(|n| n.is_multiple_of(NIBBLES));
        if self.format != Format::Q4 || self.scale.is_some() || !aligned || !coded.has_nibbles() {
            return None;
        }
        for (s, panel) in self.to.chunks_exact_mut(self.stored_panel.max(1)).enumerate() {
            let groups = panel.as_chunks_mut::<WIDTH>().0.as_chunks_mut::<{ NIBBLES / 8 + 1 }>().0;
            for c in 0..WIDTH {
                let column = s * WIDTH + c;
                for (g, to) in groups.iter_mut().enumerate() {
                    let mut words = [0.0; NIBBLES / 8 + 1];
                    if column < self.columns {
                        let (factor, summand, codes) =
                            coded.nibbles(self.from + column * self.column_stride + g * NIBBLES)?;
                        if !integers::block_held(factor, summand, &codes) {
                            return Some(false);
                        }
                        words[..NIBBLES / 8].copy_from_slice(&integers::block_words(codes));
                        let Some(pair) = integers::pair(factor, summand) else { return Some(false) };
                        words[NIBBLES / 8] = pair;
                    }
                    to.iter_mut().zip(words).for_each(|(line, word)| line[c] = word);
                }
            }
        }
        Some(true)
    }

    /// Copies the columns, multiplied by their factors, row by row of a panel.
    fn pack_floats(&mut self) -> Result<(), Error> {
        let (column_stride, rows) = (self.column_stride, self.rows.clone());
        let columns = self.columns.min(self.to.len() / self.panel.max(1) * WIDTH);
        let decoded;
        // Where the data begins in the weight.
        let (data, begin) = match self.data {
            Elements::Floats(data) => (data, 0),
            Elements::Coded(coded) => {
                let reach = columns.saturating_sub(1) * column_stride + rows.reach(self.panel / WIDTH);
                let (first, floats) = coded.decode(self.from..self.from + reach)?;
                decoded = floats;
                (decoded.as_slice(), first)
            }
        };
        for (s, to) in self.to.chunks_exact_mut(self.panel).enumerate() {
            let place = self.from + s * WIDTH * column_stride;
            let from = place - begin;
            let width = WIDTH.min(self.columns - s * WIDTH);
            let lines = to.as_chunks_mut::<WIDTH>().0;
            if column_stride == 1 {
                for (i, line) in lines.iter_mut().enumerate() {
                    line[..width].copy_from_slice(&data[from + rows.at(i)..][..width]);
                }
            } else if matches!(*rows, Rows::Even(1)) && width == WIDTH {
                transpose(from_fn(|c| &data[from + c * column_stride..][..lines.len()]), lines);
            } else {
                for (i, line) in lines.iter_mut().enumerate() {
                    let from = from + rows.at(i);
                    for (c, x) in line[..width].iter_mut().enumerate() {
                        *x = data[from + c * column_stride];
                    }
                }
            }
            if let Some(scale) = self.scale {
                let factors: Line =
                    from_fn(|c| if c < width { scale.at(place + c * column_stride) } else { 0.0 });
                for line in lines.iter_mut() {
                    line[..width].iter_mut().zip(&factors).for_each(|(x, f)| *x *= f);
                }
            }
        }
        Ok(())
    }
}

/// Rows of a panel as bf16, two in a row of words.
fn halves(from: &[Line], to: &mut [Line]) {
    for ([first, second], to) in from.as_chunks::<2>().0.iter().zip(to) {
        *to = from_fn(|c| f32::from_bits(bf16_bits(first[c]) | bf16_bits(second[c]) << 16));
    }
}

/// The bits of the nearest bf16, ties to even; NaN stays NaN. What the crate `half` does, without branches.
pub fn bf16_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = (bits.wrapping_add(0x7fff + (bits >> 16 & 1))) >> 16;
    let nan = bits >> 16 | 0x40;
    if bits & 0x7fff_ffff > 0x7f80_0000 { nan } else { rounded }
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
