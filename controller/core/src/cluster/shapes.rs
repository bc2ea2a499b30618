//! Equal shapes are kept once.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::PodShape;

/// Below so many shapes nothing is looked through for those that no pod has any more.
const FEW: usize = 1000;

/// The shapes of many pods, each once: a workload's pods are equal, and each comes from the API server on its own.
///
/// A hash finds equal ones and decides nothing else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shapes {
    hasher: RandomState,
    by_hash: BTreeMap<u64, Vec<Arc<PodShape>>>,
    /// The same by address, for those that come as they went.
    addresses: BTreeSet<usize>,
    /// With more shapes than this they are looked through.
    most: usize,
}

impl Shapes {
    /// The shape that is kept of those equal to this one, which may be itself.
    pub(crate) fn share(&mut self, shape: &Arc<PodShape>) -> Arc<PodShape> {
        if self.addresses.contains(&address(shape)) {
            return shape.clone();
        }
        let equal = self.by_hash.entry(self.hasher.hash_one(shape)).or_default();
        if let Some(kept) = equal.iter().find(|kept| *kept == shape) {
            return kept.clone();
        }
        equal.push(shape.clone());
        self.addresses.insert(address(shape));
        if self.addresses.len() > self.most.max(FEW) {
            self.drop_unused();
        }
        shape.clone()
    }

    fn drop_unused(&mut self) {
        self.by_hash.retain(|_, equal| {
            equal.retain(|shape| Arc::strong_count(shape) > 1);
            !equal.is_empty()
        });
        self.addresses = self.by_hash.values().flatten().map(address).collect();
        self.most = 2 * self.addresses.len();
    }
}

fn address(shape: &Arc<PodShape>) -> usize {
    Arc::as_ptr(shape).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(priority: i32) -> Arc<PodShape> {
        Arc::new(PodShape { priority, ..PodShape::default() })
    }

    #[test]
    fn equal_shapes_become_one() {
        let mut shapes = Shapes::default();
        let first = shapes.share(&shape(1));
        assert!(Arc::ptr_eq(&shapes.share(&shape(1)), &first));
        assert!(Arc::ptr_eq(&shapes.share(&first), &first));
        assert!(!Arc::ptr_eq(&shapes.share(&shape(2)), &first));
    }

    #[test]
    fn what_nobody_has_any_more_is_dropped() {
        let mut shapes = Shapes::default();
        let kept = shapes.share(&shape(0));
        for priority in 1..10_000 {
            shapes.share(&shape(priority));
        }
        assert!(shapes.addresses.len() <= FEW + 1, "{}", shapes.addresses.len());
        assert!(Arc::ptr_eq(&shapes.share(&shape(0)), &kept));
    }
}
