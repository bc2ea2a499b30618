//! Nodes in an order, with what is free on them: the next one on which enough is.

use super::amounts::{Amounts, BASE};
use super::packing::NodeIx;

/// A tournament tree over nodes in the order in which they came: each inner place knows the most of each resource that is
/// free on a node below it, so the next node with enough of everything is found without a look at those between.
///
/// What is noted may be more than what is free, never less: whoever lets a node have more tells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ladder {
    nodes: Vec<NodeIx>,
    /// The root is at 1, what is below `at` is at twice `at` and the place after; the second half are the nodes.
    most: Vec<[i64; BASE]>,
}

/// What is free on a node that takes no pods.
const NOTHING: [i64; BASE] = [i64::MIN; BASE];

impl Ladder {
    /// Adds a node, whose number is higher than those of all before it.
    pub(crate) fn push(&mut self, node: NodeIx, free: &Amounts) {
        self.nodes.push(node);
        if self.nodes.len() * 2 > self.most.len() {
            self.grow();
        }
        self.set(self.nodes.len() - 1, free.base);
    }

    /// Notes what is free on a node.
    pub(crate) fn note(&mut self, node: NodeIx, free: &Amounts) {
        if let Ok(at) = self.nodes.binary_search(&node) {
            self.set(at, free.base);
        }
    }

    /// Notes that a node takes no more pods.
    pub(crate) fn close(&mut self, node: NodeIx) {
        if let Ok(at) = self.nodes.binary_search(&node) {
            self.set(at, NOTHING);
        }
    }

    /// The first node from this number on with enough of everything but extended resources.
    pub(crate) fn next(&self, from: NodeIx, ask: &Amounts) -> Option<NodeIx> {
        let half = self.most.len() / 2;
        let first = self.nodes.partition_point(|node| *node < from);
        if first >= self.nodes.len() {
            return None;
        }
        let holds =
            |at: usize| self.most[at].iter().zip(&ask.base).all(|(free, ask)| *ask <= 0 || ask <= free);
        let mut at = half + first;
        // Up and to the right to the first place below which there may be one, then down to the first that is.
        loop {
            if holds(at) {
                if at >= half {
                    return self.nodes.get(at - half).copied();
                }
                at *= 2;
            } else {
                while at % 2 == 1 {
                    at /= 2;
                }
                if at == 0 {
                    return None;
                }
                at += 1;
            }
        }
    }

    fn set(&mut self, at: usize, free: [i64; BASE]) {
        let mut at = self.most.len() / 2 + at;
        self.most[at] = free;
        while at > 1 {
            at /= 2;
            let most = self.below(at);
            if self.most[at] == most {
                break;
            }
            self.most[at] = most;
        }
    }

    fn below(&self, at: usize) -> [i64; BASE] {
        let (left, right) = (&self.most[2 * at], &self.most[2 * at + 1]);
        std::array::from_fn(|resource| left[resource].max(right[resource]))
    }

    fn grow(&mut self) {
        let half = self.most.len() / 2;
        let leaves = self.most.split_off(half);
        let wider = (half * 2).max(1);
        self.most = vec![NOTHING; wider * 2];
        self.most[wider..wider + leaves.len()].copy_from_slice(&leaves);
        for at in (1..wider).rev() {
            self.most[at] = self.below(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::field_reassign_with_default, reason = "its other field is its own")]
    fn amounts(cpu: i64, memory: i64) -> Amounts {
        let mut amounts = Amounts::default();
        amounts.base = [cpu, memory, 0, 1];
        amounts
    }

    #[test]
    fn the_next_node_is_the_first_with_enough_of_everything() {
        let free: Vec<(i64, i64)> = (0..37).map(|node| (node * 7 % 10, node * 3 % 11)).collect();
        let mut ladder = Ladder::default();
        for (node, (cpu, memory)) in (100..).zip(&free) {
            ladder.push(node, &amounts(*cpu, *memory));
        }
        for cpu in 0..11 {
            for memory in 0..12 {
                for from in 98..140_u32 {
                    let fits = |node: &u32| {
                        let (has_cpu, has_memory) = free[*node as usize - 100];
                        has_cpu >= cpu && has_memory >= memory
                    };
                    let first = (from.max(100)..137).find(fits);
                    assert_eq!(ladder.next(from, &amounts(cpu, memory)), first, "{cpu} {memory} from {from}");
                }
            }
        }
    }

    #[test]
    fn what_is_noted_of_a_node_counts() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.next(0, &amounts(1, 1)), None);
        for node in [3, 5, 8] {
            ladder.push(node, &amounts(4, 4));
        }
        ladder.note(3, &amounts(0, 4));
        ladder.close(5);
        assert_eq!(ladder.next(0, &amounts(1, 1)), Some(8));
        ladder.note(5, &amounts(9, 9));
        assert_eq!(ladder.next(0, &amounts(5, 1)), Some(5));
        assert_eq!(ladder.next(6, &amounts(5, 1)), None);
    }
}
