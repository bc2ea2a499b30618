//! Why a node stays or goes.

use serde::{Deserialize, Serialize};

use super::place::place;
use super::pod::{as_drain, in_words, sentence};
use super::{Planned, Sight};
use crate::cluster::{Name, Node, Pod, PodState, Readiness, Record};
use crate::nodes::add::Settings;
use crate::nodes::drain::Drain;
use crate::nodes::drainability::{Question, Verdict, of_pod};
use crate::nodes::pdb::Ledger;
use crate::nodes::remove::{self, Input, WhyStays};
use crate::nodes::words::{asks, full_name, moment};
use crate::time::Timestamp;

/// All that is said about a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeExplained {
    /// Its name.
    pub name: Name,
    /// The pool it belongs to.
    pub pool: Option<Name>,
    /// The order that it came by; None for a node that is not ours.
    pub order: Option<Name>,
    /// What it is, such as `on-demand c4.large in zone-a`.
    pub offering: Option<String>,
    /// What pods may have of it.
    pub has: String,
    /// What its pods ask for, daemons included.
    pub asked: String,
    /// Whether it goes, or is being drained.
    pub goes: bool,
    /// What becomes of it, in words.
    pub sentences: Vec<String>,
    /// Every reason for which it stays; the first is the one that the plan gives.
    pub stays: Vec<ReasonRow>,
    /// Where its pods will fit, where it goes.
    pub moves: Vec<MoveRow>,
    /// The pods on it, and what each means for it.
    pub pods: Vec<PodRow>,
    /// The plan that this is from.
    pub planned: Planned,
}

/// A reason for which a node stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasonRow {
    /// The reason.
    pub why: String,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Where a pod of a node that goes will fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveRow {
    /// Namespace and name.
    pub pod: String,
    /// Where.
    pub to: String,
}

/// A pod of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodRow {
    /// Namespace and name.
    pub pod: String,
    /// What it asks for.
    pub asks: String,
    /// What becomes of it when the node goes, or why it keeps the node.
    pub verdict: String,
    /// Whether it keeps the node.
    pub keeps: bool,
}

/// Explains the node of this name; None when there is none.
pub fn node(sight: &Sight<'_>, name: &str) -> Option<NodeExplained> {
    let node = sight.view.node(name)?;
    let mut asked = crate::cluster::Resources::default();
    let pods: Vec<&Pod> = sight.view.pods_on(name).collect();
    for pod in &pods {
        asked.add(&pod.shape.requests);
    }
    let mut explained = NodeExplained {
        name: node.name.clone(),
        pool: node.pool.clone(),
        order: node.order.clone(),
        offering: node.offering().map(|key| key.to_string()),
        has: asks(&node.allocatable),
        asked: asks(&asked),
        goes: true,
        sentences: vec![readiness(node)],
        stays: Vec::new(),
        moves: Vec::new(),
        pods: rows(sight, node, &pods),
        planned: sight.planned(),
    };
    if let (Some(order), Record::Deleted) = (&node.order, node.record) {
        explained.sentences.push(format!("Its order {order} was deleted, so it goes as soon as it may."));
    }
    if let Some(drain) = sight.drains.get(name) {
        drained(sight, node, drain, &pods, &mut explained);
    } else if let Some(removal) = sight.removal.remove.iter().find(|removal| *removal.node == *name) {
        explained.sentences.push(format!("It goes: {}.", removal.why));
        if !removal.needs.is_empty() {
            explained.sentences.push("It waits until what is ordered in its place is ready.".to_owned());
        }
        let row = |moves: &remove::Move| MoveRow {
            pod: sight.view.pod(&moves.pod).map_or_else(|| moves.pod.to_string(), full_name),
            to: in_words(&place(sight, &moves.to, &sight.removal.add)),
        };
        explained.moves = removal.moves.iter().map(row).collect();
    } else {
        explained.goes = false;
        explained.stays = stays(sight, name);
        let first = explained.stays.first();
        explained.sentences.push(match first {
            Some(first) => format!("It stays: {}.", first.why),
            None => format!("The last plan, of {}, does not know it yet.", moment(sight.planned)),
        });
    }
    explained.sentences.extend(sight.warning());
    Some(explained)
}

