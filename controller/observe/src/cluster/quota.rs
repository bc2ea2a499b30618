//! A `ResourceQuota`, as far as it bounds what pods may still ask for.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ResourceQuota, apimachinery::pkg::api::resource::Quantity as ApiQuantity};
use plimsoll_core::{cluster::Name, nodes::buffer::Quota};

use super::{node::name, requests::observe_amounts};

/// What is left of a quota, by the resources that pods request. None where it has a scope, since it then counts some pods
/// only, and where its controller has not counted yet.
pub fn observe_quota(quota: &ResourceQuota) -> Option<Quota> {
    let spec = quota.spec.as_ref()?;
    if spec.scope_selector.is_some() || spec.scopes.as_ref().is_some_and(|scopes| !scopes.is_empty()) {
        return None;
    }
    let status = quota.status.as_ref()?;
    let mut left: BTreeMap<Name, i64> = BTreeMap::new();
    for (key, hard) in status.hard.iter().flatten() {
        let Some(resource) = requested(key) else { continue };
        let used = status.used.as_ref().and_then(|used| used.get(key));
        // The unit is that of the resource, whatever the quota calls it.
        let amount = |quantity: &ApiQuantity| {
            let named = BTreeMap::from([(resource.to_string(), quantity.clone())]);
            observe_amounts(Some(&named)).get(&resource).copied().unwrap_or(0)
        };
        let rest = amount(hard).saturating_sub(used.map_or(0, amount));
        left.entry(resource).and_modify(|least| *least = (*least).min(rest)).or_insert(rest);
    }
    (!left.is_empty()).then(|| Quota { name: name(quota.metadata.name.as_ref()), left })
}

/// The resource whose requests a quota counts under this key: `requests.cpu` and `cpu` are the same. Limits of pods, and
/// numbers of objects, bound no requests.
fn requested(key: &str) -> Option<Name> {
    let plain = ["cpu", "memory", "ephemeral-storage"];
    match key.strip_prefix("requests.") {
        Some("storage") => None,
        Some(resource) => Some(resource.into()),
        None => plain.contains(&key).then(|| key.into()),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn of(yaml: &str) -> Option<Quota> {
        observe_quota(&serde_saphyr::from_str(yaml).unwrap())
    }

    #[test]
    fn what_pods_may_still_request_is_hard_less_used() {
        let quota = of("{ metadata: { name: team }, spec: {}, status: {
            hard: { requests.cpu: '4', cpu: '3', memory: 8Gi, limits.cpu: '9', pods: '5', requests.example.com/gpu: '2' },
            used: { requests.cpu: 1500m, cpu: 1500m, memory: 9Gi, requests.example.com/gpu: '1' } } }");
        let left = quota.expect("bounds requests").left;
        let expected = [("cpu", 1500), ("example.com/gpu", 1), ("memory", -(1 << 30))];
        assert_eq!(left, expected.map(|(name, amount)| (Name::from(name), amount)).into());
    }

    #[test]
    fn a_quota_that_counts_some_pods_or_none_bounds_nothing() {
        for yaml in [
            "{ metadata: { name: a }, spec: { scopes: [BestEffort] }, status: { hard: { cpu: '1' } } }",
            "{ metadata: { name: a }, spec: {}, status: { hard: { pods: '1', limits.cpu: '1' } } }",
            "{ metadata: { name: a }, spec: { hard: { cpu: '1' } } }",
        ] {
            assert_eq!(of(yaml), None, "{yaml}");
        }
    }
}
