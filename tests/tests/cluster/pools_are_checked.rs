use anyhow::{Context, Result, ensure};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

use crate::stage::{self, Scene};

const VERSION: &str = "plimsoll.dev/v1alpha1";

/// Each bad pool is refused by the real API server with the name of the field.
#[tokio::test]
async fn bad_pools_are_refused_with_the_name_of_the_field() -> Result<()> {
    stage::story("pools", async |scene| {
        let api = api(scene, "CapacityPool");
        try_create(&api, &pool(&json!({}))).await.context("a plain pool")?;
        for (field, spec) in bad() {
            let refused =
                try_create(&api, &pool(&spec)).await.err().with_context(|| format!("{field} {spec}"))?;
            let refused = format!("{refused:#}");
            ensure!(refused.contains(field), "{spec} is refused without {field}: {refused}");
        }
        Ok(())
    })
    .await
}

/// The sample is accepted, its columns are there, and a plain `kubectl apply` is enough for it.
#[tokio::test]
async fn a_pool_is_applied_and_shown() -> Result<()> {
    stage::story("pool", async |scene| {
        let sample = testbed::tools::repository().join("manifests/samples/capacity-pool.yaml");
        let sample = sample.display().to_string();
        scene.cluster.kubectl(["apply", "--validate=strict", "-f", &sample]).await?;
        let status = json!({"status": {
            "nodes": "12/14", "balance": "zone-a:4 zone-b:4 zone-c:4", "pricePerHour": "1.296",
            "zones": [{"zone": "zone-a", "wanted": 5, "ordered": 1, "ready": 4, "draining": 0}],
        }});
        let pools = api(scene, "CapacityPool");
        pools.patch_status("general", &PatchParams::default(), &Patch::Merge(&status)).await?;
        let shown = scene.cluster.kubectl(["get", "cpool", "general"]).await?.stdout;
        for text in ["NODES", "ZONES", "PRICE/H", "AGE", "12/14", "zone-a:4 zone-b:4 zone-c:4", "1.296"] {
            ensure!(shown.contains(text), "{text} is not in {shown}");
        }
        pools.delete("general", &DeleteParams::default()).await?;
        Ok(())
    })
    .await
}

/// What was asked for is recorded once and for all; how far it is, is not.
#[tokio::test]
async fn orders_do_not_change() -> Result<()> {
    stage::story("orders", async |scene| {
        let orders = api(scene, "NodeOrder");
        let params = PatchParams::default();
        let name = "general-1";
        orders.create(&PostParams::default(), &serde_json::from_value(order(name))?).await?;
        let edit = Patch::Merge(json!({"spec": {"count": 2}}));
        let refused = orders.patch(name, &params, &edit).await.err().context("an order was changed")?;
        ensure!(refused.to_string().contains("the spec of a NodeOrder never changes"), "{refused}");
        let asked = Patch::Merge(json!({"status": {"phase": "Asked", "nodes": [{"phase": "Asked"}]}}));
        orders.patch_status(name, &params, &asked).await?;
        let keep = Patch::Merge(json!({"metadata": {"finalizers": ["plimsoll.dev/nodes"]}}));
        orders.patch(name, &params, &keep).await.context("an order without a finalizer")?;
        let unknown = Patch::Merge(json!({"status": {"phase": "Lost"}}));
        let refused =
            orders.patch_status(name, &params, &unknown).await.err().context("a phase was invented")?;
        ensure!(refused.to_string().contains("status.phase"), "{refused}");
        let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        orders.patch(name, &params, &release).await?;
        orders.delete(name, &DeleteParams::default()).await?;
        let long = serde_json::from_value(order(&"a".repeat(64)))?;
        let refused = orders.create(&PostParams::default(), &long).await.err().context("a name of 64")?;
        ensure!(refused.to_string().contains("at most 63 characters"), "{refused}");
        Ok(())
    })
    .await
}

fn api(scene: &Scene<'_>, kind: &str) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("plimsoll.dev", "v1alpha1", kind));
    Api::all_with(scene.client.clone(), &kind)
}

async fn try_create(api: &Api<DynamicObject>, object: &Value) -> Result<()> {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&params, &serde_json::from_value(object.clone())?).await?;
    Ok(())
}

fn instance_type() -> Value {
    json!({"name": "c4", "capacity": {"cpu": 4, "memory": "8Gi"}, "price": "0.1"})
}

