//! Plans nodes for pods, and says how long that took: our side of the planner's benchmark.
//!
//! Its argument names a file with pods as Kubernetes has them and with types of machines; `tests/karpenter` writes it, so
//! that both sides get the same. The answer goes to stdout as a line of JSON. What is measured begins with pods and
//! offerings as values of the core and ends with a checked plan; it is done several times, and the median is told.

#![allow(clippy::print_stdout, reason = "that is its answer")]

mod bound;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node as ApiNode, NodeStatus, Pod as ApiPod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use plimsoll_core::audit::{Audit, Audited};
use plimsoll_core::cluster::{
    Balance, CAPACITY_TYPE, Capacity, Expander, Limits, NodeTemplate, Offering, OfferingKey, Pod, Pool,
    ScaleDown, ZONE,
};
use plimsoll_core::nodes::NodePlan;
use plimsoll_core::nodes::add::{self, Settings};
use plimsoll_core::nodes::remove::RemovalPlan;
use plimsoll_core::placement::{Change, View};
use plimsoll_core::time::Timestamp;
use plimsoll_observe::cluster::{Storage, observe_cluster_pod, observe_node};
use serde::{Deserialize, Serialize};

/// How often it is done.
const TIMES: usize = 9;
/// When it is.
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// What both sides are given.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    pods: Vec<ApiPod>,
    instance_types: Vec<InstanceType>,
}

/// A type of machine, as its nodes would be.
#[derive(Deserialize)]
struct InstanceType {
    name: String,
    allocatable: BTreeMap<String, Quantity>,
    labels: BTreeMap<String, String>,
    offerings: Vec<Ordered>,
}

/// Where and how it can be ordered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ordered {
    zone: String,
    capacity_type: String,
    price: f64,
}

/// What came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Solution {
    pods: usize,
    seconds: f64,
    unplaced: u32,
    nodes: u32,
    price: f64,
    /// What no plan can do without.
    nodes_at_least: u32,
    price_at_least: f64,
    /// Why the audit would not let the plan be carried out, if it would not.
    breach: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("the name of a file is missing")?;
    let input: Input = serde_json::from_slice(&std::fs::read(path)?)?;
    let storage = Storage::default();
    let pods: Vec<Pod> =
        input.pods.iter().filter_map(|pod| observe_cluster_pod(pod, &storage, i32::MIN)).collect();
    let pool = pool(&input.instance_types)?;
    let mut runs: Vec<(Duration, (NodePlan, Option<String>))> = Vec::new();
    for _ in 0..TIMES {
        let mut changes: Vec<_> = pods.iter().cloned().map(Change::Pod).collect();
        changes.push(Change::Pool(pool.clone()));
        let start = Instant::now();
        let plan = plan(changes);
        runs.push((start.elapsed(), plan));
    }
    runs.sort_by_key(|(took, _)| *took);
    let (took, (plan, breach)) = runs.swap_remove(TIMES / 2);
    #[allow(clippy::cast_precision_loss, reason = "prices are small")]
    let price = plan.price as f64 / 1e6;
    let (nodes_at_least, price_at_least) = bound::at_least(bound::demand(pods.iter()), &pool.offerings);
    let solution = Solution {
        pods: pods.len(),
        seconds: took.as_secs_f64(),
        unplaced: plan.refused.iter().map(|refused| refused.count).sum(),
        nodes: plan.add.iter().map(|new| new.count).sum(),
        price,
        nodes_at_least,
        price_at_least,
        breach,
    };
    println!("{}", serde_json::to_string(&solution)?);
    Ok(())
}

/// A plan, and what the audit has against it.
fn plan(changes: Vec<Change>) -> (NodePlan, Option<String>) {
    let (mut view, mut audit) = (View::default(), Audit::default());
    for change in changes {
        audit.apply(&change);
        view.apply(change);
    }
    let plan = add::plan(&view, &Settings::default(), NOW);
    let removing = RemovalPlan::default();
    let checked = audit.check(&Audited { adding: &plan, removing: &removing, most_nodes: None, now: NOW });
    (plan, checked.err().map(|breach| breach.to_string()))
}

fn pool(types: &[InstanceType]) -> Result<Pool, Box<dyn Error>> {
    let mut offerings = Vec::new();
    for of in types {
        for ordered in &of.offerings {
            offerings.push(offering(of, ordered)?);
        }
    }
    offerings.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(Pool {
        name: "default".into(),
        weight: 0,
        offerings,
        template: NodeTemplate::default(),
        limits: Limits::default(),
        expander: Expander::default(),
        balance: Balance::default(),
        scale_down: ScaleDown::default(),
        headroom: Vec::new(),
    })
}

fn offering(of: &InstanceType, ordered: &Ordered) -> Result<Offering, Box<dyn Error>> {
    let mut node = ApiNode::default();
    node.metadata.labels = Some(of.labels.clone());
    node.status = Some(NodeStatus { allocatable: Some(of.allocatable.clone()), ..NodeStatus::default() });
    let node = observe_node(&node, None);
    let key = OfferingKey {
        instance_type: of.name.as_str().into(),
        zone: ordered.zone.as_str().into(),
        capacity_type: ordered.capacity_type.parse()?,
    };
    let mut labels = node.labels;
    labels.insert(ZONE.into(), key.zone.clone());
    labels.insert(CAPACITY_TYPE.into(), ordered.capacity_type.as_str().into());
    #[allow(clippy::cast_possible_truncation, reason = "prices are small")]
    let price = (ordered.price * 1e6).round() as i64;
    Ok(Offering {
        key,
        price,
        allocatable: node.allocatable,
        labels,
        taints: Vec::new(),
        attach_limits: BTreeMap::new(),
        capacity: Capacity::Unknown,
    })
}
