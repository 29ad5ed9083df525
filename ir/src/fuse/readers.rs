//! Work that stays outside of the kernel of a product because what it works on is stored for others too.

use super::{Fuser, Kind, Reason};
use crate::graph::Value;
use std::collections::BTreeSet;

impl Fuser<'_> {
    /// Gives the reason for row work and elementwise work that reads a value of a product's kernel and is a
    /// kernel of its own, where that value has several readers or is a result. What is in the kernel of
    /// another product, such as the sum of a residual, could be in no better place.
    pub(super) fn decline_readers_of_stored(&mut self) {
        let products = self.groups.iter().filter(|group| matches!(group.kind, Kind::Matmul { .. }));
        let nodes: Vec<Value> = products.flat_map(|group| group.nodes.clone()).collect();
        let have_reasons: BTreeSet<(Value, Value)> =
            self.declined.iter().map(|d| (d.producer, d.consumer)).collect();
        for v in nodes {
            let readers = self.users[v.index()].clone();
            if readers.len() < 2 && !self.is_output(v) {
                continue;
            }
            for reader in readers {
                let group = self.of[reader.index()].map(|k| &self.groups[k].kind);
                if group == Some(&Kind::Rows) && !have_reasons.contains(&(v, reader)) {
                    self.decline(v, reader, Reason::ArgumentIsStored);
                }
            }
        }
    }
}
