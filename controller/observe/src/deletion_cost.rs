//! What it costs to lose a pod, and who says so.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plimsoll_core::time::Timestamp;

use crate::observe_time;

/// The annotation by which the controllers of Kubernetes choose which pods of a `ReplicaSet` go first.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The name under which our costs appear in `managedFields`. It owns nothing else.
pub const COST_MANAGER: &str = "plimsoll-pod-deletion-cost";

/// The name under which costs appear there that a drain has set: of a pod that stands beside one replica more.
pub const DRAIN_MANAGER: &str = "plimsoll-drain";

/// The cost of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionCost {
    /// As Kubernetes reads it: 0 when it is no number.
    pub value: i32,
    /// Since when it is ours; none when somebody else has set it.
    pub ours_since: Option<Timestamp>,
    /// Whether a drain has set it: its workload has one replica more, and gives it back when this pod goes.
    pub of_drain: bool,
}

/// The cost of a pod that has one.
pub(crate) fn observe_deletion_cost(metadata: &ObjectMeta) -> Option<DeletionCost> {
    let text = metadata.annotations.as_ref()?.get(DELETION_COST)?;
    let is_number = text == "0" || !text.trim_start_matches('-').starts_with(['0', '+']);
    let value = text.parse().ok().filter(|_| is_number).unwrap_or(0);
    let ours = metadata.managed_fields.iter().flatten().find(|fields| {
        fields.manager.as_deref() == Some(COST_MANAGER) && fields.operation.as_deref() == Some("Apply")
    });
    let ours_since = ours.map(|fields| fields.time.as_ref().map(observe_time).unwrap_or_default());
    let mut managers = metadata.managed_fields.iter().flatten();
    let of_drain =
        value == i32::MIN && managers.any(|fields| fields.manager.as_deref() == Some(DRAIN_MANAGER));
    Some(DeletionCost { value, ours_since, of_drain })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(yaml: &str) -> Option<DeletionCost> {
        observe_deletion_cost(&serde_saphyr::from_str(yaml).unwrap())
    }

    fn annotated(cost: &str, manager: &str) -> String {
        format!(
            "annotations: {{ {DELETION_COST}: \"{cost}\" }}\n\
             managedFields:\n\
             - {{ manager: kube-controller-manager, operation: Update, time: 2026-11-23T08:00:00Z }}\n\
             - {{ manager: {manager}, operation: Apply, time: 2026-11-23T08:00:05Z }}\n"
        )
    }

    #[test]
    fn a_cost_is_ours_if_our_field_manager_applied_it() {
        let ours = observed(&annotated("-3", COST_MANAGER)).unwrap();
        assert_eq!((ours.value, ours.ours_since), (-3, Some(Timestamp::from_secs(1_795_420_805))));
        let theirs = observed(&annotated("7", "argocd")).unwrap();
        assert_eq!((theirs.value, theirs.ours_since), (7, None));
        assert_eq!(observed("annotations: { a: b }"), None);
        assert_eq!(observed("name: web-1"), None);
    }

    /// A person may have set the same cost before, or another one since.
    #[test]
    fn a_cost_is_that_of_a_drain_if_a_drain_set_the_lowest() {
        let is_of_drain = |cost: &str, manager: &str| observed(&annotated(cost, manager)).unwrap().of_drain;
        assert!(is_of_drain("-2147483648", DRAIN_MANAGER));
        assert!(!is_of_drain("-2147483648", "kubectl"));
        assert!(!is_of_drain("5", DRAIN_MANAGER));
    }

    #[test]
    fn what_is_no_number_to_kubernetes_costs_nothing() {
        for (text, value) in [
            ("", 0),
            ("+5", 0),
            ("007", 0),
            ("-07", 0),
            ("many", 0),
            ("99999999999", 0),
            ("0", 0),
            ("-2147483648", i32::MIN),
        ] {
            assert_eq!(observed(&annotated(text, "kubectl")).unwrap().value, value, "{text}");
        }
    }
}
