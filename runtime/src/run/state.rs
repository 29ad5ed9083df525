//! What a session keeps between runs: caches that grow, and values that are replaced.
//!
//! A growing state has the capacity for all rows that its bound allows from its first run on. A run writes
//! new rows behind those there are, and they count when it has succeeded. Other states are computed into
//! memory of their own, which replaces the old when the run has succeeded. So a run that fails leaves all
//! states as they were.

use crate::error::Error;
use crate::run::bind::Env;
use crate::run::memory::Lines;
use crate::tensor::bf16;
use crate::tensor::{Tensor, TensorData};
use std::sync::Arc;
use tancho_ir::{DType, Dim, Graph};

/// One state's memory.
#[derive(Debug, Default)]
struct Held {
    now: Lines,
    /// What it becomes, if it does not grow.
    next: Lines,
    bytes: usize,
}

/// The states of a session.
#[derive(Debug, Default)]
pub struct States {
    held: Vec<Held>,
    /// The rows of each dim that states grow along, by the dim's number; -1 for other dims.
    rows: Vec<i64>,
    /// The dims that the memory was made for, if states hold something.
    made_for: Option<Vec<i64>>,
    layout: Arc<Layout>,
}

/// What follows from the graph alone.
#[derive(Debug, Default)]
struct Layout {
    /// Numbers of dims that states grow along, and what they are after a run.
    grown: Vec<(usize, Dim)>,
    /// Numbers of other dims that shapes of states have.
    fixed: Vec<usize>,
}

impl Layout {
    fn new(graph: &Graph) -> Layout {
        let mut grown: Vec<(usize, Dim)> = Vec::new();
        for s in &graph.states {
            let at = graph.dims.iter().position(|d| Some(d.name.as_str()) == s.grown_dim());
            let after = s.next.zip(s.grows).map(|(next, axis)| graph.ty(next).shape[axis].clone());
            grown.extend(at.zip(after).filter(|new| !grown.contains(new)));
        }
        let named = |name: &str| {
            graph.states.iter().any(|s| s.ty.shape.iter().any(|d| d.syms().iter().any(|n| n == name)))
        };
        let grows = |name: &str| graph.states.iter().any(|s| s.grown_dim() == Some(name));
        let fixed = graph
            .dims
            .iter()
            .enumerate()
            .filter(|(_, d)| named(&d.name) && !grows(&d.name))
            .map(|(i, _)| i)
            .collect();
        Layout { grown, fixed }
    }
}

impl States {
    pub fn new(graph: &Graph) -> States {
        let grown = |name: &str| graph.states.iter().any(|s| s.grown_dim() == Some(name));
        let rows = graph.dims.iter().map(|d| if grown(&d.name) { 0 } else { -1 }).collect();
        States {
            held: graph.states.iter().map(|_| Held::default()).collect(),
            rows,
            made_for: None,
            layout: Arc::new(Layout::new(graph)),
        }
    }

    /// The rows of the dims that states grow along; -1 for other dims.
    pub fn rows(&self) -> &[i64] {
        &self.rows
    }

    /// Checks that the states have the capacity for a run under these dims, and reserves their memory.
    ///
    /// # Errors
    /// A state would outgrow its bound, states were made for other dims, or memory is short.
    pub fn prepare(&mut self, env: &Env<'_>) -> Result<(), Error> {
        let graph = env.graph;
        for (at, after) in &self.layout.grown {
            let (at, after) = (*at, env.value(after)?);
            if let Some(capacity) = graph.dims[at].bound.filter(|b| after > *b) {
                let held = self.rows[at];
                return Err(Error::Full {
                    dim: graph.dims[at].name.clone(),
                    held,
                    capacity,
                    added: after - held,
                });
            }
        }
        if let Some(made) = &self.made_for {
            if let Some(i) = self.layout.fixed.iter().copied().find(|i| made[*i] != env.dims[*i]) {
                return Err(Error::StateDim {
                    dim: graph.dims[i].name.clone(),
                    held: made[i],
                    found: env.dims[i],
                });
            }
            return Ok(());
        }
        for (s, held) in graph.states.iter().zip(&mut self.held) {
            let mut bytes = s.ty.dtype.size() as u128;
            for (i, d) in s.ty.shape.iter().enumerate() {
                let n = match s
                    .grown_dim()
                    .filter(|_| s.grows == Some(i))
                    .and_then(|d| graph.dims.iter().find(|x| x.name == d)?.bound)
                {
                    Some(room) => usize::try_from(room).map_err(|_| Error::Memory { bytes: u128::MAX })?,
                    None => env.length(d)?,
                };
                bytes = bytes.saturating_mul(n as u128);
            }
            let bytes = usize::try_from(bytes).map_err(|_| Error::Memory { bytes })?;
            let room = held.now.reserve(bytes) && (s.grows.is_some() || held.next.reserve(bytes));
            if !room {
                return Err(Error::Memory { bytes: bytes as u128 });
            }
            held.bytes = bytes;
        }
        Ok(())
    }

