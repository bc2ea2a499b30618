use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    specs::{self, Verdict},
    stage,
};

/// Each bad spec is refused with the name of the field; by the HPA too, where the rule is the HPA's.
#[tokio::test]
async fn bad_specs_are_refused_with_the_name_of_the_field() -> Result<()> {
    stage::story("bad", async |scene| {
        for bad in specs::bad() {
            let what = format!("{} {}", bad.field, bad.spec);
            let refused = scene.dry_run(pod_scaler(&bad.spec)).await.err().with_context(|| what.clone())?;
            let refused = format!("{refused:#}");
            ensure!(refused.contains(bad.field), "{what} is refused without its name: {refused}");
            let by_hpa = scene.dry_run(hpa(&bad.spec)).await;
            match bad.verdict_of_hpa {
                Verdict::Refused => ensure!(by_hpa.is_err(), "an HPA may have {what}"),
                Verdict::Accepted => ensure!(by_hpa.is_ok(), "an HPA may not have {what}: {by_hpa:?}"),
                Verdict::DoesNotKnow => {}
            }
        }
        Ok(())
    })
    .await
}

/// What a real HPA may have, a PodScaler may have.
#[tokio::test]
async fn specs_of_an_hpa_are_accepted_as_they_stand() -> Result<()> {
    stage::story("good", async |scene| {
        for spec in specs::good().into_iter().chain(specs::good_with_other_quantities()) {
            scene.dry_run(hpa(&spec)).await.with_context(|| format!("an HPA with {spec}"))?;
            scene.dry_run(pod_scaler(&spec)).await.with_context(|| format!("a PodScaler with {spec}"))?;
        }
        Ok(())
    })
    .await
}

/// What the API server fills in is the same.
#[tokio::test]
async fn defaults_are_those_of_an_hpa() -> Result<()> {
    stage::story("defaults", async |scene| {
        for spec in specs::good() {
            let theirs = scene.dry_run(hpa(&spec)).await?["spec"].take();
            let mut ours = scene.dry_run(pod_scaler(&spec)).await?["spec"].take();
            let own = ours.as_object_mut().context("no spec")?;
            ensure!(own.remove("algorithm") == Some(json!("Plimsoll-1")), "{spec}");
            ensure!(own.remove("mode") == Some(json!("Active")), "{spec}");
            if specs::names_no_metric(&spec) {
                // An empty list stays; the operator reads it as the default.
                let empty = json!([]);
                ensure!([&theirs["metrics"], &empty].contains(&&ours["metrics"]), "{spec} becomes {ours}");
                ours["metrics"] = theirs["metrics"].clone();
            }
            ensure!(ours == theirs, "{spec} becomes\n{ours} and for an HPA\n{theirs}");
        }
        Ok(())
    })
    .await
}

fn hpa(spec: &Value) -> Value {
    object("autoscaling/v2", "HorizontalPodAutoscaler", spec)
}

fn pod_scaler(spec: &Value) -> Value {
    object("plimsoll.dev/v1alpha1", "PodScaler", spec)
}

fn object(api_version: &str, kind: &str, spec: &Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}, "spec": spec})
}
