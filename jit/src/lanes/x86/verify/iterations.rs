//! All iterations of a loop at once.
//!
//! A loop is executed once as it is. If its jump is taken, each register's change in that iteration is
//! assumed to be its change in every iteration, and the loop is executed once more for all iterations at the
//! same time, with values affine in the number of the iteration. That proves the assumption by induction,
//! gives every address as affine and hence monotone, so that its first and last iteration bound the others,
//! and the number of iterations from the jump's condition. Code that a jump inside of the loop may skip is
//! executed as well; what it changes is unknown where the jump goes.

use super::decode::What;
use super::execute::{AbstractMachine, RSP, State};
use super::value::{AbstractValue, Base};
use iced_x86::Mnemonic;

impl AbstractMachine<'_> {
    /// The iterations of the loop of steps `head..=jump` after the first.
    pub fn all_iterations(&mut self, head: usize, jump: usize) -> Result<(), String> {
        let fail = |what: &str| format!("{what} in the loop up to {:#x}", self.code.steps[jump].ip);
        let Some((_, mut start)) = self.head.take().filter(|h| h.0 == head) else {
            return Err(fail("no way in"));
        };
        for (a, b) in start.general.iter_mut().zip(&self.state.general) {
            let change = b.minus(*a);
            *a = if a.base == b.base && change.base == Base::Int {
                AbstractValue { iteration: change.at, ..*a }
            } else {
                AbstractValue::UNKNOWN
            };
        }
        if start.general[RSP].iteration != 0 || start.general[RSP].base != Base::Stack {
            return Err(fail("a stack that moves"));
        }
        start.flags = AbstractValue::UNKNOWN;
        // What is not as assumed after the iteration is taken as unknown before it, until all assumptions
        // hold. This ends, because each step makes at least one more register unknown.
        let last = loop {
            self.state = start.clone();
            self.spans.clear();
            self.all = true;
            for at in head..=jump {
                self.meet(at);
                self.step(at)?;
            }
            self.all = false;
            if !self.assume_less(&mut start) {
                let What::Jump(m, _) = self.code.steps[jump].what else { return Err(fail("no jump")) };
                break last_iteration(m, self.state.flags)
                    .ok_or_else(|| fail("no count that meets its limit"))?;
            }
        };
        for span in &self.spans {
            let outside =
                || format!("memory outside of its extent at {:#x}, iteration {last} of a loop", span.ip);
            let (a, b) = (span.from.at, span.from.in_iteration(last).ok_or_else(outside)?);
            if !self.inside(span.from.base, span.written, a.min(b), a.max(b).saturating_add(span.bytes)) {
                return Err(outside());
            }
        }
        for v in &mut self.state.general {
            *v = v.in_iteration(last).map_or(AbstractValue::UNKNOWN, |at| AbstractValue::new(v.base, at));
        }
        self.state.flags = AbstractValue::UNKNOWN;
        Ok(())
    }

    /// At the target of jumps inside of the loop only what is known on all ways is known.
    fn meet(&mut self, at: usize) {
        while let Some(n) = self.skips.iter().position(|s| s.0 == at) {
            let (_, other) = self.skips.swap_remove(n);
            let state = &mut self.state;
            state
                .general
                .iter_mut()
                .zip(other.general)
                .filter(|(a, b)| **a != *b)
                .for_each(|(a, _)| *a = AbstractValue::UNKNOWN);
            state
                .opmasks
                .iter_mut()
                .zip(other.opmasks)
                .filter(|(a, b)| **a != *b)
                .for_each(|(a, _)| *a = u64::MAX);
            state
                .vectors
                .iter_mut()
                .zip(other.vectors)
                .filter(|(a, b)| **a != *b)
                .for_each(|(a, _)| *a = u16::MAX);
            state.flags = AbstractValue::UNKNOWN;
        }
    }

    /// Takes out of the state before an iteration what the one after it contradicts; gives whether there was
    /// any.
    fn assume_less(&self, start: &mut State) -> bool {
        let mut less = false;
        for (before, after) in start.general.iter_mut().zip(&self.state.general) {
            let next = before.at.checked_add(before.iteration).map(|at| AbstractValue { at, ..*before });
            if before.base != Base::Unknown && next != Some(*after) {
                (*before, less) = (AbstractValue::UNKNOWN, true);
            }
        }
        for (before, _) in
            start.opmasks.iter_mut().zip(self.state.opmasks).filter(|(b, a)| **b != u64::MAX && **b != *a)
        {
            (*before, less) = (u64::MAX, true);
        }
        for (before, _) in
            start.vectors.iter_mut().zip(self.state.vectors).filter(|(b, a)| **b != u16::MAX && **b != *a)
        {
            (*before, less) = (u16::MAX, true);
        }
        less
    }
}

/// The first iteration after which a jump is not taken. The count must meet its limit: then the number of
/// iterations is affine in both, while one that steps over it is not.
fn last_iteration(m: Mnemonic, flags: AbstractValue) -> Option<i64> {
    let AbstractValue { base: Base::Int, at, iteration } = flags else { return None };
    let (left, by) =
        if iteration < 0 { (at, iteration.checked_neg()?) } else { (at.checked_neg()?, iteration) };
    if by == 0 || left < 0 || left % by != 0 {
        return None;
    }
    match (m, iteration > 0) {
        (Mnemonic::Jne, _) | (Mnemonic::Jl, true) | (Mnemonic::Jg, false) => Some(left / by),
        (Mnemonic::Jle, true) | (Mnemonic::Jge, false) => Some(left / by + 1),
        _ => None,
    }
}
