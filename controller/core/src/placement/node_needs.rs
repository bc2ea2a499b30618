//! What a pod asks of a node whatever else runs there: the rules of labels, taints and cordons together.

use super::{node_affinity, taints, unschedulable};
use crate::cluster::{Labels, Name, NodeTerm, Taint, Toleration};

/// What a pod asks of a node itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeNeeds {
    /// Labels that the node must have.
    pub selector: Labels,
    /// Of these the node must match one; None for any node.
    pub terms: Option<Vec<NodeTerm>>,
    /// Taints that do not keep the pod off.
    pub tolerations: Vec<Toleration>,
}

impl NodeNeeds {
    /// Whether it matters which labels a node has, or what its name is.
    pub fn depend_on_labels(&self) -> bool {
        !self.selector.is_empty() || self.terms.is_some()
    }

    /// Whether a node with these labels would do.
    pub fn allow_labels(&self, labels: &Labels, name: &Name) -> bool {
        node_affinity::matches(&self.selector, self.terms.as_deref(), labels, name)
    }

    /// Whether a node with these taints would do.
    pub fn allow_taints(&self, taints: &[Taint], cordoned: bool) -> bool {
        unschedulable::allows(cordoned, &self.tolerations)
            && taints::untolerated(taints, &self.tolerations).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Effect, TolerationOperator};

    #[test]
    fn labels_taints_and_cordons_are_asked_each() {
        let labels = Labels::from([("disk".into(), "ssd".into())]);
        let needs = NodeNeeds { selector: labels.clone(), ..NodeNeeds::default() };
        assert!(needs.depend_on_labels() && !NodeNeeds::default().depend_on_labels());
        assert!(needs.allow_labels(&labels, &"n".into()));
        assert!(!needs.allow_labels(&Labels::new(), &"n".into()));
        let taint = Taint { key: "gpu".into(), value: "".into(), effect: Effect::NoSchedule };
        assert!(!needs.allow_taints(std::slice::from_ref(&taint), false));
        assert!(needs.allow_taints(&[], false) && !needs.allow_taints(&[], true));
        let all = Toleration {
            key: "".into(),
            operator: TolerationOperator::Exists,
            value: "".into(),
            effect: None,
        };
        let tolerant = NodeNeeds { tolerations: vec![all], ..needs };
        assert!(tolerant.allow_taints(&[taint], true));
    }
}
