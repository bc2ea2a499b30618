use std::collections::BTreeSet;

use anyhow::{Context, Result};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::{Api, api::ListParams};
use serde_json::json;
use testbed::{
    Adapter, Cluster, ClusterSpec, Load, Operator, Total,
    audit::AuditEvent,
    eventually,
    operator::{NAMESPACE, RELEASE},
    tools::repository,
};

use crate::{
    front_doors::both_doors_come_and_go,
    groups_stage::{group, ready, replace, with_template},
    nodes_stage::{NODES, small_cluster},
    sources::sources_that_nobody_asks,
    stage::{PATIENCE, Scene},
    workload,
};

/// Over everything the operator does, the audit log must show two things: nothing it asked for was refused,
/// so no rule is missing; and each right that the chart grants was used, so none is too many. A rule that
/// is taken out of the chart turns its uses into refusals.
#[tokio::test]
async fn rbac_is_least_privilege() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let mut operator =
        Operator::install(&cluster, &["--set=operator.syncPeriodSeconds=1,memory.saveSeconds=1"]).await?;
    let _adapter = Adapter::start(&cluster).await?;
    let scene = Scene::new(&cluster, "shop").await?;
    let shop = &scene.namespace;
    workload::deploy(&cluster, shop, "web", 2, 100).await?;
    let _load = Load::start(&cluster, shop, "app=web", Total { cpu_milli: 480, memory_mib: 256 }).await?;
    cluster.kubectl_with(["apply", "-f", "-"], &pod_scaler(shop, "Deployment", "web")).await?;
    // The size of a Deployment is watched, that of a ReplicaSet is asked for.
    workload::create(&cluster, shop, "ReplicaSet", "asked", 2, 100).await?;
    cluster.kubectl_with(["apply", "-f", "-"], &pod_scaler(shop, "ReplicaSet", "asked")).await?;
    cluster.kubectl_with(["apply", "-f", "-"], &sources_that_nobody_asks(shop)).await?;
    // A service of a group comes and goes.
    scene.create(group("store", &[with_template("stays", 1), with_template("goes", 1)])).await?;
    ready(&scene, "store", "2/2").await?;
    replace(&scene, "store", &[with_template("stays", 1)]).await?;
    ready(&scene, "store", "1/1").await?;
    // And so do its front doors, of both kinds.
    cluster.install_gateway_api().await?;
    both_doors_come_and_go(&scene, "store").await?;
    // Up by the metrics, then the leader goes in both ways a leader can.
    workload::ready(&cluster, shop, "web", 8).await?;
    operator.leader().await?.kill()?;
    operator.leader().await?.terminate().await?;

    let rights = granted(&cluster, "operator").await?;
    each_is_used_and_none_is_missing(&cluster, &rights, RELEASE).await?;
    cluster.stop().await
}

/// What scales nodes follows all that it may list from its start on, and nothing else. Its other rights are left out: a
/// record of an order, for example, is deleted ten minutes after it was made.
#[tokio::test]
async fn what_scales_nodes_may_follow_what_it_follows() -> Result<()> {
    let cluster = small_cluster().await?;
    let crd = repository().join("charts/plimsoll/files/upstream-crds").display().to_string();
    cluster.kubectl(["apply", "-f", &crd]).await?;
    cluster.serves_what_is_defined().await?;
    let operator = Operator::install(&cluster, &[NODES]).await?;
    let mut rights = granted(&cluster, "nodes").await?;
    rights.retain(|right| matches!(right.verb.as_str(), "list" | "watch"));
    each_is_used_and_none_is_missing(&cluster, &rights, &format!("{RELEASE}-nodes")).await?;
    drop(operator);
    cluster.stop().await
}

async fn each_is_used_and_none_is_missing(cluster: &Cluster, rights: &[Right], account: &str) -> Result<()> {
    assert!(rights.len() > 5, "{rights:?}");
    let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
    eventually("a use of each right", PATIENCE, async || {
        let requests = cluster.audit().events_of(&user)?;
        let unused: Vec<_> =
            rights.iter().filter(|right| !requests.iter().any(|event| right.allows(event))).collect();
        anyhow::ensure!(unused.is_empty(), "nothing uses {unused:#?}");
        Ok(())
    })
    .await?;

    let refused: BTreeSet<_> = cluster
        .audit()
        .events_of(&user)?
        .iter()
        .filter(|event| event.is_forbidden())
        .map(|event| format!("{} {}", event.verb, event.request_uri))
        .collect();
    assert!(refused.is_empty(), "no rule allows {refused:#?}");
    Ok(())
}

/// One verb on one resource.
#[derive(Debug)]
struct Right {
    group: String,
    resource: String,
    verb: String,
    /// Empty: all.
    names: Vec<String>,
}

impl Right {
    fn allows(&self, event: &AuditEvent) -> bool {
        let Some((object, resource)) = event.object_ref.as_ref().zip(event.rbac_resource()) else {
            return false;
        };
        let resource_matches = match self.resource.strip_prefix('*') {
            Some(subresource) => resource.ends_with(subresource),
            None => resource == self.resource,
        };
        let name = object.name.as_ref();
        resource_matches
            && (self.group == "*" || self.group == object.api_group)
            && (self.verb == event.verb || self.verb == "create" && is_creation(event))
            && (self.names.is_empty() || name.is_some_and(|name| self.names.contains(name)))
            && !event.is_forbidden()
    }
}

/// Whether something was made by an apply, which takes the right to create as well as that to patch.
fn is_creation(event: &AuditEvent) -> bool {
    event.verb == "patch" && event.response_status.as_ref().is_some_and(|status| status.code == 201)
}

/// The rights that the release's roles give to what scales pods (`operator`) or `nodes`, one by one.
async fn granted(cluster: &Cluster, component: &str) -> Result<Vec<Right>> {
    let client = cluster.client().await?;
    let labels = format!("app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}");
    let of_release = ListParams::default().labels(&labels);
    let cluster_roles = Api::<ClusterRole>::all(client.clone()).list(&of_release).await?;
    let roles = Api::<Role>::all(client).list(&of_release).await?;
    let of_cluster = cluster_roles.iter().flat_map(|role| role.rules.iter().flatten());
    let of_namespace = roles.iter().flat_map(|role| role.rules.iter().flatten());
    let mut granted = Vec::new();
    for rule in of_cluster.chain(of_namespace) {
        granted.extend(rights(rule)?);
    }
    Ok(granted)
}

fn rights(rule: &PolicyRule) -> Result<Vec<Right>> {
    let groups = rule.api_groups.as_ref().with_context(|| format!("a rule of paths: {rule:?}"))?;
    let mut rights = Vec::new();
    for group in groups {
        for resource in rule.resources.iter().flatten() {
            for verb in &rule.verbs {
                rights.push(Right {
                    group: group.clone(),
                    resource: resource.clone(),
                    verb: verb.clone(),
                    names: rule.resource_names.clone().unwrap_or_default(),
                });
            }
        }
    }
    Ok(rights)
}

fn pod_scaler(namespace: &str, kind: &str, name: &str) -> String {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1",
        "kind": "PodScaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name},
            "minReplicas": 2,
            "maxReplicas": 8,
            // The second and third fail, which stops no way up.
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
                },
                {
                    "type": "Pods",
                    "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1"}},
                },
                {
                    "type": "External",
                    "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "1"}},
                },
            ],
        },
    })
    .to_string()
}
