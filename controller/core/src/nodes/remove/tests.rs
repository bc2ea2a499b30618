mod balanced;
mod bought;
mod gates;
mod kept_free;
mod looked_at;
mod memory;
mod reasons;
mod replaced;
mod rounds;
mod rules;
mod told;
mod unneeded;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::cluster::{
    DisruptionBudget, HOSTNAME, Node, NodeBudget, Offering, Order, Pod, PodState, Pool, Resources, Selector,
    UnhealthyPods, ZONE,
};
use crate::nodes::add;
use crate::nodes::fixtures::{eager_pool, evenly, key, node, offering, pod, pool, term};
use crate::placement::Change;
use crate::time::Span;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

/// A small cluster of pool `p`, and what it is planned with.
struct World {
    view: View,
    pool: Pool,
    memory: Memory,
    workloads: BTreeMap<Name, Workload>,
    surging: u32,
    now: Timestamp,
}

impl World {
    /// Without waiting and without budgets, unless a test is about them.
    fn new() -> Self {
        Self {
            view: View::default(),
            pool: eager_pool(),
            memory: Memory::default(),
            workloads: BTreeMap::new(),
            surging: 0,
            now: NOW,
        }
    }

    fn pool(mut self, change: impl FnOnce(&mut Pool)) -> Self {
        change(&mut self.pool);
        self
    }

    /// A node with pods of so many thousandths of a core.
    fn node(self, name: &str, zone: &str, cpus: &[i64]) -> Self {
        self.node_as(name, zone, cpus, |_| ())
    }

    fn node_as(mut self, name: &str, zone: &str, cpus: &[i64], change: impl FnOnce(&mut Node)) -> Self {
        let mut node = node(name, zone);
        change(&mut node);
        self.view.apply(Change::Node(node));
        for (index, cpu) in cpus.iter().enumerate() {
            self = self.pod_as(name, &format!("{name}-{index}"), *cpu, |_| ());
        }
        self
    }

    fn pod_as(mut self, node: &str, name: &str, cpu: i64, change: impl FnOnce(&mut Pod)) -> Self {
        let mut pod = pod(name, node);
        Arc::make_mut(&mut pod.shape).requests = Resources { cpu, pods: 1, ..Resources::default() };
        change(&mut pod);
        self.view.apply(Change::Pod(pod));
        self
    }

    /// Nodes `n0` and so on, by zone, with pods by app and thousandths of a core. Those of some apps are spread over zones
    /// or hosts, or keep apart.
    fn of_apps(nodes: &[(&str, &[(&str, i64)])]) -> Self {
        let mut world = Self::new();
        for (index, (zone, pods)) in nodes.iter().enumerate() {
            let name = format!("n{index}");
            world = world.node(&name, zone, &[]);
            for (number, (app, cpu)) in pods.iter().enumerate() {
                world = world.pod_as(&name, &format!("{name}-{number}"), *cpu, |pod| {
                    let shape = Arc::make_mut(&mut pod.shape);
                    shape.labels.insert("app".into(), (*app).into());
                    match *app {
                        "api" | "log" | "job" => shape.spread = vec![evenly(ZONE, app)],
                        "db" | "cache" => shape.spread = vec![evenly(HOSTNAME, app)],
                        "web" => shape.affinity.anti_pods = vec![term(HOSTNAME, app)],
                        _ => {}
                    }
                });
            }
        }
        world
    }

    fn budget(mut self, name: &str, allowed: i32) -> Self {
        self.view.apply(Change::Budget(DisruptionBudget {
            namespace: "shop".into(),
            name: name.into(),
            selector: Some(Selector::default()),
            allowed,
            healthy: 1,
            desired: 2,
            unhealthy: UnhealthyPods::IfHealthyBudget,
            disrupted: std::collections::BTreeSet::new(),
        }));
        self
    }

    /// Deployment `web`, which has all of its two replicas.
    fn add_deployment(&mut self) {
        let workload = Workload {
            owner: "uid-web".into(),
            namespace: "shop".into(),
            deployment: Some("web".into()),
            replicas: 2,
            available: 2,
            in_rollout: false,
        };
        self.workloads.insert("uid-web".into(), workload);
    }

    fn with_input<T>(&mut self, ask: impl FnOnce(&Input<'_>, &Memory) -> T) -> T {
        self.view.apply(Change::Pool(self.pool.clone()));
        let settings = Settings::default();
        let adding = add::plan(&self.view, &settings, self.now);
        let input = Input {
            view: &self.view,
            adding: &adding,
            settings: &settings,
            workloads: &self.workloads,
            surging: self.surging,
            now: self.now,
        };
        ask(&input, &self.memory)
    }

    fn plan(&mut self) -> RemovalPlan {
        let (plan, memory) = self.with_input(plan);
        self.memory = memory;
        plan
    }

    /// Which nodes go.
    fn goes(&mut self) -> Vec<String> {
        self.plan().remove.iter().map(|removal| removal.node.to_string()).collect()
    }

    /// Why a node stays.
    fn stays(&mut self, node: &str) -> String {
        let plan = self.plan();
        let found = plan.stays.iter().find(|stays| &*stays.node == node);
        found.map_or_else(|| "goes".to_owned(), |stays| stays.why.to_string())
    }
}

/// A budget of so many nodes, whatever they go for.
fn at_most(nodes: u32) -> Vec<NodeBudget> {
    vec![NodeBudget { nodes: Some(nodes), share: None, ..NodeBudget::default() }]
}

/// An order of pool `p` of which so many nodes are still to come to a zone.
fn coming(zone: &str, missing: u32) -> Change {
    let (name, pool) = (format!("to-{zone}").into(), "p".into());
    Change::Order(Order { name, pool, offering: key("m", zone), missing, asked: NOW })
}

fn kept(node: &mut Node) {
    node.scale_down_disabled = true;
}

fn interrupted(node: &mut Node) {
    node.interrupted = true;
}

fn waits(pod: &mut Pod) {
    pod.state = PodState::Unschedulable { since: NOW };
}

/// Nothing goes before, and then this node.
fn goes_after_ten_minutes(world: &mut World, node: &str) {
    world.now = NOW + Span::from_secs(599);
    assert!(world.goes().is_empty());
    world.now = NOW + Span::from_secs(600);
    assert_eq!(world.goes(), [node]);
}

/// Changes what is offered in a zone.
fn offered_in(zone: &'static str, change: impl Fn(&mut Offering)) -> impl Fn(&mut Pool) {
    move |pool| pool.offerings.iter_mut().filter(|offering| &*offering.key.zone == zone).for_each(&change)
}
