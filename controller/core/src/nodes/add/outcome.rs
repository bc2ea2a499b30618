//! Writes a solved plan down.

use std::collections::BTreeMap;

use super::Coming;
use super::demand::{self, Demand};
use super::solve::Solver;
use crate::cluster::Name;
use crate::nodes::{NewNodes, NodePlan, Place, Placement, Refused};
use crate::placement::packing::NodeIx;
use crate::placement::{ClassId, Placed, View};

/// The plan in its own words.
pub(crate) fn plan(
    view: &View,
    solver: &Solver<'_>,
    served: &[(&Demand, Placed)],
    spare: &[Placed],
    coming: &[Coming],
    announced: &[(ClassId, Name, u32)],
    refused: Vec<Refused>,
) -> NodePlan {
    let mut places: BTreeMap<NodeIx, Place> =
        view.dense().nodes().map(|(name, node)| (node, Place::Node(name.clone()))).collect();
    for of in coming {
        places.insert(of.node, Place::Order(of.order.clone(), of.number));
    }
    let mut pods: BTreeMap<NodeIx, u32> = BTreeMap::new();
    for (node, count) in served.iter().map(|(_, placed)| placed).chain(spare).flatten() {
        *pods.entry(*node).or_default() += count;
    }
    let add = new_nodes(solver, &pods, &mut places);
    let mut placements = Vec::new();
    for (demand, placed) in served.iter().filter(|(_, placed)| !placed.is_empty()) {
        assign(demand::names(view, announced, demand), placed, &places, &mut placements);
    }
    placements.sort_by(|one, other| (&one.pod, &one.place).cmp(&(&other.pod, &other.place)));
    let mut passed_over = solver.menu.passed_over.clone();
    passed_over.sort();
    NodePlan {
        price: add.iter().map(|of| of.price.saturating_mul(i64::from(of.count))).fold(0, i64::saturating_add),
        add,
        placements,
        refused,
        passed_over,
    }
}

/// New nodes by pool and offering, and what each is called.
fn new_nodes(
    solver: &Solver<'_>,
    pods: &BTreeMap<NodeIx, u32>,
    places: &mut BTreeMap<NodeIx, Place>,
) -> Vec<NewNodes> {
    let mut groups: BTreeMap<(&Name, &crate::cluster::OfferingKey), (NewNodes, Vec<NodeIx>)> =
        BTreeMap::new();
    for new in &solver.new {
        let family = &solver.menu.families[new.family];
        let offered = &family.alternatives[new.alternative];
        let (group, nodes) = groups.entry((&family.pool, &offered.key)).or_insert_with(|| {
            let group = NewNodes {
                pool: family.pool.clone(),
                offering: offered.key.clone(),
                count: 0,
                price: offered.price,
                pods: 0,
            };
            (group, Vec::new())
        });
        group.count += 1;
        group.pods += pods.get(&new.node).copied().unwrap_or(0);
        nodes.push(new.node);
    }
    let mut add = Vec::with_capacity(groups.len());
    for (entry, (group, nodes)) in (0..).zip(groups.into_values()) {
        places.extend((0..).zip(nodes).map(|(number, node)| (node, Place::New(entry, number))));
        add.push(group);
    }
    add
}

/// Says of each pod of a class where it goes.
fn assign(
    pods: Vec<(Name, u32)>,
    placed: &Placed,
    places: &BTreeMap<NodeIx, Place>,
    placements: &mut Vec<Placement>,
) {
    let mut pods = pods.into_iter();
    let mut next = pods.next();
    for (node, count) in placed {
        let Some(place) = places.get(node) else { continue };
        let mut count = *count;
        while count > 0
            && let Some((pod, waiting)) = &mut next
        {
            let step = count.min(*waiting);
            placements.push(Placement { pod: pod.clone(), count: step, place: place.clone() });
            count -= step;
            *waiting -= step;
            if *waiting == 0 {
                next = pods.next();
            }
        }
    }
}
