//! The status of an HPA, as the built-in controller writes it.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use plimsoll_api::v1alpha1::PodScalerStatus;
use plimsoll_core::{replicas::ConditionUpdate, time::Timestamp};
use plimsoll_observe::from_core_time;
use serde_json::{Map, Value, json};

use super::Hpa;
use crate::{context::Context, podscaler::Subject, targets::FIELD_MANAGER};

/// The merge patch that makes the status of an HPA say what `after` does; None when it does already.
///
/// What is in the status and not known to us stays. After a change of size, or a write of our own, it is written in any
/// case (`over_all`): that a workload was scaled to zero must not get lost to somebody who edits the HPA at the same moment.
/// Otherwise the patch is refused where somebody has written to the HPA since we read it.
pub(crate) fn patch(
    subject: &Subject<'_>,
    after: &PodScalerStatus,
    conditions: &[ConditionUpdate],
    over_all: bool,
    now: Timestamp,
) -> Option<Value> {
    let before = subject.raw_status;
    let mut status = Map::new();
    let mut set = |field: &str, value: Value| {
        if before.get(field).unwrap_or(&Value::Null) != &value {
            status.insert(field.to_owned(), value);
        }
    };
    set("currentMetrics", json!(after.current_metrics));
    set("desiredReplicas", json!(after.desired_replicas));
    set("conditions", merge(before.get("conditions"), conditions, now));
    for (field, value) in [
        ("currentReplicas", json!(after.current_replicas)),
        ("observedGeneration", json!(after.observed_generation)),
        ("lastScaleTime", json!(after.last_scale_time)),
    ] {
        if !value.is_null() {
            set(field, value);
        }
    }
    if status.is_empty() {
        return None;
    }
    let metadata = &subject.metadata;
    let version = metadata.resource_version.as_ref().filter(|_| !over_all);
    let mut identity = json!({ "uid": metadata.uid });
    if let Some(version) = version {
        identity["resourceVersion"] = json!(version);
    }
    Some(json!({ "metadata": identity, "status": status }))
}

/// The merge patch that sets one condition, whatever else was written meanwhile.
pub(crate) fn with(subject: &Subject<'_>, update: ConditionUpdate, now: Timestamp) -> Value {
    let conditions = merge(subject.raw_status.get("conditions"), &[update], now);
    json!({ "metadata": { "uid": subject.metadata.uid }, "status": { "conditions": conditions } })
}

/// Updates in place and appends, so that the order is that of the first setting. The transition time changes only
/// with the status, and other fields of a condition stay.
fn merge(before: Option<&Value>, updates: &[ConditionUpdate], now: Timestamp) -> Value {
    let mut conditions = before.and_then(Value::as_array).cloned().unwrap_or_default();
    for update in updates {
        let (kind, status) = (update.kind.to_string(), update.status.to_string());
        let position = conditions.iter().position(|condition| condition["type"] == kind.as_str());
        let known = position.and_then(|position| conditions.get(position));
        let changed = known.is_none_or(|known| known["status"] != status.as_str());
        let mut condition = known.cloned().unwrap_or_else(|| json!({ "type": kind }));
        if changed {
            condition["lastTransitionTime"] = json!(from_core_time(now));
        }
        condition["status"] = json!(status);
        condition["reason"] = json!(update.reason.to_string());
        condition["message"] = json!(update.message);
        match position.and_then(|position| conditions.get_mut(position)) {
            Some(slot) => *slot = condition,
            None => conditions.push(condition),
        }
    }
    Value::Array(conditions)
}

/// Writes a patch of [`patch`].
pub(crate) async fn write(
    context: &Context,
    subject: &Subject<'_>,
    patch: &Value,
) -> Result<(), kube::Error> {
    let api = Api::<Hpa>::namespaced(context.client.clone(), subject.namespace);
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch_status(subject.name, &params, &Patch::Merge(patch)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;
    use plimsoll_core::reason::{ConditionKind, ConditionReason};
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::podscaler::Kind;

    const NOW: Timestamp = Timestamp::from_millis(60_000);

    fn update(kind: ConditionKind, holds: bool, reason: ConditionReason) -> ConditionUpdate {
        ConditionUpdate { kind, status: holds.into(), reason, message: "why".to_owned() }
    }

    fn patched(
        before: &Value,
        after: &PodScalerStatus,
        updates: &[ConditionUpdate],
        rescaled: bool,
    ) -> Option<Value> {
        let metadata =
            ObjectMeta { uid: Some("1".into()), resource_version: Some("7".into()), ..ObjectMeta::default() };
        let subject = Subject {
            kind: Kind::Hpa,
            namespace: "shop",
            name: "web",
            metadata: &metadata,
            spec: None,
            status: None,
            raw_status: before,
        };
        patch(&subject, after, updates, rescaled, NOW)
    }

    fn status(desired: i32) -> PodScalerStatus {
        PodScalerStatus { desired_replicas: desired, current_replicas: Some(2), ..PodScalerStatus::default() }
    }

    #[test]
    fn only_what_changed_is_written_and_only_over_what_was_read() {
        let before = json!({ "currentReplicas": 2, "desiredReplicas": 2, "conditions": [], "forecast": [9] });
        assert_eq!(patched(&before, &status(2), &[], false), None);
        assert_eq!(
            patched(&before, &status(4), &[], false),
            Some(json!({
                "metadata": { "uid": "1", "resourceVersion": "7" }, "status": { "desiredReplicas": 4 } }))
        );
    }

    #[test]
    fn a_change_of_size_is_recorded_whatever_else_happened() {
        let patch = patched(&json!({}), &status(0), &[], true).unwrap();
        assert_eq!(patch["metadata"], json!({ "uid": "1" }));
    }

    #[test]
    fn conditions_keep_their_order_their_times_and_what_others_put_into_them() {
        let old = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": "Old", "message": "old",
                "lastTransitionTime": "1970-01-01T00:00:05Z", "weather": "fine",
            })
        };
        let before = json!([old("Custom", "True"), old("ScalingActive", "True"), old("AbleToScale", "True")]);
        let merged = merge(
            Some(&before),
            &[
                update(ConditionKind::AbleToScale, true, ConditionReason::ReadyForNewScale),
                update(ConditionKind::ScalingActive, false, ConditionReason::FailedGetResourceMetric),
                update(ConditionKind::ScalingLimited, false, ConditionReason::DesiredWithinRange),
            ],
            NOW,
        );
        let brief: Vec<_> = merged
            .as_array()
            .unwrap()
            .iter()
            .map(|c| {
                [&c["type"], &c["status"], &c["reason"], &c["lastTransitionTime"], &c["weather"]]
                    .map(|v| v.as_str().unwrap_or("-"))
            })
            .collect();
        assert_eq!(
            brief,
            [
                ["Custom", "True", "Old", "1970-01-01T00:00:05Z", "fine"],
                ["ScalingActive", "False", "FailedGetResourceMetric", "1970-01-01T00:01:00Z", "fine"],
                ["AbleToScale", "True", "ReadyForNewScale", "1970-01-01T00:00:05Z", "fine"],
                ["ScalingLimited", "False", "DesiredWithinRange", "1970-01-01T00:01:00Z", "-"],
            ]
        );
    }
}
