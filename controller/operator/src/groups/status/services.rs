//! What the status says of each service.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Said, ServiceTold};
use crate::groups::{
    reason::{BudgetReason, ServiceCondition, ServiceReason},
    seen::Running,
};

/// Ready pods in each zone: `zone-a 2, zone-b 1`. None while there are none, and where nodes are in no zone.
pub(super) fn zones(running: &Running) -> Option<String> {
    let zones = running.ready.iter().filter(|(zone, _)| !zone.is_empty());
    let zones: Vec<_> = zones.map(|(zone, count)| format!("{zone} {count}")).collect();
    (!zones.is_empty()).then(|| zones.join(", "))
}

/// The zones with ready pods of any service: `zone-a, zone-b`.
pub(super) fn zones_of_all<'r>(services: impl Iterator<Item = &'r Running>) -> Option<String> {
    let zones: BTreeSet<_> = services.flat_map(|running| running.ready.keys()).collect();
    let zones: Vec<_> = zones.into_iter().filter(|zone| !zone.is_empty()).map(String::as_str).collect();
    (!zones.is_empty()).then(|| zones.join(", "))
}

/// The conditions of a service. What is not known anew stays as it was.
pub(super) fn conditions(told: &ServiceTold<'_>, before: &[Condition]) -> Vec<Said> {
    let was: BTreeMap<_, _> = before.iter().map(|was| (was.type_.as_str(), was)).collect();
    let kept = |kind: ServiceCondition| was.get(kind.to_string().as_str()).map(|was| again(was));
    let ready = match told.done {
        Some(Ok(())) => Some(ready(told.running)),
        Some(Err(problem)) => {
            Some(Said::new(&ServiceCondition::Ready, false, &problem.reason, problem.message.clone()))
        }
        None => Some(kept(ServiceCondition::Ready).unwrap_or_else(|| {
            let message = told.decision.wanted.as_ref().err().map(|problem| problem.message.clone());
            let message = message.unwrap_or_else(|| "its objects are not there yet".to_owned());
            Said::new(&ServiceCondition::Ready, false, &ServiceReason::Progressing, message)
        })),
    };
    let budget = match (told.done, &told.decision.wanted) {
        (Some(Ok(())), Ok(wanted)) => Some(budget(&wanted.other_budgets)),
        _ => kept(ServiceCondition::DisruptionBudget),
    };
    ready.into_iter().chain(scaling(told.running)).chain(budget).collect()
}

fn again(was: &Condition) -> Said {
    let holds = match was.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    };
    Said::new(&was.type_, holds, &was.reason, was.message.clone())
}

/// Whether a service whose objects are all there runs as it should.
fn ready(running: &Running) -> Said {
    let say = |holds: bool, reason: ServiceReason, message| {
        Said::new(&ServiceCondition::Ready, holds, &reason, message)
    };
    let Some(wanted) = running.wanted else {
        return say(false, ServiceReason::Progressing, "its workload was not seen yet".to_owned());
    };
    let ready = running.ready();
    let count = format!("{ready} of {wanted} replicas are ready");
    if let Some(stuck) = &running.stuck {
        return say(false, ServiceReason::RolloutStuck, format!("{count}; {stuck}"));
    }
    let Some(scaling) = &running.scaling else {
        return say(
            false,
            ServiceReason::Progressing,
            format!("{count}; its PodScaler was not looked at yet"),
        );
    };
    if !scaling.able {
        let why = format!("{count}; the PodScaler says {}: {}", scaling.reason, scaling.message);
        return say(false, ServiceReason::NotScalable, why);
    }
    if ready < wanted {
        return say(false, ServiceReason::Progressing, count);
    }
    say(true, ServiceReason::Ready, count)
}

/// What the PodScaler says, in its own words.
fn scaling(running: &Running) -> Option<Said> {
    let scaling = running.scaling.as_ref()?;
    Some(Said::new(
        &ServiceCondition::Scaling,
        scaling.able && scaling.active,
        &scaling.reason,
        scaling.message.clone(),
    ))
}

fn budget(others: &[String]) -> Said {
    let kind = ServiceCondition::DisruptionBudget;
    if others.is_empty() {
        return Said::new(&kind, true, &BudgetReason::Kept, "a PodDisruptionBudget is kept for its pods");
    }
    let message = format!(
        "PodDisruptionBudget {} selects its pods too, and a pod under two cannot be evicted: none is kept. Delete it to have \
         availability.maxUnavailable hold",
        others.join(" and ")
    );
    Said::new(&kind, false, &BudgetReason::OtherBudget, message)
}
