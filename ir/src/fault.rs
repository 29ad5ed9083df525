//! What is wrong with a graph, and with which part of it.

use crate::graph::Value;

/// The part of a graph that a fault is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// No part alone.
    Whole,
    /// The promise of that number.
    Constraint(usize),
    /// The input of that number.
    Input(usize),
    /// The weight of that number.
    Weight(usize),
    /// The state of that number.
    State(usize),
    /// A node.
    Node(Value),
}

/// What is wrong with a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The numbers of the bodies that the part is in, the outermost first.
    pub bodies: Vec<usize>,
    /// The part.
    pub part: Part,
    /// What is wrong with it, in words.
    pub message: String,
}

impl Fault {
    /// What makes a fault in a part of the graph itself of a message.
    pub fn of(part: Part) -> impl FnOnce(String) -> Fault {
        move |message| Fault { bodies: Vec::new(), part, message }
    }

    /// The same fault, seen from the graph that has the body.
    pub fn in_body(mut self, body: usize) -> Fault {
        self.bodies.insert(0, body);
        self.message = format!("body {body}: {}", self.message);
        self
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Fault {
        Fault::of(Part::Whole)(message)
    }
}
