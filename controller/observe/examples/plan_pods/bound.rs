//! What no plan can do without.

use std::collections::BTreeMap;

use plimsoll_core::cluster::{HOSTNAME, Offering, Pod, Resources};

/// Into how many parts weights are divided.
const PARTS: u32 = 40;

/// The fewest nodes and the lowest price.
///
/// Nodes: every resource has to be covered by the largest offerings, and pods that keep each other off their node need as
/// many nodes as they are.
///
/// Price: let weights over resources, and over the count of nodes with the demand that those pods make, sum to 1. Then an
/// offering takes at most the weighted mean of the shares that it has of each demand, and so the cheapest price per such
/// mean is a price that all together cannot go below. That holds for all weights; the highest of many is told. With all
/// weight on one resource it is the cheapest fractional cover of that resource.
pub(crate) fn at_least(demand: [i64; 4], offerings: &[Offering]) -> (u32, f64) {
    let has = |of: &Offering| [of.allocatable.cpu, of.allocatable.memory, of.allocatable.pods, 1];
    let most = |at: usize| offerings.iter().map(|of| has(of)[at]).max().unwrap_or(1).max(1);
    let nodes = (0..4).map(|at| (demand[at] + most(at) - 1) / most(at)).max().unwrap_or(0);

    let mut kinds: Vec<(i64, [i64; 4])> = offerings.iter().map(|of| (of.price, has(of))).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let shares: Vec<(f64, [f64; 4])> = kinds
        .iter()
        .map(|(price, has)| {
            let share = |at: usize| if demand[at] > 0 { real(has[at]) / real(demand[at]) } else { 0.0 };
            (real(*price), [share(0), share(1), share(2), share(3)])
        })
        .collect();
    // Nothing of what nobody needs is a share of nothing.
    let counts = |weights: &[f64; 4]| (0..4).all(|at| demand[at] > 0 || weights[at] <= 0.0);
    let price = weights().filter(counts).map(|weights| {
        let per_share = shares.iter().map(|(price, shares)| {
            let mean: f64 = weights.iter().zip(shares).map(|(weight, share)| weight * share).sum();
            if mean > 0.0 { price / mean } else { f64::INFINITY }
        });
        per_share.fold(f64::INFINITY, f64::min)
    });
    let price = price.filter(|price| price.is_finite()).fold(0.0, f64::max);
    (u32::try_from(nodes).unwrap_or(u32::MAX), price / 1e6)
}

/// What pods need: cpu, memory, how many they are, and how many of them are on a node each at the least.
pub(crate) fn demand<'a>(pods: impl Iterator<Item = &'a Pod> + Clone) -> [i64; 4] {
    let apart = keep_apart(pods.clone());
    let mut demand = Resources::default();
    for pod in pods {
        demand.add(&pod.shape.requests);
    }
    [demand.cpu, demand.memory, demand.pods, apart]
}

/// The most pods of which no two may be on one node: those of one namespace with the same anti-affinity per node, by whose
/// selector each is selected itself.
fn keep_apart<'a>(pods: impl Iterator<Item = &'a Pod>) -> i64 {
    let mut groups: BTreeMap<_, i64> = BTreeMap::new();
    for pod in pods {
        for term in &pod.shape.affinity.anti_pods {
            let selects = term.selector.as_ref().is_some_and(|selector| selector.matches(&pod.shape.labels));
            let here = term.namespaces.contains(&pod.shape.namespace);
            if &*term.topology_key == HOSTNAME && selects && here {
                *groups.entry((&pod.shape.namespace, term)).or_default() += 1;
            }
        }
    }
    groups.into_values().max().unwrap_or(0)
}

fn weights() -> impl Iterator<Item = [f64; 4]> {
    let parts = |of: u32| f64::from(of) / f64::from(PARTS);
    (0..=PARTS).flat_map(move |cpu| {
        (0..=PARTS - cpu).flat_map(move |memory| {
            (0..=PARTS - cpu - memory).map(move |count| {
                [parts(cpu), parts(memory), parts(count), parts(PARTS - cpu - memory - count)]
            })
        })
    })
}

#[allow(clippy::cast_precision_loss, reason = "a bound to many digits")]
fn real(number: i64) -> f64 {
    number as f64
}
