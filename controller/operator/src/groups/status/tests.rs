use plimsoll_core::time::Timestamp;
use pretty_assertions::assert_eq;

use super::*;
use crate::groups::{
    decide::{Problem, Wanted},
    seen::Scaling,
};

const NOW: Timestamp = Timestamp::from_millis(60_000);

fn decision(name: &str) -> ServiceDecision {
    ServiceDecision {
        name: name.to_owned(),
        wanted: Ok(Wanted { objects: Vec::new(), other_budgets: Vec::new() }),
    }
}

fn running(wanted: i32, ready: &[(&str, i32)]) -> Running {
    let ready = ready.iter().map(|(zone, count)| ((*zone).to_owned(), *count)).collect();
    Running {
        wanted: Some(wanted),
        ready,
        scaling: Some(scaling(true, true, "ValidMetricFound")),
        stuck: None,
    }
}

fn scaling(able: bool, active: bool, reason: &str) -> Scaling {
    Scaling { able, active, desired: None, reason: reason.into(), message: "its words".into() }
}

fn told(services: Vec<ServiceTold<'_>>) -> Told<'_> {
    Told { generation: Some(3), services, address: None, more: Vec::new() }
}

fn done<'a>(decision: &'a ServiceDecision, running: &'a Running) -> ServiceTold<'a> {
    ServiceTold { decision, done: Some(Ok(())), running }
}

/// The conditions as `Type=Status Reason: message`.
fn conditions(conditions: &[Condition]) -> Vec<String> {
    let text = |of: &Condition| format!("{}={} {}: {}", of.type_, of.status, of.reason, of.message);
    conditions.iter().map(text).collect()
}

fn status_of(running: &Running) -> ServiceGroupStatus {
    let get = decision("get");
    after(&ServiceGroupStatus::default(), &told(vec![done(&get, running)]), NOW)
}

#[test]
fn a_group_whose_services_run_is_ready() {
    let status = status_of(&running(3, &[("zone-b", 1), ("zone-a", 2)]));
    assert_eq!(status.ready.as_deref(), Some("1/1"));
    assert_eq!(status.zones.as_deref(), Some("zone-a, zone-b"));
    assert_eq!(status.observed_generation, Some(3));
    let service = &status.services[0];
    assert_eq!((service.replicas, service.ready_replicas), (Some(3), Some(3)));
    assert_eq!(service.zones.as_deref(), Some("zone-a 2, zone-b 1"));
    assert_eq!(conditions(&status.conditions), ["Ready=True Ready: 1 of 1 services are ready"]);
    assert_eq!(conditions(&service.conditions)[0], "Ready=True Ready: 3 of 3 replicas are ready");
}

#[test]
fn nodes_in_no_zone_are_not_shown_as_a_zone() {
    let status = status_of(&running(1, &[("", 1)]));
    assert_eq!((status.zones, status.services[0].zones.clone()), (None, None));
    assert_eq!(status.ready.as_deref(), Some("1/1"));
}

#[test]
fn replicas_on_their_way_are_no_problem() {
    let status = status_of(&running(3, &[("zone-a", 1)]));
    assert_eq!(conditions(&status.conditions), ["Ready=False Progressing: get: Progressing"]);
    assert_eq!(problem(&status, "get"), None);
}

#[test]
fn no_replicas_wanted_are_all_there() {
    assert_eq!(status_of(&running(0, &[])).ready.as_deref(), Some("1/1"));
}

#[test]
fn a_rollout_that_was_given_up_is_a_problem() {
    let status = status_of(&Running { stuck: Some("timed out".into()), ..running(1, &[("a", 1)]) });
    assert_eq!(conditions(&status.conditions), ["Ready=False ServicesNotReady: get: RolloutStuck"]);
    assert_eq!(problem(&status, "get"), Some(ServiceReason::RolloutStuck));
}

#[test]
fn a_size_that_cannot_be_set_is_a_problem_and_one_that_is_not_set_now_is_none() {
    let of = |able, active, reason: &str| {
        status_of(&Running { scaling: Some(scaling(able, active, reason)), ..running(1, &[("a", 1)]) })
    };
    let unable = of(false, false, "Conflicting");
    assert_eq!(problem(&unable, "get"), Some(ServiceReason::NotScalable));
    assert_eq!(conditions(&unable.services[0].conditions)[1], "Scaling=False Conflicting: its words");
    let idle = of(true, false, "FailedGetResourceMetric");
    assert_eq!(idle.ready.as_deref(), Some("1/1"));
    assert_eq!(
        conditions(&idle.services[0].conditions)[1],
        "Scaling=False FailedGetResourceMetric: its words"
    );
    let active = of(true, true, "ValidMetricFound");
    assert_eq!(conditions(&active.services[0].conditions)[1], "Scaling=True ValidMetricFound: its words");
}

/// A new Deployment has one replica until its PodScaler has been looked at.
#[test]
fn a_service_is_not_ready_before_its_size_was_decided() {
    let status = status_of(&Running { scaling: None, ..running(1, &[("a", 1)]) });
    assert_eq!(conditions(&status.conditions), ["Ready=False Progressing: get: Progressing"]);
    assert_eq!(status.ready.as_deref(), Some("0/1"));
}

#[test]
fn a_problem_of_one_service_is_told_of_it_and_of_the_whole() {
    let problem = Problem { reason: ServiceReason::NameTaken, message: "spec.services[0].name: …".into() };
    let blocked = ServiceDecision { name: "get".into(), wanted: Err(problem.clone()) };
    let (post, ready) = (decision("post"), running(1, &[("a", 1)]));
    let services = vec![
        ServiceTold { decision: &blocked, done: Some(Err(&problem)), running: &ready },
        done(&post, &ready),
    ];
    let status = after(&ServiceGroupStatus::default(), &told(services), NOW);
    assert_eq!(status.ready.as_deref(), Some("1/2"));
    assert_eq!(
        conditions(&status.services[0].conditions),
        ["Ready=False NameTaken: spec.services[0].name: …", "Scaling=True ValidMetricFound: its words"]
    );
    assert_eq!(conditions(&status.conditions), ["Ready=False ServicesNotReady: get: NameTaken"]);
}

#[test]
fn what_is_not_known_anew_stays_as_it_was() {
    let (get, ready) = (decision("get"), running(1, &[("a", 1)]));
    let before = after(&ServiceGroupStatus::default(), &told(vec![done(&get, &ready)]), NOW);
    let later = Timestamp::from_millis(90_000);
    let unknown = ServiceTold { decision: &get, done: None, running: &ready };
    assert_eq!(after(&before, &told(vec![unknown]), later), before);
}

#[test]
fn a_condition_that_stays_keeps_its_time_and_one_that_turns_has_a_new_one() {
    let get = decision("get");
    let (ready, not_ready) = (running(1, &[("a", 1)]), running(2, &[("a", 1)]));
    let before = after(&ServiceGroupStatus::default(), &told(vec![done(&get, &ready)]), NOW);
    let later = Timestamp::from_millis(90_000);
    assert_eq!(after(&before, &told(vec![done(&get, &ready)]), later), before);
    let turned = after(&before, &told(vec![done(&get, &not_ready)]), later);
    assert_eq!(turned.conditions[0].last_transition_time, from_core_time(later));
}

#[test]
fn another_budget_is_named() {
    let wanted = Wanted { objects: Vec::new(), other_budgets: vec!["theirs".into()] };
    let (get, ready) = (ServiceDecision { name: "get".into(), wanted: Ok(wanted) }, running(1, &[("a", 1)]));
    let status = after(&ServiceGroupStatus::default(), &told(vec![done(&get, &ready)]), NOW);
    let told = &conditions(&status.services[0].conditions)[2];
    assert!(told.starts_with("DisruptionBudget=False OtherBudget: PodDisruptionBudget theirs"), "{told}");
    assert_eq!(status.ready.as_deref(), Some("1/1"));
}

#[test]
fn a_door_that_is_shut_is_told_of_the_whole() {
    let (get, ready) = (decision("get"), running(1, &[("a", 1)]));
    let mut told = told(vec![done(&get, &ready)]);
    told.more = vec![Said::new(&FRONT_DOOR, false, &"NoClass", "nobody serves it")];
    told.address = Some("10.0.0.1".into());
    let status = after(&ServiceGroupStatus::default(), &told, NOW);
    assert_eq!(
        conditions(&status.conditions),
        ["Ready=False FrontDoorNotReady: nobody serves it", "FrontDoor=False NoClass: nobody serves it"]
    );
    assert_eq!(status.address.as_deref(), Some("10.0.0.1"));
}
