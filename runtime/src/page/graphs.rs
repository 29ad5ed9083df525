//! Graphs as the page has them: the declared one, what each pass changed, and the one in kernels.

use crate::error::Error;
use crate::inspect::changes::{Changed, changed_nodes};
use crate::page::sources::Sources;
use serde_json::{Value as Json, json};
use tancho_ir::fuse::Fused;
use tancho_ir::graph::{Node, Value};
use tancho_ir::passes::PASSES;
use tancho_ir::text::print_definition;
use tancho_ir::{Graph, table};

/// The declared graph, then each pass with the nodes that it left, added and took away; none if it changed
/// nothing.
///
/// # Errors
/// A pass could not infer a shape.
pub fn passes(declared: &Graph, sources: &mut Sources) -> Result<Json, Error> {
    let stays = |value| Changed { sign: ' ', value };
    let all = declared.values().map(stays).collect::<Vec<_>>();
    let mut list = vec![json!({ "name": "as declared", "lines": lines(&all, declared, declared, sources) })];
    let mut before = declared.clone();
    for pass in PASSES {
        let after = (pass.run)(&before)?;
        let changed = changed_nodes(&before, &after);
        list.push(json!({ "name": pass.name, "lines": lines(&changed, &before, &after, sources) }));
        before = after;
    }
    Ok(json!(list))
}

/// Lines of IR: sign, text, and the numbers of source and path.
fn lines(changed: &[Changed], before: &Graph, after: &Graph, sources: &mut Sources) -> Vec<Json> {
    let line = |c: &Changed| {
        let node = if c.sign == '-' { before.node(c.value) } else { after.node(c.value) };
        let (source, scope) = sources.add(&node.source);
        json!([c.sign.to_string(), definition(c.value, node), source, scope])
    };
    changed.iter().map(line).collect()
}

fn definition(v: Value, node: &Node) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = print_definition(&mut text, v, node);
    text
}

/// The graph in kernels: its nodes, the groups that became kernels, and the fusions that were declined.
pub fn fused(fused: &Fused, sources: &mut Sources) -> Json {
    let graph = &fused.graph;
    let mut groups_of = vec![-1i64; graph.nodes.len()];
    for (number, group) in (0i64..).zip(&fused.groups) {
        group.nodes.iter().for_each(|v| groups_of[v.index()] = number);
    }
    let mut node = |v: Value| {
        let node = graph.node(v);
        let (source, scope) = sources.add(&node.source);
        json!({
            "op": table::name_of(&node.op),
            "type": node.ty.to_string(),
            "text": definition(v, node),
            "label": graph.label(v),
            "source": source,
            "scope": scope,
            "group": groups_of[v.index()],
            "args": node.args.iter().map(|a| a.0).collect::<Vec<_>>(),
        })
    };
    let nodes: Vec<Json> = graph.values().map(&mut node).collect();
    let numbers = |values: &[Value]| values.iter().map(|v| v.0).collect::<Vec<_>>();
    let groups = fused.groups.iter().map(|group| {
        json!({
            "name": group.name(graph),
            "nodes": numbers(&group.nodes),
            "outputs": numbers(&group.outputs),
        })
    });
    let declined = fused.declined.iter().map(|d| json!([d.consumer.0, d.producer.0, d.reason.to_string()]));
    json!({
        "nodes": nodes,
        "groups": groups.collect::<Vec<_>>(),
        "declined": declined.collect::<Vec<_>>(),
        "results": numbers(&graph.outputs),
    })
}
