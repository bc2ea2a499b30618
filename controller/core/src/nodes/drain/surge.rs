//! One replica more before one goes.
//!
//! A Deployment gets one replica more, and when all of them are available one less again, while the pod on the node has
//! the lowest deletion cost: so the `ReplicaSet` takes that one, and at no time fewer run than were asked for. It is not done
//! during a rollout, in which the Deployment decides which pods go, nor for pods with volumes, which cannot be in two
//! places. At most as many Deployments do it at a time as the pool allows, and each for one drain at a time: two could not
//! tell whose replica is whose. Until the pod of the first is gone the others leave that Deployment alone. Whoever scales one
//! meanwhile keeps the size that they asked for: nothing of it is given back then, and the pod is evicted. A `ReplicaSet`
//! takes a pod that is not ready before any other; where one went in the place of ours, it is all done once more.

use serde::{Deserialize, Serialize};

use super::act::{Action, WaitsFor};
use super::{Drain, Seen};
use crate::cluster::{Name, Pod, Workload};
use crate::nodes::pdb::{Forbidden, Ledger};

/// A replica more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Surge {
    /// The Deployment's namespace.
    pub namespace: Name,
    /// The Deployment's name.
    pub deployment: Name,
    /// How many replicas it had.
    pub from: i32,
    /// The uid of the pod that is to go.
    pub pod: Name,
    /// Whether the replica is being given back, or is part of what somebody has asked for meanwhile.
    pub given_back: bool,
    /// Whether it is part of what somebody has asked for meanwhile: nothing is given back then, whatever they ask for next.
    #[serde(default)]
    pub absorbed: bool,
    /// Whether its Deployment has taken it back.
    #[serde(default)]
    pub returned: bool,
}

impl Surge {
    /// Whether nothing is left to give back.
    pub fn is_over(&self) -> bool {
        self.absorbed || self.returned
    }

    /// Whether its Deployment, as far as that is seen, has one replica more that is to be given back; nothing is of one that
    /// somebody has scaled meanwhile.
    fn is_owed(&self, workload: Option<&Workload>) -> bool {
        let may_have_more = |workload: &Workload| {
            // Where the addition is not seen it may still have come through.
            workload.replicas == self.from.saturating_add(1)
                || (workload.replicas == self.from && !self.given_back)
        };
        !self.is_over() && workload.is_none_or(may_have_more)
    }

    /// Whether its pod goes without another coming in its place: its Deployment is asked for one more than it had, or has
    /// given that back. Of any other size, which somebody has asked for, the pod is a part.
    pub fn is_surplus(&self, workload: &Workload) -> bool {
        let has_more = workload.replicas == self.from.saturating_add(1);
        let is_back = self.given_back && workload.replicas == self.from;
        !self.absorbed && (has_more || is_back)
    }
}

impl Drain {
    /// Namespaces and names of the Deployments that have one replica more for it, until the pod that is to go has gone. One
    /// of which somebody has asked for that size meanwhile has none.
    pub fn surging(&self) -> impl Iterator<Item = (Name, Name)> {
        let ours = self.surges.values().filter(|surge| !surge.absorbed);
        ours.map(|surge| (surge.namespace.clone(), surge.deployment.clone()))
    }

    /// Takes note that a Deployment has taken back the replica that it had for it.
    pub fn took_back(&mut self, namespace: &Name, deployment: &Name) {
        let same = |surge: &&mut Surge| surge.namespace == *namespace && surge.deployment == *deployment;
        for surge in self.surges.values_mut().filter(same) {
            (surge.given_back, surge.returned) = (true, true);
        }
    }
}

/// What to do in place of an eviction.
pub(super) enum Instead {
    /// Nothing: evict it.
    Evict,
    /// This.
    Do(Action),
    /// Wait.
    Wait(WaitsFor),
}

/// What to do with a pod whose turn it is.
pub(super) fn instead_of_eviction(
    drain: &mut Drain,
    seen: &Seen<'_>,
    ledger: &Ledger<'_>,
    pod: &Pod,
) -> Instead {
    let owner = pod.owner.as_ref().map(|owner| &owner.uid);
    let workload = owner.and_then(|owner| Some((owner, seen.workloads.get(owner)?)));
    let Some((owner, workload)) = workload.filter(|_| pod.shape.volumes.is_empty()) else {
        return Instead::Evict;
    };
    let Some(deployment) = &workload.deployment else { return Instead::Evict };
    let full_name = format!("{}/{deployment}", workload.namespace);
    if let Some(surge) = drain.surges.get_mut(owner) {
        return go_on(surge, workload, pod, full_name);
    }
    if seen.surging.contains(&(workload.namespace.clone(), deployment.clone())) {
        // What its budget allows now is what the other drain gives back. A node that is taken away cannot wait for that.
        let may_go = drain.interrupted && ledger.check(pod).is_ok();
        return if may_go { Instead::Evict } else { Instead::Wait(WaitsFor::Turn { deployment: full_name }) };
    }
    let is_forbidden = matches!(ledger.check(pod), Err(Forbidden::Exhausted { .. }));
    let is_alone = workload.replicas == 1;
    let used = drain.surging().count() + seen.surging.len();
    if !(is_forbidden || is_alone) || used >= seen.settings.max_surge as usize {
        return Instead::Evict;
    }
    if workload.in_rollout {
        return Instead::Wait(WaitsFor::Rollout { deployment: full_name });
    }
    let mut surge = Surge {
        namespace: workload.namespace.clone(),
        deployment: deployment.clone(),
        from: workload.replicas,
        pod: pod.uid.clone(),
        given_back: false,
        absorbed: false,
        returned: false,
    };
    let action = add(&mut surge);
    drain.surges.insert(owner.clone(), surge);
    Instead::Do(action)
}

