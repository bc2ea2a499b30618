//! What the audit takes for a match: of taints and tolerations, of nodes and what pods ask of them, of what is left in its books.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the number of cases comes from outside; the core reads nothing"
)]

mod broken;
mod cluster;

use std::collections::BTreeSet;

use broken::{Break, Then as _, accepts, base, on_node, on_plans, on_pod, on_shape, refuses, to, with};
use cluster::{Cluster, NOW, Plans, budget, term};
use plimsoll_core::audit::Invariant;
use plimsoll_core::cluster::{
    Affinity, Effect, HOSTNAME, HostPort, Node, NodeTerm, Operator, OwnerKind, Pod, Readiness, Requirement,
    Taint, Toleration, TolerationOperator, VolumeNeed,
};
use plimsoll_core::nodes::remove::WhyRemoved;
use plimsoll_core::placement::Change;

/// n2 has the taint `gpu=3` with this effect, and the pod that goes there this toleration.
fn tolerating(effect: Effect, toleration: Toleration) -> Break {
    let taint = move || Taint { key: "gpu".into(), value: "3".into(), effect };
    on_node("n2", move |node| node.taints.push(taint()))
        .then(on_shape("web-n1", move |shape| shape.tolerations.push(toleration.clone())))
        .then(to("n2"))
}

fn toleration(key: &str, operator: TolerationOperator, value: &str) -> Toleration {
    Toleration { key: key.into(), operator, value: value.into(), effect: None }
}

#[test]
fn a_taint_is_tolerated_by_its_key_its_value_and_its_effect() {
    use TolerationOperator::{Equal, Exists, Gt, Lt};
    let of = |key, operator, value| tolerating(Effect::NoSchedule, toleration(key, operator, value));
    let of_effect = |effect| {
        let toleration = Toleration { effect: Some(effect), ..toleration("gpu", Exists, "") };
        tolerating(Effect::NoExecute, toleration)
    };
    accepts(vec![
        of("gpu", Exists, ""),
        of("", Exists, ""),
        of("gpu", Equal, "3"),
        of("gpu", Lt, "4"),
        of("gpu", Gt, "2"),
        of_effect(Effect::NoExecute),
        tolerating(Effect::PreferNoSchedule, toleration("other", Exists, "")),
    ]);
    refuses(
        Invariant::NodeRules,
        vec![
            of("other", Exists, ""),
            of("", Equal, ""),
            of("gpu", Equal, "4"),
            of("gpu", Lt, "3"),
            of("gpu", Gt, "3"),
            of("gpu", Gt, "two"),
            of_effect(Effect::NoSchedule),
        ],
    );
}

#[test]
fn a_node_is_selected_by_any_term_that_says_something() {
    let requirement = |key: &str, value: &str| Requirement {
        key: key.into(),
        operator: Operator::In(BTreeSet::from([value.into()])),
    };
    let label = |value: &str| NodeTerm { labels: vec![requirement("disk", value)], fields: Vec::new() };
    let name =
        |value: &str| NodeTerm { labels: Vec::new(), fields: vec![requirement("metadata.name", value)] };
    let of = |terms: Vec<NodeTerm>| {
        on_node("n2", |node| {
            node.labels.insert("disk".into(), "fast".into());
        })
        .then(on_shape("web-n1", move |shape| shape.affinity.nodes = Some(terms.clone())))
        .then(to("n2"))
    };
    let both = NodeTerm { fields: name("n3").fields, ..label("fast") };
    accepts(vec![of(vec![label("fast")]), of(vec![name("n2")]), of(vec![label("slow"), name("n2")])]);
    refuses(
        Invariant::NodeRules,
        vec![of(vec![label("slow")]), of(vec![name("n3")]), of(vec![both]), of(vec![NodeTerm::default()])],
    );
}

/// A port of n2 that a pod there has, and one that the pod that goes there wants.
fn ports(there: (&'static str, &'static str, u16), wanted: (&'static str, &'static str, u16)) -> Break {
    let port = |(ip, protocol, port): (&str, &str, u16)| HostPort {
        ip: ip.into(),
        protocol: protocol.into(),
        port: port.into(),
    };
    let on = |pod, of| {
        on_shape(pod, move |shape| {
            shape.host_ports.insert(port(of));
        })
    };
    on("web-n2", there).then(on("web-n1", wanted)).then(to("n2"))
}

#[test]
fn ports_conflict_by_number_protocol_and_address() {
    let every = "0.0.0.0";
    accepts(vec![
        ports((every, "TCP", 80), (every, "TCP", 81)),
        ports((every, "TCP", 80), (every, "UDP", 80)),
        ports(("10.0.0.1", "TCP", 80), ("10.0.0.2", "TCP", 80)),
    ]);
    refuses(
        Invariant::NodeRules,
        vec![
            ports((every, "TCP", 80), (every, "TCP", 80)),
            ports(("10.0.0.1", "TCP", 80), ("10.0.0.1", "TCP", 80)),
            ports((every, "TCP", 80), ("10.0.0.1", "TCP", 80)),
            ports(("10.0.0.1", "TCP", 80), (every, "TCP", 80)),
        ],
    );
}

#[test]
fn as_many_volumes_are_attached_as_the_node_takes() {
    let attached = |id: &'static str| {
        on_shape("web-n1", move |shape| {
            shape.volumes.push(VolumeNeed {
                id: id.into(),
                driver: Some("disk".into()),
                ..VolumeNeed::default()
            });
        })
    };
    let takes = |most: i64| {
        on_node("n2", move |node| {
            node.attach_limits.insert("disk".into(), most);
        })
    };
    accepts(vec![attached("one").then(attached("two")).then(takes(2)).then(to("n2"))]);
    refuses(Invariant::NodeRules, vec![attached("one").then(attached("two")).then(takes(1)).then(to("n2"))]);
}