/// The reason of the plan, and all others that its gates have.
fn stays(sight: &Sight<'_>, name: &str) -> Vec<ReasonRow> {
    let settings = Settings::default();
    let input = Input {
        view: sight.view,
        adding: sight.plan,
        settings: &settings,
        workloads: sight.workloads,
        surging: surging(sight),
        now: sight.now,
    };
    let mut all: Vec<WhyStays> = Vec::new();
    let first = sight.removal.stays.iter().find(|stays| *stays.node == *name).map(|stays| stays.why.clone());
    for why in first.into_iter().chain(remove::reasons(&input, sight.memory, name)) {
        let is_said = all.iter().any(|said| *said == why || is_same_pod(said, &why));
        if !is_said {
            all.push(why);
        }
    }
    all.iter().map(|why| ReasonRow { why: why.to_string(), until: why.until() }).collect()
}

/// Whether both say that the same pod has no room: the numbers depend on what else was tried.
fn is_same_pod(one: &WhyStays, other: &WhyStays) -> bool {
    matches!((one, other), (WhyStays::NoRoom { pod: one, .. }, WhyStays::NoRoom { pod: other, .. }) if one == other)
}

fn surging(sight: &Sight<'_>) -> u32 {
    let surges = sight.drains.values().map(|drain| drain.surges.len()).sum::<usize>();
    u32::try_from(surges).unwrap_or(u32::MAX)
}

fn drained(sight: &Sight<'_>, node: &Node, drain: &Drain, pods: &[&Pod], explained: &mut NodeExplained) {
    explained.sentences.push(format!("It is being drained, since {}.", moment(drain.started)));
    if drain.interrupted {
        explained.sentences.push("Its provider takes it away, so the drain is not given up.".to_owned());
    }
    if let Some(waits) = sight.waits.get(&node.name) {
        explained.sentences.push(format!("The drain {}.", as_drain(waits)));
    }
    for surge in drain.surges.values() {
        let (namespace, deployment) = (&surge.namespace, &surge.deployment);
        explained.sentences.push(if surge.given_back {
            format!("Deployment {namespace}/{deployment} had one replica more for it, which was given back.")
        } else {
            format!("Deployment {namespace}/{deployment} has one replica more for it.")
        });
    }
    if let Some(asked) = drain.deleted {
        explained.sentences.push(format!("Its provider was asked to take it back at {}.", moment(asked)));
    }
    let placed = |pod: &&&Pod| sight.plan.placements.iter().find(|placed| placed.pod == pod.uid);
    let moves = pods.iter().filter_map(|pod| {
        let placed = placed(&pod)?;
        let to = in_words(&place(sight, &placed.place, &sight.plan.add));
        Some(MoveRow { pod: full_name(pod), to })
    });
    explained.moves = moves.collect();
}

fn rows(sight: &Sight<'_>, node: &Node, pods: &[&Pod]) -> Vec<PodRow> {
    let ledger = Ledger::new(sight.view.budgets());
    let cut_off = sight.view.cut_off_of(node);
    let row = |pod: &&Pod| {
        let (keeps, verdict) = verdict(sight, &ledger, pod, cut_off);
        PodRow { pod: full_name(pod), asks: asks(&pod.shape.requests), verdict, keeps }
    };
    pods.iter().map(row).collect()
}

fn verdict(sight: &Sight<'_>, ledger: &Ledger<'_>, pod: &Pod, cut_off: Option<i32>) -> (bool, String) {
    if matches!(pod.state, PodState::Nominated { .. }) {
        return (true, "waits, and has room here".to_owned());
    }
    let verdict = of_pod(&Question { pod, covered: ledger.covers(pod), cut_off, now: sight.now });
    match (verdict, ledger.check(pod)) {
        (Verdict::Blocks(why), _) => (true, why.to_string()),
        (Verdict::Moves, _) if sight.view.surplus().contains(&pod.uid) => {
            (false, "goes, and its Deployment has one replica more in its place".to_owned())
        }
        (Verdict::Moves | Verdict::Expendable, Err(why)) => (true, why.to_string()),
        (Verdict::Moves, Ok(())) => (false, "is evicted, and needs room elsewhere".to_owned()),
        (Verdict::Expendable, Ok(())) => (false, "is evicted, and nobody plans room for it".to_owned()),
        (Verdict::Ends, _) => (false, "is ending".to_owned()),
        (Verdict::Goes, _) => (false, "goes with the node".to_owned()),
    }
}

fn readiness(node: &Node) -> String {
    let words = match node.readiness {
        Readiness::Starting => "it has not been ready yet".to_owned(),
        Readiness::Ready => "it is ready".to_owned(),
        Readiness::NotReady { since } => format!("it is not ready, since {}", moment(since)),
        Readiness::Unknown { since } => format!("it says nothing any more, since {}", moment(since)),
    };
    sentence(&words)
}
