//! Bodies of loops and of experts: the scope goes on in a graph of the body, and comes back.

use super::*;

/// The graph around a body, and what is known of the op that will have the body.
#[derive(Debug)]
pub(super) struct Around {
    pub graph: Graph,
    pub weights: HashMap<String, (usize, Value)>,
    states: HashMap<String, (usize, Value)>,
    /// The arguments of the op, one for each input of the body.
    args: Vec<Value>,
    source: Source,
}

impl Scope<'_> {
    /// Goes on in a body, whose inputs so far are these values of the graph around.
    pub(super) fn enter_body(&mut self, body: Graph, args: Vec<Value>) {
        self.known.around.push(Around {
            graph: std::mem::replace(self.graph, body),
            weights: std::mem::take(&mut self.known.weights),
            states: std::mem::take(&mut self.known.states),
            args,
            source: self.source.clone(),
        });
    }

    /// Comes back. Gives the body without results, and its inputs as values of the graph around.
    pub(super) fn leave_body(&mut self) -> Result<(Graph, Vec<Value>)> {
        let Some(Around { graph, weights, states, args, source }) = self.known.around.pop() else {
            return Err(self.fail(BuildError::new("a body ends that has not begun")));
        };
        let mut body = std::mem::replace(self.graph, graph);
        (self.known.weights, self.known.states) = (weights, states);
        self.graph.unused_weights.append(&mut body.unused_weights);
        self.source = source;
        Ok((body, args))
    }

    /// A weight of the network, which is `outside` in the outermost graph, in the body at hand.
    pub(super) fn weight_inside(&mut self, name: &str, outside: Value) -> Value {
        let mut v = outside;
        let depth = self.known.around.len();
        for level in 0..depth {
            let (before, after) = self.known.around.split_at_mut(level + 1);
            let outer = &mut before[level];
            let (graph, known) = match after.first_mut() {
                Some(inner) => (&mut inner.graph, &mut inner.weights),
                None => (&mut *self.graph, &mut self.known.weights),
            };
            if let Some(&(_, inside)) = known.get(name) {
                v = inside;
                continue;
            }
            let node = outer.graph.node(v);
            let inside = input(graph, name, node.ty.clone(), node.source.clone());
            graph.nodes[inside.index()].name.clone_from(&node.name);
            outer.args.push(v);
            known.insert(name.into(), (0, inside));
            v = inside;
        }
        v
    }
}

/// Adds an input to a body. Its name becomes a word that no other input has.
pub(super) fn input(body: &mut Graph, name: &str, ty: Type, source: Source) -> Value {
    let letter = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let word: String = name.chars().map(letter).collect();
    let unique = free_name(&word, |name| name.is_empty() || body.inputs.iter().any(|i| i.name == name));
    body.inputs.push(InputDecl::new(unique, ty.clone()));
    let v = body.push_typed(Op::Input(body.inputs.len() - 1), &[], ty, source);
    body.nodes[v.index()].name = Some(name.into());
    v
}
