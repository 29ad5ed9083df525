//! The states that one session's runs read and change, in a store that other sessions may share.

use crate::error::Error;
use crate::run::bind::Env;
use crate::run::store::Store;
use crate::tensor::Tensor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tancho_ir::{Dim, Graph};
use tancho_jit::plan::Plan;

/// The states of a session.
#[derive(Debug)]
pub struct States {
    /// Runs of sessions that share it follow each other: one caller has them all.
    store: Arc<Mutex<Store>>,
    links: Links,
    /// The version of the store that the last run of this session left or was laid out for.
    seen: u64,
}

/// Where the states and the dims of a graph are in the store.
#[derive(Clone, Debug, Default)]
struct Links {
    states: Vec<Link>,
    /// Dims that states grow along.
    grown: Vec<Grown>,
    /// Dims that follow from states alone: the number in the graph, and the state and its axis.
    held: Vec<(usize, Vec<(usize, usize)>)>,
    /// Dims that follow from nothing.
    empty: Vec<usize>,
}

/// A dim that states grow along.
#[derive(Clone, Debug, PartialEq)]
struct Grown {
    /// Its number in the graph, and in the store.
    dim: usize,
    at: usize,
    /// What it is at the end of a run, if that adds rows.
    after: Option<Dim>,
    /// The rows that are kept after the run, where the oldest are forgotten.
    last: Option<usize>,
}

/// A state of the graph.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Its number in the store.
    at: usize,
    /// Whether a run reads what it was before.
    read: bool,
    /// Whether a run computes what it becomes beside what it was, and replaces it in the end.
    replaced: bool,
}

impl Links {
    fn new(graph: &Graph, plan: &Plan, store: &mut Store) -> Links {
        let mut links =
            Links { held: graph.held_dims(), empty: graph.empty_dims().collect(), ..Links::default() };
        let (read, replaced) = (graph.read_states(), plan.replaced());
        for (i, s) in graph.states.iter().enumerate() {
            let dim = s.grown_dim().and_then(|name| graph.dims.iter().position(|d| d.name == name));
            let grows = s.grows.zip(dim).map(|(axis, dim)| (axis, store.dim(&graph.dims[dim].name)));
            let at = store.state(&s.name, s.ty.dtype, grows);
            links.states.push(Link { at, read: read[i], replaced: replaced.contains(&i) });
            if let Some((dim, (axis, in_store))) = dim.zip(grows) {
                let after = s.next.map(|next| graph.ty(next).shape[axis].clone());
                let kept = graph.dims[dim].bound.and_then(|b| usize::try_from(b).ok());
                let new = Grown { dim, at: in_store, after, last: kept.filter(|_| s.keeps_last) };
                if !links.grown.contains(&new) {
                    links.grown.push(new);
                }
            }
        }
        links
    }
}

impl States {
    /// States of its own.
    pub fn new(graph: &Graph, plan: &Plan) -> States {
        States::within(graph, plan, Arc::new(Mutex::new(Store::default())))
    }

    /// States in a store, which gets those that it does not have yet.
    fn within(graph: &Graph, plan: &Plan, store: Arc<Mutex<Store>>) -> States {
        let links = Links::new(graph, plan, &mut lock(&store));
        States { store, links, seen: 0 }
    }

    /// The states of another session, which has this graph's or others.
    pub fn shared(&self, graph: &Graph, plan: &Plan) -> States {
        States::within(graph, plan, self.store.clone())
    }

    /// The same states in memory of their own.
    ///
    /// # Errors
    /// Memory is short.
    pub fn fork(&self) -> Result<States, Error> {
        let store = Arc::new(Mutex::new(lock(&self.store).fork()?));
        Ok(States { store, links: self.links.clone(), seen: 0 })
    }

