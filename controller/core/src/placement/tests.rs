use std::sync::Arc;

use super::*;
use crate::cluster::{Affinity, HOSTNAME, Labels};
use crate::nodes::fixtures::{node, pod, term};

/// A pod of an app that asks for so much cpu, in a state.
fn of(name: &str, cpu: i64, state: PodState) -> Pod {
    let mut pod = Pod { state, ..pod(name, "none") };
    let shape = Arc::make_mut(&mut pod.shape);
    shape.labels = Labels::from([("app".into(), name.into())]);
    shape.requests.cpu = cpu;
    pod
}

fn nominated(name: &str, cpu: i64, node: &str) -> Pod {
    of(name, cpu, PodState::Nominated { node: node.into() })
}

fn with_priority(mut pod: Pod, priority: i32) -> Pod {
    Arc::make_mut(&mut pod.shape).priority = priority;
    pod
}

/// Whether a pod fits on n of the nodes n and m, which have four cores each, beside others.
fn fits_on_n(pod: &Pod, others: &[Pod]) -> Result<(), Refusal> {
    let mut view = View::default();
    for name in ["n", "m"] {
        view.apply(Change::Node(node(name, "a")));
    }
    for of in others.iter().chain([pod]) {
        view.apply(Change::Pod(of.clone()));
    }
    fits(&view, pod, "n")
}

#[test]
fn pods_that_are_nominated_for_a_node_hold_their_room_there() {
    let waits = of("web", 3000, PodState::Pending);
    assert_eq!(fits_on_n(&waits, &[nominated("db", 1000, "n")]), Ok(()));
    assert!(fits_on_n(&waits, &[nominated("db", 1001, "n")]).is_err());
    assert_eq!(fits_on_n(&waits, &[nominated("db", 4000, "m")]), Ok(()), "that one goes elsewhere");
    let important = with_priority(waits, 1);
    assert_eq!(fits_on_n(&important, &[nominated("db", 4000, "n")]), Ok(()), "that one is less important");
}

#[test]
fn a_pod_is_not_in_its_own_way() {
    assert_eq!(fits_on_n(&nominated("web", 4000, "n"), &[]), Ok(()));
    assert_eq!(fits_on_n(&nominated("web", 4000, "m"), &[]), Ok(()));
}

#[test]
fn a_pod_that_is_only_nominated_is_no_company_yet() {
    let mut guest = of("guest", 100, PodState::Pending);
    Arc::make_mut(&mut guest.shape).affinity =
        Affinity { pods: vec![term(HOSTNAME, "db")], ..Affinity::default() };
    let bound = of("db", 100, PodState::Bound { node: "n".into(), ready: true });
    assert_eq!(fits_on_n(&guest, &[bound]), Ok(()));
    assert!(fits_on_n(&guest, &[nominated("db", 100, "n")]).is_err());
}
