//! What pods say to each other: spread constraints, affinities and anti-affinities.
//!
//! The scheduler looks at a spread constraint or an affinity once: when it binds the pod that has it, with what runs then
//! (`podtopologyspread/filtering.go`, `interpodaffinity/filtering.go`). Pods that come later and that a constraint counts
//! may make it uneven. So each pod is judged at its turn in the plan, and where that forbids it by what is there in the end,
//! since pods that move from nodes that go have no turn. Pods that keep each other off do so whoever comes first: that has
//! to hold in the end.

use std::sync::Arc;

use super::after::{After, Arrival};
use super::books::Books;
use super::rules::{Part, Rules};
use super::world::World;
use super::{Breach, Invariant};
use crate::cluster::PodShape;
use crate::lookup::Lookup;

/// Every pod that got a place is allowed there by what runs elsewhere.
pub(super) fn pods_allow_each_other(books: &Books, after: &After<'_>) -> Result<(), Breach> {
    let rules = Rules::of(books, after);
    if rules.is_empty() {
        return Ok(());
    }
    let mut parts = Parts::default();
    let there: Vec<usize> = books.shapes.values().map(|(shape, _)| parts.of(books, &rules, shape)).collect();
    let turns: Vec<usize> =
        after.turns.iter().map(|(_, arrival)| parts.of(books, &rules, arrival.shape)).collect();
    let parts = parts.parts;
    let world = |now: bool| {
        let mut world = World::of(books, after, &rules, now);
        world.count_those_there(books, |at| &parts[there[at]]);
        world
    };
    // What goes to a node that is there goes at once, before anything comes or is drained.
    let mut now = after.turns.iter().any(|(_, arrival)| arrival.at_once).then(|| world(true));
    let mut end = world(false);

    let mut doubtful = Vec::new();
    for ((spot, arrival), part) in after.turns.iter().zip(&turns) {
        let (part, name) = (&parts[*part], &after.by_spot[*spot].0.name);
        for _ in 0..if part.is_free() { 1 } else { arrival.count } {
            let pods = if part.is_free() { u64::from(arrival.count) } else { 1 };
            let mut allowed = false;
            for world in now.iter_mut().filter(|_| arrival.at_once).chain([&mut end]) {
                if let Some(seat) = world.seat(name) {
                    allowed |= refuses(world, part, seat, false).is_none();
                    world.add(seat, &part.counted, pods);
                }
            }
            if !allowed {
                doubtful.push((*spot, arrival, part));
            }
        }
    }

    for (spot, arrival, part) in doubtful {
        let name = &after.by_spot[spot].0.name;
        let refused = end.seat(name).and_then(|seat| refuses(&end, part, seat, true));
        refused.map_or(Ok(()), |(invariant, why)| breach(invariant, arrival, name, &why))?;
    }
    for ((spot, arrival), part) in after.turns.iter().zip(&turns) {
        let (part, name) = (&parts[*part], &after.by_spot[*spot].0.name);
        let near = |world: &World<'_>| world.seat(name).and_then(|seat| foe(world, part, seat));
        let now = now.as_ref().filter(|_| arrival.at_once);
        if now.is_none_or(|now| near(now).is_some())
            && let Some(why) = near(&end)
        {
            return breach(Invariant::PodAffinity, arrival, name, why);
        }
    }
    Ok(())
}

/// Parts of shapes, by number; a shape is known by its address for as long as the plan and the books hold it.
#[derive(Default)]
struct Parts {
    known: Lookup<usize, usize>,
    parts: Vec<Part>,
}

impl Parts {
    fn of(&mut self, books: &Books, rules: &Rules<'_>, shape: &Arc<PodShape>) -> usize {
        let next = self.parts.len();
        let number = *self.known.get_or_insert(Arc::as_ptr(shape).addr(), next);
        if number == next {
            self.parts.push(rules.part(books, shape));
        }
        number
    }
}

fn breach(invariant: Invariant, arrival: &Arrival<'_>, node: &str, why: &str) -> Result<(), Breach> {
    Err(Breach::new(invariant, format!("{} on {node}: {why}", arrival.name())))
}

/// Why spread or affinity forbids one pod on a seat, if it does; `counted` says whether it is among what is counted.
fn refuses(world: &World<'_>, part: &Part, seat: usize, counted: bool) -> Option<(Invariant, String)> {
    let own = |rule: usize| u64::from(counted && part.counted.contains(&rule));
    for even in &part.even {
        let Some(here) = world.near(even.rule, seat) else {
            return Some((Invariant::Spread, "a label of its spread is missing".to_owned()));
        };
        let here = here.saturating_sub(own(even.rule)) + u64::from(even.selects_itself);
        let least = world.emptiest(even.rule, even.least_domains);
        if here > least + even.most {
            return Some((Invariant::Spread, format!("{here} in its domain, {least} in the emptiest")));
        }
    }
    let lonely = |rule: &usize| world.near(*rule, seat).is_none_or(|near| near <= own(*rule));
    let unlabelled = part.near.iter().any(|rule| world.near(*rule, seat).is_none());
    let is_first = part.befriends_itself && part.near.iter().all(|rule| world.anywhere(*rule) <= own(*rule));
    let refused = part.near.iter().any(lonely) && (unlabelled || !is_first);
    refused.then(|| (Invariant::PodAffinity, "no pod of its affinity is in the same domain".to_owned()))
}

/// Whether a pod that is counted has another near that one of the two keeps off.
fn foe(world: &World<'_>, part: &Part, seat: usize) -> Option<&'static str> {
    let others = |rule: &usize| {
        let own = u64::from(part.counted.contains(rule));
        world.near(*rule, seat).is_some_and(|near| near > own)
    };
    if part.keeps_off.iter().any(others) {
        return Some("a pod that its anti-affinity forbids is in the same domain");
    }
    part.kept_off.iter().any(others).then_some("a pod that keeps it off is in the same domain")
}