    /// Writes what states say of the graph's dims: the rows of those that they grow along, and the lengths of
    /// those that they alone have. -1 stands for other dims.
    ///
    /// # Errors
    /// A dim follows from a state that no run has set.
    pub fn dims(&self, graph: &Graph, dims: &mut Vec<i64>) -> Result<(), Error> {
        dims.clear();
        dims.resize(graph.dims.len(), -1);
        self.links.empty.iter().for_each(|at| dims[*at] = 0);
        if self.links.grown.is_empty() && self.links.held.is_empty() {
            return Ok(());
        }
        let store = lock(&self.store);
        for g in &self.links.grown {
            dims[g.dim] = length(store.rows[g.at].count)?;
        }
        for (at, states) in &self.links.held {
            let held = |(s, _): &&(usize, usize)| store.holds(self.links.states[*s].at);
            let Some((s, axis)) = states.iter().find(held) else {
                return Err(Error::StateUnset {
                    state: graph.states[states[0].0].name.clone(),
                    dim: graph.dims[*at].name.clone(),
                });
            };
            dims[*at] = length(store.held[self.links.states[*s].at].now.shape[*axis])?;
        }
        Ok(())
    }

    /// The rows of a dim of the graph, if states grow along it.
    pub fn rows(&self, dim: usize) -> Option<usize> {
        let grown = self.links.grown.iter().find(|g| g.dim == dim)?;
        Some(lock(&self.store).rows[grown.at].count)
    }

    /// Forgets all rows but the first `rows` along a dim.
    pub fn truncate(&mut self, dim: usize, rows: usize) {
        if let Some(grown) = self.links.grown.iter().find(|g| g.dim == dim) {
            let mut store = lock(&self.store);
            store.rows[grown.at].count = rows;
            store.version += 1;
        }
    }

    /// Forgets what the states of this session hold.
    pub fn reset(&mut self) {
        let mut store = lock(&self.store);
        self.links.states.iter().for_each(|l| store.held[l.at].set = false);
        self.links.grown.iter().for_each(|g| (store.rows[g.at].first, store.rows[g.at].count) = (0, 0));
        store.version += 1;
    }

    /// Gives states these values; `None` is one that no run had yet.
    ///
    /// # Errors
    /// A value does not fit the declaration of its state, or memory is short.
    pub fn restore(&mut self, graph: &Graph, values: &[Option<Tensor>]) -> Result<(), Error> {
        let given = values.iter().take(graph.states.len()).enumerate();
        given.filter_map(|(i, value)| Some((i, value.as_ref()?))).try_for_each(|(i, v)| self.set(graph, i, v))
    }

    /// Gives a state a value. A growing one then has the value's rows, and so do all that grow along its dim.
    ///
    /// # Errors
    /// The value does not fit the declaration of the state, or memory is short.
    pub fn set(&mut self, graph: &Graph, state: usize, value: &Tensor) -> Result<(), Error> {
        let decl = &graph.states[state];
        let mut room = value.shape().to_vec();
        let known = |(d, n): (&Dim, &usize)| d.as_const().is_none_or(|c| usize::try_from(c) == Ok(*n));
        let fits = value.dtype() == decl.ty.dtype
            && room.len() == decl.ty.rank()
            && decl.ty.shape.iter().zip(&room).all(known);
        let kept = graph.kept_rows(state).zip(decl.grows);
        if !fits || kept.is_some_and(|(kept, axis)| i64::try_from(room[axis]).is_ok_and(|n| n > kept)) {
            let (expected, found) = (decl.ty.to_string(), value.ty().to_string());
            return Err(Error::StateValue { state: decl.name.clone(), expected, found });
        }
        if let Some((axis, rows)) = decl.grows.zip(graph.capacity(state)) {
            room[axis] = usize::try_from(rows).map_err(|_| Error::Memory { bytes: u128::MAX })?;
        }
        lock(&self.store).restore(self.links.states[state].at, value, &room)
    }

    /// Whether another session has changed the states since the last run of this one.
    pub fn have_changed(&self) -> bool {
        !self.links.states.is_empty() && lock(&self.store).version != self.seen
    }

