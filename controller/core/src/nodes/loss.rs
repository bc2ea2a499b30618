//! Whether the nodes of the cluster could lose a zone now: would the pods that are there find room in the rest?
//!
//! The answer is a plan, made by the same steps as one that is carried out, as if the zone were not there: its nodes are
//! closed, what is on order and on offer there is left out, and its pods look for room together with all that look for room
//! anyhow. Room that is kept free counts, since pods that exist may take it; then come nodes on order, and then new nodes
//! within the limits of their pools and of the cluster. Nodes of the lost zone still count against those limits: they are
//! not deleted only because nobody hears of them.
//!
//! The cost is that of a plan for each zone: of classes and offerings, and for the names of its pods.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::add::{Settings, demand::come_again, plan_without};
use super::reason::{Cause, WhyRefused};
use super::{NodePlan, Place};
use crate::cluster::Name;
use crate::placement::{Refusal, View};
use crate::time::Timestamp;

/// What the loss of one zone would mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneLoss {
    /// The zone.
    pub zone: Name,
    /// The pods there that would come again elsewhere.
    pub pods: u32,
    /// How many of them have room on nodes that are there.
    pub at_once: u32,
    /// How many have room on nodes on order, or on new ones that can be had.
    pub on_new_nodes: u32,
    /// How many new nodes that takes, for those that wait already too.
    pub new_nodes: u32,
    /// The namespaces of those for which there is none.
    pub namespaces: BTreeSet<Name>,
    /// Why there is none, each cause once.
    pub why: Vec<WhyRefused>,
}

impl ZoneLoss {
    /// How many pods would find no room.
    pub fn without_room(&self) -> u32 {
        self.pods.saturating_sub(self.at_once).saturating_sub(self.on_new_nodes)
    }

    fn tell(&mut self, why: &WhyRefused) {
        if !self.why.iter().any(|told| told.cause == why.cause) {
            self.why.push(why.clone());
        }
    }
}

/// The zones in which there are nodes, in order.
pub fn zones(view: &View) -> Vec<Name> {
    let zones: BTreeSet<&Name> = view.nodes().filter_map(|node| node.zone()).collect();
    zones.into_iter().cloned().collect()
}

