use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    rbac::v1::{ClusterRole, PolicyRule, Role},
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use testbed::{
    Adapter, Load, Total, eventually,
    operator::{NAMESPACE, RELEASE},
};

use crate::{
    front_doors::both_doors_come_and_go,
    groups_stage::{group, ready, with_template},
    requests::{Request, Requests},
    sources::sources_that_nobody_asks,
    stage::{self, PATIENCE, Scene, Target, USER, utilization},
    workload,
};

/// A group with a right in each role, by which a role is known to have arrived at the authorizer.
const MARKER: &str = "bed.plimsoll.dev";

/// One thing that was asked for: verb, group, resource, subresource, namespace and name.
type Ask = [String; 6];

/// With any one rule taken out, the real authorizer denies something that the operator asked for in a story
/// of scaling up. With all of them it denies nothing, and a rule that is not needed is found.
#[tokio::test]
async fn every_rule_is_needed() -> Result<()> {
    Adapter::shared().await?;
    stage::story("rules", async |scene| {
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        let total = Total { cpu_milli: 170, memory_mib: 64 };
        let _load = Load::start(scene.cluster, &scene.namespace, "app=web", total).await?;
        // The second and third fail, which stops no way up.
        let one = json!({"type": "AverageValue", "averageValue": "1"});
        let pods = json!({"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": one}});
        let queue = json!({"type": "External", "external": {"metric": {"name": "queue"}, "target": one}});
        let spec = json!({"maxReplicas": 9, "metrics": [utilization("cpu", 50), pods, queue]});
        scene.scale("web", &web, spec).await?;
        scene.until("web", |scaler| !scaler["status"]["lastScaleTime"].is_null()).await?;
        scene.create(group("store", &[with_template("get", 1)])).await?;
        ready(scene, "store", "1/1").await?;
        scene.cluster.install_gateway_api().await?;
        both_doors_come_and_go(scene, "store").await?;
        let sources = sources_that_nobody_asks(&scene.namespace);
        scene.cluster.kubectl_with(["create", "-f", "-"], &sources).await?;
        let mut asked = Asked::since_the_start(scene);
        // What is remembered of it is saved a moment later, sources are asked by themselves, and an event may be lost, but
        // not those about metrics that fail.
        eventually("a new size, a saved memory, told sources and an event", PATIENCE, async || {
            let asked = asked.until_now()?;
            for (verb, resource, subresource) in [
                ("patch", "deployments", "scale"),
                ("patch", "configmaps", ""),
                ("patch", "sources", "status"),
                ("patch", "clustersources", "status"),
                ("create", "events", ""),
            ] {
                let is_this = |ask: &Ask| {
                    (ask[0].as_str(), ask[2].as_str(), ask[3].as_str()) == (verb, resource, subresource)
                };
                ensure!(asked.iter().any(is_this), "nobody asked to {verb} {resource} {subresource}");
            }
            Ok(())
        })
        .await?;

        let asked: Vec<_> = asked.until_now()?.iter().cloned().collect();
        let client = &scene.client;
        let of_cluster =
            Api::<ClusterRole>::all(client.clone()).get(RELEASE).await?.rules.unwrap_or_default();
        let roles = Api::<Role>::namespaced(client.clone(), NAMESPACE);
        let of_namespace = roles.get(RELEASE).await?.rules.unwrap_or_default();
        ensure!(of_cluster.len() > 3 && of_namespace.len() > 1, "{of_cluster:?} {of_namespace:?}");

        let without = |rules: &[PolicyRule], left_out: usize| {
            rules.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, rule)| rule.clone()).collect()
        };
        let mut cases: Vec<(String, Vec<PolicyRule>, Vec<PolicyRule>, bool)> = Vec::new();
        for (at, rule) in of_cluster.iter().enumerate() {
            cases.push((format!("{rule:?}"), without(&of_cluster, at), of_namespace.clone(), true));
        }
        for (at, rule) in of_namespace.iter().enumerate() {
            cases.push((format!("{rule:?}"), of_cluster.clone(), without(&of_namespace, at), true));
        }
        // Nothing taken out, which is also what is left when a rule that nobody needs is taken out.
        cases.push(("nothing".to_owned(), of_cluster.clone(), of_namespace.clone(), false));
        let checks = cases.iter().enumerate().map(|(at, (taken_out, of_cluster, of_namespace, matters))| {
            let (user, asked) = (format!("{}-{at}", scene.namespace), &asked);
            let check = async move {
                grant(scene, &user, of_cluster, of_namespace).await?;
                let denied = denied_once_granted(client, &user, asked).await;
                revoke(scene, &user).await?;
                let denied = denied?;
                ensure!(*matters != denied.is_empty(), "of {asked:?} these are denied: {denied:?}");
                Ok(())
            };
            (taken_out.as_str(), check)
        });
        stage::all(checks.collect()).await
    })
    .await
}

