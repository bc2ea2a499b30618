//! Why a pod has the place that it has, or none.

use serde::{Deserialize, Serialize};

use super::place::{passed_over, place};
use super::{PassedRow, PlaceRow, Planned, Sight};
use crate::cluster::{Expander, Name, Pod, PodState};
use crate::nodes::reason::{Cause, WhyRefused};
use crate::nodes::remove::WhyStays;
use crate::nodes::words::{asks, full_name, moment};
use crate::nodes::{Place, Refused};

/// How a pod stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outlook {
    /// It is bound to a node.
    Bound,
    /// It is bound, and will be evicted: its node goes.
    Moves,
    /// It is ending.
    Ends,
    /// It waits, and has a place.
    HasPlace,
    /// It waits, and gets no node.
    NoPlace,
    /// It waits, and the last plan does not know it.
    NotPlanned,
}

/// All that is said about a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodExplained {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// What it asks for.
    pub asks: String,
    /// How it stands.
    pub outlook: Outlook,
    /// The same in words.
    pub sentences: Vec<String>,
    /// Where it is to go.
    pub place: Option<PlaceRow>,
    /// Why it gets no node, each cause once.
    pub refusals: Vec<RefusalRow>,
    /// Offerings that might have done and were not considered.
    pub passed_over: Vec<PassedRow>,
    /// The plan that this is from.
    pub planned: Planned,
}

/// A cause for which a pod gets no node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalRow {
    /// What refuses it: `nodes`, `offerings of pool general`, `pool general`, or `the pod`.
    pub what: String,
    /// How many nodes or offerings; 0 where that says nothing.
    pub count: u32,
    /// Why.
    pub why: String,
}

/// Explains the pod of this name; None when there is none, or it has ended.
pub fn pod(sight: &Sight<'_>, namespace: &str, name: &str) -> Option<PodExplained> {
    let pod = sight.view.pods().find(|pod| &*pod.name == name && &*pod.shape.namespace == namespace)?;
    let mut explained = PodExplained {
        namespace: pod.shape.namespace.clone(),
        name: pod.name.clone(),
        asks: asks(&pod.shape.requests),
        outlook: Outlook::Bound,
        sentences: Vec::new(),
        place: None,
        refusals: Vec::new(),
        passed_over: Vec::new(),
        planned: sight.planned(),
    };
    match &pod.state {
        PodState::Bound { node, .. } => bound(sight, pod, node, &mut explained),
        PodState::Terminating { node, until } => {
            explained.outlook = Outlook::Ends;
            explained
                .sentences
                .push(format!("It is ending on node {node}, until {} at the latest.", moment(*until)));
        }
        PodState::Nominated { node } => {
            explained.outlook = Outlook::HasPlace;
            explained.place = Some(place(sight, &Place::Node(node.clone()), &[]));
            explained
                .sentences
                .push(format!("Room is held for it on node {node}; the scheduler has not bound it yet."));
        }
        PodState::Pending | PodState::Unschedulable { .. } => waits(sight, pod, &mut explained),
    }
    explained.sentences.extend(sight.warning());
    Some(explained)
}

fn bound(sight: &Sight<'_>, pod: &Pod, node: &Name, explained: &mut PodExplained) {
    explained.sentences.push(format!("It runs on node {node}."));
    let planned = sight.plan.placements.iter().find(|placed| placed.pod == pod.uid);
    if let Some(removal) = sight.removal.remove.iter().find(|removal| removal.node == *node) {
        explained.outlook = Outlook::Moves;
        explained.sentences.push(format!("Node {node} goes: {}.", removal.why));
        let moves = removal.moves.iter().find(|moves| moves.pod == pod.uid);
        explained.place = moves.map(|moves| place(sight, &moves.to, &sight.removal.add));
    } else if sight.drains.contains_key(node) {
        explained.outlook = Outlook::Moves;
        explained.sentences.push(format!("Node {node} is being drained."));
        explained.place = planned.map(|placed| place(sight, &placed.place, &sight.plan.add));
        let waits = sight.waits.get(node);
        explained.sentences.extend(waits.map(|waits| format!("The drain {}.", as_drain(waits))));
        if sight.view.surplus().contains(&pod.uid) {
            let why = "Its Deployment has one replica more in its place, so it needs no room elsewhere.";
            explained.sentences.push(why.to_owned());
        }
    } else if let Some(stays) = sight.removal.stays.iter().find(|stays| stays.node == *node) {
        let own = full_name(pod);
        let is_why = match &stays.why {
            WhyStays::Pod { pod, .. }
            | WhyStays::Forbidden { pod, .. }
            | WhyStays::NoRoom { pod, .. }
            | WhyStays::Entangled { pod } => *pod == own,
            _ => false,
        };
        if is_why {
            explained.sentences.push(format!("It keeps node {node}: {}.", stays.why));
        }
    }
    if let Some(place) = &explained.place {
        explained.sentences.push(format!("Its room elsewhere: {}.", in_words(place)));
    }
}

/// What a drain waits for, after «The drain».
pub(super) fn as_drain(waits: &str) -> String {
    if waits.starts_with("waits") { waits.to_owned() } else { format!("waits: {waits}") }
}

