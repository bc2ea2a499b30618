mod given_back;
mod given_up;
mod scaled;
mod steps;
mod surges;
mod taken_away;
mod turns;

use std::sync::Arc;

use super::*;
use crate::cluster::{DisruptionBudget, OwnerKind, Selector, UnhealthyPods};
use crate::nodes::fixtures::{draining, owner, pod};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

/// A node that is drained, and what is around it.
struct World {
    node: Option<Node>,
    pods: Vec<Pod>,
    workloads: BTreeMap<Name, Workload>,
    budgets: Vec<DisruptionBudget>,
    coming: BTreeSet<Name>,
    failed: BTreeSet<Name>,
    surging: BTreeSet<(Name, Name)>,
    held: Option<Tripped>,
    unreturnable: Option<Unreturnable>,
    settings: cluster::Drain,
    drain: Drain,
    now: Timestamp,
    /// Whether no Deployment takes back what is given back.
    takes_nothing: bool,
}

impl World {
    fn new(pods: &[(&str, i32)]) -> Self {
        let with_priority = |(name, priority): &(&str, i32)| {
            let mut pod = pod(name, "n");
            Arc::make_mut(&mut pod.shape).priority = *priority;
            pod
        };
        Self {
            node: Some(draining("n", "a")),
            pods: pods.iter().map(with_priority).collect(),
            workloads: BTreeMap::new(),
            budgets: Vec::new(),
            coming: BTreeSet::new(),
            failed: BTreeSet::new(),
            surging: BTreeSet::new(),
            held: None,
            unreturnable: None,
            settings: cluster::Drain::default(),
            drain: Drain { tainted: true, ..Drain::new(NOW, false, BTreeSet::new()) },
            now: NOW + Span::from_secs(10),
            takes_nothing: false,
        }
    }

    fn budget(mut self, allowed: i32) -> Self {
        self.budgets.push(DisruptionBudget {
            namespace: "shop".into(),
            name: "web".into(),
            selector: Some(Selector::default()),
            allowed,
            healthy: 1,
            desired: 2,
            unhealthy: UnhealthyPods::IfHealthyBudget,
            disrupted: BTreeSet::new(),
        });
        self
    }

    /// The Deployment of all pods, which may surge.
    fn workload(mut self, replicas: i32) -> Self {
        self.settings.max_surge = 1;
        self.deployed(replicas, replicas);
        self
    }

    fn deployed(&mut self, replicas: i32, available: i32) {
        self.deployed_as("web", replicas, available);
    }

    fn deployed_as(&mut self, name: &str, replicas: i32, available: i32) {
        let owner = Name::from(format!("uid-{name}"));
        let workload = Workload {
            owner: owner.clone(),
            namespace: "shop".into(),
            deployment: Some(name.into()),
            replicas,
            available,
            in_rollout: false,
        };
        self.workloads.insert(owner, workload);
    }

    /// A pod is of a Deployment `api` with so many replicas.
    fn of_api(mut self, pod: &str, replicas: i32) -> Self {
        self.deployed_as("api", replicas, replicas);
        for pod in self.pods.iter_mut().filter(|of| &*of.name == pod) {
            pod.owner = Some(owner(OwnerKind::ReplicaSet, "api"));
        }
        self
    }

    fn step(&mut self) -> Step {
        let pods: Vec<&Pod> = self.pods.iter().collect();
        let seen = Seen {
            node: self.node.as_ref(),
            pods: &pods,
            workloads: &self.workloads,
            coming: &self.coming,
            failed: &self.failed,
            surging: &self.surging,
            held: self.held.as_ref(),
            unreturnable: self.unreturnable.as_ref(),
            settings: &self.settings,
            cut_off: None,
            now: self.now,
        };
        let step = step(&self.drain, &seen, &mut Ledger::new(&self.budgets));
        if let Some(drain) = &step.drain {
            self.drain = drain.clone();
        }
        for action in step.actions.iter().filter(|_| !self.takes_nothing) {
            if let Action::GiveBack { namespace, deployment, .. } = action {
                self.drain.took_back(namespace, deployment);
            }
        }
        step
    }

    fn waits(&mut self) -> String {
        self.step().waits.map_or_else(String::new, |waits| waits.to_string())
    }

    fn evicted(&mut self) -> Vec<String> {
        let evicted = |action: &Action| match action {
            Action::Evict { name, .. } => Some(name.to_string()),
            _ => None,
        };
        self.step().actions.iter().filter_map(evicted).collect()
    }

    fn ends(&mut self, name: &str) {
        for pod in self.pods.iter_mut().filter(|pod| &*pod.name == name) {
            let until = self.now + Span::from_secs(30);
            pod.state = PodState::Terminating { node: "n".into(), until };
        }
    }

    fn is_gone(&mut self, name: &str) {
        self.pods.retain(|pod| &*pod.name != name);
    }

    /// Whether the provider says so of the node.
    fn is_taken_away(&mut self, interrupted: bool) {
        self.node.iter_mut().for_each(|node| node.interrupted = interrupted);
    }

    /// Somebody takes the taint of the drain away.
    fn is_untainted(&mut self) {
        self.node.iter_mut().for_each(|node| node.taints.clear());
    }
}

fn surge(replicas: i32) -> Action {
    surge_for(replicas, "uid-web")
}

fn surge_for(replicas: i32, pod: &str) -> Action {
    Action::Surge { namespace: "shop".into(), deployment: "web".into(), replicas, pod: pod.into() }
}

fn back(replicas: i32, pods: &[&str]) -> Action {
    let pods = pods.iter().map(|pod| Name::from(*pod)).collect();
    Action::GiveBack { namespace: "shop".into(), deployment: "web".into(), replicas, pods }
}
