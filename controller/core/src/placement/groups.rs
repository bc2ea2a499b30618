//! Nodes that a class is tried on, by the domains that matter to it.

use std::collections::BTreeMap;

use super::amounts::Amounts;
use super::class::ClassId;
use super::ladder::Ladder;
use super::packing::{NodeIx, Packing};
use super::preference::{self, Liking, Taste};
use super::tally::{DomainId, KeyId};

/// Nodes in an order.
#[derive(Debug)]
pub(crate) enum Nodes<'a> {
    /// One after the other.
    Listed(Vec<NodeIx>),
    /// Those of some ladders, by their numbers.
    Ladders(Vec<&'a Ladder>),
}

/// Nodes in the same domains of all labels that matter to a class, which it likes alike for what they are.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) nodes: Nodes<'a>,
    /// How it likes them.
    pub(crate) liking: Liking,
    /// From where on it is searched.
    from: usize,
    /// The node that is next.
    pub(crate) head: Option<NodeIx>,
    /// Whether its domains refuse the class until another domain has grown.
    pub(crate) blocked: bool,
}

impl<'a> Group<'a> {
    pub(crate) fn new(nodes: Nodes<'a>, liking: Liking) -> Self {
        Self { nodes, liking, from: 0, head: None, blocked: false }
    }

    /// Goes back to the first node.
    pub(crate) fn rewind(&mut self, packing: &Packing, ask: &Amounts) {
        (self.from, self.blocked) = (0, false);
        self.seek(packing, ask);
    }

    /// Goes on to the node after the head.
    pub(crate) fn advance(&mut self, packing: &Packing, ask: &Amounts) {
        self.from += 1;
        self.seek(packing, ask);
    }

    fn seek(&mut self, packing: &Packing, ask: &Amounts) {
        let has_room = |node: NodeIx| {
            let state = &packing.nodes[node as usize];
            state.open && state.present && state.free.holds(ask)
        };
        self.head = match &self.nodes {
            Nodes::Listed(nodes) => {
                let rest = nodes.iter().skip(self.from);
                let at = rest.take_while(|node| !has_room(**node)).count();
                self.from += at;
                nodes.get(self.from).copied()
            }
            Nodes::Ladders(ladders) => {
                let mut from = NodeIx::try_from(self.from).unwrap_or(NodeIx::MAX);
                loop {
                    let next = ladders.iter().filter_map(|ladder| ladder.next(from, ask)).min();
                    match next {
                        Some(node) if !has_room(node) => from = node + 1,
                        next => break next,
                    }
                }
            }
        };
        if let (Nodes::Ladders(_), Some(node)) = (&self.nodes, self.head) {
            self.from = node as usize;
        }
    }

    /// Puts the nodes that are liked best for what runs there first.
    pub(crate) fn sort(&mut self, packing: &Packing, class: ClassId, ask: &Amounts) {
        let mut nodes = Vec::new();
        self.rewind(packing, ask);
        while let Some(node) = self.head {
            nodes.push(node);
            self.advance(packing, ask);
        }
        let of = packing.class(class);
        nodes.sort_by_cached_key(|node| std::cmp::Reverse(packing.liking_of_company(of, *node, self.liking)));
        self.nodes = Nodes::Listed(nodes);
        self.rewind(packing, ask);
    }

    /// Moves the head, which has got a pod, behind those that are now liked as much or more.
    pub(crate) fn sink(&mut self, packing: &Packing, class: ClassId, ask: &Amounts) {
        let Nodes::Listed(nodes) = &mut self.nodes else { return };
        let of = packing.class(class);
        let liking = |node: NodeIx| packing.liking_of_company(of, node, self.liking);
        let rest = &mut nodes[self.from..];
        if let Some((head, others)) = rest.split_first() {
            let own = liking(*head);
            let behind = others.partition_point(|node| liking(*node) >= own);
            rest[..=behind].rotate_left(1);
        }
        self.seek(packing, ask);
    }
}