fn waits(sight: &Sight<'_>, pod: &Pod, explained: &mut PodExplained) {
    explained.sentences.push(match &pod.state {
        PodState::Unschedulable { since } => {
            format!("It waits: since {} the scheduler finds no node for it.", moment(*since))
        }
        _ => "It waits: the scheduler has not bound it, and has not said that it fits nowhere.".to_owned(),
    });
    if let Some(placed) = sight.plan.placements.iter().find(|placed| placed.pod == pod.uid) {
        explained.outlook = Outlook::HasPlace;
        has_place(sight, &placed.place, explained);
    } else if let Some(refused) = sight.plan.refused.iter().find(|refused| refused.pods.contains(&pod.uid)) {
        explained.outlook = Outlook::NoPlace;
        no_place(sight, refused, explained);
    } else {
        explained.outlook = Outlook::NotPlanned;
        explained
            .sentences
            .push(format!("The last plan, of {}, does not know it yet.", moment(sight.planned)));
    }
}

fn has_place(sight: &Sight<'_>, to: &Place, explained: &mut PodExplained) {
    let row = place(sight, to, &sight.plan.add);
    let words = in_words(&row);
    match to {
        Place::Node(_) => explained.sentences.push(format!(
            "There is room for it on {words}; the scheduler may bind it there, or where it likes better."
        )),
        Place::Order(order, _) => {
            explained.sentences.push(format!(
                "No node that is there has room for it. It has room on {words}, which is on its way."
            ));
            if let Some(said) = sight.orders.get(order) {
                let message = said.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
                explained.sentences.push(format!(
                    "The order is of {} and is {}{message}.",
                    moment(said.created),
                    said.phase
                ));
            }
        }
        Place::New(entry, _) => {
            explained
                .sentences
                .push(format!("No node that is there or ordered has room for it: {words} is ordered."));
            let new = usize::try_from(*entry).ok().and_then(|entry| sight.plan.add.get(entry));
            if let Some(new) = new {
                let pool = sight.view.pool(&new.pool);
                let how = pool.map_or("", |pool| chosen_by(pool.expander));
                explained.sentences.push(format!(
                    "Of what takes it, it is chosen {how}. {} of these are ordered, for {} pods in all.",
                    new.count, new.pods
                ));
            }
        }
    }
    let pool = row.pool.clone();
    explained.passed_over = of_pools(sight, |of| !matches!(to, Place::Node(_)) && Some(of) == pool.as_ref());
    explained.place = Some(row);
}

fn no_place(sight: &Sight<'_>, refused: &Refused, explained: &mut PodExplained) {
    let others = refused.count.saturating_sub(1);
    explained.sentences.push(match others {
        0 => "It gets no node.".to_owned(),
        1 => "It gets no node, and one more pod like it.".to_owned(),
        others => format!("It gets no node, and {others} more pods like it."),
    });
    if refused.why.is_empty() {
        explained.sentences.push("There is no node, and nothing that could be ordered.".to_owned());
    }
    explained.sentences.extend(refused.why.iter().map(|why| sentence(&why.to_string())));
    explained.refusals = refused.why.iter().map(row).collect();
    let is_named = |pool: &Name| {
        refused.why.iter().any(|why| matches!(&why.cause, Cause::PassedOver(of, _) if of == pool))
    };
    explained.passed_over = of_pools(sight, is_named);
}

fn of_pools(sight: &Sight<'_>, is_named: impl Fn(&Name) -> bool) -> Vec<PassedRow> {
    let passed = sight.plan.passed_over.iter().filter(|passed| is_named(&passed.pool));
    passed.map(|passed| passed_over(sight, passed)).collect()
}

fn row(why: &WhyRefused) -> RefusalRow {
    let (what, words) = match &why.cause {
        Cause::LeftAlone(why) => ("the pod".to_owned(), format!("left alone: {why}")),
        Cause::Nodes(refusal) => ("nodes".to_owned(), refusal.to_string()),
        Cause::Offerings(pool, refusal) => (format!("offerings of pool {pool}"), refusal.to_string()),
        Cause::Limit(pool, limit) => (format!("pool {pool}"), limit.to_string()),
        Cause::PassedOver(pool, why) => (format!("offerings of pool {pool}"), format!("passed over: {why}")),
        Cause::NoPool => ("the cluster".to_owned(), why.to_string()),
    };
    RefusalRow { what, count: why.count, why: words }
}

/// `node a (on-demand m in a, pool p, 0.2 per hour)`.
pub(super) fn in_words(place: &PlaceRow) -> String {
    let pool = place.pool.as_ref().map(|pool| format!("pool {pool}"));
    let price = place.price_per_hour.as_ref().map(|price| format!("{price} per hour"));
    let parts: Vec<String> = [place.offering.clone(), pool, price].into_iter().flatten().collect();
    if parts.is_empty() { place.place.clone() } else { format!("{} ({})", place.place, parts.join(", ")) }
}

fn chosen_by(expander: Expander) -> &'static str {
    match expander {
        Expander::Price => "for the least price per pod",
        Expander::LeastWaste => "for the least that is left over",
        Expander::MostPods => "for the most pods that it takes",
        Expander::Priority => "for the weight of its pool, then the least price",
        Expander::Random => "at random, as its pool asks",
    }
}

/// With a capital and a full stop.
pub(super) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
