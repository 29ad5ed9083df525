//! The work of packing, cut into chunks that threads take.

use super::chunk::Chunk;
use super::panel::{Rows, WIDTH};
use super::source::{Constants, Elements};
use crate::error::Error;
use crate::reserve::short;
use std::sync::Arc;
use tancho_jit::{Format, WeightPack, WeightPart};

/// Floats that a thread packs at a time.
pub const CHUNK: usize = 1 << 18;

/// Cuts the work on one packed weight into chunks.
pub fn cut<'a>(
    constants: &Constants<'a>,
    pack: &WeightPack,
    mut to: &'a mut [f32],
    chunks: &mut Vec<Chunk<'a>>,
) -> Result<(), Error> {
    // There is nothing to pack, though there may be any number of batches.
    if to.is_empty() {
        return Ok(());
    }
    let (batches, panel) = (pack.batch.iter().product::<i64>(), pack.rows().unwrap_or(0) as usize * WIDTH);
    if let Some(m) = pack.winograd {
        return filters(constants, pack, m as usize, to, chunks);
    }
    for b in 0..batches {
        for part in &pack.parts {
            let (weight, data) = (constants.weight(part.from), constants.elements(part.from)?);
            let scale = constants.scale(part)?;
            let rows = Arc::new(Rows::new(&pack.k, &part.k_strides)?);
            let stored_panel = pack.lines().unwrap_or(0) as usize * WIDTH;
            let (mine, others) = to.split_at_mut((part.n.0 as usize).div_ceil(WIDTH) * stored_panel);
            to = others;
            let per = (CHUNK / panel.max(1)).max(1);
            let count = mine.len().div_ceil((per * stored_panel).max(1));
            for (i, to) in mine.chunks_mut((per * stored_panel).max(1)).enumerate() {
                let first = (i * per * WIDTH) as i64;
                chunks.try_reserve(1).map_err(|_| short::<Chunk<'_>>(chunks.len() + 1))?;
                chunks.push(Chunk {
                    weight,
                    constant: part.from,
                    data,
                    from: (batch_offset(pack, part, b) + first * part.n.1) as usize,
                    rows: rows.clone(),
                    scale,
                    columns: (part.n.0 - first) as usize,
                    column_stride: part.n.1 as usize,
                    panel,
                    stored_panel,
                    format: pack.format,
                    to,
                    transformed: Vec::new(),
                    last: b + 1 == batches && i + 1 == count,
                });
            }
        }
    }
    Ok(())
}

/// Cuts the work on filters that are transformed into chunks: some panels of every place of a patch.
fn filters<'a>(
    constants: &Constants<'a>,
    pack: &WeightPack,
    m: usize,
    to: &'a mut [f32],
    chunks: &mut Vec<Chunk<'a>>,
) -> Result<(), Error> {
    let [part] = pack.parts.as_slice() else { return Err(Error::Graph("filters have one part".into())) };
    let &[down, across, channel] = part.k_strides.as_slice() else {
        return Err(Error::Graph("filters have three strides".into()));
    };
    let rows = Arc::new(Rows::Filter([down, across, channel].map(|s| s as usize)));
    let (panel, places) = (pack.rows().unwrap_or(0) as usize * WIDTH, (m + 2) * (m + 2));
    let (weight, data) = (constants.weight(part.from), Elements::Floats(constants.floats(part.from)?));
    let scale = constants.scale(part)?;
    let per = (CHUNK / (panel * places).max(1)).max(1);
    let panels = (part.n.0 as usize).div_ceil(WIDTH);
    let count = panels.div_ceil(per);
    let mut to: Vec<_> =
        to.chunks_mut((panels * panel).max(1)).map(|place| place.chunks_mut((per * panel).max(1))).collect();
    for i in 0..count {
        let first = (i * per * WIDTH) as i64;
        chunks.push(Chunk {
            weight,
            constant: part.from,
            data,
            from: (part.offset + first * part.n.1) as usize,
            rows: rows.clone(),
            scale,
            columns: (part.n.0 - first) as usize,
            column_stride: part.n.1 as usize,
            panel,
            stored_panel: panel,
            format: Format::F32,
            to: &mut [],
            transformed: to.iter_mut().filter_map(Iterator::next).collect(),
            last: i + 1 == count,
        });
    }
    Ok(())
}

/// The place in a weight of the first element of one of its matrices.
pub fn batch_offset(pack: &WeightPack, part: &WeightPart, mut b: i64) -> i64 {
    let mut at = part.offset;
    for (extent, stride) in pack.batch.iter().zip(&part.batch_strides).rev() {
        at += b % extent * stride;
        b /= extent;
    }
    at
}
