//! Ops that only move elements.

use super::{count, f32s, offsets, strides};
use crate::error::Error;
use crate::reserve::{with_capacity, zeros};
use crate::tensor::{Tensor, TensorData};
use std::cmp::Ordering;

pub fn transpose(x: &Tensor, perm: &[usize], out: &[usize]) -> Result<Tensor, Error> {
    let s = strides(x.shape());
    let from = offsets(perm.iter().map(|&i| (x.shape()[i], s[i])))?;
    Ok(Tensor::from_parts(x.data().pick(from.len(), from.into_iter())?, out))
}

pub fn expand(x: &Tensor, out: &[usize]) -> Result<Tensor, Error> {
    let (s, new) = (strides(x.shape()), out.len() - x.shape().len());
    let stride = |i: usize| if i < new || x.shape()[i - new] == 1 { 0 } else { s[i - new] };
    let from = offsets(out.iter().enumerate().map(|(i, &n)| (n, stride(i))))?;
    Ok(Tensor::from_parts(x.data().pick(from.len(), from.into_iter())?, out))
}

pub fn slice(
    x: &Tensor,
    axis: usize,
    (start, end): (i64, i64),
    step: usize,
    out: &[usize],
    place: &dyn Fn() -> String,
) -> Result<Tensor, Error> {
    let len = x.shape()[axis];
    if start < 0 || end < start || end > len as i64 {
        return Err(Error::Slice { op: place(), axis, start, end, len });
    }
    let s = strides(x.shape());
    let first = (start as usize).wrapping_mul(s[axis]);
    let stride = |i: usize| if i == axis { s[i].wrapping_mul(step) } else { s[i] };
    let from = offsets(out.iter().enumerate().map(|(i, &n)| (n, stride(i))))?;
    Ok(Tensor::from_parts(x.data().pick(from.len(), from.into_iter().map(|i| first + i))?, out))
}

/// The last elements along an axis, at most `most` of them.
pub fn last(x: &Tensor, axis: usize, most: usize) -> Result<Tensor, Error> {
    let len = x.shape()[axis];
    let mut out = x.shape().to_vec();
    out[axis] = len.min(most);
    slice(x, axis, ((len - out[axis]) as i64, len as i64), 1, &out, &String::new)
}

pub fn concat(args: &[&Tensor], axis: usize, out: &[usize]) -> Result<Tensor, Error> {
    let all = count(out);
    let mut data = TensorData::with_capacity(args[0].dtype(), all)?;
    let outer = if all > 0 { count(&out[..axis]) } else { 0 };
    for i in 0..outer {
        for a in args {
            let n = count(&a.shape()[axis..]);
            data.append(a.data(), i * n..(i + 1) * n);
        }
    }
    Ok(Tensor::from_parts(data, out))
}

pub fn pad(x: &Tensor, axis: usize, before: usize, out: &[usize]) -> Result<Tensor, Error> {
    let all = count(out);
    let mut data = TensorData::with_capacity(x.dtype(), all)?;
    if all > 0 {
        let (outer, inner) = (count(&out[..axis]), count(&out[axis + 1..]));
        let (row, first, len) = (out[axis] * inner, before * inner, x.shape()[axis] * inner);
        for i in 0..outer {
            data.append_zeros(first);
            data.append(x.data(), i * len..(i + 1) * len);
            data.append_zeros(row - first - len);
        }
    }
    Ok(Tensor::from_parts(data, out))
}

/// The row that the id at place `at` of the ids names.
///
/// # Errors
/// There is no such row.
pub fn checked_id(
    id: i32,
    at: usize,
    rows: usize,
    ids: &[usize],
    place: &dyn Fn() -> String,
) -> Result<usize, Error> {
    usize::try_from(id).ok().filter(|i| *i < rows).ok_or_else(|| {
        let position = strides(ids).iter().zip(ids).map(|(s, n)| at / s % n).collect();
        Error::IdOutOfRange { op: place(), id: id.into(), rows, position }
    })
}

pub fn gather(
    table: &Tensor,
    ids: &Tensor,
    out: &[usize],
    place: &dyn Fn() -> String,
) -> Result<Tensor, Error> {
    let rows = table.shape()[0];
    let width = count(&table.shape()[1..]);
    let mut data = TensorData::with_capacity(table.dtype(), count(out))?;
    for (at, &id) in ids.as_i32().unwrap_or_default().iter().enumerate() {
        let row = checked_id(id, at, rows, ids.shape(), place)?;
        if !table.is_empty() {
            data.append(table.data(), row * width..(row + 1) * width);
        }
    }
    Ok(Tensor::from_parts(data, out))
}

pub fn flip(x: &Tensor, axis: usize) -> Result<Tensor, Error> {
    let (shape, n) = (x.shape(), x.len());
    let (len, inner) = (shape[axis], count(&shape[axis + 1..]));
    let from = (0..n).map(|at| {
        let (outer, i, column) = (at / inner / len, at / inner % len, at % inner);
        (outer * len + len - 1 - i) * inner + column
    });
    Ok(Tensor::from_parts(x.data().pick(n, from)?, shape))
}

pub fn take_along(
    x: &Tensor,
    ids: &Tensor,
    axis: usize,
    out: &[usize],
    place: &dyn Fn() -> String,
) -> Result<Tensor, Error> {
    let (len, inner) = (x.shape()[axis], count(&out[axis + 1..]));
    let mut from = with_capacity(count(out))?;
    for (at, &id) in ids.as_i32().unwrap_or_default().iter().enumerate() {
        let row = checked_id(id, at, len, ids.shape(), place)?;
        from.push((at / inner / out[axis] * len + row) * inner + at % inner);
    }
    Ok(Tensor::from_parts(x.data().pick(from.len(), from.into_iter())?, out))
}

/// Where the largest elements along an axis stand, the largest first, of equals the first; a NaN counts as
/// largest.
///
/// # Errors
/// There are not so many elements.
pub fn topk(x: &Tensor, axis: usize, out: &[usize], place: &dyn Fn() -> String) -> Result<Tensor, Error> {
    let (len, k, inner) = (x.shape()[axis], out[axis], count(&out[axis + 1..]));
    let mut ids = zeros::<i32>(count(out))?;
    if k > len && !ids.is_empty() {
        return Err(Error::TooFewElements { op: place(), asked: k, found: len });
    }
    let number = |i: usize| match x.data() {
        TensorData::I32(v) => f64::from(v[i]),
        _ => f64::from(f32s(x)[i]),
    };
    let mut order = with_capacity(len)?;
    for row in 0..if k * inner > 0 { ids.len() / k } else { 0 } {
        let (outer, column) = (row / inner, row % inner);
        let element = |i: usize| number((outer * len + i) * inner + column);
        order.clear();
        order.extend(0..len);
        order.sort_unstable_by(|&i, &j| {
            let (a, b) = (element(i), element(j));
            let larger = match (a.is_nan(), b.is_nan()) {
                (false, false) => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
                (one, other) => other.cmp(&one),
            };
            larger.then(i.cmp(&j))
        });
        for (r, i) in order.iter().take(k).enumerate() {
            ids[(outer * k + r) * inner + column] = *i as i32;
        }
    }
    Ok(Tensor::from_parts(ids, out))
}
