use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Instant,
};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use testbed::{
    eventually,
    operator::{NAMESPACE, RELEASE, chart},
    prometheus::Prometheus,
};

use crate::{
    loopback::{Answer, Server},
    stage::{self, PATIENCE, Scene, Target, conditions},
    workload,
};

fn query(source: &Value, query: &str, average: u32) -> Value {
    let target = json!({"type": "AverageValue", "averageValue": average});
    json!({"type": "Prometheus", "prometheus": {"source": source, "query": query, "target": target}})
}

fn source(name: &str, prometheus: &Value) -> Value {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Source", "metadata": {"name": name},
        "spec": {"prometheus": prometheus, "timeoutSeconds": 1},
    })
}

/// A Source and a ClusterSource that are called like the namespace, and where nothing answers.
pub(crate) fn sources_that_nobody_asks(namespace: &str) -> String {
    let prometheus = json!({"address": "http://127.0.0.1:9"});
    let object = |kind: &str, metadata: Value, spec: Value| json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    let (here, everywhere) = (json!({"name": namespace, "namespace": namespace}), json!({"name": namespace}));
    json!({"apiVersion": "v1", "kind": "List", "items": [
        object("Source", here, json!({"prometheus": prometheus})),
        object("ClusterSource", everywhere, json!({"prometheus": prometheus, "namespaces": ["none"]})),
    ]})
    .to_string()
}

/// Waits until a Source has this condition, and returns its message.
async fn told(scene: &Scene<'_>, name: &str, wanted: &str) -> Result<String> {
    let api = scene.api("plimsoll.dev/v1alpha1", "Source");
    eventually(&format!("{wanted} of the Source {name}"), PATIENCE, async || {
        let conditions = conditions(&serde_json::to_value(api.get(name).await?)?);
        let found = conditions.iter().find(|(told, _)| told == wanted);
        found.map(|(_, message)| message.clone()).ok_or_else(|| anyhow::anyhow!("{conditions:?}"))
    })
    .await
}

/// The answer of the real Prometheus to a query decides the size.
#[tokio::test]
async fn a_query_to_a_prometheus_scales() -> Result<()> {
    stage::story("query", async |scene| {
        let prometheus = Prometheus::start(scene.cluster, "none", &[], &[]).await?;
        let web = Target::deployment("web");
        // From 3 one step leads to 5: without behavior a step at most doubles the size.
        workload::deploy(scene.cluster, &scene.namespace, "web", 3, 10).await?;
        scene.create(source("prom", &json!({"address": prometheus.url()}))).await?;
        told(scene, "prom", "Ready=True Answered").await?;
        let metric = query(&json!({"name": "prom"}), "sum(vector(30) + vector(11))", 10);
        scene.scale("web", &web, json!({"maxReplicas": 9, "metrics": [metric]})).await?;
        scene.reaches(&web, 5).await?;
        let rescale = scene.rescales("web", 1).await?;
        ensure!(
            rescale[0].contains("prometheus metric sum(vector(30) + vector(11)) above target"),
            "{rescale:?}"
        );
        let scaler = scene.until("web", |scaler| !scaler["status"]["currentMetrics"].is_null()).await?;
        ensure!(scaler["status"]["currentMetrics"][0]["type"] == "Prometheus", "{}", scaler["status"]);

        // What the server itself says of a bad query reaches the user.
        let bad = json!({"spec": {"metrics": [query(&json!({"name": "prom"}), "sum(", 10)]}});
        scene.edit("web", bad).await?;
        let message = scene.condition("web", "ScalingActive=False FailedGetPrometheusMetric").await?;
        ensure!(
            message.contains("unable to get sum( from Source/prom: the query failed (bad_data)"),
            "{message}"
        );
        Ok(())
    })
    .await
}

