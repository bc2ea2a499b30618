//! A small cluster that plans are made for and carried out on at once.

#![allow(dead_code, unused_imports, reason = "each test uses its own part")]

mod generate;
mod parts;

use std::collections::BTreeMap;

use plimsoll_core::audit::{Audit, Audited, Breach, Invariant};
use plimsoll_core::cluster::{Buffer, NODE_ORDER, Name, Node, OfferingKey, Pod, PodState, Pool, Workload};
use plimsoll_core::nodes::add::{self, Settings};
use plimsoll_core::nodes::remove::{self, Input, Memory, RemovalPlan};
use plimsoll_core::nodes::{NodePlan, Place};
use plimsoll_core::placement::{Change, View};
use plimsoll_core::time::Timestamp;

pub(crate) use generate::{clusters, plain_clusters};
pub(crate) use parts::{budget, evenly, node, offering, pod, pool, selector, shape, term};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Everything that a plan looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) changes: Vec<Change>,
    pub(crate) workloads: BTreeMap<Name, Workload>,
    pub(crate) memory: Memory,
    /// How many plans were carried out: nodes of each have other names.
    pub(crate) age: u32,
}

/// Both plans of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Plans {
    pub(crate) adding: NodePlan,
    pub(crate) removing: RemovalPlan,
    pub(crate) memory: Memory,
}

impl Plans {
    /// Neither adds nor removes.
    pub(crate) fn nothing() -> Self {
        Self { adding: NodePlan::default(), removing: RemovalPlan::default(), memory: Memory::default() }
    }
}

impl Cluster {
    pub(crate) fn view(&self) -> View {
        let mut view = View::default();
        self.changes.iter().for_each(|change| view.apply(change.clone()));
        view
    }

    pub(crate) fn plan(&self, now: Timestamp) -> Plans {
        plans(&self.view(), &self.workloads, &self.memory, now)
    }

    pub(crate) fn audit(&self, plans: &Plans, now: Timestamp) -> Result<(), Breach> {
        let mut audit = Audit::default();
        self.changes.iter().for_each(|change| audit.apply(change));
        let audited = Audited { adding: &plans.adding, removing: &plans.removing, most_nodes: None, now };
        audit.check(&audited)
    }

    /// The invariant that plans break, if they break one.
    pub(crate) fn verdict(&self, plans: &Plans) -> Result<(), Invariant> {
        self.audit(plans, NOW).map_err(|breach| breach.invariant)
    }

    /// Nodes, pods and pools as they are now.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        self.view().nodes().cloned().collect()
    }

    /// The cluster when the plans have been carried out to the letter.
    pub(crate) fn after(&self, plans: &Plans) -> Self {
        let mut view = self.view();
        let mut changes = Vec::new();
        let pools: BTreeMap<Name, Pool> =
            view.pools().map(|pool| (pool.name.clone(), pool.clone())).collect();
        for (prefix, add) in [("add", &plans.adding.add), ("replace", &plans.removing.add)] {
            for (entry, new) in add.iter().enumerate() {
                for number in 0..new.count {
                    let name = format!("{prefix}-{entry}-{number}-{}", self.age);
                    changes.push(Change::Node(ordered(&pools[&new.pool], &new.offering, &name)));
                }
            }
        }
        let place = |prefix: &str, place: &Place| match place {
            Place::Node(name) => name.clone(),
            Place::Order(order, number) => format!("{order}-{number}").into(),
            Place::New(entry, number) => format!("{prefix}-{entry}-{number}-{}", self.age).into(),
        };
        let bound = |pod: &Pod, node: Name| {
            let state = PodState::Bound { node, ready: true };
            Change::Pod(Pod { state, ..pod.clone() })
        };
        for placement in &plans.adding.placements {
            if let Some(pod) = view.pod(&placement.pod) {
                changes.push(bound(pod, place("add", &placement.place)));
            }
        }
        for removal in &plans.removing.remove {
            for one in &removal.moves {
                let is_placed = plans.adding.placements.iter().any(|placement| placement.pod == one.pod);
                if let Some(pod) = view.pod(&one.pod).filter(|_| !is_placed) {
                    changes.push(bound(pod, place("replace", &one.to)));
                }
            }
        }
        let going = |node: &&Node| {
            node.is_draining()
                || node.interrupted
                || plans.removing.remove.iter().any(|removal| removal.node == node.name)
        };
        for node in view.nodes().filter(going) {
            let moved = |uid: &Name| {
                changes.iter().any(|change| matches!(change, Change::Pod(pod) if pod.uid == *uid))
            };
            let stay: Vec<Name> =
                view.pods_on(&node.name).map(|pod| pod.uid.clone()).filter(|uid| !moved(uid)).collect();
            changes.extend(stay.into_iter().map(Change::PodGone));
            changes.push(Change::NodeGone(node.name.clone()));
        }
        for order in view.orders() {
            for number in 0..order.missing {
                let name = format!("{}-{number}", order.name);
                changes.push(Change::Node(ordered(&pools[&order.pool], &order.offering, &name)));
            }
            changes.push(Change::OrderGone(order.name.clone()));
        }
        for change in &changes {
            view.apply(change.clone());
        }
        let mut after = Self {
            workloads: self.workloads.clone(),
            memory: plans.memory.clone(),
            age: self.age + 1,
            ..Self::default()
        };
        after.changes.extend(view.pools().cloned().map(Change::Pool));
        after.changes.extend(view.nodes().cloned().map(Change::Node));
        after.changes.extend(view.pods().cloned().map(Change::Pod));
        after.changes.extend(view.daemons().cloned().map(Change::Daemon));
        after.changes.extend(view.budgets().cloned().map(Change::Budget));
        after.changes.extend(view.buffers().cloned().map(Change::Buffer));
        after
    }

    /// Room for so many pods of an app is to be kept free.
    pub(crate) fn with_buffer(mut self, app: &str, cpu: i64, count: u32) -> Self {
        let buffer = Buffer { key: "shop/spare".into(), shape: shape(app, cpu).into(), count };
        self.changes.push(Change::Buffer(buffer));
        self
    }

    pub(crate) fn price(&self) -> i64 {
        let view = self.view();
        let price = |node: &Node| {
            let pool = view.pool(node.pool.as_ref()?)?;
            let key = node.offering()?;
            pool.offerings.iter().find(|offering| offering.key == key).map(|offering| offering.price)
        };
        view.nodes().filter_map(price).sum()
    }
}

pub(crate) fn plans(
    view: &View,
    workloads: &BTreeMap<Name, Workload>,
    memory: &Memory,
    now: Timestamp,
) -> Plans {
    let settings = Settings::default();
    let adding = add::plan(view, &settings, now);
    let input = Input { view, adding: &adding, settings: &settings, workloads, surging: 0, now };
    let (removing, memory) = remove::plan(&input, memory);
    Plans { adding, removing, memory }
}

fn ordered(pool: &Pool, key: &OfferingKey, name: &str) -> Node {
    let offering = pool.offerings.iter().find(|offering| offering.key == *key).expect("is offered");
    let mut node = node(name, pool, offering);
    node.labels.insert(NODE_ORDER.into(), "o".into());
    node
}
