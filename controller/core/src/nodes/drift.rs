//! Whether a node still is what its pool says. Looked at on the node itself and not by a hash of the pool, so that a
//! change that makes no difference to a node does not replace it. Nor does a difference that a new node would have as well:
//! where the provider's own template has another value for a label or a taint, that is what nodes come with.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster::{Name, Node, OfferingKey, Pool, Taint};

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
/// A pool without offerings says nothing about its nodes: its provider may have failed to list them, and with them what new
/// nodes come with.
pub fn drift(node: &Node, pool: &Pool) -> Option<Drift> {
    if pool.offerings.is_empty() {
        return None;
    }
    let offers = |key: &OfferingKey| pool.offerings.iter().any(|offering| offering.key == *key);
    if let Some(key) = node.offering().filter(|key| !offers(key)) {
        return Some(Drift::Offering(key));
    }
    let offering = node.offering().and_then(|key| pool.offerings.iter().find(|offering| offering.key == key));
    let comes_with_label = |label: &Name, value: &Name| {
        offering.is_some_and(|offering| offering.labels.get(label).is_some_and(|of| of == value))
    };
    let mut labels = pool.template.labels.iter();
    let other = labels.find(|(label, value)| {
        let has = node.labels.get(*label);
        has != Some(*value) && !has.is_some_and(|has| comes_with_label(label, has))
    });
    if let Some((label, _)) = other {
        return Some(Drift::Label(label.clone()));
    }
    let comes_with_taint = |taint: &Taint| offering.is_some_and(|offering| offering.taints.contains(taint));
    let mut taints = pool.template.taints.iter();
    let missing = taints.find(|taint| {
        let is_same = |has: &&Taint| has.key == taint.key && has.effect == taint.effect;
        !node.taints.iter().filter(is_same).any(|has| has.value == taint.value || comes_with_taint(has))
    });
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
    use crate::cluster::{Effect, INSTANCE_TYPE};
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

    /// A group of several types of machines sends one that it does not name, each time.
    #[test]
    fn a_node_is_what_its_order_says_and_not_the_type_that_the_provider_chose() {
        let mut node = node("n", "a");
        node.labels.insert(INSTANCE_TYPE.into(), "other".into());
        assert_eq!(drift(&node, &pool()), Some(Drift::Offering(key("other", "a"))));
        node.ordered = Some(key("m", "a"));
        assert_eq!(drift(&node, &pool()), None);
        node.ordered = Some(key("gone", "a"));
        assert_eq!(drift(&node, &pool()), Some(Drift::Offering(key("gone", "a"))));
    }

    #[test]
    fn what_a_new_node_would_come_with_too_is_no_drift() {
        let taint =
            |value: &str| Taint { key: "team".into(), value: value.into(), effect: Effect::NoSchedule };
        let mut node = node("n", "a");
        node.labels.insert("tier".into(), "cloud".into());
        node.taints.push(taint("cloud"));
        let mut pool = pool();
        pool.template.labels.insert("tier".into(), "pool".into());
        assert_eq!(drift(&node, &pool), Some(Drift::Label("tier".into())));
        for offering in &mut pool.offerings {
            offering.labels.insert("tier".into(), "cloud".into());
        }
        assert_eq!(drift(&node, &pool), None);
        pool.template.taints.push(taint("pool"));
        assert_eq!(drift(&node, &pool), Some(Drift::Taint("team".into())));
        for offering in &mut pool.offerings {
            offering.taints.push(taint("cloud"));
        }
        assert_eq!(drift(&node, &pool), None);
        pool.offerings.clear();
        assert_eq!(drift(&node, &pool), None, "nobody says what a new node would come with");
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
