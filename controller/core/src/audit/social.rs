//! What pods say to each other: spread constraints, affinities and anti-affinities, after the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::after::{After, Arrival, Spot};
use super::books::Books;
use super::node_rules::{selected, untolerated};
use super::{Breach, Invariant};
use crate::cluster::{Labels, Name, PodShape, PodTerm, Policy, Spread, Taint, WhenUnsatisfiable};

/// Pods of one shape on one node, after the plan.
struct Group<'a> {
    shape: &'a PodShape,
    labels: &'a Labels,
    node: &'a str,
    count: u64,
    /// Pods that are being deleted are not seen by spread constraints.
    leaving: bool,
    /// For pods that get a place: whether at once.
    arrives: Option<bool>,
}

/// A node after the plan.
struct Seat<'a> {
    name: &'a str,
    labels: &'a Labels,
    taints: &'a [Taint],
}

/// Every pod that got a place is allowed there by what runs elsewhere.
pub(super) fn pods_allow_each_other(books: &Books, after: &After<'_>) -> Result<(), Breach> {
    let is_social = |shape: &PodShape| {
        let affinity = &shape.affinity;
        !(affinity.pods.is_empty() && affinity.anti_pods.is_empty())
            || shape.spread.iter().any(|spread| spread.when == WhenUnsatisfiable::DoNotSchedule)
    };
    let others_forbid = books.shapes.values().any(|(shape, _)| !shape.affinity.anti_pods.is_empty());
    let arrivals = || after.by_spot.iter().flat_map(|(spot, pods)| pods.iter().map(move |pod| (spot, pod)));
    if !others_forbid && !arrivals().any(|(_, pod)| is_social(pod.shape)) {
        return Ok(());
    }
    let in_the_end = (groups(books, after, false), seats(books, after, false));
    let at_once = (groups(books, after, true), seats(books, after, true));
    for (spot, arrival) in arrivals() {
        let allowed = |(groups, seats): &(Vec<Group<'_>>, Vec<Seat<'_>>)| {
            for spread in arrival.shape.spread.iter().filter(|of| of.when == WhenUnsatisfiable::DoNotSchedule)
            {
                is_even(groups, seats, spot, arrival, spread)?;
            }
            likes_its_neighbours(books, groups, spot, arrival)
        };
        // What goes there at once is judged by what is there now, before anything comes or is drained.
        if !(arrival.at_once && allowed(&at_once).is_ok()) {
            allowed(&in_the_end)?;
        }
    }
    Ok(())
}

fn groups<'a>(books: &'a Books, after: &'a After<'_>, at_once: bool) -> Vec<Group<'a>> {
    let going = if at_once { &after.going_already } else { &after.going };
    let mut groups = Vec::new();
    for ((_, leaving), (shape, nodes)) in &books.shapes {
        for (name, count) in nodes {
            // All pods of a node that goes are gone with it.
            let Some(node) = books.nodes.get(name).filter(|_| !going.contains(name)) else { continue };
            let (labels, count) = (&node.labels, u64::from(*count));
            groups.push(Group { shape, labels, node: name, count, leaving: *leaving, arrives: None });
        }
    }
    for (spot, arrivals) in &after.by_spot {
        groups.extend(arrivals.iter().filter(|arrival| arrival.at_once || !at_once).map(|arrival| Group {
            shape: arrival.shape,
            labels: &spot.labels,
            node: &spot.name,
            count: u64::from(arrival.count),
            leaving: false,
            arrives: Some(arrival.at_once),
        }));
    }
    groups
}

fn seats<'a>(books: &'a Books, after: &'a After<'_>, at_once: bool) -> Vec<Seat<'a>> {
    let going = if at_once { &after.going_already } else { &after.going };
    let there = books.nodes.values().filter(|node| !going.contains(&node.name));
    let there = there.map(|node| Seat { name: &node.name, labels: &node.labels, taints: &node.taints });
    let come = after.new_spots().filter(|_| !at_once);
    let come = come.map(|spot| Seat { name: &spot.name, labels: &spot.labels, taints: &spot.taints });
    there.chain(come).collect()
}

/// The domain of a node; each is its own under its name.
fn domain<'l>(labels: &'l Labels, key: &Name) -> Option<&'l Name> {
    labels.get(key)
}

