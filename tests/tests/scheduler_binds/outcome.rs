//! What became of one case, and of all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{Display, Formatter},
};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use plimsoll_core::{
    cluster::Pod as CorePod,
    nodes::{NodePlan, Place},
    placement::View,
};

use crate::{bed::node_of, generate::Case, plan::Pool};

#[path = "../../../controller/observe/examples/plan_pods/bound.rs"]
mod bound;

/// What became of a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Pods that waited.
    pub(crate) pods: usize,
    /// Pods that were promised a place.
    pub(crate) promised: usize,
    /// Of those, how many on nodes that were there.
    pub(crate) on_free_room: usize,
    /// Pods that were promised a place and have none.
    pub(crate) unbound: Vec<String>,
    /// Pods that are on another node than the plan says.
    pub(crate) elsewhere: usize,
    /// Nodes that were ordered.
    pub(crate) nodes: u32,
    /// Ordered nodes on which no pod is.
    pub(crate) empty: Vec<String>,
    /// What the ordered nodes cost per hour.
    pub(crate) price: f64,
    /// What no plan can do without.
    pub(crate) nodes_at_least: u32,
    pub(crate) price_at_least: f64,
    /// Why the audit let nothing be carried out, if so.
    pub(crate) refused: Vec<String>,
}

impl Outcome {
    /// Nothing is done of a plan that the audit refuses.
    pub(crate) fn refused(case: &Case, breach: &str) -> Self {
        Self {
            pods: case.waiting.len(),
            refused: vec![format!("{}: {breach}", case.name)],
            ..Self::default()
        }
    }

    /// `before`: what the plan was made for; `after`: its pods now.
    pub(crate) fn new(
        case: &Case,
        pool: &Pool,
        before: &View,
        plan: &NodePlan,
        after: &[Pod],
        unbound: Vec<String>,
    ) -> Self {
        let is_on = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let on: BTreeMap<String, String> =
            after.iter().filter_map(|pod| Some((pod.uid()?, is_on(pod)?))).collect();
        let planned =
            plan.placements.iter().map(|placement| (&placement.pod, node_of(case, &placement.place)));
        let elsewhere = planned.filter(|(pod, node)| on.get(&***pod).is_some_and(|on| on != node)).count();
        let used: BTreeSet<&String> = on.values().collect();
        let ordered = plan.add.iter().enumerate().flat_map(|(entry, new)| {
            let entry = u32::try_from(entry).unwrap_or(u32::MAX);
            (0..new.count).map(move |number| node_of(case, &Place::New(entry, number)))
        });
        let empty = ordered.filter(|node| !used.contains(node)).collect();
        let (nodes_at_least, price_at_least) = at_least(pool, before, plan);
        let is_there = |place: &Place| matches!(place, Place::Node(_));
        Self {
            pods: case.waiting.len(),
            promised: plan.placements.len(),
            on_free_room: plan.placements.iter().filter(|placement| is_there(&placement.place)).count(),
            unbound,
            elsewhere,
            nodes: plan.add.iter().map(|new| new.count).sum(),
            empty,
            price: millionths(plan.price),
            nodes_at_least,
            price_at_least,
            refused: Vec::new(),
        }
    }
}

/// What no plan for the promised pods can do without: what they need and the nodes that are there have not free.
fn at_least(pool: &Pool, before: &View, plan: &NodePlan) -> (u32, f64) {
    let promised: Vec<&CorePod> =
        plan.placements.iter().filter_map(|placement| before.pod(&placement.pod)).collect();
    let mut needed = bound::demand(promised.iter().copied());
    for node in before.nodes() {
        let mut free = node.allocatable.clone();
        before.pods_on(&node.name).for_each(|pod| free.subtract(&pod.shape.requests));
        for (needed, free) in needed.iter_mut().zip([free.cpu, free.memory, free.pods, 1]) {
            *needed -= free.max(0);
        }
    }
    bound::at_least(needed.map(|needed| needed.max(0)), &pool.seen.offerings)
}

#[allow(clippy::cast_precision_loss, reason = "prices are small")]
fn millionths(price: i64) -> f64 {
    price as f64 / 1e6
}

/// What became of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cases: u64,
    pub(crate) sum: Outcome,
    pub(crate) nodes_there: usize,
    /// How many groups of pods asked for what.
    pub(crate) wishes: BTreeMap<&'static str, u64>,
    /// What went wrong, by case.
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn count(&mut self, case: &Case, outcome: Outcome) {
        self.cases += 1;
        self.nodes_there += case.there.len();
        for wish in &case.wishes {
            *self.wishes.entry(wish).or_default() += 1;
        }
        if !outcome.unbound.is_empty() {
            self.wrong
                .push(format!("{}: {:?} were promised a place and have none", case.name, outcome.unbound));
        }
        if !outcome.empty.is_empty() {
            self.wrong.push(format!("{}: {:?} were ordered and are empty", case.name, outcome.empty));
        }
        let sum = &mut self.sum;
        sum.pods += outcome.pods;
        sum.promised += outcome.promised;
        sum.on_free_room += outcome.on_free_room;
        sum.unbound.extend(outcome.unbound);
        sum.elsewhere += outcome.elsewhere;
        sum.nodes += outcome.nodes;
        sum.empty.extend(outcome.empty);
        sum.price += outcome.price;
        sum.nodes_at_least += outcome.nodes_at_least;
        sum.price_at_least += outcome.price_at_least;
        sum.refused.extend(outcome.refused);
    }
}

impl Tally {
    /// Whether the promises are kept: but for one pod in two hundred, which the scheduler displaced by scattering others, and
    /// as many nodes.
    pub(crate) fn is_kept(&self) -> bool {
        let of = &self.sum;
        of.unbound.len() * 200 <= of.promised && of.empty.len() * 200 <= of.nodes as usize
    }
}

/// A share in percent.
pub(crate) fn percent(part: f64, of: f64) -> f64 {
    if of > 0.0 { 100.0 * part / of } else { 0.0 }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let of = &self.sum;
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        write!(
            f,
            "{} cases, {} pods, {} promised a place, {} of them without one ({:.2} %), {} on another node than planned; \
             {} nodes ordered, {} of them empty, at least {} are needed; price {:.1} % over the lower bound; {} plans \
             refused by the audit",
            self.cases,
            of.pods,
            of.promised,
            of.unbound.len(),
            percent(count(of.unbound.len()), count(of.promised)),
            of.elsewhere,
            of.nodes,
            of.empty.len(),
            of.nodes_at_least,
            percent(of.price, of.price_at_least) - 100.0,
            of.refused.len(),
        )
    }
}
