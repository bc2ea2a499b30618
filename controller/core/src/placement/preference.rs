//! What a pod likes: it orders nodes that would do, and never rules one out.

use std::cmp::Reverse;

use super::class::{Class, ClassId};
use super::packing::{NodeIx, Packing};
use super::tables::Facts;
use super::tally::TallyId;
use super::{node_affinity, taints};
use crate::cluster::{Effect, PodShape};

/// How a node is liked, the first that differs deciding; the greatest is liked best. The order is that of the weights that
/// kube-scheduler gives its plugins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Liking {
    /// `PreferNoSchedule` taints that the pod does not tolerate (`tainttoleration`).
    taints: Reverse<usize>,
    /// Weights of the terms that the node matches (`nodeaffinity`).
    node: i64,
    /// Weights of the terms, once for each pod that matches one in the same domain; less where it is to be kept off
    /// (`interpodaffinity`).
    pods: i64,
    /// Pods on the same node that a spread which does not constrain counts (`podtopologyspread`).
    crowd: Reverse<u64>,
}

/// What a class likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taste {
    /// Some nodes more than others, whatever runs there.
    pub(crate) nodes: bool,
    /// Some domains more than others, by what runs there.
    pub(crate) domains: bool,
    /// Some nodes more than others, by what runs there.
    pub(crate) hosts: bool,
}

impl Taste {
    pub(crate) fn is_any(self) -> bool {
        self.nodes || self.domains || self.hosts
    }

    /// Whether a pod more changes what is liked.
    pub(crate) fn changes(self) -> bool {
        self.domains || self.hosts
    }
}

impl Packing {
    pub(crate) fn taste(&self, class: ClassId) -> Taste {
        let of = self.class(class);
        let by_host = |tally: &TallyId| self.is_by_host(*tally);
        let liked = || of.liked.iter().map(|(tally, _)| tally);
        Taste {
            nodes: !of.shape.affinity.preferred_nodes.is_empty() || self.tables.has_soft_taints(),
            domains: liked().any(|tally| !by_host(tally)),
            hosts: liked().any(by_host) || of.soft_spread.iter().any(|spread| by_host(&spread.tally)),
        }
    }

    /// How a class likes a node.
    pub(crate) fn liking(&self, class: ClassId, node: NodeIx) -> Liking {
        let of = self.class(class);
        let fixed = fixed(&of.shape, &self.nodes[node as usize].facts);
        self.liking_of_company(of, node, fixed)
    }

    /// How a class likes a node, `fixed` being known.
    pub(crate) fn liking_of_company(&self, of: &Class, node: NodeIx, fixed: Liking) -> Liking {
        let weigh = |(tally, weight): &(TallyId, i64)| weight * i64::from(self.tallied(*tally, node));
        let by_host = of.soft_spread.iter().filter(|spread| self.is_by_host(spread.tally));
        Liking {
            pods: of.liked.iter().map(weigh).sum(),
            crowd: Reverse(by_host.map(|spread| u64::from(self.tallied(spread.tally, node))).sum()),
            ..fixed
        }
    }
}