/// A fake endpoint knows one token at a time. The Secret beside its address is used, followed when it is rotated, and
/// missed when it is gone; without the chart's value nothing of it is read.
#[tokio::test]
async fn credentials_follow_their_secret() -> Result<()> {
    stage::story("secret", async |scene| {
        let known = Arc::new(Mutex::new("one"));
        let token = Arc::clone(&known);
        let server = Server::start(Ipv4Addr::LOCALHOST, 0, move |request| {
            let expected = format!("authorization: Bearer {}\r\n", token.lock().unwrap());
            if request.contains(&expected) {
                Answer::scalar(30.0)
            } else {
                Answer::Body(401, "text/plain", String::new())
            }
        })
        .await?;
        let secret = |token: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds", "namespace": scene.namespace.name()}, "stringData": {"token": token}})
                .to_string()
        };
        scene.cluster.kubectl_with(["create", "-f", "-"], &secret("one")).await?;
        let address = format!("http://127.0.0.1:{}", server.port);
        let endpoint = json!({"address": address, "bearerToken": {"name": "creds", "key": "token"}});
        scene.create(source("guarded", &endpoint)).await?;
        let message = told(scene, "guarded", "Ready=False MissingSecret").await?;
        ensure!(message.contains("the chart's value sources.secretNamespaces"), "{message}");

        // What `helm upgrade --set sources.secretNamespaces={…}` adds.
        let allowed = format!("--set=sources.secretNamespaces={{{}}}", scene.namespace);
        let template = [
            "template".to_owned(),
            RELEASE.to_owned(),
            chart().display().to_string(),
            format!("--namespace={NAMESPACE}"),
            "--show-only=templates/sources.yaml".to_owned(),
            allowed,
        ];
        let rendered = scene.cluster.helm(template).await?;
        scene.cluster.kubectl_with(["create", "-f", "-"], &rendered.stdout).await?;
        told(scene, "guarded", "Ready=True Answered").await?;

        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 1, 10).await?;
        let metric = query(&json!({"name": "guarded"}), "load", 10);
        scene.scale("web", &web, json!({"maxReplicas": 9, "metrics": [metric]})).await?;
        scene.reaches(&web, 3).await?;

        *known.lock().unwrap() = "two";
        let message = scene.condition("web", "ScalingActive=False FailedGetPrometheusMetric").await?;
        ensure!(message.contains("401 Unauthorized: check the credentials"), "{message}");
        scene.cluster.kubectl_with(["apply", "-f", "-"], &secret("two")).await?;
        scene.condition("web", "ScalingActive=True ValidMetricFound").await?;

        scene.cluster.kubectl(["delete", "secret", "creds", "--namespace", scene.namespace.name()]).await?;
        let message = scene.condition("web", "ScalingActive=False FailedGetPrometheusMetric").await?;
        ensure!(message.contains(&format!("the Secret {}/creds does not exist", scene.namespace)), "{message}");
        Ok(())
    })
    .await
}

/// What an endpoint answers to a query.
type Answering = fn(&str) -> Answer;

