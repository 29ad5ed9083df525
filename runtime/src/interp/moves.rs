//! Ops that only move elements.

use super::{offsets, strides};
use crate::error::Error;
use crate::tensor::{Tensor, TensorData};

pub fn transpose(x: &Tensor, perm: &[usize], out: &[usize]) -> Tensor {
    let s = strides(x.shape());
    let from = offsets(perm.iter().map(|&i| (x.shape()[i], s[i])));
    Tensor::from_parts(x.data().pick(from.into_iter()), out)
}

pub fn expand(x: &Tensor, out: &[usize]) -> Tensor {
    let (s, new) = (strides(x.shape()), out.len() - x.shape().len());
    let stride = |i: usize| if i < new || x.shape()[i - new] == 1 { 0 } else { s[i - new] };
    let from = offsets(out.iter().enumerate().map(|(i, &n)| (n, stride(i))));
    Tensor::from_parts(x.data().pick(from.into_iter()), out)
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
    let first = start as usize * s[axis];
    let from = offsets(out.iter().zip(&s).enumerate().map(|(i, (&n, &stride))| (n, if i == axis { stride * step } else { stride })));
    Ok(Tensor::from_parts(x.data().pick(from.into_iter().map(|i| first + i)), out))
}

pub fn concat(args: &[&Tensor], axis: usize, out: &[usize]) -> Tensor {
    let mut data = TensorData::zeros(args[0].dtype(), 0);
    let outer: usize = out[..axis].iter().product();
    for i in 0..outer {
        for a in args {
            let n: usize = a.shape()[axis..].iter().product();
            data.append(a.data(), i * n..(i + 1) * n);
        }
    }
    Tensor::from_parts(data, out)
}

pub fn pad(x: &Tensor, axis: usize, before: usize, out: &[usize]) -> Tensor {
    let mut data = TensorData::zeros(x.dtype(), 0);
    let inner: usize = out[axis + 1..].iter().product();
    let outer: usize = out[..axis].iter().product();
    let (row, first, len) = (out[axis] * inner, before * inner, x.shape()[axis] * inner);
    for i in 0..outer {
        data.append(&TensorData::zeros(x.dtype(), first), 0..first);
        data.append(x.data(), i * len..(i + 1) * len);
        let rest = row - first - len;
        data.append(&TensorData::zeros(x.dtype(), rest), 0..rest);
    }
    Tensor::from_parts(data, out)
}

/// The row that the id at place `at` of the ids names.
///
/// # Errors
/// There is no such row.
pub fn checked_id(id: i32, at: usize, rows: usize, ids: &[usize], place: &dyn Fn() -> String) -> Result<usize, Error> {
    usize::try_from(id).ok().filter(|i| *i < rows).ok_or_else(|| {
        let position = strides(ids).iter().zip(ids).map(|(s, n)| at / s % n).collect();
        Error::IdOutOfRange { op: place(), id: id.into(), rows, position }
    })
}

pub fn gather(table: &Tensor, ids: &Tensor, out: &[usize], place: &dyn Fn() -> String) -> Result<Tensor, Error> {
    let rows = table.shape()[0];
    let width: usize = table.shape()[1..].iter().product();
    let mut data = TensorData::zeros(table.dtype(), 0);
    for (at, &id) in ids.as_i32().unwrap_or_default().iter().enumerate() {
        let row = checked_id(id, at, rows, ids.shape(), place)?;
        data.append(table.data(), row * width..(row + 1) * width);
    }
    Ok(Tensor::from_parts(data, out))
}