async fn denied_once_granted(client: &Client, user: &str, asked: &[Ask]) -> Result<Vec<String>> {
    let markers: [Ask; 2] = ["", NAMESPACE]
        .map(|namespace| ["get", MARKER, if namespace.is_empty() { "all" } else { "one" }, "", namespace, ""])
        .map(|ask| ask.map(str::to_owned));
    eventually(&format!("the rights of {user}"), PATIENCE, async || {
        let denied = denied(client, user, &markers).await?;
        ensure!(denied.is_empty(), "{denied:?}");
        Ok(())
    })
    .await?;
    denied(client, user, asked).await
}

/// What the operator asked for since the cluster started, once each, read on as it asks for more.
struct Asked<'s> {
    scene: &'s Scene<'static>,
    requests: Requests,
    read: usize,
    asks: BTreeSet<Ask>,
}

impl<'s> Asked<'s> {
    fn since_the_start(scene: &'s Scene<'static>) -> Self {
        let requests = Requests::of_all_time(scene.cluster, USER);
        Self { scene, requests, read: 0, asks: BTreeSet::new() }
    }

    fn until_now(&mut self) -> Result<&BTreeSet<Ask>> {
        let requests = self.requests.all()?;
        let new = requests[self.read..].iter().filter(|request| request.is_of_operator());
        self.asks.extend(new.filter_map(|request| ask(self.scene, request)));
        self.read = requests.len();
        Ok(&self.asks)
    }
}

/// What a request asks for. None for what is no object, and for what the roles are not about.
fn ask(scene: &Scene<'_>, request: &Request) -> Option<Ask> {
    let object = request.event.object_ref.as_ref()?;
    // Granted for each namespace apart, where the installer says so: `credentials_follow_their_secret`.
    if object.resource.as_deref() == Some("secrets") {
        return None;
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let resource = text(&object.resource);
    // Any namespace and name will do but for those that a rule names.
    let (namespace, name) = match resource.as_str() {
        "configmaps" => (text(&object.namespace), text(&object.name)),
        "leases" if request.event.verb != "create" => (text(&object.namespace), text(&object.name)),
        "leases" => (text(&object.namespace), String::new()),
        "customresourcedefinitions" => (String::new(), text(&object.name)),
        // These are watched over all namespaces.
        "podscalers"
        | "horizontalpodautoscalers"
        | "pods"
        | "deployments"
        | "statefulsets"
        | "replicasets"
        | "servicegroups"
        | "services"
        | "poddisruptionbudgets"
        | "ingresses"
        | "ingressclasses"
        | "httproutes"
        | "gateways"
        | "gatewayclasses"
        | "nodes"
            if object.api_group != "metrics.k8s.io" && object.subresource.is_none() =>
        {
            (String::new(), String::new())
        }
        _ => (scene.namespace.name().to_owned(), String::new()),
    };
    Some([
        request.event.verb.clone(),
        object.api_group.clone(),
        resource,
        text(&object.subresource),
        namespace,
        name,
    ])
}

async fn grant(
    scene: &Scene<'_>,
    user: &str,
    of_cluster: &[PolicyRule],
    of_namespace: &[PolicyRule],
) -> Result<()> {
    let version = "rbac.authorization.k8s.io/v1";
    let object = |kind: &str, body: Value| {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": user}});
        if !kind.starts_with("Cluster") {
            object["metadata"]["namespace"] = json!(NAMESPACE);
        }
        for (field, value) in body.as_object().into_iter().flatten() {
            object[field] = value.clone();
        }
        object
    };
    let binding = |role: &str| {
        let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user});
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": user});
        json!({"roleRef": role, "subjects": [subject]})
    };
    let with_marker = |rules: &[PolicyRule], marker: &str| {
        let mut rules = json!(rules);
        let marker = json!({"apiGroups": [MARKER], "resources": [marker], "verbs": ["get"]});
        rules.as_array_mut().into_iter().for_each(|rules| rules.push(marker.clone()));
        json!({"rules": rules})
    };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        object("ClusterRole", with_marker(of_cluster, "all")),
        object("ClusterRoleBinding", binding("ClusterRole")),
        object("Role", with_marker(of_namespace, "one")),
        object("RoleBinding", binding("Role")),
    ]});
    scene.cluster.kubectl_with(["create", "-f", "-"], &list.to_string()).await.map(drop)
}

async fn revoke(scene: &Scene<'_>, user: &str) -> Result<()> {
    let delete = ["delete", "clusterrole,clusterrolebinding", user];
    scene.cluster.kubectl(delete).await?;
    let delete = ["delete", "role,rolebinding", user, "--namespace", NAMESPACE];
    scene.cluster.kubectl(delete).await.map(drop)
}

/// What of it the real authorizer denies this user.
async fn denied(client: &Client, user: &str, asked: &[Ask]) -> Result<Vec<String>> {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let mut denied = Vec::new();
    for ask in asked {
        let [verb, group, resource, subresource, namespace, name] = ask.clone();
        let some = |text: String| (!text.is_empty()).then_some(text);
        let attributes = ResourceAttributes {
            verb: Some(verb),
            group: some(group),
            resource: Some(resource),
            subresource: some(subresource),
            namespace: some(namespace),
            name: some(name),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let review = reviews.create(&PostParams::default(), &review).await?;
        if !review.status.context("a review without an answer")?.allowed {
            denied.push(ask.join(" "));
        }
    }
    Ok(denied)
}
