//! Which zone a node is in, and which zones and nodes take pods.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::Stream;
use k8s_openapi::api::core::v1::Node;
use kube::{
    ResourceExt as _,
    runtime::watcher::{self, Event},
};
use plimsoll_core::{
    cluster::{Labels, Name, Taint, ZONE},
    placement::NodeNeeds,
};
use plimsoll_observe::cluster::{observe_labels, observe_taints};
use tokio::sync::watch;

use crate::mirror::{Index, Mirror};

/// What is kept of a node.
#[derive(Debug)]
struct Seen {
    zone: Option<String>,
    is_ready: bool,
    door: Door,
    labels: Labels,
}

/// What keeps pods off a node by itself, and in which zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Door {
    zone: Option<String>,
    taints: Vec<Taint>,
    is_cordoned: bool,
}

/// How many nodes there are of each kind, since nearly all pods ask for no more than that a node has no taint.
#[derive(Debug, Default)]
struct Counts {
    /// Those that are ready.
    ready: HashMap<Door, u32>,
    /// All, by zone.
    zones: BTreeMap<String, u32>,
}

impl Index<Seen> for Counts {
    fn add(&mut self, _: &str, node: &Seen) {
        if node.is_ready {
            *self.ready.entry(node.door.clone()).or_default() += 1;
        }
        if let Some(zone) = &node.zone {
            *self.zones.entry(zone.clone()).or_default() += 1;
        }
    }

    fn remove(&mut self, _: &str, node: &Seen) {
        if node.is_ready
            && let Some(count) = self.ready.get_mut(&node.door)
        {
            *count -= 1;
            if *count == 0 {
                self.ready.remove(&node.door);
            }
        }
        if let Some(zone) = &node.zone
            && let Some(count) = self.zones.get_mut(zone)
        {
            *count -= 1;
            if *count == 0 {
                self.zones.remove(zone);
            }
        }
    }
}

/// How many zones, or nodes, take pods, and how many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Those that take pods.
    pub open: u32,
    /// All.
    pub known: u32,
}

/// What is seen of nodes, by name. Empty where nobody asks. Clones share it.
#[derive(Clone, Default)]
pub struct Zones {
    by_node: Mirror<Seen, Counts>,
}

impl Zones {
    /// The zone of a node, if it is known and has one.
    pub fn of(&self, node: &str) -> Option<String> {
        self.by_node.get("", node).and_then(|node| node.zone.clone())
    }

    /// Whether a node is there and ready.
    pub fn is_ready(&self, node: &str) -> bool {
        self.by_node.get("", node).is_some_and(|node| node.is_ready)
    }

    /// The zones, and the nodes, that take pods with these needs: those with a node that is ready, not cordoned and
    /// without a taint that keeps them off.
    pub fn that_take(&self, needs: &NodeNeeds) -> (Room, Room) {
        let rooms = self.by_node.look("", |nodes| {
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let (mut zones, mut open) = (BTreeSet::new(), 0_u32);
            let mut add = |door: &'_ Door, nodes: u32| {
                open = open.saturating_add(nodes);
                if let Some(zone) = &door.zone {
                    zones.insert(zone.clone());
                }
            };
            if needs.depend_on_labels() {
                let mut allowed = HashMap::<&Door, bool>::new();
                for (name, node) in &nodes.entries {
                    let lets_in = |door: &Door| needs.allow_taints(&door.taints, door.is_cordoned);
                    let is_open = *allowed.entry(&node.door).or_insert_with(|| lets_in(&node.door));
                    if node.is_ready && is_open && needs.allow_labels(&node.labels, &Name::from(&**name)) {
                        add(&node.door, 1);
                    }
                }
            } else {
                for (door, nodes) in &nodes.index.ready {
                    if needs.allow_taints(&door.taints, door.is_cordoned) {
                        add(door, *nodes);
                    }
                }
            }
            let zones = Room { open: count(zones.len()), known: count(nodes.index.zones.len()) };
            (zones, Room { open, known: count(nodes.entries.len()) })
        });
        rooms.unwrap_or_default()
    }

    /// Follows `events` until they end. `ready` turns true once the first full list was seen.
    pub async fn follow(
        self,
        events: impl Stream<Item = Result<Event<Node>, watcher::Error>>,
        ready: watch::Sender<bool>,
    ) {
        self.by_node.follow("nodes", events, seen, ready).await;
    }
}

