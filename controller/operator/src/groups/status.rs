//! The status of a group. Values in, values out.

mod services;
#[cfg(test)]
mod tests;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use plimsoll_api::v1alpha1::{GroupServiceStatus, ServiceGroupStatus};
use plimsoll_core::time::Timestamp;
use plimsoll_observe::from_core_time;

use super::{
    decide::ServiceDecision,
    reason::{GroupReason, ServiceCondition, ServiceReason},
    seen::Running,
};

/// What there is to say of a group.
pub(super) struct Told<'a> {
    /// Of its spec.
    pub(super) generation: Option<i64>,
    /// Each service.
    pub(super) services: Vec<ServiceTold<'a>>,
    /// Where the front door is.
    pub(super) address: Option<String>,
    /// What else there is to say of the whole.
    pub(super) more: Vec<Said>,
}

/// What there is to say of a service.
pub(super) struct ServiceTold<'a> {
    pub(super) decision: &'a ServiceDecision,
    /// Whether all that it should have is there; None where that is not known, and what was said last still holds.
    pub(super) done: Option<Result<(), &'a super::decide::Problem>>,
    pub(super) running: &'a Running,
}

/// A condition, without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: String,
    /// None: it is not known.
    pub(super) holds: Option<bool>,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Said {
    pub(super) fn new(
        kind: &impl ToString,
        holds: impl Into<Option<bool>>,
        reason: &impl ToString,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind: kind.to_string(),
            holds: holds.into(),
            reason: reason.to_string(),
            message: message.into(),
        }
    }
}

/// The condition of the whole that says how the front door is; its owner says it.
const FRONT_DOOR: &str = "FrontDoor";

/// The status after what there is to say now.
pub(super) fn after(before: &ServiceGroupStatus, told: &Told<'_>, now: Timestamp) -> ServiceGroupStatus {
    let stamp = |before: &[Condition], said: Vec<Said>| stamp(before, said, told.generation, now);
    let services = told.services.iter().map(|service| {
        let name = &service.decision.name;
        let was = before.services.iter().find(|was| was.name == *name);
        let conditions = was.map(|was| was.conditions.as_slice()).unwrap_or_default();
        let running = service.running;
        GroupServiceStatus {
            name: name.clone(),
            replicas: running.wanted,
            ready_replicas: running.wanted.map(|_| running.ready()),
            zones: services::zones(running),
            conditions: stamp(conditions, services::conditions(service, conditions)),
        }
    });
    let services: Vec<_> = services.collect();
    let ready = services.iter().filter(|service| is_ready(service)).count();
    let conditions: Vec<_> =
        [whole(&services, &told.more)].into_iter().chain(told.more.iter().cloned()).collect();
    ServiceGroupStatus {
        observed_generation: told.generation,
        address: told.address.clone(),
        ready: Some(format!("{ready}/{}", services.len())),
        zones: services::zones_of_all(told.services.iter().map(|service| service.running)),
        conditions: stamp(&before.conditions, conditions),
        services,
    }
}

/// Whether everything is as it should be.
fn whole(services: &[GroupServiceStatus], more: &[Said]) -> Said {
    let kind = "Ready";
    let not_ready: Vec<_> = services.iter().filter(|service| !is_ready(service)).collect();
    let reasons = not_ready.iter().map(|service| (service.name.as_str(), ready_reason(service)));
    let reasons: Vec<_> = reasons.map(|(name, reason)| (name, reason.unwrap_or_default())).collect();
    let door = more.iter().find(|said| said.kind == FRONT_DOOR && said.holds != Some(true));
    if !reasons.is_empty() {
        let only_progressing =
            reasons.iter().all(|(_, reason)| *reason == ServiceReason::Progressing.to_string());
        let reason = if only_progressing { GroupReason::Progressing } else { GroupReason::ServicesNotReady };
        let each: Vec<_> = reasons.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        return Said::new(&kind, false, &reason, each.join(", "));
    }
    if let Some(door) = door {
        return Said::new(&kind, false, &GroupReason::FrontDoorNotReady, door.message.clone());
    }
    Said::new(&kind, true, &GroupReason::Ready, format!("{0} of {0} services are ready", services.len()))
}

/// Whether a service has all the replicas it should have, and nothing is amiss.
fn is_ready(service: &GroupServiceStatus) -> bool {
    ready_condition(&service.conditions).is_some_and(|ready| ready.status == "True")
}

fn ready_reason(service: &GroupServiceStatus) -> Option<&str> {
    ready_condition(&service.conditions).map(|ready| ready.reason.as_str())
}

fn ready_condition(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == ServiceCondition::Ready.to_string())
}

/// The problem that a service had by its status.
pub(super) fn problem(status: &ServiceGroupStatus, service: &str) -> Option<ServiceReason> {
    let service = status.services.iter().find(|of| of.name == service)?;
    ServiceReason::named(ready_reason(service)?).filter(|reason| reason.is_problem())
}

/// Conditions with their times: one whose status is as it was keeps its own.
pub(super) fn stamp(
    before: &[Condition],
    said: Vec<Said>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let stamped = said.into_iter().map(|said| {
        let status = match said.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        let same = before.iter().find(|was| was.type_ == said.kind && was.status == status);
        Condition {
            type_: said.kind,
            status: status.to_owned(),
            reason: said.reason,
            message: said.message,
            observed_generation: generation,
            last_transition_time: same
                .map_or_else(|| from_core_time(now), |was| was.last_transition_time.clone()),
        }
    });
    stamped.collect()
}
