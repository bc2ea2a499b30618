use super::*;
use crate::cluster::Effect;
use crate::nodes::add::{Settings, plan};
use crate::nodes::fixtures::{node, pod, pool};
use crate::placement::Change;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn taint(key: &str, effect: Effect) -> Taint {
    Taint { key: key.into(), value: "".into(), effect }
}

/// A pod that waits, and a node that has a taint; `of` is the pool that the node is of.
fn with_taint(readiness: Readiness, taint: &Taint, of: Option<&str>) -> View {
    let mut pool = pool();
    pool.template.startup_taints = vec![self::taint("example.com/agent", Effect::NoExecute)];
    let node = node("n", "a");
    let node = Node { readiness, pool: of.map(Into::into), taints: vec![taint.clone()], ..node };
    let mut view = View::default();
    view.apply(Change::Pool(pool));
    view.apply(Change::Node(node));
    view.apply(Change::Pod(Pod { state: PodState::Pending, ..pod("waits", "none") }));
    view
}

#[test]
fn a_node_is_planned_as_it_will_be_when_it_is_ready() {
    let (starting, ready, sick) = (Readiness::Starting, Readiness::Ready, Readiness::NotReady { since: NOW });
    let (schedule, execute) = (Effect::NoSchedule, Effect::NoExecute);
    let ours = Some("p");
    for (readiness, key, effect, of, takes, what) in [
        (starting, "node.kubernetes.io/not-ready", schedule, ours, true, "its network comes"),
        (starting, "node.cloudprovider.kubernetes.io/uninitialized", schedule, ours, true, "its cloud comes"),
        (starting, "gpu", schedule, ours, false, "a taint that stays"),
        (starting, "node.kubernetes.io/not-ready", schedule, None, false, "nobody ordered it"),
        (sick, "node.kubernetes.io/not-ready", schedule, ours, false, "it was ready before"),
        (ready, "node.kubernetes.io/not-ready", schedule, None, true, "the taint goes in a moment"),
        (ready, "node.kubernetes.io/unreachable", execute, None, true, "so does this one"),
        (ready, "node.kubernetes.io/network-unavailable", schedule, ours, false, "ready without a network"),
        (ready, "example.com/agent", execute, ours, true, "a startup taint of its pool"),
        (ready, "example.com/agent", schedule, ours, false, "the same with another effect"),
        (ready, "example.com/agent", execute, None, false, "of no pool"),
    ] {
        let view = with_taint(readiness, &taint(key, effect), of);
        let ordered = !plan(&view, &Settings::default(), NOW).add.is_empty();
        assert_eq!(ordered, !takes, "{what}");
    }
}