impl Packing {
    /// Nodes out of `on` that suit a class and have room, by domains of `keys`; groups and nodes in the order of `on`.
    pub(crate) fn groups_of(
        &mut self,
        class: ClassId,
        on: &[NodeIx],
        keys: &[KeyId],
        taste: Taste,
    ) -> Vec<Group<'static>> {
        let of = self.tables.classes[class as usize].clone();
        let mut known: BTreeMap<(Liking, Vec<DomainId>), usize> = BTreeMap::new();
        let mut likings: BTreeMap<u32, Liking> = BTreeMap::new();
        let by_name = of.likes_single_nodes();
        let mut groups: Vec<Vec<NodeIx>> = Vec::new();
        let mut found = (Liking::default(), Vec::new());
        let mut last: Option<usize> = None;
        let mut heads = Vec::new();
        for &node in on {
            let state = &self.nodes[node as usize];
            if !(state.open && state.present && state.free.holds(&of.ask) && self.suits(class, node)) {
                continue;
            }
            let state = &self.nodes[node as usize];
            let domains = || keys.iter().map(|key| state.domains[*key as usize]);
            let liking = match (taste.nodes, by_name) {
                (false, _) => Liking::default(),
                (true, true) => preference::fixed(&of.shape, &state.facts),
                (true, false) => {
                    *likings.entry(state.kind).or_insert_with(|| preference::fixed(&of.shape, &state.facts))
                }
            };
            let is_like_last = last.is_some() && found.0 == liking && domains().eq(found.1.iter().copied());
            if !is_like_last {
                found = (liking, domains().collect());
                last = known.get(&found).copied();
            }
            let at = last.unwrap_or_else(|| {
                known.insert(found.clone(), groups.len());
                heads.push(liking);
                groups.push(Vec::new());
                groups.len() - 1
            });
            last = Some(at);
            groups[at].push(node);
        }
        let groups = groups.into_iter().zip(heads);
        groups.map(|(nodes, liking)| Group::new(Nodes::Listed(nodes), liking)).collect()
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::cluster::{Pod, PodState, Resources};
    use crate::nodes::fixtures::{node, pod};
    use crate::placement::{Change, View};

    const NAMES: [&str; 5] = ["closed", "gone", "full", "lacks", "takes"];

    /// The nodes of a group in their order, by name, that would be next for pods which ask for a device.
    fn visited(nodes: impl for<'a> FnOnce(&'a [NodeIx], &'a Ladder) -> Nodes<'a>) -> Vec<&'static str> {
        let mut view = View::default();
        for name in NAMES {
            let mut node = node(name, "a");
            if name != "lacks" {
                node.allocatable.extended = [("example.com/gpu".into(), 1)].into();
            }
            view.apply(Change::Node(node));
        }
        let asks =
            Resources { pods: 1, extended: [("example.com/gpu".into(), 1)].into(), ..Resources::default() };
        let mut shape = (*pod("web", "full").shape).clone();
        shape.requests = asks;
        let state = PodState::Bound { node: "full".into(), ready: true };
        view.apply(Change::Pod(Pod { shape: shape.clone().into(), state, ..pod("web", "full") }));
        let (dense, mut packing) = (view.dense(), view.packing());
        let on = NAMES.map(|name| dense.node(name).unwrap());
        packing.set_open(on[0], false);
        packing.remove_node(on[1]);
        let class = dense.seeking_in(&mut packing, &shape);
        let ask = packing.class(class).ask.clone();
        let mut ladder = Ladder::default();
        let mut ordered = on.to_vec();
        ordered.sort_unstable();
        for node in ordered {
            ladder.push(node, &packing.nodes[node as usize].free);
        }
        let mut group = Group::new(nodes(&on, &ladder), Liking::default());
        group.rewind(&packing, &ask);
        let mut visited = Vec::new();
        while let Some(node) = group.head.filter(|_| visited.len() < NAMES.len()) {
            visited.extend(NAMES.into_iter().zip(on).filter(|(_, at)| *at == node).map(|(name, _)| name));
            group.advance(&packing, &ask);
        }
        visited
    }

    #[test]
    fn the_node_that_is_next_has_room_and_takes_pods() {
        assert_eq!(visited(|on, _| Nodes::Listed(on.to_vec())), ["takes"]);
        assert_eq!(visited(|_, ladder| Nodes::Ladders(vec![ladder])), ["takes"]);
    }
}
