use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{
    Cluster, ClusterSpec, Load, Operator, Prometheus, Total, eventually,
    operator::{NAMESPACE, OperatorProcess, chart},
    prometheus::Target as Scraped,
    tools::PrometheusTools,
};

use crate::{
    nodes_stage::NODES,
    pooled::Pooled,
    stage::{self, Scene, Target, utilization},
    workload,
};

/// After a scale-up each query of each dashboard returns series, and each name in an alert is a series, on a
/// real Prometheus that scrapes both processes.
#[tokio::test]
async fn dashboards_and_alerts_have_data() -> Result<()> {
    let (operator, _tail) = stage::operator().await?;
    stage::story("shown", async |scene| {
        // A series must exist before a change for the change to be seen.
        let prometheus = scraping(scene, operator).await?;
        // Without usage there would be no series of it.
        let _load = scale_up(scene).await?;
        all_have_series(&prometheus, &scene.namespace, &queries("podscalers.json", "plimsoll.yaml")?).await
    })
    .await
}

/// The same of nodes, once some were ordered, some could not be had, and some were drained.
#[tokio::test]
async fn dashboards_and_alerts_of_nodes_have_data() -> Result<()> {
    let spec = ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() };
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(spec).await?));
    let operator = Operator::install(cluster, &[NODES]).await?;
    let processes = operator.processes().iter();
    let targets: Vec<_> = processes.map(|process| scraped(process, &[("role", "nodes")])).collect();
    let prometheus = Prometheus::start(cluster, "plimsoll-nodes", &targets, &[]).await?;
    let sold_out = json!([{ "zone": "zone-a", "capacityType": "on-demand", "nodes": 0 }]);
    let more = json!({ "provider": { "kwok": { "instanceTypes": [
        { "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1", "offerings": sold_out },
    ] } } });
    let pool = Pooled::new(cluster, "charted", more).await?;
    // A series must exist before a change for the change to be seen.
    has_series(&prometheus, "", "plimsoll_nodes_ordered_total", 120).await?;
    pool.deploy(6, "1500m").await?;
    pool.ready(6).await?;
    cluster.kubectl(["scale", "deployment/charted", "--replicas=1"]).await?;
    eventually("nodes to be drained", stage::PATIENCE, async || {
        let nodes = pool.nodes().await?;
        ensure!(nodes.len() == 1, "{nodes:?}");
        Ok(())
    })
    .await?;
    all_have_series(&prometheus, "", &queries("nodes.json", "nodes.yaml")?).await?;
    stage::no_defects(&operator)
}

/// `promtool` reads the rules as Prometheus does, and whoever is woken by one finds out what to do.
#[test]
fn alerts_are_valid() -> Result<()> {
    let promtool = PrometheusTools::ensure()?.program("promtool");
    for file in ["plimsoll.yaml", "nodes.yaml"] {
        let path = chart().join("rules").join(file);
        let output = Command::new(&promtool).args(["check", "rules"]).arg(path).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success() && said.contains("rules found"), "{said}");
        ensure!(
            rules(file)?.iter().all(|rule| rule["annotations"]["runbook"].is_string()),
            "an alert without a runbook in {file}"
        );
    }
    let page = fs::read_to_string(chart().join("../../docs/runbook-nodes.md"))?;
    for rule in rules("nodes.yaml")? {
        let alert = rule["alert"].as_str().context("an alert without a name")?;
        ensure!(page.contains(&format!("\n## {alert}\n")), "docs/runbook-nodes.md has no section on {alert}");
    }
    Ok(())
}

/// What a dashboard asks, and the series that alerts are about.
fn queries(dashboard: &str, file: &str) -> Result<Vec<String>> {
    let path = chart().join("dashboards").join(dashboard);
    let mut queries = Vec::new();
    collect_queries(&serde_json::from_str(&fs::read_to_string(path)?)?, &mut queries);
    ensure!(queries.len() > 20, "{queries:#?}");
    let rules = rules(file)?;
    let alerts = rules.iter().map(|rule| rule["expr"].as_str().unwrap_or_default());
    let names: BTreeSet<_> = alerts.flat_map(series_names).collect();
    ensure!(names.len() > 4, "{names:?}");
    queries.extend(names);
    Ok(queries)
}

async fn all_have_series(prometheus: &Prometheus, namespace: &str, queries: &[String]) -> Result<()> {
    let looks = queries.iter().map(|query| (query.as_str(), has_series(prometheus, namespace, query, 120)));
    stage::all(looks.collect()).await?;
    // This test can fail: no series has a misspelt name.
    let misspelt = queries[0].replace("plimsoll_", "plimsole_");
    ensure!(has_series(prometheus, namespace, &misspelt, 1).await.is_err(), "{misspelt}");
    Ok(())
}

async fn scraping(scene: &Scene<'_>, operator: &Operator<'_>) -> Result<Prometheus> {
    let targets: Vec<_> = operator.processes().iter().map(|process| scraped(process, &[])).collect();
    Prometheus::start(scene.cluster, "plimsoll", &targets, &[]).await
}

fn scraped(process: &OperatorProcess, more: &[(&str, &str)]) -> Scraped {
    let labels = [("namespace", NAMESPACE), ("pod", process.pod())];
    let labels = labels.iter().chain(more).map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
    Scraped { address: process.address(), labels: labels.collect() }
}

/// The load goes on until what is returned is dropped.
async fn scale_up(scene: &Scene<'_>) -> Result<Load> {
    let web = Target::deployment("web");
    workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
    let total = Total { cpu_milli: 170, memory_mib: 64 };
    let load = Load::start(scene.cluster, &scene.namespace, "app=web", total).await?;
    // 4 carry the load, and 2 are there for the loss of a zone. One sample that is read too high would lead to more.
    let survive = json!({"survive": "Zone"});
    scene
        .scale(
            "web",
            &web,
            json!({"maxReplicas": 6, "metrics": [utilization("cpu", 50)], "availability": survive}),
        )
        .await?;
    scene.reaches(&web, 6).await?;
    Ok(load)
}

/// Of panels, their targets and variables, in rows too.
fn collect_queries(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("expr" | "definition", Value::String(query)) => queries.push(query.clone()),
                    _ => collect_queries(field, queries),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_queries(item, queries)),
        _ => {}
    }
}

/// Every alert of a file.
fn rules(file: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(chart().join("rules").join(file))?;
    let rules: Value = serde_saphyr::from_str(&text)?;
    let groups = rules["groups"].as_array().context("no groups")?;
    Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
}

/// The names of ours in an expression.
fn series_names(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("plimsoll_")).map(str::to_owned).collect()
}

async fn has_series(prometheus: &Prometheus, namespace: &str, query: &str, seconds: u64) -> Result<()> {
    let query = substituted(query, namespace);
    eventually(&query, Duration::from_secs(seconds), async || {
        ensure!(!prometheus.query(&query).await?.is_empty(), "no series");
        Ok(())
    })
    .await
}

/// With the values that Grafana would put in. What a variable asks for becomes the series it is about.
fn substituted(query: &str, namespace: &str) -> String {
    let query = match query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(',')) {
        Some((series, _)) => series.to_owned(),
        None => query.to_owned(),
    };
    let values = [("$namespace", namespace), ("$podscaler", "web"), ("$pool", "charted")];
    [("$__rate_interval", "30s"), ("$__range", "5m")]
        .iter()
        .chain(&values)
        .fold(query, |query, (name, value)| query.replace(name, value))
}
