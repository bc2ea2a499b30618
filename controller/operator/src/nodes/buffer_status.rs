//! What is said of buffers: their status, by the conditions of the upstream API.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
};
use plimsoll_api::{
    CapacityBuffer,
    upstream::{CapacityBufferStatus, LocalReference},
};
use plimsoll_core::{
    nodes::{
        HeadroomOf, KeptFree, NodePlan, Place,
        buffer::{Problem, Size},
    },
    time::Timestamp,
};
use plimsoll_observe::from_core_time;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    buffers::{Resolved, is_ours},
    planner::Planner,
    report::CONTROLLER,
};
use crate::targets::WRITE_TIME;

/// What a condition says: whether it holds, a word, and a sentence.
type Said = (bool, &'static str, String);

impl Planner {
    /// Says of each buffer what it came to. One whose strategy became another's loses what we said of it.
    pub(super) async fn report_buffers(&mut self, plan: &NodePlan, now: Timestamp) {
        let buffers: Vec<_> = self.world.buffers.asked.values().cloned().collect();
        for buffer in buffers {
            let key = format!("{}/{}", buffer.namespace().unwrap_or_default(), buffer.name_any());
            if !is_ours(&buffer.spec) {
                if buffer.status.as_ref().is_some_and(|status| *status != CapacityBufferStatus::default())
                    && said_by_us(&buffer)
                {
                    // Applied without a field the status would be null, which the schema refuses.
                    let nothing = json!({ "status": {
                        "podTemplateRef": null, "podTemplateGeneration": null, "replicas": null,
                        "provisioningStrategy": null, "conditions": null,
                    } });
                    self.write_buffer(&key, &buffer, PatchParams::default(), Patch::Merge(nothing)).await;
                }
                continue;
            }
            let Some(resolved) = self.world.buffers.resolved.get(&key) else { continue };
            let is_it = |kept: &&KeptFree| matches!(&kept.of, HeadroomOf::Buffer(of) if **of == *key);
            let status = status(&buffer, resolved, plan.kept_free.iter().find(is_it), now);
            if buffer.status.as_ref() != Some(&status) {
                let whole = json!({
                    "apiVersion": CapacityBuffer::api_version(&()),
                    "kind": CapacityBuffer::kind(&()),
                    "metadata": { "uid": buffer.uid() },
                    "status": status,
                });
                let params = PatchParams::apply(CONTROLLER).force();
                self.write_buffer(&key, &buffer, params, Patch::Apply(whole)).await;
            }
        }
    }

    async fn write_buffer(
        &mut self,
        key: &str,
        buffer: &CapacityBuffer,
        params: PatchParams,
        patch: Patch<Value>,
    ) {
        if !self.leadership.outlives(WRITE_TIME) {
            return;
        }
        let namespace = buffer.namespace().unwrap_or_default();
        let api: Api<CapacityBuffer> = Api::namespaced(self.client.clone(), &namespace);
        match timeout(WRITE_TIME, api.patch_status(&buffer.name_any(), &params, &patch)).await {
            Ok(Ok(written)) => {
                if let Some(known) = self.world.buffers.asked.get_mut(key) {
                    *known = Arc::new(written);
                }
            }
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {}
            Ok(Err(error)) => tracing::warn!(buffer = key, %error, "the status of a buffer was not written"),
            Err(_) => {
                tracing::warn!(buffer = key, "the API server did not take the status of a buffer in time");
            }
        }
    }
}

fn said_by_us(buffer: &CapacityBuffer) -> bool {
    let managers = buffer.metadata.managed_fields.iter().flatten();
    managers.into_iter().any(|entry| {
        entry.manager.as_deref() == Some(CONTROLLER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref() == Some("status")
    })
}

fn status(
    buffer: &CapacityBuffer,
    resolved: &Result<Resolved, Problem>,
    kept: Option<&KeptFree>,
    now: Timestamp,
) -> CapacityBufferStatus {
    let generation = buffer.metadata.generation;
    let old = buffer.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let condition = |(kind, (holds, reason, message)): (&str, Said)| {
        let status = if holds { "True" } else { "False" };
        let same = old.iter().find(|condition| condition.type_ == kind && condition.status == status);
        let since = same.map(|condition| condition.last_transition_time.clone());
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: generation,
            last_transition_time: since.unwrap_or_else(|| from_core_time(now)),
        }
    };
    let strategy = buffer.spec.provisioning_strategy.clone();
    let said = match resolved {
        Err(problem) => {
            let said = [
                ("ReadyForProvisioning", (false, problem.word(), problem.to_string())),
                ("Provisioning", (false, "NotReady", "no room is kept: see ReadyForProvisioning".to_owned())),
            ];
            return CapacityBufferStatus {
                provisioning_strategy: strategy,
                conditions: said.map(condition).into(),
                ..CapacityBufferStatus::default()
            };
        }
        Ok(resolved) => [
            ("ReadyForProvisioning", ready(resolved)),
            ("Provisioning", provisioning(kept)),
            ("LimitedByQuotas", limited(resolved)),
        ],
    };
    CapacityBufferStatus {
        pod_template_ref: resolved.as_ref().ok().and_then(|resolved| {
            resolved.template.as_ref().map(|(name, _)| LocalReference { name: name.clone() })
        }),
        pod_template_generation: resolved.as_ref().ok().and_then(|resolved| resolved.template.as_ref()?.1),
        replicas: resolved.as_ref().ok().map(|of| i32::try_from(of.size.count).unwrap_or(i32::MAX)),
        provisioning_strategy: strategy,
        conditions: said.map(condition).into(),
    }
}

fn ready(resolved: &Resolved) -> Said {
    let Size { count, cut_from, .. } = resolved.size;
    let more =
        cut_from.map(|asked| format!(", and not for {asked}: no buffer gets more")).unwrap_or_default();
    (true, "AttributesSetSuccessfully", format!("room for {} is to be kept free{more}", pods(count)))
}

fn limited(resolved: &Resolved) -> Said {
    let size = &resolved.size;
    if size.cut_by.is_empty() {
        return (false, "WithinQuotas", "no ResourceQuota leaves less than is asked for".to_owned());
    }
    let quotas = size.cut_by.join(", ");
    let message =
        format!("room for {} instead of {}: the quotas {quotas} leave no more", pods(size.count), size.asked);
    (true, "ResourceQuotasAllocated", message)
}

fn provisioning(kept: Option<&KeptFree>) -> Said {
    let Some(kept) = kept else {
        return (true, "NothingAskedFor", "it asks for no room now".to_owned());
    };
    let ready = kept.ready();
    let here = format!("room for {ready} of {} on nodes that are there", pods(kept.wanted));
    if kept.missing > 0 {
        let why: Vec<String> = kept.why.iter().map(ToString::to_string).collect();
        return (
            false,
            "NoRoom",
            format!("{here}, and no node can be had for {}: {}", kept.missing, why.join("; ")),
        );
    }
    let is_there = kept.places.iter().all(|spare| matches!(spare.place, Place::Node(_)));
    if is_there {
        (true, "RoomReady", here)
    } else {
        (true, "RoomOrdered", format!("{here}, and nodes are ordered for the rest"))
    }
}

fn pods(count: u32) -> String {
    if count == 1 { "1 pod".to_owned() } else { format!("{count} pods") }
}
