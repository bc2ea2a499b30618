//! Drains: what [`plimsoll_core::nodes::drain::step`] says is stored with the node, then done.
//!
//! A drain is an annotation of its node, written together with the taint and the label by which admission policies know a
//! node that we empty. So a drain survives a restart, and a node that nobody drains carries none of the three.

mod believed;
mod give_back;
mod judge;
mod last_look;
mod marks;
mod needs;
mod pods;
mod surging;

use std::{collections::BTreeSet, time::Duration};

use plimsoll_core::{
    cluster::Name,
    nodes::{
        drain::{Action, Drain, WaitsFor},
        pdb::Ledger,
        remove::{Removal, RemovalPlan, WhyRemoved},
    },
    time::Timestamp,
};

use self::judge::has_to_be_empty;
pub(super) use self::marks::DRAIN;
use self::surging::Surging;
use super::planner::Planner;
use crate::targets::WRITE_TIME;

/// When what failed is tried again, though nothing changes.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// When an eviction that was refused is tried again, though nothing changes: not before the pod has been left alone.
const AFTER_REFUSAL: Duration = Duration::from_secs(10);
/// What a drain waits for until the API server has said what is on its node.
const UNSHOWN: &str = "waits until the API server says which pods it has";
/// What pods get that are to go first when a replica is given back.
pub(super) const LOWEST_COST: &str = "-2147483648";

impl Planner {
    /// Begins the drains of a plan. `orders` are the names of the orders of [`RemovalPlan::add`], in its order.
    pub(super) async fn begin_drains(
        &mut self,
        plan: &RemovalPlan,
        orders: &[Option<String>],
        now: Timestamp,
    ) {
        for removal in &plan.remove {
            let needs: Option<BTreeSet<Name>> = removal
                .needs
                .iter()
                .map(|entry| orders.get(usize::try_from(*entry).ok()?)?.as_deref().map(Name::from))
                .collect();
            // Without the nodes that come in its place it does not go.
            let Some(needs) = needs else {
                if self.may_be_replaced(plan, removal, orders) {
                    self.let_be(&removal.node, "not all that is to take its place is ordered", now);
                }
                continue;
            };
            let interrupted = removal.why.budget_reason().is_none();
            let is_replaced = !needs.is_empty();
            let drain = Drain::new(now, interrupted, needs);
            tracing::info!(node = %removal.node, pool = %removal.pool, why = %removal.why, "draining a node");
            if self.mark(&removal.node, Some(&drain)).await {
                self.metrics.removed.with_label_values(&[&*removal.pool, reason(&removal.why)]).inc();
                self.tell_node(&removal.node, "Draining", format!("draining: {}", removal.why)).await;
            } else if is_replaced {
                self.let_be(&removal.node, "that it is drained could not be written down", now);
            }
        }
    }

    /// Whether anything is ordered, or may be, that is to come in the place of a node.
    fn may_be_replaced(&self, plan: &RemovalPlan, removal: &Removal, orders: &[Option<String>]) -> bool {
        let mut needs = removal.needs.iter().filter_map(|entry| usize::try_from(*entry).ok());
        needs.any(|entry| {
            let is_ordered = orders.get(entry).is_some_and(Option::is_some);
            is_ordered || plan.add.get(entry).is_some_and(|new| self.may_be_recorded(new))
        })
    }

    /// Lets a node be that does not go although others may come in its place: they take none of its pods before they are
    /// there, so the next pass would order others once more.
    fn let_be(&mut self, name: &Name, why: &str, now: Timestamp) {
        let Some(node) = self.world.view.node(name) else { return };
        tracing::warn!(node = %name, why, "a node stays although others may come in its place");
        self.memory.gave_up(node.uid.clone(), now, why.to_owned());
    }

