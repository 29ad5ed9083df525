//! Values that follow from weights alone: a graph that is evaluated when the network is compiled.

use super::{Constant, Lower, Scale, WeightPack, WeightPart, root_of};
use crate::CompileError;
use crate::format::Format;
use std::collections::{BTreeSet, HashMap};
use tancho_ir::access::{Access, is_view};
use tancho_ir::op::{Binary, Op};
use tancho_ir::{Dim, Graph, Value};

/// Packs, as they lie, the prepared values that kernels read element by element.
pub fn vectors(lower: &mut Lower<'_>) -> Result<(), CompileError> {
    let (graph, fused) = (lower.graph, lower.fused);
    let mut read: BTreeSet<Value> = BTreeSet::new();
    for v in graph.values().filter(|v| !fused.prepared.contains(v) && !is_view(&graph.node(*v).op)) {
        let op = &graph.node(v).op;
        let elements = graph
            .node(v)
            .args
            .iter()
            .enumerate()
            .filter(|(i, _)| !(matches!(op, Op::Matmul | Op::Conv2d { .. }) && *i == 1));
        read.extend(elements.map(|(_, a)| root_of(graph, *a)).filter(|a| fused.prepared.contains(a)));
    }
    for v in read {
        let n = Dim::product(&graph.ty(v).shape).ok().and_then(|n| n.as_const());
        let n = n.ok_or_else(|| lower.unsupported(v, "its size is not known"))?;
        let from = lower.constant(v);
        let part = WeightPart {
            from,
            scale: None,
            offset: 0,
            batch_strides: Vec::new(),
            k_strides: Vec::new(),
            n: (n, 1),
        };
        let pack = lower.pack(WeightPack::plain(Vec::new(), Vec::new(), vec![part]));
        lower.packed.insert(v, pack);
    }
    Ok(())
}

/// The coarsest format that each value may take: that of the finest of the weights it follows from.
pub fn formats(graph: &Graph, coarsest: &[Format]) -> Vec<Format> {
    let mut all: Vec<Format> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let of_args = node.args.iter().map(|a| all[a.index()]).fold(Format::Q4, Format::min);
        let own = if let Op::Weight(i) = node.op { coarsest.get(i).copied() } else { None };
        all.push(own.unwrap_or(of_args));
    }
    all
}

impl Lower<'_> {
    /// What is known of a value when the network is compiled.
    pub fn constant(&mut self, v: Value) -> Constant {
        if let Op::Weight(w) = self.graph.node(v).op {
            return Constant::Weight(w);
        }
        let prepared = &mut self.prepared;
        Constant::Prepared(*self.numbers.entry(v).or_insert_with(|| {
            prepared.push(v);
            prepared.len() - 1
        }))
    }

    /// Whether a packed operand can be made of a root: it is a weight, or follows from weights.
    pub fn is_constant(&self, root: Value) -> bool {
        matches!(self.graph.node(root).op, Op::Weight(_)) || self.fused.prepared.contains(&root)
    }

    /// What an access reads that begins at a weight or a prepared value. A product of a weight with one
    /// number for each of its first indices is multiplied out when it is packed, if the columns are those
    /// indices.
    pub fn read(&mut self, access: &Access, column: i64) -> (Constant, Option<Scale>) {
        let root = access.root;
        if self.fused.prepared.contains(&root)
            && let Some((weight, by, run)) = scaled(self.graph, root)
            && run == column
            && access.offset.is(0)
        {
            let scale = Scale { by: self.constant(by), run };
            return (self.constant(weight), Some(scale));
        }
        (self.constant(root), None)
    }
}

/// `weight * expand(reshape(by, [N, 1, ..]))`: the weight, the factors, and the elements that have one
/// factor.
fn scaled(graph: &Graph, v: Value) -> Option<(Value, Value, i64)> {
    let node = graph.node(v);
    let (Op::Binary(Binary::Mul), [weight, wide]) = (&node.op, node.args.as_slice()) else { return None };
    let (Op::Weight(_), Op::Expand(_)) = (&graph.node(*weight).op, &graph.node(*wide).op) else {
        return None;
    };
    let thin = graph.node(*wide).args[0];
    let by =
        graph.node(thin).args.first().copied().filter(|_| matches!(graph.node(thin).op, Op::Reshape(_)))?;
    let (shape, thin) = (&node.ty.shape, &graph.ty(thin).shape);
    let first = shape.first()?;
    let fits = graph.ty(*weight).shape == *shape
        && thin.len() == shape.len()
        && thin[0] == *first
        && thin[1..].iter().all(|d| d.is(1))
        && graph.ty(by).shape == std::slice::from_ref(first)
        && !is_view(&graph.node(by).op);
    let run = Dim::product(&shape[1..]).ok()?.as_const()?;
    fits.then_some((*weight, by, run))
}

/// What these values are computed from, as a graph of its own with them as results.
pub fn graph(graph: &Graph, values: &[Value]) -> Graph {
    let mut needed: BTreeSet<Value> = values.iter().copied().collect();
    for u in graph.values().collect::<Vec<_>>().into_iter().rev() {
        if needed.contains(&u) {
            needed.extend(graph.node(u).args.iter().copied());
        }
    }
    let mut out = Graph { name: graph.name.clone(), weights: graph.weights.clone(), ..Graph::default() };
    let mut map: HashMap<Value, Value> = HashMap::new();
    for u in needed {
        let node = graph.node(u);
        let args: Vec<Value> = node.args.iter().map(|a| map[a]).collect();
        let made = out.push_typed(node.op.clone(), &args, node.ty.clone(), node.source.clone());
        map.insert(u, made);
    }
    out.outputs = values.iter().map(|v| map[v]).collect();
    out
}