    /// After a run that succeeded.
    pub fn commit(&mut self, env: &Env<'_>) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        let grown = self
            .layout
            .grown
            .iter()
            .map(|(at, after)| Ok((*at, env.value(after)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        grown.into_iter().for_each(|(at, rows)| self.rows[at] = rows);
        for (s, held) in env.graph.states.iter().zip(&mut self.held) {
            if s.grows.is_none() && s.next.is_some() {
                std::mem::swap(&mut held.now, &mut held.next);
            }
        }
        self.made_for = Some(env.dims.to_vec());
        Ok(())
    }

    /// As in a new session.
    pub fn reset(&mut self, graph: &Graph) {
        self.rows.iter_mut().filter(|r| **r > 0).for_each(|r| *r = 0);
        // Rows of a growing state are never read before they are written.
        let replaced = self.held.iter_mut().zip(&graph.states).filter(|(_, s)| s.grows.is_none());
        replaced.for_each(|(h, _)| h.now.floats_mut().fill(0.0));
        self.made_for = None;
    }

    /// Forgets all rows but the first `rows` along a dim.
    pub fn truncate(&mut self, dim: usize, rows: i64) {
        self.rows[dim] = rows;
    }

    /// Memory of a state as it is, and its bytes.
    pub fn now(&mut self, i: usize) -> (*mut u8, usize) {
        let held = &mut self.held[i];
        (held.now.start_mut(), held.bytes)
    }

    /// Memory of what a state becomes, and its bytes.
    pub fn next(&mut self, i: usize) -> (*mut u8, usize) {
        let held = &mut self.held[i];
        (held.next.start_mut(), held.bytes)
    }

    /// Bytes of a state.
    pub fn size(&self, i: usize) -> usize {
        self.held[i].bytes
    }

    /// Bytes of memory reserved; of a growing state only what has rows is in use.
    pub fn bytes(&self) -> usize {
        self.held.iter().map(|h| h.now.bytes().len() + h.next.bytes().len()).sum()
    }

    /// The value of a state; `None` if the session has not run yet.
    pub fn tensor(&self, graph: &Graph, i: usize) -> Option<Tensor> {
        let made = self.made_for.as_ref()?;
        let decl = &graph.states[i];
        let (shape, runs) = self.runs(graph, i, made)?;
        let bytes = self.held[i].now.bytes();
        let all: Vec<u8> = runs.into_iter().flat_map(|r| bytes[r].iter().copied()).collect();
        Some(Tensor::from_parts(data(decl.ty.dtype, &all), &shape))
    }

    /// A state's shape now, and the bytes that hold something.
    fn runs(
        &self,
        graph: &Graph,
        i: usize,
        made: &[i64],
    ) -> Option<(Vec<usize>, Vec<std::ops::Range<usize>>)> {
        let decl = &graph.states[i];
        let value = |d: &Dim| {
            let of = |s: &str| {
                graph
                    .dims
                    .iter()
                    .position(|r| r.name == s)
                    .map(|i| if self.rows[i] >= 0 { self.rows[i] } else { made[i] })
            };
            d.eval(&of).ok().and_then(|n| usize::try_from(n).ok())
        };
        let shape: Vec<usize> = decl.ty.shape.iter().map(value).collect::<Option<_>>()?;
        let size = decl.ty.dtype.size();
        let axis = decl.grows.unwrap_or(0);
        // Memory was reserved for all of it, so products do not overflow, unless there is nothing.
        let product = |axes: &[usize]| axes.iter().fold(1usize, |p, n| p.saturating_mul(*n));
        let inner = product(shape.get(axis + 1..).unwrap_or_default()).saturating_mul(size);
        let used = inner.saturating_mul(shape.get(axis).copied().unwrap_or(1));
        let room = graph
            .capacity(i)
            .and_then(|rows| usize::try_from(rows).ok())
            .map_or(used, |rows| inner.saturating_mul(rows));
        let outer = if used == 0 { 0 } else { product(&shape[..axis.min(shape.len())]) };
        Some((shape, (0..outer).map(|o| o * room..o * room + used).collect()))
    }

    /// The same states in memory of their own.
    pub fn fork(&self, graph: &Graph) -> Result<States, Error> {
        let mut new = States {
            held: Vec::new(),
            rows: self.rows.clone(),
            made_for: self.made_for.clone(),
            layout: self.layout.clone(),
        };
        for (i, old) in self.held.iter().enumerate() {
            let mut held = Held { bytes: old.bytes, ..Held::default() };
            if !held.now.reserve(old.bytes)
                || (graph.states[i].grows.is_none() && !held.next.reserve(old.bytes))
            {
                return Err(Error::Memory { bytes: old.bytes as u128 });
            }
            if let Some((_, runs)) = self.made_for.as_ref().and_then(|made| self.runs(graph, i, made)) {
                for r in runs {
                    held.now.bytes_mut()[r.clone()].copy_from_slice(&old.now.bytes()[r]);
                }
            }
            new.held.push(held);
        }
        Ok(new)
    }
}

fn data(dtype: DType, bytes: &[u8]) -> TensorData {
    let word = |b: &[u8]| [b[0], b[1], b[2], b[3]];
    match dtype {
        DType::F32 => TensorData::F32(bytes.chunks_exact(4).map(|b| f32::from_ne_bytes(word(b))).collect()),
        DType::I32 => TensorData::I32(bytes.chunks_exact(4).map(|b| i32::from_ne_bytes(word(b))).collect()),
        DType::Bf16 => {
            TensorData::Bf16(bytes.chunks_exact(2).map(|b| bf16::from_ne_bytes([b[0], b[1]])).collect())
        }
        DType::Bool => TensorData::Bool(bytes.iter().map(|b| *b != 0).collect()),
    }
}