    /// A step of each drain; answers when to look again though nothing changes.
    pub(super) async fn drains(&mut self, now: Timestamp) -> Duration {
        self.believe();
        self.undo_what_belongs_to_no_drain().await;
        let drains: Vec<(Name, Drain)> =
            self.world.drains.iter().map(|(node, drain)| (node.clone(), drain.clone())).collect();
        self.waits.retain(|node, _| drains.iter().any(|(name, _)| name == node));
        self.refusals.retain(|uid, _| self.world.rests(&pods::of_eviction(uid)));
        if drains.is_empty() {
            self.keep_surges().await;
            return Duration::MAX;
        }
        // Budgets are copied, since what is done changes the world.
        let budgets: Vec<_> = self.world.view.budgets().cloned().collect();
        let around = self.around(&drains, now);
        let going = self.about_to_go(&drains, &around, &budgets);
        let shown = self.last_look(going).await;
        // It may have shown pods.
        let around = if shown.is_empty() { around } else { self.around(&drains, now) };
        let (mut next, mut is_late) = (Duration::MAX, false);
        if !self.give_back_again(&around, &budgets, &shown) {
            next = AFTER_FAILURE;
        }
        let mut ledger = Ledger::new(&budgets);
        let mut surging = Surging::of(&drains);
        for (name, drain) in drains {
            let taken = self.judge(&name, &drain, &around, &surging, &mut ledger);
            if has_to_be_empty(&taken) && !shown.contains(&name) {
                self.waits.insert(name, UNSHOWN.to_owned());
                next = next.min(AFTER_FAILURE);
                continue;
            }
            let is_gone = self.world.view.node(&name).is_none();
            self.note_wait(&name, taken.waits.as_ref());
            if let Some(stored) = taken.drain.as_ref().filter(|stored| **stored != drain)
                && !self.store(&name, stored).await
            {
                continue;
            }
            let state = taken.drain.as_ref().unwrap_or(&drain);
            surging.note(&name, state);
            // What a node that vanishes takes with it has to be known elsewhere, before there is anything to give back; and
            // that it is being given back before it is, so that it is not taken twice from a size that it was seen to have.
            let resizes = |action: &Action| matches!(action, Action::Surge { .. } | Action::GiveBack { .. });
            if taken.actions.iter().any(resizes) && !self.keep_surges().await {
                next = next.min(AFTER_FAILURE);
                continue;
            }
            let mut all_done = true;
            for action in &taken.actions {
                all_done = self.drain_action(&name, action, state, now, &mut is_late).await;
                if !all_done {
                    next = next.min(AFTER_FAILURE);
                    break;
                }
                // What follows may fail and be tried again, or be all that is seen of it by who comes after us: this is not to
                // be given back once more.
                if let Action::GiveBack { namespace, deployment, .. } = action
                    && let Some(drain) = self.world.drains.get_mut(&name)
                {
                    drain.took_back(namespace, deployment);
                    if !self.keep_surges().await {
                        (all_done, next) = (false, next.min(AFTER_FAILURE));
                        break;
                    }
                }
            }
            let refusal = self.world.view.pods_on(&name).find_map(|pod| self.refusals.get(&pod.uid)).cloned();
            if let Some(refusal) = refusal {
                self.waits.insert(name.clone(), refusal);
                next = next.min(AFTER_REFUSAL);
            }
            if taken.drain.is_none() && is_gone && all_done {
                self.world.drains.remove(&name);
            }
            if let Some(at) = taken.next_look {
                next = next.min(Duration::from_millis(u64::try_from(at.since(now).as_millis()).unwrap_or(0)));
            }
        }
        self.keep_surges().await;
        next
    }

    /// Takes the marks of a drain from nodes of which no drain is stored, or none that we can read: nobody would take them
    /// away otherwise.
    async fn undo_what_belongs_to_no_drain(&mut self) {
        let is_left = |node: &&plimsoll_core::cluster::Node| {
            node.order.is_some()
                && node.is_draining()
                && !self.world.drains.contains_key(&node.name)
                && !(self.kept.unread && self.world.noted.contains_key(&node.name))
        };
        let left: Vec<Name> = self.world.view.nodes().filter(is_left).map(|node| node.name.clone()).collect();
        for name in left {
            if self.unmark(&name).await {
                tracing::info!(node = %name, "it carried the taint of a drain that nobody knows of");
                self.tell_node(&name, "DrainGivenUp", "no drain of it is known, the node stays".to_owned())
                    .await;
            }
        }
    }

    /// Notes what a drain waits for, for people.
    fn note_wait(&mut self, node: &Name, waits: Option<&WaitsFor>) {
        match waits {
            Some(waits) => {
                tracing::debug!(%node, %waits, "a drain waits");
                self.waits.insert(node.clone(), waits.to_string());
            }
            None => drop(self.waits.remove(node)),
        }
    }

    /// Does it; false where what follows has to wait until it is done. `is_late`: whether an eviction of this pass got no
    /// answer in time; then no more are asked for, since each would hold up the planner as long.
    async fn drain_action(
        &mut self,
        node: &Name,
        action: &Action,
        drain: &Drain,
        now: Timestamp,
        is_late: &mut bool,
    ) -> bool {
        if !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        match action {
            Action::Taint => drop(self.mark(node, Some(drain)).await),
            Action::Untaint(why) => self.undo(node, why, now).await,
            Action::Evict { uid, namespace, name, grace } => {
                if !*is_late {
                    *is_late = !self.evict(uid, namespace, name, *grace).await;
                }
                return !*is_late;
            }
            Action::Surge { namespace, deployment, replicas, pod } => {
                let why = "one more, ready elsewhere before its pod goes";
                return self.put_first(pod).await && self.resize(namespace, deployment, *replicas, why).await;
            }
            Action::GiveBack { namespace, deployment, replicas, pods } => {
                return self.set_cost(pods, Some(LOWEST_COST)).await
                    && self.resize(namespace, deployment, *replicas, "the replica more is given back").await;
            }
            Action::Unmark { pods } => return self.set_cost(pods, None).await,
            Action::Delete => self.give_back(node),
            Action::Done => {}
        }
        true
    }
}

/// A reason as a label.
fn reason(why: &WhyRemoved) -> &'static str {
    use WhyRemoved::{Drifted, Empty, Interrupted, OrderDeleted, Replaced, Unbalanced, Underutilized};
    match why {
        Interrupted => "interrupted",
        OrderDeleted(_) => "order-deleted",
        Drifted(_) => "drifted",
        Empty => "empty",
        Underutilized { .. } => "underutilized",
        Replaced { .. } => "replaced",
        Unbalanced { .. } => "unbalanced",
    }
}
