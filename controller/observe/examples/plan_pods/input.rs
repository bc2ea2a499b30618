//! What both sides are given, as values of the core.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node as ApiNode, NodeStatus, Pod as ApiPod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use plimsoll_core::cluster::{
    Balance, CAPACITY_TYPE, Capacity, Expander, Limits, NodeTemplate, Offering, OfferingKey, Pod, Pool,
    ScaleDown, ZONE,
};
use plimsoll_observe::cluster::{Storage, observe_cluster_pod, observe_node};
use serde::Deserialize;

/// What both sides are given.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
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

/// Reads pods and what can be ordered. With `distinct` no two pods ask for the same: each asks for some bytes more.
pub(crate) fn read(path: &str, distinct: bool) -> Result<(Vec<Pod>, Pool), Box<dyn Error>> {
    let file: File = serde_json::from_slice(&std::fs::read(path)?)?;
    let storage = Storage::default();
    let pods = file.pods.iter().filter_map(|pod| observe_cluster_pod(pod, &storage));
    let mut pods: Vec<Pod> = pods.collect();
    for (more, pod) in (0..).zip(&mut pods).filter(|_| distinct) {
        Arc::make_mut(&mut pod.shape).requests.memory += more;
    }
    Ok((pods, pool(&file.instance_types)?))
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
        priority_cutoff: i32::MIN,
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