fn is_even(
    groups: &[Group<'_>],
    seats: &[Seat<'_>],
    spot: &Spot,
    arrival: &Arrival<'_>,
    spread: &Spread,
) -> Result<(), Breach> {
    let shape = arrival.shape;
    let keys: Vec<&Name> = shape
        .spread
        .iter()
        .filter(|of| of.when == WhenUnsatisfiable::DoNotSchedule)
        .map(|of| &of.topology_key)
        .collect();
    let counts_on = |name: &str, labels: &Labels, taints: &[Taint]| {
        keys.iter().all(|key| labels.contains_key(*key))
            && (spread.node_affinity == Policy::Ignore || selected(shape, labels, name))
            && (spread.node_taints == Policy::Ignore || untolerated(taints, &shape.tolerations).is_none())
    };
    let mut domains: BTreeMap<&Name, u64> = BTreeMap::new();
    let mut counted: BTreeSet<&str> = BTreeSet::new();
    for seat in seats.iter().filter(|seat| counts_on(seat.name, seat.labels, seat.taints)) {
        if let Some(domain) = domain(seat.labels, &spread.topology_key) {
            domains.entry(domain).or_default();
            counted.insert(seat.name);
        }
    }
    let matches = |group: &&Group<'_>| {
        !group.leaving
            && group.shape.namespace == shape.namespace
            && spread.selector.as_ref().is_some_and(|selector| selector.matches(&group.shape.labels))
            && counted.contains(group.node)
    };
    for group in groups.iter().filter(matches) {
        if let Some(count) = domain(group.labels, &spread.topology_key).and_then(|of| domains.get_mut(of)) {
            *count += group.count;
        }
    }
    let refuse = |why: String| {
        let what = format!("{} on {}: {why}", arrival.name, spot.name);
        Err(Breach::new(Invariant::Spread, what))
    };
    let Some(own) = domain(&spot.labels, &spread.topology_key) else {
        return refuse(format!("it lacks the label {}", spread.topology_key));
    };
    let few = spread.min_domains.is_some_and(|min| (domains.len() as u64) < u64::try_from(min).unwrap_or(0));
    let least = if few { 0 } else { domains.values().copied().min().unwrap_or(0) };
    let here = domains.get(own).copied().unwrap_or(0);
    let most = u64::try_from(spread.max_skew.max(0)).unwrap_or(0);
    if here > least + most {
        return refuse(format!("{here} of {} in {own}, {least} in the emptiest", spread.topology_key));
    }
    Ok(())
}

fn likes_its_neighbours(
    books: &Books,
    groups: &[Group<'_>],
    spot: &Spot,
    arrival: &Arrival<'_>,
) -> Result<(), Breach> {
    let shape = arrival.shape;
    let refuse = |why: &str, key: &Name| {
        let what = format!("{} on {}: {why} in the same {key}", arrival.name, spot.name);
        Err(Breach::new(Invariant::PodAffinity, what))
    };
    let together = |labels: &Labels, key: &Name| {
        let own = domain(&spot.labels, key);
        own.is_some() && own == domain(labels, key)
    };
    // One of its own pods on the same node is itself.
    let is_itself = |group: &Group<'_>| {
        group.arrives == Some(arrival.at_once)
            && std::ptr::eq(group.shape, &raw const **shape)
            && group.node == &*spot.name
            && group.count == 1
            && arrival.count == 1
    };
    for term in &shape.affinity.anti_pods {
        let near = |group: &&Group<'_>| {
            term_matches(books, term, group.shape) && together(group.labels, &term.topology_key)
        };
        if groups.iter().filter(near).any(|group| !is_itself(group)) {
            return refuse("a pod that its anti-affinity forbids is", &term.topology_key);
        }
    }
    for group in groups.iter().filter(|group| !is_itself(group)) {
        for term in &group.shape.affinity.anti_pods {
            if term_matches(books, term, shape) && together(group.labels, &term.topology_key) {
                return refuse("a pod that keeps it off is", &term.topology_key);
            }
        }
    }
    let terms = &shape.affinity.pods;
    let befriends_itself = terms.iter().all(|term| term_matches(books, term, shape));
    for term in terms {
        let matching = |group: &&Group<'_>| {
            terms.iter().all(|term| term_matches(books, term, group.shape)) && !is_itself(group)
        };
        let near = groups.iter().filter(matching).any(|group| together(group.labels, &term.topology_key));
        let anywhere =
            groups.iter().filter(matching).any(|group| domain(group.labels, &term.topology_key).is_some());
        let is_first = befriends_itself && !anywhere;
        if !near && !is_first {
            return refuse("no pod of its affinity is", &term.topology_key);
        }
    }
    Ok(())
}

fn term_matches(books: &Books, term: &PodTerm, shape: &PodShape) -> bool {
    let in_namespace = term.namespaces.contains(&shape.namespace)
        || term.namespace_selector.as_ref().is_some_and(|selector| {
            let nothing = Labels::new();
            selector.matches(books.namespaces.get(&shape.namespace).unwrap_or(&nothing))
        });
    in_namespace && term.selector.as_ref().is_some_and(|selector| selector.matches(&shape.labels))
}