fn go_on(surge: &mut Surge, workload: &Workload, pod: &Pod, deployment: String) -> Instead {
    // Of several pods of one Deployment one goes after the other.
    if surge.pod != pod.uid {
        return Instead::Wait(WaitsFor::Surge { deployment });
    }
    if surge.absorbed {
        return Instead::Evict;
    }
    if workload.in_rollout {
        return Instead::Wait(WaitsFor::Rollout { deployment });
    }
    let wanted = surge.from.saturating_add(1);
    // Whoever scaled it meanwhile is not overruled; the pod goes when as many as before, or as asked for, run without it.
    if !(surge.from..=wanted).contains(&workload.replicas) {
        if (1..surge.from).contains(&workload.replicas) && workload.available >= workload.replicas {
            // Fewer are asked for, and the pod is one of them: one more than that.
            surge.from = workload.replicas;
            return Instead::Do(add(surge));
        }
        if workload.available <= surge.from.min(workload.replicas) {
            return Instead::Wait(WaitsFor::Surge { deployment });
        }
        (surge.absorbed, surge.given_back) = (true, true);
        return Instead::Evict;
    }
    let has_old_size = workload.replicas == surge.from;
    if surge.given_back && has_old_size && workload.available == surge.from {
        // Another pod went in its place: of those that are not ready the cost does not matter.
        return Instead::Do(add(surge));
    }
    if surge.given_back {
        // Asked again until the pod ends: the first time may not have come through.
        return Instead::Do(give_back(surge, surge.from, vec![pod.uid.clone()]));
    }
    if has_old_size {
        return Instead::Do(add(surge));
    }
    if workload.available < workload.replicas {
        return Instead::Wait(WaitsFor::Surge { deployment });
    }
    surge.given_back = true;
    Instead::Do(give_back(surge, surge.from, vec![pod.uid.clone()]))
}

/// One more than it had, which is to be given back from then on.
fn add(surge: &mut Surge) -> Action {
    (surge.given_back, surge.returned) = (false, false);
    Action::Surge {
        namespace: surge.namespace.clone(),
        deployment: surge.deployment.clone(),
        replicas: surge.from.saturating_add(1),
        pod: surge.pod.clone(),
    }
}

fn give_back(surge: &Surge, replicas: i32, pods: Vec<Name>) -> Action {
    Action::GiveBack {
        namespace: surge.namespace.clone(),
        deployment: surge.deployment.clone(),
        replicas,
        pods,
    }
}

/// Surges whose pod is gone, or is ending, are done with; one that was not given back before its pod went is now.
pub(super) fn forget_those_that_went(drain: &mut Drain, seen: &Seen<'_>) {
    let is_there = |uid: &Name| {
        seen.pods
            .iter()
            .any(|pod| pod.uid == *uid && matches!(pod.state, crate::cluster::PodState::Bound { .. }))
    };
    drain.surges.retain(|owner, surge| {
        is_there(&surge.pod) || !surge.given_back || surge.is_owed(seen.workloads.get(owner))
    });
    for surge in drain.surges.values_mut() {
        // Its pod went by itself, maybe before the replica was given back: it goes back with the next pod, or at the end.
        if !is_there(&surge.pod) {
            surge.given_back = false;
            let same = seen.pods.iter().find(|pod| {
                let owner = pod.owner.as_ref().and_then(|owner| seen.workloads.get(&owner.uid));
                owner.is_some_and(|owner| {
                    owner.deployment.as_ref() == Some(&surge.deployment) && owner.namespace == surge.namespace
                })
            });
            if let Some(pod) = same {
                surge.pod = pod.uid.clone();
            }
        }
    }
}

/// Pods that stay, of a drain that is given up, have no lowest deletion cost any more.
pub(super) fn unmark(drain: &Drain, seen: &Seen<'_>) -> Option<Action> {
    let is_there = |uid: &Name| seen.pods.iter().any(|pod| pod.uid == *uid);
    let marked = drain.surges.values().map(|surge| &surge.pod).filter(|pod| is_there(pod));
    let pods: Vec<Name> = marked.cloned().collect();
    (!pods.is_empty()).then_some(Action::Unmark { pods })
}

/// What a drain that is over gives back; nothing of a Deployment that somebody has scaled meanwhile.
pub(super) fn give_all_back(drain: &Drain, seen: &Seen<'_>) -> Vec<Action> {
    let owed = drain.surges.iter().filter(|(owner, surge)| surge.is_owed(seen.workloads.get(*owner)));
    owed.map(|(_, surge)| give_back(surge, surge.from, Vec::new())).collect()
}
