//! Why pods get no place, each cause once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::demand::{self, Demand, Others};
use super::headroom::Served;
use super::named;
use super::solve::Solver;
use crate::cluster::{Name, Pod, Resource};
use crate::nodes::Refused;
use crate::nodes::reason::{Cause, WhyPassedOver, WhyRefused};
use crate::placement::class::ClassId;
use crate::placement::packing::NodeIx;
use crate::placement::{Refusal, View};

/// Pods that we leave alone, and those that get no place, with the reasons.
pub(crate) fn refused(
    view: &View,
    solver: &mut Solver<'_>,
    demands: &[Demand],
    left: &[u32],
    on_order: &[NodeIx],
    others: &Others,
) -> Vec<Refused> {
    let mut refused = left_alone(view);
    for (demand, left) in demands.iter().zip(left).filter(|(_, left)| **left > 0) {
        let why = why(view, solver, demand.class, demand.may_order, on_order);
        let shape = &solver.packing.class(demand.class).shape;
        refused.push(Refused {
            namespace: shape.namespace.clone(),
            owner: demand::owner(view, others, demand),
            pods: without_place(&demand::names(view, others, demand), *left),
            count: *left,
            why,
        });
    }
    refused.sort_by(|one, other| {
        (&one.namespace, &one.owner, &one.pods).cmp(&(&other.namespace, &other.owner, &other.pods))
    });
    refused
}

/// Headroom, with the reasons for which some of it has no room.
pub(crate) fn kept_free(
    view: &View,
    solver: &mut Solver<'_>,
    spare: Vec<Served>,
    on_order: &[NodeIx],
) -> Vec<(Served, Vec<WhyRefused>)> {
    let with_reasons = spare.into_iter().map(|served| {
        let lacks = served.left > 0;
        let why = if lacks { why(view, solver, served.class, true, on_order) } else { Vec::new() };
        (served, why)
    });
    with_reasons.collect()
}

/// Why a pod more of a class has no place, each cause once with how often it is met.
fn why(
    view: &View,
    solver: &mut Solver<'_>,
    class: ClassId,
    may_order: bool,
    on_order: &[NodeIx],
) -> Vec<WhyRefused> {
    let mut causes: BTreeMap<Cause, u32> = BTreeMap::new();
    nodes(view, solver, class, &mut causes);
    for &node in on_order {
        if let Some(refusal) = solver.packing.refusal(class, node) {
            *causes.entry(Cause::Nodes(refusal)).or_default() += 1;
        }
    }
    if may_order {
        offerings(view, solver, class, &mut causes);
    }
    causes.into_iter().map(|(cause, count)| WhyRefused { cause, count }).collect()
}

/// Room is given to pods in the order of their names, so those that get none are the last.
fn without_place(pods: &[(&Name, u32)], left: u32) -> Vec<Name> {
    let mut names = Vec::new();
    let mut missing = left;
    for (pod, count) in pods.iter().rev() {
        if missing == 0 {
            break;
        }
        names.push((*pod).clone());
        missing = missing.saturating_sub(*count);
    }
    names.reverse();
    names
}

fn left_alone(view: &View) -> Vec<Refused> {
    let mut groups: BTreeMap<(Name, Name, crate::cluster::Unplannable), Vec<Name>> = BTreeMap::new();
    let dense = view.dense();
    let is_cut_off = |pods: &&BTreeMap<Name, Arc<Pod>>| {
        pods.values().next().is_some_and(|pod| view.cuts_off(pod.shape.priority).is_some())
    };
    let waiting = dense.waiting.values().filter(is_cut_off).flat_map(BTreeMap::values);
    for pod in dense.left_alone.values().chain(waiting) {
        if let Some(why) = pod.unplannable.clone().or_else(|| view.cuts_off(pod.shape.priority)) {
            let owner = pod.owner.as_ref().map_or(&pod.name, |owner| &owner.name);
            let key = (pod.shape.namespace.clone(), owner.clone(), why);
            groups.entry(key).or_default().push(pod.uid.clone());
        }
    }
    let refused = groups.into_iter().map(|((namespace, owner, why), pods)| Refused {
        namespace,
        owner,
        count: u32::try_from(pods.len()).unwrap_or(u32::MAX),
        pods,
        why: vec![WhyRefused { cause: Cause::LeftAlone(why), count: 0 }],
    });
    refused.collect()
}

fn nodes(view: &View, solver: &mut Solver<'_>, class: ClassId, causes: &mut BTreeMap<Cause, u32>) {
    let shape = solver.packing.class(class).shape.clone();
    let looked_at: Vec<(&Name, NodeIx)> = match named::named(&shape) {
        None => view.dense().nodes().collect(),
        Some(names) => names.into_iter().filter_map(|name| Some((name, view.dense().node(name)?))).collect(),
    };
    let others = view.nodes.len().saturating_sub(looked_at.len());
    if others > 0 {
        causes.insert(Cause::Nodes(Refusal::NodeAffinity), u32::try_from(others).unwrap_or(u32::MAX));
    }
    for (name, node) in looked_at {
        let refusal = if solver.packing.nodes[node as usize].present {
            solver.packing.refusal(class, node)
        } else {
            let goes = view.node(name).is_some_and(|node| node.interrupted || node.is_draining());
            Some(if goes { Refusal::Going } else { Refusal::NoSuchNode })
        };
        if let Some(refusal) = refusal {
            *causes.entry(Cause::Nodes(refusal)).or_default() += 1;
        }
    }
}

/// Why no offering helps: it would not take the pod, a limit forbids it, or it was passed over.
fn offerings(view: &View, solver: &mut Solver<'_>, class: ClassId, causes: &mut BTreeMap<Cause, u32>) {
    if view.pools().all(|pool| pool.offerings.is_empty()) {
        causes.insert(Cause::NoPool, 0);
    }
    for family in 0..solver.menu.families.len() {
        let stand_in = solver.menu.families[family].stand_in;
        let mark = solver.packing.mark();
        solver.packing.return_node(stand_in);
        solver.packing.set_open(stand_in, true);
        let refusal = solver.packing.refusal(class, stand_in);
        let refusal = refusal.or_else(|| solver.kept_off_by_daemons(family, class));
        solver.packing.undo(mark);
        let family = &solver.menu.families[family];
        let ask = &solver.packing.class(class).ask;
        for offered in &family.alternatives {
            let lacks = || offered.room.lacks(ask, &solver.packing.tables.extended);
            let priority = solver.packing.class(class).shape.priority;
            let cause = if let Some(refusal) = &refusal {
                Cause::Offerings(family.pool.clone(), refusal.clone())
            } else if let Some(lacks) = lacks() {
                Cause::Offerings(family.pool.clone(), Refusal::Lacks(lacks))
            } else if priority < family.cut_off {
                let why = WhyPassedOver::BelowCutOff { priority, cut_off: family.cut_off };
                Cause::PassedOver(family.pool.clone(), why)
            } else if offered.left == Some(0) {
                Cause::PassedOver(family.pool.clone(), WhyPassedOver::NoneLeft)
            } else if let Some(limit) =
                solver.bounds.forbids(&family.pool, &family.zone, &offered.allocatable)
            {
                Cause::Limit(family.pool.clone(), limit)
            } else {
                // It would take one; what else must come with it, such as an even spread, cannot be had.
                Cause::Offerings(family.pool.clone(), Refusal::Lacks(Resource::Pods))
            };
            *causes.entry(cause).or_default() += offered.offerings;
        }
    }
    for passed in &solver.menu.passed_over {
        *causes.entry(Cause::PassedOver(passed.pool.clone(), passed.why.clone())).or_default() += 1;
    }
}
