use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{
    Load, Operator, Prometheus, Total, eventually,
    operator::{NAMESPACE, OperatorProcess, chart},
    prometheus::Target as Scraped,
    tools::PrometheusTools,
};

use crate::{
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
        scale_up(scene).await?;
        let mut queries = Vec::new();
        for entry in fs::read_dir(chart().join("dashboards"))? {
            let path = entry?.path();
            let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
            collect_queries(&dashboard, &mut queries);
        }
        ensure!(queries.len() > 20, "{queries:#?}");
        let rules = rules()?;
        let alerts = rules.iter().map(|rule| rule["expr"].as_str().unwrap_or_default());
        let names: BTreeSet<_> = alerts.flat_map(series_names).collect();
        ensure!(names.len() > 4, "{names:?}");
        queries.extend(names);

        let looks = queries.iter().map(|query| (query.as_str(), has_series(&prometheus, scene, query, 20)));
        stage::all(looks.collect()).await?;

        // This test can fail: no series has a misspelt name.
        let misspelt = queries[0].replace("plimsoll_", "plimsole_");
        ensure!(has_series(&prometheus, scene, &misspelt, 1).await.is_err(), "{misspelt}");
        Ok(())
    })
    .await
}

/// `promtool` reads the rules as Prometheus does.
#[test]
fn alerts_are_valid() -> Result<()> {
    let promtool = PrometheusTools::ensure()?.program("promtool");
    let output =
        Command::new(promtool).args(["check", "rules"]).arg(chart().join("rules/plimsoll.yaml")).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && said.contains("rules found"), "{said}");
    ensure!(
        rules()?.iter().all(|rule| rule["annotations"]["runbook"].is_string()),
        "an alert without a runbook"
    );
    Ok(())
}

async fn scraping(scene: &Scene<'_>, operator: &Operator<'_>) -> Result<Prometheus> {
    let target = |process: &OperatorProcess| {
        let labels = [("namespace", NAMESPACE), ("pod", process.pod())];
        let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
        Scraped { address: process.address(), labels }
    };
    let targets: Vec<_> = operator.processes().iter().map(target).collect();
    Prometheus::start(scene.cluster, "plimsoll", &targets, &[]).await
}

async fn scale_up(scene: &Scene<'_>) -> Result<()> {
    let web = Target::deployment("web");
    workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
    let total = Total { cpu_milli: 170, memory_mib: 64 };
    let _load = Load::start(scene.cluster, &scene.namespace, "app=web", total).await?;
    scene.scale("web", &web, json!({"maxReplicas": 9, "metrics": [utilization("cpu", 50)]})).await?;
    scene.reaches(&web, 4).await
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

/// Every alert.
fn rules() -> Result<Vec<Value>> {
    let rules: Value = serde_saphyr::from_str(&fs::read_to_string(chart().join("rules/plimsoll.yaml"))?)?;
    let groups = rules["groups"].as_array().context("no groups")?;
    Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
}

/// The names of ours in an expression.
fn series_names(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("plimsoll_")).map(str::to_owned).collect()
}

async fn has_series(prometheus: &Prometheus, scene: &Scene<'_>, query: &str, seconds: u64) -> Result<()> {
    let query = substituted(query, &scene.namespace);
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
    [("$namespace", namespace), ("$podscaler", "web"), ("$__rate_interval", "30s"), ("$__range", "5m")]
        .iter()
        .fold(query, |query, (name, value)| query.replace(name, value))
}
