//! Cordoned nodes take no pods but those that tolerate it (`nodeunschedulable`).

use super::taints;
use crate::cluster::{Effect, Taint, Toleration};

/// The taint that stands for being cordoned.
pub(crate) const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Whether a pod may run on a node as far as its being cordoned goes.
pub(crate) fn allows(unschedulable: bool, tolerations: &[Toleration]) -> bool {
    let cordon = || Taint { key: UNSCHEDULABLE.into(), value: "".into(), effect: Effect::NoSchedule };
    !unschedulable || taints::tolerates(tolerations, &cordon())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::TolerationOperator;

    #[test]
    fn a_cordoned_node_takes_only_pods_that_tolerate_it() {
        let toleration = |key: &str, effect| Toleration {
            key: key.into(),
            operator: TolerationOperator::Exists,
            value: "".into(),
            effect,
        };
        assert!(allows(false, &[]));
        assert!(!allows(true, &[]));
        assert!(allows(true, &[toleration(UNSCHEDULABLE, Some(Effect::NoSchedule))]));
        assert!(allows(true, &[toleration("", None)]));
        assert!(!allows(true, &[toleration(UNSCHEDULABLE, Some(Effect::NoExecute))]));
        assert!(!allows(true, &[toleration("other", None)]));
    }
}