/// What the loss of `zone` would mean now.
pub fn lose(view: &View, settings: &Settings, now: Timestamp, zone: &Name) -> ZoneLoss {
    let displaced: BTreeSet<&Name> = come_again(view, zone).map(|pod| &pod.uid).collect();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut loss = ZoneLoss {
        zone: zone.clone(),
        pods: count(displaced.len()),
        at_once: 0,
        on_new_nodes: 0,
        new_nodes: 0,
        namespaces: BTreeSet::new(),
        why: Vec::new(),
    };
    if displaced.is_empty() {
        return loss;
    }
    // Nobody can tell where they would go.
    for pod in come_again(view, zone) {
        if let Some(why) = &pod.unplannable {
            loss.namespaces.insert(pod.shape.namespace.clone());
            loss.tell(&WhyRefused { cause: Cause::LeftAlone(why.clone()), count: 0 });
        }
    }
    let NodePlan { add, placements, refused, .. } = plan_without(view, settings, now, Some(zone));
    for placement in placements.iter().filter(|placement| displaced.contains(&placement.pod)) {
        match placement.place {
            Place::Node(_) => loss.at_once += placement.count,
            Place::Order(..) | Place::New(..) => loss.on_new_nodes += placement.count,
        }
    }
    loss.new_nodes = add.iter().map(|nodes| nodes.count).fold(0, u32::saturating_add);
    for refused in refused.iter().filter(|refused| refused.pods.iter().any(|pod| displaced.contains(pod))) {
        loss.namespaces.insert(refused.namespace.clone());
        // That the nodes of the lost zone are not there is the question and no answer.
        for why in refused.why.iter().filter(|why| why.cause != Cause::Nodes(Refusal::NoSuchNode)) {
            loss.tell(why);
        }
    }
    loss
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{Order, Owner, OwnerKind, Pod, Pool, Resources, Unplannable};
    use crate::nodes::fixtures::{key, node, offering, pod, pool};
    use crate::placement::Change;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    /// Nodes of four cores in zones, each with pods of so many thousandths of a core.
    fn view(nodes: &[(&str, &str, &[i64])], pool: Pool) -> View {
        let mut view = View::default();
        view.apply(Change::Pool(pool));
        for (name, zone, cpus) in nodes {
            view.apply(Change::Node(node(name, zone)));
            for (index, cpu) in cpus.iter().enumerate() {
                let mut pod = pod(&format!("{name}-{index}"), name);
                Arc::make_mut(&mut pod.shape).requests =
                    Resources { cpu: *cpu, pods: 1, ..Resources::default() };
                view.apply(Change::Pod(pod));
            }
        }
        view
    }

    fn offers(zones: &[&str]) -> Pool {
        let mut pool = pool();
        pool.offerings = zones.iter().map(|zone| offering("m", zone, 4, 1)).collect();
        pool
    }

    fn lost(view: &View, zone: &str) -> ZoneLoss {
        lose(view, &Settings::default(), NOW, &zone.into())
    }

    #[test]
    fn pods_go_where_there_is_room_and_the_rest_on_new_nodes() {
        let view = view(
            &[("n1", "a", &[1000; 4]), ("n2", "b", &[2500]), ("n3", "c", &[1000])],
            offers(&["a", "b", "c"]),
        );
        let a = lost(&view, "a");
        assert_eq!((a.pods, a.at_once, a.on_new_nodes, a.without_room()), (4, 4, 0, 0), "{a:?}");
        let view = self::view(
            &[("n1", "a", &[1000; 4]), ("n2", "b", &[2500]), ("n3", "c", &[3500])],
            offers(&["a", "b", "c"]),
        );
        let a = lost(&view, "a");
        assert_eq!((a.at_once, a.on_new_nodes, a.new_nodes, a.without_room()), (1, 3, 1, 0), "{a:?}");
    }

    #[test]
    fn what_is_offered_in_the_lost_zone_only_is_no_help() {
        let view = view(&[("n1", "a", &[3000]), ("n2", "b", &[3000])], offers(&["a"]));
        let a = lost(&view, "a");
        assert_eq!((a.pods, a.without_room()), (1, 1), "{a:?}");
        let why: Vec<_> = a.why.iter().map(ToString::to_string).collect();
        assert_eq!(a.namespaces, BTreeSet::from(["shop".into()]));
        assert_eq!(why, ["1 nodes lack cpu"], "the lost node is no cause");
        assert_eq!(lost(&view, "b").without_room(), 0, "the other way round a node comes");
    }

    #[test]
    fn nodes_of_the_lost_zone_still_count_against_limits() {
        let mut pool = offers(&["a", "b"]);
        pool.limits.nodes = Some(2);
        let view = view(&[("n1", "a", &[3000]), ("n2", "b", &[3000])], pool);
        assert_eq!(lost(&view, "a").without_room(), 1);
    }

    #[test]
    fn daemons_and_bare_pods_do_not_come_again() {
        let mut view = view(&[("n1", "a", &[]), ("n2", "b", &[])], offers(&["a", "b"]));
        for (name, kind) in
            [("d", Some(OwnerKind::DaemonSet)), ("bare", None), ("r", Some(OwnerKind::ReplicaSet))]
        {
            let mut pod = pod(name, "n1");
            pod.owner = kind.map(|kind| Owner { kind, name: "o".into(), uid: "u".into() });
            view.apply(Change::Pod(pod));
        }
        assert_eq!(lost(&view, "a").pods, 1);
    }

    #[test]
    fn no_room_can_be_promised_to_what_is_left_alone_and_none_is_wanted_below_the_cut_off() {
        let mut view = view(&[("n1", "a", &[]), ("n2", "b", &[])], offers(&["a", "b"]));
        let why = Unplannable::ResourceClaims;
        view.apply(Change::Pod(Pod { unplannable: Some(why.clone()), ..pod("odd", "n1") }));
        let mut expendable = pod("expendable", "n1");
        Arc::make_mut(&mut expendable.shape).priority = -20;
        view.apply(Change::Pod(expendable));
        let a = lost(&view, "a");
        assert_eq!((a.pods, a.without_room(), a.namespaces.len()), (1, 1, 1), "{a:?}");
        let told: Vec<_> = a.why.iter().map(|told| told.cause.clone()).collect();
        assert_eq!(told, [Cause::LeftAlone(why)]);
    }

    #[test]
    fn an_empty_zone_costs_nothing_to_lose() {
        let view = view(&[("n1", "a", &[]), ("n2", "b", &[3000])], offers(&["a"]));
        assert_eq!(zones(&view), ["a".into(), "b".into()]);
        assert_eq!(lost(&view, "a").pods, 0);
    }

    /// The plan of the moment is made as ever, after one that took a zone for lost.
    #[test]
    fn nothing_stays_of_the_question() {
        let view = view(&[("n1", "a", &[3000]), ("n2", "b", &[3000])], offers(&["a", "b"]));
        let before = crate::nodes::add::plan(&view, &Settings::default(), NOW);
        let _ = lost(&view, "a");
        assert_eq!(crate::nodes::add::plan(&view, &Settings::default(), NOW), before);
    }

    #[test]
    fn each_cause_is_told_once() {
        let mut view = view(&[("n1", "a", &[1500, 1400]), ("n2", "b", &[3900])], offers(&["a"]));
        let mut picky = pod("picky", "n1");
        Arc::make_mut(&mut picky.shape).node_selector.insert("disk".into(), "ssd".into());
        view.apply(Change::Pod(picky));
        let a = lost(&view, "a");
        let why: Vec<_> = a.why.iter().map(ToString::to_string).collect();
        assert_eq!(a.without_room(), 3);
        assert_eq!(why, ["1 nodes lack cpu", "1 nodes do not match the node selector or node affinity"]);
    }

    #[test]
    fn what_is_on_order_helps_unless_it_is_for_the_lost_zone() {
        for (zone, on_new_nodes) in [("a", 0), ("b", 1)] {
            let mut pool = offers(&["a", "b"]);
            pool.limits.nodes = Some(2);
            let mut view = view(&[("n1", "a", &[3000])], pool);
            view.apply(Change::Order(Order {
                name: "o".into(),
                pool: "p".into(),
                offering: key("m", zone),
                missing: 1,
                asked: NOW,
            }));
            assert_eq!(lost(&view, "a").on_new_nodes, on_new_nodes, "an order for zone {zone}");
        }
    }

    #[test]
    fn a_pod_of_the_lost_zone_looks_for_one_place_where_its_node_is_taken_away_too() {
        let mut view = view(&[("n1", "a", &[3000]), ("n2", "b", &[1000])], offers(&["a", "b"]));
        view.apply(Change::Node(crate::cluster::Node { interrupted: true, ..node("n1", "a") }));
        let a = lost(&view, "a");
        assert_eq!((a.pods, a.at_once, a.on_new_nodes, a.new_nodes), (1, 1, 0, 0), "{a:?}");
    }
}
