use super::*;
use crate::cluster::{Effect, HOSTNAME, Readiness, Taint, VolumeNeed};
use crate::nodes::add::{Settings, plan};
use crate::nodes::fixtures::{node, pod, pool, term};
use crate::placement::{Change, Refusal, fits};
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

/// A view whose counts have followed `later` since they were made of `first`.
fn followed(first: &[Pod], later: &[Pod]) -> View {
    let mut view = View::default();
    for name in ["n", "m"] {
        view.apply(Change::Node(node(name, "a")));
    }
    for pod in first {
        view.apply(Change::Pod(pod.clone()));
    }
    view.packing();
    for pod in later {
        view.apply(Change::Pod(pod.clone()));
    }
    view
}

#[test]
fn a_label_counts_as_soon_as_a_pod_reads_it() {
    let mut db = pod("db", "n");
    Arc::make_mut(&mut db.shape).labels = Labels::from([("app".into(), "db".into())]);
    let mut guest = Pod { state: PodState::Pending, ..pod("guest", "none") };
    Arc::make_mut(&mut guest.shape).affinity.pods = vec![term(HOSTNAME, "db")];
    let view = followed(&[db], std::slice::from_ref(&guest));
    assert_eq!(fits(&view, &guest, "n"), Ok(()));
    assert!(fits(&view, &guest, "m").is_err());
}

/// A pod with a volume that one pod at a time may have.
fn with_volume(name: &str, state: PodState, id: &str) -> Pod {
    let mut pod = Pod { state, ..pod(name, "none") };
    let volume = VolumeNeed { id: id.into(), driver: None, reachable: None, one_pod: true, bound: true };
    Arc::make_mut(&mut pod.shape).volumes = vec![volume];
    pod
}

#[test]
fn a_volume_counts_as_shared_as_soon_as_a_second_pod_has_it() {
    let first = with_volume("first", PodState::Bound { node: "n".into(), ready: true }, "v");
    let second = with_volume("second", PodState::Pending, "v");
    let view = followed(&[first], std::slice::from_ref(&second));
    assert_eq!(fits(&view, &second, "m"), Err(Refusal::VolumeInUse("v".into())));
}

#[test]
fn names_of_volumes_that_no_other_pod_has_do_not_tell_pods_apart() {
    let waits = |name: &str, volume: &str| with_volume(name, PodState::Pending, volume);
    let classes = |pods: &[Pod]| followed(pods, &[]).dense().waiting.len();
    assert_eq!(classes(&[waits("a", "v"), waits("b", "w")]), 1);
    assert_eq!(classes(&[waits("a", "v"), waits("b", "w"), waits("c", "w")]), 2, "two share one");
}

#[test]
fn shapes_are_kept_for_as_long_as_a_pod_has_them() {
    let shape = pod("web", "n").shape;
    let web = |number: usize, state: PodState| {
        let of = pod(&format!("web-{number}"), "none");
        Pod { state, shape: shape.clone(), ..of }
    };
    let states = [PodState::Bound { node: "n".into(), ready: true }, PodState::Pending];
    let pods: Vec<Pod> = (0..20).map(|number| web(number, states[number % 2].clone())).collect();
    let mut view = followed(&pods[..10], &pods[10..]);
    drop(shape);
    let kept = |view: &View| (view.dense().residing.len(), view.dense().seeking.len());
    assert_eq!(kept(&view), (1, 1));
    for pod in pods {
        view.apply(Change::PodGone(pod.uid));
    }
    assert_eq!(kept(&view), (0, 0));
}