/// How nodes are liked for what they are.
pub(crate) fn fixed(shape: &PodShape, facts: &Facts) -> Liking {
    let soft = |taint: &&crate::cluster::Taint| taint.effect == Effect::PreferNoSchedule;
    let disliked = facts.taints.iter().filter(soft);
    let disliked = disliked.filter(|taint| !taints::tolerates(&shape.tolerations, taint));
    let terms = shape.affinity.preferred_nodes.iter();
    let met = terms.filter(|of| node_affinity::term_matches(&of.term, &facts.labels, &facts.name));
    Liking {
        taints: Reverse(disliked.count()),
        node: met.map(|of| i64::from(of.weight)).sum(),
        ..Liking::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{HOSTNAME, PodState, Preferred, Spread, Taint, WhenUnsatisfiable, ZONE};
    use crate::nodes::fixtures::{evenly, node, of_app, term};
    use crate::placement::{Change, View};

    type Shape<'a> = &'a dyn Fn(&mut PodShape);
    /// Of two nodes.
    type Taints<'a> = [&'a [Taint]; 2];
    /// Nodes, apps, and how many pods.
    type Running<'a> = &'a [(&'a str, &'a str, usize)];

    /// Nodes n and m with these taints, each with so many pods of apps, and a pod that waits: its class, and n and m.
    fn beside(
        taints: Taints<'_>,
        running: Running<'_>,
        shape: impl FnOnce(&mut PodShape),
    ) -> (Packing, ClassId, [NodeIx; 2]) {
        let mut view = View::default();
        for (name, taints) in ["n", "m"].into_iter().zip(taints) {
            let node = node(name, name);
            view.apply(Change::Node(crate::cluster::Node { taints: taints.to_vec(), ..node }));
        }
        for (on, app, count) in running {
            let state = PodState::Bound { node: (*on).into(), ready: true };
            let name = |number| format!("{app}-{on}-{number}");
            (0..*count).for_each(|number| view.apply(Change::Pod(of_app(&name(number), app, state.clone()))));
        }
        let mut web = of_app("waits", "web", PodState::Pending);
        shape(Arc::make_mut(&mut web.shape));
        view.apply(Change::Pod(web));
        let dense = view.dense();
        let (class, _) = *dense.waiting.keys().next().unwrap();
        (view.packing(), class, ["n", "m"].map(|name| dense.node(name).unwrap()))
    }

    fn near(weight: i32, key: &str, app: &str) -> Preferred<crate::cluster::PodTerm> {
        Preferred { weight, term: term(key, app) }
    }

    fn soft(key: &str) -> Taint {
        Taint { key: key.into(), value: "".into(), effect: Effect::PreferNoSchedule }
    }

    #[test]
    fn what_a_pod_likes_is_about_nodes_or_domains_or_hosts() {
        let hard = |taint: Taint| Taint { effect: Effect::NoSchedule, ..taint };
        let (old, slow) = ([soft("old")], [soft("slow")]);
        let tainted = [hard(soft("old"))];
        let anyway = |key: &str| Spread { when: WhenUnsatisfiable::ScheduleAnyway, ..evenly(key, "web") };
        let nothing: Taints<'_> = [&[], &[]];
        let rows: [(Taints<'_>, Shape<'_>, [bool; 3], &str); 10] = [
            (nothing, &|_| {}, [false, false, false], "nothing"),
            ([&old, &[]], &|_| {}, [true, false, false], "a soft taint"),
            ([&old, &slow], &|_| {}, [true, false, false], "a soft taint on each"),
            ([&tainted, &[]], &|_| {}, [false, false, false], "a taint that keeps off"),
            (
                nothing,
                &|of| of.spread = vec![evenly(HOSTNAME, "web")],
                [false, false, false],
                "a hard spread",
            ),
            (
                nothing,
                &|of| of.spread = vec![anyway(HOSTNAME)],
                [false, false, true],
                "a soft spread over hosts",
            ),
            (
                nothing,
                &|of| of.spread = vec![anyway(ZONE)],
                [false, false, false],
                "a soft spread over zones",
            ),
            (
                nothing,
                &|of| of.affinity.preferred_pods = vec![near(1, ZONE, "db")],
                [false, true, false],
                "a zone",
            ),
            (
                nothing,
                &|of| of.affinity.preferred_pods = vec![near(1, HOSTNAME, "db")],
                [false, false, true],
                "a host",
            ),
            (
                nothing,
                &|of| of.affinity.preferred_anti_pods = vec![near(1, HOSTNAME, "db"), near(1, ZONE, "db")],
                [false, true, true],
                "others are to be far",
            ),
        ];
        for (taints, shape, [nodes, domains, hosts], what) in rows {
            let (packing, class, _) = beside(taints, &[], shape);
            let taste = packing.taste(class);
            assert_eq!(taste, Taste { nodes, domains, hosts }, "{what}");
            assert_eq!(taste.is_any(), nodes || domains || hosts, "{what}");
            assert_eq!(taste.changes(), domains || hosts, "{what}");
        }
    }

    #[test]
    fn company_is_liked_by_its_weight_once_for_each_pod() {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let anyway = || Spread { when: WhenUnsatisfiable::ScheduleAnyway, ..evenly(HOSTNAME, "web") };
        let rows: [(Running<'_>, Shape<'_>, std::cmp::Ordering, &str); 6] = [
            (&[("n", "db", 3)], &|_| {}, Equal, "nothing is liked"),
            (
                &[("n", "db", 1), ("m", "cache", 2)],
                &|of| of.affinity.preferred_pods = vec![near(9, HOSTNAME, "db"), near(4, HOSTNAME, "cache")],
                Greater,
                "one of 9 and two of 4",
            ),
            (
                &[("n", "db", 1), ("m", "cache", 3)],
                &|of| of.affinity.preferred_pods = vec![near(9, HOSTNAME, "db"), near(4, HOSTNAME, "cache")],
                Less,
                "one of 9 and three of 4",
            ),
            (
                &[("n", "db", 1), ("m", "db", 2)],
                &|of| of.affinity.preferred_anti_pods = vec![near(1, HOSTNAME, "db")],
                Greater,
                "fewer that are to be far",
            ),
            (
                &[("n", "web", 2), ("m", "web", 1)],
                &|of| of.spread = vec![anyway()],
                Less,
                "the fuller of pods like it",
            ),
            (
                &[("n", "web", 2)],
                &|of| of.spread = vec![evenly(ZONE, "web")],
                Equal,
                "what constrains is not liked",
            ),
        ];
        for (running, shape, expected, what) in rows {
            let (packing, class, [n, m]) = beside([&[], &[]], running, shape);
            assert_eq!(packing.liking(class, n).cmp(&packing.liking(class, m)), expected, "{what}");
        }
    }
}
