//! Panels of packed weights, 16 columns of a matrix each, and where the rows of a matrix lie in its weight.

use crate::error::Error;
use crate::reserve::collected;
use tancho_jit::lanes::PANEL;

/// Columns of a panel.
pub const WIDTH: usize = PANEL as usize;

/// A row of a panel: as floats, or as words that are kept in an arena of floats.
pub type Line = [f32; WIDTH];

/// Where the rows of a matrix lie.
pub enum Rows {
    /// At equal distances.
    Even(usize),
    /// Each at a distance of its own from the first.
    At(Vec<usize>),
    /// Filters to be transformed: the distances down, across and from channel to channel.
    Filter([usize; 3]),
}

impl Rows {
    pub fn new(extents: &[i64], strides: &[i64]) -> Result<Rows, Error> {
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
    pub fn reach(&self, count: usize) -> usize {
        match self {
            Rows::Even(stride) => count.saturating_sub(1).saturating_mul(*stride).saturating_add(1),
            Rows::At(all) => all.iter().max().map_or(0, |m| m + 1),
            Rows::Filter([down, across, channel]) => {
                2 * (down + across) + count.saturating_sub(1).saturating_mul(*channel) + 1
            }
        }
    }

    pub fn at(&self, i: usize) -> usize {
        match self {
            Rows::Even(stride) => i * stride,
            Rows::At(all) => all[i],
            Rows::Filter([.., channel]) => i * channel,
        }
    }
}
