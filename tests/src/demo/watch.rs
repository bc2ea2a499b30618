//! Sees all that happens in the shop and tells the model.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    hash::Hash,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use futures::StreamExt;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
    runtime::{WatchStreamExt, reflector, watcher},
};
use plimsoll_api::PodScaler;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::{
    Stage,
    model::{Model, Scaler, Usage, Why},
    shop::{LABEL, NAMESPACE, names},
};
use crate::{cluster::ZONE, load::is_ready, usage};

/// metrics-server itself looks every ten seconds.
const BETWEEN_LOOKS_AT_USAGE: Duration = Duration::from_secs(1);
const BETWEEN_SAMPLES: Duration = Duration::from_secs(1);

/// Starts to watch. It ends when the set is dropped.
pub(super) async fn start(client: &Client, stage: &Stage) -> Result<JoinSet<()>> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
    let zone = |node: &Node| node.labels().get(ZONE).cloned().unwrap_or_default();
    let zones: HashMap<_, _> = nodes.iter().map(|node| (node.name_any(), zone(node))).collect();
    let mut tasks = JoinSet::new();
    let in_shop = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    tasks.spawn(follow(in_shop, stage.clone(), |stage, all| {
        for one in all {
            see_deployment(stage, one);
        }
    }));
    let in_shop = Api::<PodScaler>::namespaced(client.clone(), NAMESPACE);
    tasks.spawn(follow(in_shop, stage.clone(), |stage, all| {
        for one in all {
            see_scaler(stage, one);
        }
    }));
    let in_shop = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    tasks.spawn(follow(in_shop, stage.clone(), move |stage, all| see_pods(stage, all, &zones)));
    tasks.spawn(read_usage(client.clone(), stage.clone()));
    let stage = stage.clone();
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(BETWEEN_SAMPLES);
        loop {
            ticks.tick().await;
            stage.tell(Model::sample);
        }
    });
    Ok(tasks)
}

/// Shows `see` all objects after each change of one of them.
async fn follow<K>(api: Api<K>, stage: Stage, see: impl Fn(&Stage, &[Arc<K>]))
where
    K: Resource<DynamicType: Default + Eq + Hash + Clone> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let (store, writer) = reflector::store();
    let events = watcher(api, watcher::Config::default()).default_backoff().reflect(writer);
    let mut changes = pin!(events);
    while changes.next().await.is_some() {
        see(&stage, &store.state());
    }
}

fn see_deployment(stage: &Stage, deployment: &Deployment) {
    let name = deployment.name_any();
    let spec = &deployment.spec;
    let wanted = spec.replicas.and_then(|replicas| u32::try_from(replicas).ok()).unwrap_or(1);
    let containers = spec.template.spec.iter().flat_map(|pod| &pod.containers);
    let requests =
        containers.filter_map(|container| container.resources.as_ref()?.requests.as_ref()?.get("cpu"));
    let nano: u128 = requests.filter_map(|quantity| usage::nano(&quantity.0).ok()).sum();
    stage.tell(|model, at| {
        if let Some(service) = model.service_mut(&name) {
            service.request_milli = u64::try_from(nano / 1_000_000).unwrap_or(u64::MAX);
            service.generation = deployment.metadata.generation.unwrap_or_default();
        }
        model.wants(&name, at, wanted);
    });
}

fn see_scaler(stage: &Stage, object: &PodScaler) {
    let spec = &object.spec;
    let status = object.status.clone().unwrap_or_default();
    let metrics = spec.metrics_or_default();
    let target = metrics.iter().find_map(|metric| metric.resource.as_ref()?.target.average_utilization);
    let decision = status.last_decision.unwrap_or_default();
    let number = |number: i32| u32::try_from(number).unwrap_or_default();
    let scaler = Scaler {
        min: number(spec.min_replicas),
        target_percent: target.map(number).unwrap_or_default(),
        active: status
            .conditions
            .iter()
            .any(|condition| condition.type_ == "ScalingActive" && condition.status == "True"),
        scale_time: status.last_scale_time.map(|time| time.0.to_string()),
        desired: number(status.desired_replicas),
        why: Why {
            reason: decision.reason,
            recommendation: decision.recommendation.map(number),
            limits: decision.limits,
        },
    };
    stage.tell(|model, _| model.scaler(&object.name_any(), scaler));
}

fn see_pods(stage: &Stage, pods: &[Arc<Pod>], zones: &HashMap<String, String>) {
    for name in names() {
        let mut ready = BTreeMap::new();
        let of_service = pods.iter().filter(|pod| pod.labels().get(LABEL).is_some_and(|value| value == name));
        for pod in of_service.filter(|pod| is_ready(pod)) {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
            let zone = node.and_then(|node| zones.get(node)).cloned().unwrap_or_default();
            *ready.entry(zone).or_default() += 1;
        }
        stage.tell(|model, at| model.pods(name, at, ready));
    }
}

/// metrics.k8s.io cannot be watched.
async fn read_usage(client: Client, stage: Stage) {
    let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
    let resource = ApiResource::from_gvk_with_plural(&kind, "pods");
    let pods: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
    let mut ticks = tokio::time::interval(BETWEEN_LOOKS_AT_USAGE);
    loop {
        ticks.tick().await;
        // It answers late while metrics-server is busy: then the last answer stands.
        let Ok(pods) = pods.list(&ListParams::default()).await else { continue };
        for name in names() {
            let of_service =
                pods.iter().filter(|pod| pod.labels().get(LABEL).is_some_and(|value| value == name));
            let used: Vec<u64> = of_service
                .filter_map(|pod| usage::pod_usage(pod).ok().map(|usage| usage.cpu_milli))
                .collect();
            let count = used.len() as u64;
            let usage = used.iter().sum::<u64>().checked_div(count);
            let usage = usage
                .map(|per_pod_milli| Usage { per_pod_milli, pods: u32::try_from(count).unwrap_or(u32::MAX) });
            stage.tell(|model, _| {
                if let Some(service) = model.service_mut(name) {
                    service.usage = usage;
                }
            });
        }
    }
}
