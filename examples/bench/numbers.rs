//! Inputs that look random and are the same on every machine.

fn numbers(len: usize, seed: u32) -> impl Iterator<Item = u32> {
    (0..len as u32).map(move |i| (i ^ seed).wrapping_mul(2_654_435_761) >> 8)
}

/// From -1 to 1.
pub fn floats(len: usize, seed: u32) -> Vec<f32> {
    numbers(len, seed).map(|x| x as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Ids of a vocabulary.
pub fn ids(len: usize, vocabulary: usize, seed: u32) -> Vec<i32> {
    numbers(len, seed).map(|x| (x as usize % vocabulary) as i32).collect()
}
