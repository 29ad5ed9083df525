//! The lines that the parts of a graph were read from.

use crate::fault::{Fault, Part};
use crate::graph::Graph;

/// Lines from 1, by the number of each part.
#[derive(Default)]
pub struct Lines {
    first: usize,
    constraints: Vec<usize>,
    inputs: Vec<usize>,
    weights: Vec<usize>,
    states: Vec<usize>,
    nodes: Vec<usize>,
    pub bodies: Vec<Lines>,
}

impl Lines {
    /// Notes that what the graph has more than before was read from this line.
    pub fn note(&mut self, graph: &Graph, line: usize) {
        if self.first == 0 {
            self.first = line;
        }
        self.constraints.resize(graph.constraints.len(), line);
        self.inputs.resize(graph.inputs.len(), line);
        self.weights.resize(graph.weights.len(), line);
        self.states.resize(graph.states.len(), line);
        self.nodes.resize(graph.nodes.len(), line);
    }

    /// The line of what is wrong: that of the part, or the first one where it is no part alone.
    pub fn of(&self, fault: &Fault) -> usize {
        let mut inside = self;
        for body in &fault.bodies {
            match inside.bodies.get(*body) {
                Some(lines) => inside = lines,
                None => return self.first,
            }
        }
        let line = match fault.part {
            Part::Whole => None,
            Part::Constraint(i) => inside.constraints.get(i),
            Part::Input(i) => inside.inputs.get(i),
            Part::Weight(i) => inside.weights.get(i),
            Part::State(i) => inside.states.get(i),
            Part::Node(v) => inside.nodes.get(v.index()),
        };
        line.copied().unwrap_or(inside.first)
    }
}
