//! Memory whose size follows from a file, a dim or an input. Where it cannot be had there is an error, no
//! abort.

use crate::error::Error;
use bytemuck::Zeroable;

/// The error of `n` elements that cannot be had.
pub fn short<T>(n: usize) -> Error {
    Error::Memory { bytes: n as u128 * size_of::<T>() as u128 }
}

/// An empty vector with the capacity for `n` elements.
pub fn with_capacity<T>(n: usize) -> Result<Vec<T>, Error> {
    let mut v = Vec::new();
    v.try_reserve_exact(n).map_err(|_| short::<T>(n))?;
    Ok(v)
}

/// `n` zeros, in memory that is taken from the system where it is written to.
pub fn zeros<T: Zeroable>(n: usize) -> Result<Vec<T>, Error> {
    bytemuck::try_zeroed_vec(n).map_err(|()| short::<T>(n))
}

/// The elements of an iterator, which has `n` at most.
pub fn collected<T>(n: usize, from: impl IntoIterator<Item = T>) -> Result<Vec<T>, Error> {
    let mut v = with_capacity(n)?;
    v.extend(from);
    Ok(v)
}

/// A copy.
pub fn copied<T: Copy>(from: &[T]) -> Result<Vec<T>, Error> {
    let mut v = with_capacity(from.len())?;
    v.extend_from_slice(from);
    Ok(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_told_with_its_size() {
        for n in [1 << 62, usize::MAX] {
            let bytes = 4 * n as u128;
            for e in [
                with_capacity::<f32>(n).map(drop),
                zeros::<f32>(n).map(drop),
                collected(n, [1.0f32]).map(drop),
            ] {
                assert!(matches!(e, Err(Error::Memory { bytes: b }) if b == bytes), "{n}");
            }
        }
        assert_eq!(
            (zeros::<i32>(3).expect("zeros"), copied(&[1, 2]).expect("a copy")),
            (vec![0; 3], vec![1, 2])
        );
    }
}