    /// Checks that the states have the capacity for a run under these dims, and reserves their memory.
    ///
    /// # Errors
    /// A state would outgrow its bound, states were made for other dims, or memory is short.
    pub fn prepare(&mut self, env: &Env<'_>) -> Result<(), Error> {
        if self.links.states.is_empty() {
            return Ok(());
        }
        let (graph, mut store) = (env.graph, lock(&self.store));
        for g in &self.links.grown {
            let Some(after) = g.after.as_ref().map(|d| env.length(d)).transpose()? else { continue };
            let dim = &graph.dims[g.dim];
            let bound = dim.bound.and_then(|b| usize::try_from(b).ok());
            let held = usize::try_from(env.dims[g.dim]).unwrap_or_default();
            let added = after.saturating_sub(held);
            match (g.last, bound) {
                (Some(last), _) if added > last => {
                    return Err(Error::Push { dim: dim.name.clone(), last, added });
                }
                (None, Some(capacity)) if after > capacity => {
                    return Err(Error::Full { dim: dim.name.clone(), held, capacity, added });
                }
                _ => {}
            }
        }
        let mut shape = Vec::new();
        for (i, (s, link)) in graph.states.iter().zip(&self.links.states).enumerate() {
            shape.clear();
            for (axis, d) in s.ty.shape.iter().enumerate() {
                shape.push(match graph.capacity(i).filter(|_| s.grows == Some(axis)) {
                    Some(rows) => usize::try_from(rows).map_err(|_| Error::Memory { bytes: u128::MAX })?,
                    None => env.length(d)?,
                });
            }
            let holds = store.holds(link.at);
            let held = &mut store.held[link.at];
            if holds && (link.read || s.grows.is_some()) {
                if let Some(axis) = (0..shape.len()).find(|a| held.now.shape[*a] != shape[*a]) {
                    return Err(Error::StateDim {
                        dim: s.ty.shape[axis].to_string(),
                        held: held.now.shape[axis],
                        found: shape[axis],
                    });
                }
            } else if !holds {
                held.make(&shape)?;
            }
            if link.replaced {
                held.next.reserve(held.dtype, &shape)?;
            }
        }
        self.seen = store.version;
        Ok(())
    }

    /// Makes room for the rows of a run under these dims behind those that states keep.
    ///
    /// # Errors
    /// A dim has no value.
    pub fn make_room(&self, env: &Env<'_>) -> Result<(), Error> {
        for g in &self.links.grown {
            let Some((last, after)) = g.last.zip(g.after.as_ref()) else { continue };
            let (after, mut store) = (env.length(after)?, lock(&self.store));
            // The memory holds twice as many rows as are kept.
            if store.rows[g.at].first + after > 2 * last {
                store.move_to_front(g.at);
            }
        }
        Ok(())
    }

    /// After a run that succeeded.
    ///
    /// # Errors
    /// A dim has no value.
    pub fn commit(&mut self, env: &Env<'_>) -> Result<(), Error> {
        if self.links.states.is_empty() {
            return Ok(());
        }
        let mut store = lock(&self.store);
        for g in &self.links.grown {
            if let Some(after) = &g.after {
                let (after, rows) = (env.length(after)?, &mut store.rows[g.at]);
                rows.count = after.min(g.last.unwrap_or(after));
                rows.first += after - rows.count;
            }
        }
        self.links.states.iter().for_each(|l| store.held[l.at].commit(l.replaced));
        store.version += 1;
        self.seen = store.version;
        Ok(())
    }

    /// The memory of the states for a run.
    pub fn memory(&self) -> Memory<'_> {
        Memory { store: lock(&self.store), links: &self.links }
    }

    /// Bytes of memory reserved.
    pub fn bytes(&self) -> usize {
        lock(&self.store).bytes()
    }

    /// The value of a state of the graph; `None` if no run had it yet.
    pub fn tensor(&self, state: usize) -> Option<Tensor> {
        lock(&self.store).tensor(self.links.states[state].at)
    }
}

/// The memory of states while a session lays out or runs.
pub struct Memory<'s> {
    store: MutexGuard<'s, Store>,
    links: &'s Links,
}

impl Memory<'_> {
    /// Memory of a state as it is from its first row on, and its bytes.
    pub fn now(&mut self, state: usize) -> (*mut u8, usize) {
        let at = self.links.states[state].at;
        let skipped = self.store.skipped(at);
        let (start, bytes) = self.store.held[at].now.memory();
        (start.wrapping_add(skipped), bytes - skipped)
    }

    /// Memory of what a state becomes, and its bytes.
    pub fn next(&mut self, state: usize) -> (*mut u8, usize) {
        self.store.held[self.links.states[state].at].next.memory()
    }
}

/// A length as the value of a dim.
fn length(n: usize) -> Result<i64, Error> {
    i64::try_from(n).map_err(|_| Error::Memory { bytes: n as u128 })
}

/// A session that panicked has not committed: what the store holds is that of the run before.
fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}