fn pool(changes: &Value) -> Value {
    let kwok = json!({"zones": ["zone-a", "zone-b"], "instanceTypes": [instance_type()]});
    let mut spec = json!({"provider": {"kwok": kwok}});
    for (field, value) in changes.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    json!({"apiVersion": VERSION, "kind": "CapacityPool", "metadata": {"name": "checked"}, "spec": spec})
}

fn order(name: &str) -> Value {
    let offering = json!({"instanceType": "c4", "zone": "zone-a", "capacityType": "spot", "price": "0.04"});
    let spec = json!({"pool": "general", "offering": offering, "reason": "2 pods", "fencingToken": 1});
    json!({"apiVersion": VERSION, "kind": "NodeOrder", "metadata": {"name": name}, "spec": spec})
}

/// What the schema refuses, and one rule of CEL in each part of the spec.
fn bad() -> Vec<(&'static str, Value)> {
    let kwok = |kwok: Value| json!({"provider": {"kwok": kwok}});
    let types = |types: Value| kwok(json!({"zones": ["zone-a"], "instanceTypes": types}));
    let priced = |price: Value| {
        let mut priced = instance_type();
        priced["price"] = price;
        types(json!([priced]))
    };
    let budget = |budget: Value| json!({"scaleDown": {"budgets": [budget]}});
    vec![
        ("spec.provider", json!({"provider": {}})),
        ("spec.provider.kwok.instanceTypes", types(json!([]))),
        ("spec.provider.kwok.instanceTypes", types(json!([instance_type(), instance_type()]))),
        ("spec.provider.kwok.zones", kwok(json!({"zones": [], "instanceTypes": [instance_type()]}))),
        ("spec.provider.kwok.zones", kwok(json!({"zones": ["a", "a"], "instanceTypes": [instance_type()]}))),
        ("price", priced(json!("-0.1"))),
        ("price", priced(json!(0.1))),
        ("price", priced(json!("cheap"))),
        ("spec.template.labels.team", json!({"template": {"labels": {"team": "a b"}}})),
        ("spec.template.taints", json!({"template": {"taints": [{"key": "a", "effect": "NoEntry"}]}})),
        ("operator", json!({"requirements": [{"key": "a", "operator": "Is", "values": ["b"]}]})),
        ("values", json!({"requirements": [{"key": "a", "operator": "In"}]})),
        ("spec.limits.nodes", json!({"limits": {"nodes": -1}})),
        ("spec.limits.nodes", json!({"limits": {"nodes": 1, "zones": [{"zone": "zone-a", "minNodes": 2}]}})),
        ("spec.limits.zones", json!({"limits": {"zones": [{"zone": "zone-a"}, {"zone": "zone-a"}]}})),
        ("spec.limits.zones", json!({"limits": {"zones": [{"zone": "zone-x"}]}})),
        ("minNodes", json!({"limits": {"zones": [{"zone": "zone-a", "minNodes": 2, "nodes": 1}]}})),
        ("spec.weight", json!({"weight": 101})),
        ("spec.expander", json!({"expander": "cheapest"})),
        ("spec.headroom", json!({"headroom": [{"name": "a"}]})),
        ("spec.scaleDown.policy", json!({"scaleDown": {"policy": "Always"}})),
        ("spec.scaleDown.utilizationThreshold", json!({"scaleDown": {"utilizationThreshold": "1.5"}})),
        ("nodes", budget(json!({"name": "a", "nodes": "ten"}))),
        ("nodes", budget(json!({"name": "a", "nodes": "101%"}))),
        ("nodes", budget(json!({"name": "a", "nodes": -1}))),
        ("reasons", budget(json!({"name": "a", "nodes": 1, "reasons": ["Drifted"]}))),
        (
            "start",
            budget(
                json!({"name": "a", "nodes": 1, "window": {"start": "0 8 * * ? ", "durationSeconds": 60}}),
            ),
        ),
        (
            "durationSeconds",
            budget(json!({"name": "a", "nodes": 1, "window": {"start": "0 8 * * *", "durationSeconds": 1}})),
        ),
        ("spec.drain.maxSurge", json!({"drain": {"maxSurge": 101}})),
        ("spec.maxUnavailable", json!({"maxUnavailable": "lots"})),
        ("spec.provisionTimeoutSeconds", json!({"provisionTimeoutSeconds": 1})),
        ("spec.priorityCutoff", json!({"priorityCutoff": 3_000_000_000_i64})),
    ]
}