#[test]
fn a_node_with_too_many_volumes_takes_a_pod_that_brings_no_other() {
    let disk = |id: &str| VolumeNeed { id: id.into(), driver: Some("disk".into()), ..VolumeNeed::default() };
    let too_many = move || {
        on_shape("web-n2", move |shape| shape.volumes = vec![disk("one"), disk("two")])
            .then(on_node("n2", |node| _ = node.attach_limits.insert("disk".into(), 1)))
    };
    let brings = move |id: &'static str| on_shape("web-n1", move |shape| shape.volumes = vec![disk(id)]);
    accepts(vec![too_many().then(brings("one")).then(to("n2"))]);
    refuses(Invariant::NodeRules, vec![too_many().then(brings("three")).then(to("n2"))]);
}

#[test]
fn a_cordon_can_be_tolerated() {
    let cordoned = || on_node("n2", |node| node.unschedulable = true).then(to("n2"));
    let tolerating = |key: &'static str| {
        on_shape("web-n1", move |shape| {
            shape.tolerations.push(toleration(key, TolerationOperator::Exists, ""));
        })
    };
    accepts(vec![
        cordoned().then(tolerating("node.kubernetes.io/unschedulable")),
        cordoned().then(tolerating("")),
    ]);
    refuses(Invariant::NodeRules, vec![cordoned(), cordoned().then(tolerating("gpu"))]);
}

#[test]
fn a_pod_below_the_cut_off_goes_though_nobody_makes_it_anew() {
    let below = || {
        on_pod("web-n1", |pod| {
            pod.owner = None;
            std::sync::Arc::make_mut(&mut pod.shape).priority = -11;
        })
        .then(on_plans(|plans| plans.removing.remove[0].moves.clear()))
    };
    accepts(vec![below()]);
    refuses(
        Invariant::Evictable,
        vec![below().then(on_pod("web-n1", |pod| pod.eviction.safe = Some(false)))],
    );
}

/// A pod of `api` more was on n2 for a while, or is.
fn twin(is_gone: bool) -> Break {
    with(move |cluster: &mut Cluster| {
        let of = |pod: &Pod| &*pod.name == "api-n2";
        let api = cluster.changes.iter().find_map(|change| match change {
            Change::Pod(pod) if of(pod) => Some(pod.clone()),
            _ => None,
        });
        let twin = Pod { uid: "uid-twin".into(), name: "twin".into(), ..api.unwrap() };
        cluster.changes.push(Change::Pod(twin));
        if is_gone {
            cluster.changes.push(Change::PodGone("uid-twin".into()));
        }
    })
}

#[test]
fn of_two_equal_pods_the_one_that_stays_still_counts() {
    let apart = || {
        on_shape("web-n1", |shape| {
            shape.affinity = Affinity { anti_pods: vec![term(HOSTNAME, "api")], ..Affinity::default() };
        })
    };
    let both_gone = with(|cluster| cluster.changes.push(Change::PodGone("uid-api-n2".into())));
    accepts(vec![twin(true).then(both_gone).then(apart()).then(to("n2"))]);
    refuses(Invariant::PodAffinity, vec![twin(true).then(apart()).then(to("n2"))]);
    refuses(Invariant::Overcommitted, vec![twin(false).then(to("n2"))]);
}

fn with_budget(allowed: i32) -> Break {
    with(move |cluster| cluster.changes.push(Change::Budget(budget("web", allowed))))
}

#[test]
fn a_pod_that_comes_with_its_node_costs_no_budget() {
    accepts(vec![
        on_pod("web-n1", |pod| pod.owner.as_mut().unwrap().kind = OwnerKind::DaemonSet)
            .then(on_plans(|plans| plans.removing.remove[0].moves.clear()))
            .then(with_budget(0)),
    ]);
}

#[test]
fn what_the_provider_takes_goes_whatever_budgets_say() {
    let because =
        |why: fn() -> WhyRemoved| on_plans(move |plans: &mut Plans| plans.removing.remove[0].why = why());
    let interrupted = || on_node("n1", |node| node.interrupted = true);
    accepts(vec![
        interrupted().then(because(|| WhyRemoved::Interrupted)).then(with_budget(0)),
        interrupted()
            .then(because(|| WhyRemoved::Interrupted))
            .then(with_budget(1))
            .then(with_second_budget()),
    ]);
    refuses(Invariant::PodBudget, vec![with_budget(0), with_budget(1).then(with_second_budget())]);
}

fn with_second_budget() -> Break {
    with(|cluster| {
        let mut second = budget("web", 1);
        second.name = "second".into();
        cluster.changes.push(Change::Budget(second));
    })
}

/// So many nodes in each of the zones of n2 and n3, of which one has fallen silent.
fn one_silent_of(count: usize) -> Break {
    with(move |cluster| {
        for name in ["n2", "n3"] {
            let of = base().0.nodes().into_iter().find(|node| &*node.name == name).unwrap();
            for number in 1..count {
                let other = format!("{name}-{number}");
                let mut node = Node { name: other.as_str().into(), uid: other.as_str().into(), ..of.clone() };
                node.labels.insert(HOSTNAME.into(), other.as_str().into());
                if number == 1 {
                    node.readiness = Readiness::Unknown { since: NOW };
                }
                cluster.changes.push(Change::Node(node));
            }
        }
    })
}

#[test]
fn zones_are_silent_from_more_than_a_tenth_of_their_nodes() {
    accepts(vec![one_silent_of(10)]);
    refuses(Invariant::NoPartition, vec![one_silent_of(9)]);
}
