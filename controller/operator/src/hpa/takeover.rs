//! Scaling by HPAs in place of the built-in controller.

use std::time::Duration;

use kube::{ResourceExt as _, api::ObjectMeta, runtime::controller::Action};
use plimsoll_core::{
    replicas::Obstacle,
    time::{Span, Timestamp},
};
use plimsoll_observe::observe_time;

use super::Hpa;
use crate::{
    context::Context,
    podscaler::{Error, Kind, Subject, look_at, now},
    targets::FIELD_MANAGER,
};

/// The time between two looks of the built-in controller, unless its flag says another.
pub(super) const THEIR_PERIOD: Duration = Duration::from_secs(15);

/// One look at an HPA that is ours to scale, unless somebody else does.
pub(super) async fn look(context: &Context, hpa: &Hpa) -> Result<Action, Error> {
    let (namespace, name) = (hpa.namespace().unwrap_or_default(), hpa.name_any());
    let (spec, status) = (hpa.podscaler_spec(), hpa.podscaler_status());
    let subject = Subject {
        kind: Kind::Hpa,
        namespace: &namespace,
        name: &name,
        metadata: &hpa.metadata,
        spec: spec.as_ref().ok(),
        status: Some(&status),
        raw_status: &hpa.status,
    };
    let two_periods = 2 * context.options.sync_period.max(THEIR_PERIOD);
    let elsewhere = other_manager(&hpa.metadata, now(), two_periods);
    let refused = if elsewhere.is_some() { 1.0 } else { 0.0 };
    context.metrics.hpa.refused.set(&namespace, &name, refused);
    let obstacle = match (elsewhere, &spec) {
        (Some(manager), _) => Some(Obstacle::StatusWrittenElsewhere { manager }),
        (None, Err(invalid)) => Some(Obstacle::Undecodable(invalid.to_string())),
        (None, Ok(_)) => None,
    };
    look_at(context, &subject, &hpa.uid().unwrap_or_default(), obstacle).await
}

/// Who but us has written the status within the time before `now`: the last of them.
///
/// The built-in controller writes when something has changed, which with a load that lives is at each of its looks.
/// A time in the future counts: the API server's clock need not be ours.
fn other_manager(metadata: &ObjectMeta, now: Timestamp, within: Duration) -> Option<String> {
    let oldest = now - Span::from_millis(i64::try_from(within.as_millis()).unwrap_or(i64::MAX));
    let of_status = metadata.managed_fields.iter().flatten().filter(|entry| {
        entry.subresource.as_deref() == Some("status") && entry.manager.as_deref() != Some(FIELD_MANAGER)
    });
    let recent = of_status.filter_map(|entry| {
        let at = observe_time(entry.time.as_ref()?);
        (at >= oldest).then(|| (at, entry.manager.clone().unwrap_or_else(|| "another controller".to_owned())))
    });
    recent.max_by_key(|(at, _)| *at).map(|(_, manager)| manager)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn written(by: &[(&str, &str, i64)]) -> ObjectMeta {
        let entries: Vec<_> = by
            .iter()
            .map(|(manager, subresource, at)| {
                let time = plimsoll_observe::from_core_time(Timestamp::from_millis(at * 1000));
                json!({ "manager": manager, "subresource": subresource, "time": time })
            })
            .collect();
        serde_json::from_value(json!({ "managedFields": entries })).unwrap()
    }

    #[test]
    fn who_wrote_the_status_lately_is_in_the_way() {
        let other = |by: &[(&str, &str, i64)]| {
            other_manager(&written(by), Timestamp::from_millis(1_000_000), Duration::from_secs(30))
        };
        let theirs = Some("kube-controller-manager".to_owned());
        assert_eq!(other(&[("kube-controller-manager", "status", 980)]), theirs);
        assert_eq!(other(&[("kube-controller-manager", "status", 970)]), theirs, "two periods are not over");
        assert_eq!(other(&[("kube-controller-manager", "status", 969)]), None);
        assert_eq!(other(&[("kube-controller-manager", "status", 1005)]), theirs, "a clock before ours");
        assert_eq!(other(&[("kubectl", "", 999), (FIELD_MANAGER, "status", 999)]), None);
        assert_eq!(other(&[("old", "status", 980), ("kube-controller-manager", "status", 990)]), theirs);
        assert_eq!(other_manager(&ObjectMeta::default(), Timestamp::from_millis(0), THEIR_PERIOD), None);
    }
}
