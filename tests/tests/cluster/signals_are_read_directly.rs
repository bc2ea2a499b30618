use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::prometheus::Prometheus;

use crate::{
    loopback::{Answer, Server},
    sources::{query, scaled_by, source, told},
    stage::{self, Target},
    workload,
};

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
        scene.until("web", |scaler| scaler["status"]["currentMetrics"][0]["type"] == "Prometheus").await?;

        // What the server itself says of a bad query reaches the user.
        let bad = json!({"spec": {"metrics": [query(&json!({"name": "prom"}), "sum(", 10)]}});
        scene.edit("web", bad).await?;
        let words = "unable to get sum( from Source/prom: the query failed (bad_data)";
        scene.says("web", "ScalingActive=False FailedGetPrometheusMetric", words).await
    })
    .await
}

/// What an endpoint answers to a query.
type Answering = fn(&str) -> Answer;

/// What is no load, by name, and the words with which it is told.
const BAD: [(&str, Answering, &str); 9] = [
    ("hangs", |_| Answer::Silence, "did not answer within 1 s"),
    ("html", |_| Answer::Body(200, "text/html", "<html>hello</html>".into()), "HTML instead of JSON"),
    ("huge", |_| Answer::Body(200, "application/json", "[".repeat(10_000_000)), "more than 1048576 bytes"),
    ("nan", |_| Answer::scalar(f64::NAN), "the value is not a number (NaN)"),
    ("infinite", |_| Answer::scalar(f64::INFINITY), "the value is infinite"),
    ("negative", |_| Answer::scalar(-1.0), "the value is negative"),
    ("empty", |_| Answer::result("vector", "[]"), "the query has no result"),
    (
        "many",
        |_| Answer::result("vector", r#"[{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"2"]}]"#),
        "the query has 2 series as its result",
    ),
    ("string", |_| Answer::result("string", r#"[1,"x"]"#), "the result of the query is a string"),
];

/// Endpoints that hang or answer nonsense, and one that the namespace may not ask: each is told with its metric, and
/// its fallback applies, while a PodScaler beside them scales.
#[tokio::test]
async fn sources_that_do_not_answer_hold_nobody_up() -> Result<()> {
    stage::story("sources", async |scene| {
        let names = BAD.map(|(name, ..)| name);
        let deployed = names.iter().chain(&["elsewhere", "nowhere", "good"]);
        let deployed = deployed.map(|name| workload::deploy(scene.cluster, &scene.namespace, name, 1, 10));
        futures::future::try_join_all(deployed).await?;
        let scale = async |name: &str, source: Value| {
            let mut spec = scaled_by(&source);
            spec["fallback"] = json!({"afterFailures": 2, "behavior": "Static", "replicas": 3});
            scene.scale(name, &Target::deployment(name), spec).await
        };
        let mut servers = Vec::new();
        for (name, answer, _) in BAD {
            let server = Server::start(Ipv4Addr::LOCALHOST, 0, answer).await?;
            let address = format!("http://127.0.0.1:{}", server.port);
            let mut source = source(name, &json!({"address": address}));
            if name == "hangs" {
                source["spec"]["timeoutSeconds"] = json!(1);
            }
            scene.create(source).await?;
            scale(name, json!({"name": name})).await?;
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
        scale("elsewhere", json!({"kind": "ClusterSource", "name": scene.namespace.name()})).await?;
        scale("nowhere", json!({"name": "none"})).await?;
        // It may be looked at before its Source is seen, so it has no fallback that would hold it up.
        scene.scale("good", &Target::deployment("good"), scaled_by(&json!({"name": "good"}))).await?;

        scene.reaches(&Target::deployment("good"), 2).await?;
        let denied = format!("does not allow the namespace {}", scene.namespace);
        let others = [("elsewhere", denied.as_str()), ("nowhere", "Source/none does not exist")];
        for (name, problem) in BAD.map(|(name, _, problem)| (name, problem)).into_iter().chain(others) {
            // At first it may say that its Source does not exist.
            for words in [problem, "unable to get load from "] {
                scene.says(name, "ScalingActive=False FailedGetPrometheusMetric", words).await?;
            }
            scene.reaches(&Target::deployment(name), 3).await?;
        }
        let delete = ["delete", "clustersource", scene.namespace.name()];
        scene.cluster.kubectl(delete).await.map(drop)
    })
    .await
}
