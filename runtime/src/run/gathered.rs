//! Coded weights that a network only gathers rows of, by the ids of an input.

use crate::compile::Compilation;
use crate::weights::{Rows, Weights};
use tancho_jit::lanes::Len;
use tancho_jit::plan::Place;
use tancho_jit::spec::Slot;

/// A weight whose rows are decoded as inputs name them.
#[derive(Debug)]
pub struct Gathered {
    /// The weight.
    pub weight: usize,
    inputs: Vec<usize>,
    rows: Rows,
}

impl Gathered {
    /// All of them. A weight that anything else reads, or that is gathered by ids that are computed, is not
    /// among them: it is decoded whole.
    pub fn of(compilation: &Compilation, weights: &Weights) -> Vec<Gathered> {
        // The steps that read each weight, and as which of their buffers.
        let mut readers: Vec<Vec<(usize, usize)>> = vec![Vec::new(); weights.count()];
        for (step, places) in compilation.plan.places.iter().enumerate() {
            for (at, place) in places.iter().enumerate() {
                if let Place::Weight(n) = place {
                    readers[*n].push((step, at));
                }
            }
        }
        let gathered = |weight: usize| {
            let coded = weights.at(weight)?.coded()?;
            let (mut inputs, mut row) = (Vec::new(), None);
            for &(step, at) in &readers[weight] {
                for slot in compilation.schedule.steps[step].spec.kernel()?.row_slots(at)? {
                    let (input, elements) = rows_of(slot, &compilation.plan.places[step], coded.len())?;
                    if row.replace(elements).is_some_and(|other| other != elements) {
                        return None;
                    }
                    inputs.push(input);
                }
            }
            Some(Gathered { weight, inputs, rows: Rows::new(coded, row?)? })
        };
        (0..weights.count()).filter_map(gathered).collect()
    }

    /// Decodes what inputs name, by the bytes of their values.
    pub fn want<'a>(&self, inputs: &dyn Fn(usize) -> &'a [u8]) {
        for input in &self.inputs {
            self.rows.want(bytemuck::cast_slice(inputs(*input)));
        }
    }

    /// Where the weight's elements lie.
    pub fn place(&self) -> (*const u8, usize) {
        self.rows.place()
    }
}

/// The input whose numbers a slot takes rows by, and the elements of a row, if it takes whole rows of all the
/// weight.
fn rows_of(slot: &Slot, places: &[Place], len: usize) -> Option<(usize, usize)> {
    let gather = slot.gather.as_ref()?;
    let (Len::Const(rows), Len::Const(row), Len::Const(offset)) =
        (gather.rows, gather.row_stride, slot.offset)
    else {
        return None;
    };
    let Place::Input(input) = places[usize::from(gather.ids.buffer)] else { return None };
    let row = usize::try_from(row).ok()?;
    let all = usize::try_from(rows).ok()?.checked_mul(row)? == len;
    (all && (0..row as i64).contains(&offset)).then_some((input, row))
}
