//! Writes a solved plan down.

use std::collections::BTreeMap;

use super::demand::{self, Demand, Others};
use super::headroom::Served;
use super::solve::Solver;
use super::{Coming, Entry, Journal};
use crate::cluster::Name;
use crate::nodes::reason::WhyRefused;
use crate::nodes::{KeptFree, NewNodes, NodePlan, Place, Placement, Refused, SpareRoom};
use crate::placement::View;
use crate::placement::packing::NodeIx;

/// The plan in its own words.
#[allow(clippy::too_many_arguments, reason = "all that a plan is made of, and nothing else")]
pub(crate) fn plan(
    view: &View,
    solver: &Solver<'_>,
    demands: &[Demand],
    journal: &Journal,
    spare: Vec<(Served, Vec<WhyRefused>)>,
    coming: &[Coming],
    others: &Others,
    refused: Vec<Refused>,
) -> NodePlan {
    let mut pods: BTreeMap<NodeIx, u32> = BTreeMap::new();
    let placed = journal.iter().map(|entry| (entry.node, entry.count));
    for (node, count) in placed.chain(spare.iter().flat_map(|(served, _)| &served.placed).copied()) {
        *pods.entry(node).or_default() += count;
    }
    let mut called: BTreeMap<NodeIx, Place> = BTreeMap::new();
    for (name, node) in view.dense().nodes().filter(|(_, node)| pods.contains_key(node)) {
        called.insert(node, Place::Node(name.clone()));
    }
    for of in coming {
        called.insert(of.node, Place::Order(of.order.clone(), of.number));
    }
    let add = new_nodes(solver, &pods, &mut called);
    let mut passed_over = solver.menu.passed_over.clone();
    passed_over.sort();
    NodePlan {
        price: add.iter().map(|of| of.price.saturating_mul(i64::from(of.count))).fold(0, i64::saturating_add),
        add,
        placements: placements(view, demands, journal, others, &called),
        refused,
        kept_free: kept_free(spare, &called),
        passed_over,
    }
}

/// New nodes by pool and offering, and what each is called.
fn new_nodes(
    solver: &Solver<'_>,
    pods: &BTreeMap<NodeIx, u32>,
    called: &mut BTreeMap<NodeIx, Place>,
) -> Vec<NewNodes> {
    let mut groups: BTreeMap<(&Name, &crate::cluster::OfferingKey), (NewNodes, Vec<NodeIx>)> =
        BTreeMap::new();
    for new in solver.new.iter().filter(|new| !new.gone) {
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
        called.extend((0..).zip(nodes).map(|(number, node)| (node, Place::New(entry, number))));
        add.push(group);
    }
    add
}

/// Says where room is kept free, and why it is not.
fn kept_free(spare: Vec<(Served, Vec<WhyRefused>)>, called: &BTreeMap<NodeIx, Place>) -> Vec<KeptFree> {
    let kept = spare.into_iter().map(|(served, why)| {
        let mut on: BTreeMap<&Place, u32> = BTreeMap::new();
        for (node, count) in &served.placed {
            if let Some(place) = called.get(node) {
                *on.entry(place).or_default() += count;
            }
        }
        let place = |(place, count): (&Place, u32)| SpareRoom { place: place.clone(), count };
        KeptFree {
            of: served.wanted.of,
            wanted: served.wanted.count,
            places: on.into_iter().map(place).collect(),
            missing: served.left,
            why,
        }
    });
    kept.collect()
}

/// Says of each pod where it goes. Pods of a class are given places in the order of their names.
fn placements(
    view: &View,
    demands: &[Demand],
    journal: &Journal,
    others: &Others,
    called: &BTreeMap<NodeIx, Place>,
) -> Vec<Placement> {
    let mut names: Vec<Option<std::vec::IntoIter<(&Name, u32)>>> = vec![None; demands.len()];
    let mut open: Vec<Option<(&Name, u32)>> = vec![None; demands.len()];
    // Announced pods are placed many at once.
    let most: usize = journal.iter().map(|entry| entry.count as usize).sum();
    let mut placements = Vec::with_capacity(most.min(journal.len() + view.pods.len()));
    for Entry { demand, node, count } in journal {
        let Some(place) = called.get(node) else { continue };
        let pods =
            names[*demand].get_or_insert_with(|| demand::names(view, others, &demands[*demand]).into_iter());
        let mut count = *count;
        while count > 0 {
            let Some((pod, waiting)) = open[*demand].take().or_else(|| pods.next()) else { break };
            let step = count.min(waiting);
            placements.push(Placement { pod: pod.clone(), count: step, place: place.clone() });
            count -= step;
            if step < waiting {
                open[*demand] = Some((pod, waiting - step));
            }
        }
    }
    placements
}