fn seen(node: &Node) -> Seen {
    let zone = node.labels().get(ZONE).filter(|zone| !zone.is_empty()).cloned();
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_ready = conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True");
    let is_cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
    let door = Door { zone: zone.clone(), taints: observe_taints(node), is_cordoned };
    Seen { zone, is_ready, door, labels: observe_labels(node.metadata.labels.as_ref()) }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        api::core::v1::{NodeCondition, NodeSpec, NodeStatus, Taint},
        apimachinery::pkg::apis::meta::v1::ObjectMeta,
    };

    use super::*;

    fn node(name: &str, zone: Option<&str>) -> Node {
        let labels = zone.map(|zone| [(ZONE.to_owned(), zone.to_owned())].into());
        let ready =
            NodeCondition { type_: "Ready".into(), status: "True".into(), ..NodeCondition::default() };
        Node {
            metadata: ObjectMeta { name: Some(name.into()), labels, ..ObjectMeta::default() },
            status: Some(NodeStatus { conditions: Some(vec![ready]), ..NodeStatus::default() }),
            ..Node::default()
        }
    }

    fn silent(name: &str, zone: &str) -> Node {
        let mut node = node(name, Some(zone));
        node.status = None;
        node
    }

    fn tainted(name: &str, zone: &str) -> Node {
        let taint = Taint { key: "gpu".into(), effect: "NoSchedule".into(), ..Taint::default() };
        let spec = NodeSpec { taints: Some(vec![taint]), ..NodeSpec::default() };
        Node { spec: Some(spec), ..node(name, Some(zone)) }
    }

    fn cordoned(name: &str, zone: &str) -> Node {
        let spec = NodeSpec { unschedulable: Some(true), ..NodeSpec::default() };
        Node { spec: Some(spec), ..node(name, Some(zone)) }
    }

    async fn followed(events: Vec<Event<Node>>) -> Zones {
        let zones = Zones::default();
        let (ready, is_ready) = watch::channel(false);
        zones.clone().follow(futures::stream::iter(events.into_iter().map(Ok)), ready).await;
        assert!(*is_ready.borrow());
        zones
    }

    fn listed(nodes: Vec<Node>) -> Vec<Event<Node>> {
        let nodes = nodes.into_iter().map(Event::InitApply);
        [Event::Init].into_iter().chain(nodes).chain([Event::InitDone]).collect()
    }

    #[tokio::test]
    async fn zones_follow_the_nodes() {
        let mut events = listed(vec![node("a", Some("x")), node("b", Some("x")), node("c", None)]);
        events.extend([
            Event::Apply(node("b", Some("y"))),
            Event::Apply(node("d", Some("z"))),
            Event::Delete(node("d", Some("z"))),
        ]);
        let zones = followed(events).await;
        let of = |name| zones.of(name);
        assert_eq!(
            (of("a").as_deref(), of("b").as_deref(), of("c"), of("d")),
            (Some("x"), Some("y"), None, None)
        );
        assert_eq!(
            zones.that_take(&NodeNeeds::default()),
            (Room { open: 2, known: 2 }, Room { open: 3, known: 3 })
        );
    }

    #[tokio::test]
    async fn only_ready_nodes_that_let_the_pod_in_count_as_open() {
        let nodes = vec![
            node("a", Some("x")),
            silent("b", "y"),
            tainted("c", "z"),
            cordoned("d", "w"),
            node("e", Some("x")),
        ];
        let mut events = listed(nodes);
        events.push(Event::Apply(silent("e", "x")));
        let zones = followed(events).await;
        let plain = NodeNeeds::default();
        assert_eq!(zones.that_take(&plain), (Room { open: 1, known: 4 }, Room { open: 1, known: 5 }));
        assert!(zones.is_ready("a") && !zones.is_ready("b") && !zones.is_ready("nobody"));
        let in_y = NodeNeeds { selector: Labels::from([(ZONE.into(), "y".into())]), ..plain.clone() };
        assert_eq!(zones.that_take(&in_y).0.open, 0, "it is not ready");
        let in_x = NodeNeeds { selector: Labels::from([(ZONE.into(), "x".into())]), ..plain };
        assert_eq!(zones.that_take(&in_x), (Room { open: 1, known: 4 }, Room { open: 1, known: 5 }));
    }
}
