//! Whether a node still is what its pool says. Looked at on the node itself and not by a hash of the pool, so that a
//! change that makes no difference to a node does not replace it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster::{Effect, Name, Node, OfferingKey, Pool};

/// In what a node differs from its pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Drift {
    /// The pool no longer offers what it is.
    Offering(OfferingKey),
    /// It lacks a label of the template, or has another value.
    Label(Name),
    /// It lacks a taint of the template.
    Taint(Name),
}

/// In what a node differs from its pool, if it does.
///
/// A pool without offerings says nothing about its nodes: its provider may have failed to list them.
pub fn drift(node: &Node, pool: &Pool) -> Option<Drift> {
    let offers = |key: &OfferingKey| pool.offerings.iter().any(|offering| offering.key == *key);
    if let Some(key) = node.offering().filter(|key| !pool.offerings.is_empty() && !offers(key)) {
        return Some(Drift::Offering(key));
    }
    let mut labels = pool.template.labels.iter();
    if let Some((label, _)) = labels.find(|(label, value)| node.labels.get(*label) != Some(*value)) {
        return Some(Drift::Label(label.clone()));
    }
    let has = |key: &str, value: &str, effect: Effect| {
        node.taints.iter().any(|taint| &*taint.key == key && &*taint.value == value && taint.effect == effect)
    };
    let mut taints = pool.template.taints.iter();
    let missing = taints.find(|taint| !has(&taint.key, &taint.value, taint.effect));
    missing.map(|taint| Drift::Taint(taint.key.clone()))
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offering(key) => write!(f, "its pool no longer offers {key}"),
            Self::Label(label) => write!(f, "its label {label} is not that of its pool"),
            Self::Taint(taint) => write!(f, "it lacks the taint {taint} of its pool"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Taint;
    use crate::nodes::fixtures::{key, node, pool};

    #[test]
    fn a_node_drifts_from_offerings_labels_and_taints_of_its_pool() {
        let node = node("n", "a");
        assert_eq!(drift(&node, &pool()), None);
        let mut changed = pool();
        changed.offerings.retain(|offering| &*offering.key.zone != "a");
        assert_eq!(drift(&node, &changed), Some(Drift::Offering(key("m", "a"))));
        changed.offerings.clear();
        assert_eq!(drift(&node, &changed), None, "a provider that lists nothing says nothing");
        let mut changed = pool();
        changed.template.labels.insert("team".into(), "shop".into());
        assert_eq!(drift(&node, &changed), Some(Drift::Label("team".into())));
        let mut changed = pool();
        let taint = Taint { key: "gpu".into(), value: "".into(), effect: Effect::NoSchedule };
        changed.template.taints.push(taint.clone());
        assert_eq!(drift(&node, &changed), Some(Drift::Taint("gpu".into())));
        let mut tainted = node;
        tainted.taints.push(taint);
        assert_eq!(drift(&tainted, &changed), None);
    }

    #[test]
    fn a_taint_is_that_of_the_pool_only_with_key_value_and_effect() {
        let taint = |key: &str, value: &str, effect| Taint { key: key.into(), value: value.into(), effect };
        let mut pool = pool();
        pool.template.taints.push(taint("team", "shop", Effect::NoSchedule));
        for (taint, drifts) in [
            (taint("team", "shop", Effect::NoSchedule), false),
            (taint("crew", "shop", Effect::NoSchedule), true),
            (taint("team", "till", Effect::NoSchedule), true),
            (taint("team", "shop", Effect::NoExecute), true),
        ] {
            let mut node = node("n", "a");
            node.taints.push(taint);
            let expected = drifts.then(|| Drift::Taint("team".into()));
            assert_eq!(drift(&node, &pool), expected, "{:?}", node.taints);
        }
    }
}