/// Endpoints that hang or answer nonsense, and one that the namespace may not ask: each is told with its metric, and
/// a PodScaler beside them scales.
#[tokio::test]
async fn sources_that_do_not_answer_hold_nobody_up() -> Result<()> {
    stage::story("sources", async |scene| {
        let table: [(&str, Answering, &str); 5] = [
            ("hangs", |_| Answer::Silence, "did not answer within 1 s"),
            ("html", |_| Answer::Body(200, "text/html", "<html>hello</html>".into()), "HTML instead of JSON"),
            (
                "huge",
                |_| Answer::Body(200, "application/json", "[".repeat(10_000_000)),
                "more than 1048576 bytes",
            ),
            ("nan", |_| Answer::scalar(f64::NAN), "the value is not a number (NaN)"),
            ("negative", |_| Answer::scalar(-1.0), "the value is negative"),
        ];
        let mut servers = Vec::new();
        for (name, answer, _) in table {
            let server = Server::start(Ipv4Addr::LOCALHOST, 0, answer).await?;
            let address = format!("http://127.0.0.1:{}", server.port);
            scene.create(source(name, &json!({"address": address}))).await?;
            scene.scale(name, &Target::deployment(name), scaled_by(&json!({"name": name}))).await?;
            servers.push(server);
        }
        let good = Server::start(Ipv4Addr::LOCALHOST, 0, |_| Answer::scalar(20.0)).await?;
        let address = format!("http://127.0.0.1:{}", good.port);
        scene.create(source("good", &json!({"address": address}))).await?;
        let cluster_source = json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ClusterSource",
            "metadata": {"name": scene.namespace.name()},
            "spec": {"namespaces": ["team-*"], "prometheus": {"address": address}},
        });
        scene.cluster.kubectl_with(["create", "-f", "-"], &cluster_source.to_string()).await?;
        let other = json!({"kind": "ClusterSource", "name": scene.namespace.name()});
        scene.scale("elsewhere", &Target::deployment("elsewhere"), scaled_by(&other)).await?;
        scene.scale("nowhere", &Target::deployment("nowhere"), scaled_by(&json!({"name": "none"}))).await?;

        for name in table.iter().map(|(name, ..)| *name).chain(["elsewhere", "nowhere", "good"]) {
            workload::deploy(scene.cluster, &scene.namespace, name, 1, 10).await?;
        }
        let good = Target::deployment("good");
        scene.scale("good", &good, scaled_by(&json!({"name": "good"}))).await?;
        scene.reaches(&good, 2).await?;
        let denied = format!("does not allow the namespace {}", scene.namespace);
        let others = [("elsewhere", denied.as_str()), ("nowhere", "Source/none does not exist")];
        for (name, problem) in table.iter().map(|(name, _, problem)| (*name, *problem)).chain(others) {
            let message = scene.condition(name, "ScalingActive=False FailedGetPrometheusMetric").await?;
            ensure!(
                message.contains("unable to get load from ") && message.contains(problem),
                "{name}: {message}"
            );
        }
        let delete = ["delete", "clustersource", scene.namespace.name()];
        scene.cluster.kubectl(delete).await.map(drop)
    })
    .await
}

fn scaled_by(source: &Value) -> Value {
    json!({"maxReplicas": 9, "metrics": [query(source, "load", 10)]})
}

/// Real sockets: the pods' addresses are those of servers of this test, each with a load of its own.
#[tokio::test]
async fn pods_are_scraped() -> Result<()> {
    stage::story("scrape", async |scene| {
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 10).await?;
        let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &scene.namespace);
        let started = Instant::now();
        let mut servers: Vec<Server> = Vec::new();
        // 30 and 10 requests a second: 20 on average.
        for (pod, (last, rate)) in
            pods.list(&ListParams::default()).await?.iter().zip([(21, 30.0), (22, 10.0)])
        {
            let ip = Ipv4Addr::new(127, 4, 0, last);
            let port = servers.first().map_or(0, |server| server.port);
            let page = move |request: &str| {
                if !request.starts_with("GET /metrics ") {
                    return Answer::Body(404, "text/plain", String::new());
                }
                let requests = started.elapsed().as_secs_f64() * rate;
                Answer::Body(
                    200,
                    "text/plain",
                    format!("# TYPE hits counter\nhits{{code=\"200\"}} {requests}\n"),
                )
            };
            servers.push(Server::start(ip, port, page).await?);
            let status = json!({"status": {"podIP": ip, "podIPs": [{"ip": ip}]}});
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await?;
        }
        let metric = json!({"type": "Scrape", "scrape": {
            "port": servers[0].port, "metric": "hits", "readAs": "Rate",
            "target": {"type": "AverageValue", "averageValue": 10},
        }});
        scene.scale("web", &web, json!({"maxReplicas": 9, "metrics": [metric]})).await?;
        scene.reaches(&web, 4).await?;
        let rescale = scene.rescales("web", 1).await?;
        ensure!(rescale[0].contains("scrape metric rate of hits above target"), "{rescale:?}");
        let scaler = scene.scaler("web").await?;
        ensure!(scaler["status"]["currentMetrics"][0]["type"] == "Scrape", "{}", scaler["status"]);
        Ok(())
    })
    .await
}
