//! First-fit allocation: finds bytes of an arena that are free during some steps of a run.
//!
//! For `n` blocks the time is about `n log² n`, however they overlap. Comparing each block with each other
//! would take `n²`, which is too long here: a session places its blocks anew whenever they outgrow their
//! places.

/// Ranges of bytes that are taken, in ascending order. Ranges that touch are one.
type Spans = Vec<(usize, usize)>;

/// Which bytes are taken at which steps. It is a binary tree whose leaves are the steps. The lifetime of a
/// block is the leaves below a few nodes, at most twice the logarithm of the number of steps. Another block
/// is alive at the same time if one of its nodes is one of these, below one or above one.
pub struct Taken {
    leaves: usize,
    /// Bytes that are taken at all steps below a node.
    own: Vec<Spans>,
    /// Bytes that are taken at some step below a node.
    below: Vec<Spans>,
}

impl Taken {
    /// Nothing is taken at the steps up to `last`.
    pub fn new(last: usize) -> Taken {
        let leaves = (last + 1).next_power_of_two();
        Taken { leaves, own: vec![Vec::new(); 2 * leaves], below: vec![Vec::new(); 2 * leaves] }
    }

    /// Takes the first `size` bytes that are free from step `first` to step `last`, and gives their start.
    pub fn take(&mut self, first: usize, last: usize, size: usize) -> usize {
        let (mut from, mut to) = (first + self.leaves, last + 1 + self.leaves);
        let mut nodes = Vec::new();
        while from < to {
            if from % 2 == 1 {
                nodes.push(from);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                nodes.push(to);
            }
            (from, to) = (from / 2, to / 2);
        }
        let mut above: Vec<usize> =
            nodes.iter().flat_map(|n| (1..).map(move |i| n >> i).take_while(|n| *n > 0)).collect();
        above.sort_unstable();
        above.dedup();
        let alive: Vec<&Spans> =
            nodes.iter().map(|n| &self.below[*n]).chain(above.iter().map(|n| &self.own[*n])).collect();
        let mut at = 0;
        // Move after each span that is in the way, until nothing is.
        while let Some(end) = alive.iter().find_map(|spans| {
            let (start, end) = *spans.get(spans.partition_point(|s| s.1 <= at))?;
            (start < at + size).then_some(end)
        }) {
            at = end;
        }
        for n in nodes {
            add(&mut self.own[n], at, at + size);
            add(&mut self.below[n], at, at + size);
        }
        above.into_iter().for_each(|n| add(&mut self.below[n], at, at + size));
        at
    }
}

/// Adds a span, and joins it with those that it touches.
fn add(spans: &mut Spans, start: usize, end: usize) {
    if start == end {
        return;
    }
    let (first, behind) = (spans.partition_point(|s| s.1 < start), spans.partition_point(|s| s.0 <= end));
    let touched = &spans[first..behind];
    let start = touched.first().map_or(start, |s| s.0.min(start));
    let end = touched.last().map_or(end, |s| s.1.max(end));
    spans.splice(first..behind, [(start, end)]);
}
