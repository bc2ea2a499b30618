//! `plimsoll convert`: PodScalers for HorizontalPodAutoscalers.

mod documents;
mod hpa;
mod v1;

use std::path::Path;

use anyhow::{Result, anyhow};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::{
    Api,
    api::{ListParams, ObjectMeta},
};
use plimsoll_api::{PodScaler, v1alpha1::PodScalerSpec};
use plimsoll_core::replicas::Policy;
use plimsoll_observe::observe_policy;
use serde_json::Value;

use crate::{
    End,
    args::{Connection, Convert},
    history::read,
    output::Output,
};
use documents::{Document, documents};

/// Converts files, stdin, or the HorizontalPodAutoscalers of a cluster.
pub(crate) async fn run(args: &Convert, connection: &Connection, output: &mut impl Output) -> Result<End> {
    let mut work = Work { output, failed: 0, converted: 0, passed_on: 0 };
    if args.all {
        for hpa in of_cluster(connection).await? {
            let place = of_object(&hpa);
            work.convert(&place, &hpa)?;
        }
    }
    for file in &args.files {
        work.file(file)?;
    }
    let Work { failed, converted, passed_on, output } = work;
    if converted + passed_on + failed == 0 {
        output.note("There is no HorizontalPodAutoscaler.");
    }
    if failed == 0 {
        return Ok(End::Well);
    }
    output.note(&format!("error: {failed} could not be converted; {converted} were"));
    Ok(End::Amiss)
}

/// The policies of the PodScalers and HorizontalPodAutoscalers in a text. `name` is the file's.
pub(crate) fn policies(name: &str, text: &str) -> Result<Vec<Policy>> {
    let mut policies = Vec::new();
    for Document { place, value, .. } in documents(name, text) {
        let value = value.map_err(|error| anyhow!("{place}: {error}"))?;
        for object in items(&value) {
            let spec = match kind_of(object) {
                ("plimsoll.dev/v1alpha1", "PodScaler") => hpa::strictly::<PodScalerSpec>(&object["spec"]),
                (version, "HorizontalPodAutoscaler") if hpa::knows(version) => {
                    hpa::convert(object).map(|scaler| scaler.spec)
                }
                _ => continue,
            };
            let spec = spec.map_err(|error| anyhow!("{place}: {error}"))?;
            policies.push(observe_policy(&spec).map_err(|error| anyhow!("{place}: {error}"))?);
        }
    }
    Ok(policies)
}

struct Work<'a, O: Output> {
    output: &'a mut O,
    failed: usize,
    converted: usize,
    passed_on: usize,
}

impl<O: Output> Work<'_, O> {
    /// What is wrong with a file, or with a part of it, does not keep the rest from being converted.
    fn file(&mut self, file: &Path) -> Result<()> {
        let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
        let text = match read(file) {
            Ok(text) => text,
            Err(error) => {
                self.fail(&format!("{error:#}"));
                return Ok(());
            }
        };
        for Document { place, text, value } in documents(&name, &text) {
            let value = match value {
                Ok(value) => value,
                Err(error) => {
                    self.fail(&format!("{place}: {error}"));
                    continue;
                }
            };
            if is_list(&value) {
                for (index, object) in items(&value).into_iter().enumerate() {
                    self.object(&format!("{place}, items[{index}]"), object, None)?;
                }
            } else {
                self.object(&place, &value, Some(text))?;
            }
        }
        Ok(())
    }

    /// `text` is the object as it was written, where it stands alone.
    fn object(&mut self, place: &str, object: &Value, text: Option<&str>) -> Result<()> {
        let (version, kind) = kind_of(object);
        if kind == "HorizontalPodAutoscaler" && version.starts_with("autoscaling/") {
            return self.convert(place, object);
        }
        self.passed_on += 1;
        let told = if kind.is_empty() { "an object without a kind" } else { kind };
        self.output.note(&format!("{place}: {told} is passed on as it is"));
        match text {
            Some(text) => self.emit(text),
            None => self.emit(&serde_saphyr::to_string(object)?),
        }
    }

    fn convert(&mut self, place: &str, object: &Value) -> Result<()> {
        let converted = hpa::convert(object);
        let checked = converted.and_then(|scaler| match observe_policy(&scaler.spec) {
            Ok(policy) => Ok((scaler, policy)),
            Err(invalid) => Err(invalid.to_string()),
        });
        let (scaler, policy) = match checked {
            Ok(converted) => converted,
            Err(error) => {
                self.fail(&format!("{place}: {error}"));
                return Ok(());
            }
        };
        self.converted += 1;
        self.emit(&serde_saphyr::to_string(&manifest(&scaler)?)?)?;
        self.output.note(&differences(place, &scaler, &policy));
        Ok(())
    }

    fn emit(&mut self, yaml: &str) -> Result<()> {
        self.output.print(&format!("---\n{}\n", yaml.trim_start_matches(['\r', '\n']).trim_end()))
    }

    fn fail(&mut self, error: &str) {
        self.failed += 1;
        self.output.note(&format!("error: {error}"));
    }
}

/// What `algorithm: Plimsoll-1` would do differently.
fn differences(place: &str, scaler: &PodScaler, policy: &Policy) -> String {
    let ObjectMeta { name, namespace, .. } = &scaler.metadata;
    let name = name.as_deref().unwrap_or("without a name");
    let name = namespace.as_ref().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
    let mut told =
        format!("{place}: {name} is converted. With `algorithm: Plimsoll-1` it would differ in that it");
    for difference in policy.differences() {
        told += &format!("\n  - {difference}.");
    }
    told
}

/// As a manifest: without what only a server sets.
fn manifest(scaler: &PodScaler) -> Result<Value> {
    let mut manifest = serde_json::to_value(scaler)?;
    if let Some(manifest) = manifest.as_object_mut() {
        manifest.remove("status");
    }
    Ok(manifest)
}

async fn of_cluster(connection: &Connection) -> Result<Vec<Value>> {
    let cluster = connection.cluster().await?;
    let hpas: Api<HorizontalPodAutoscaler> = match &connection.namespace {
        Some(namespace) => Api::namespaced(cluster.client, namespace),
        None => Api::all(cluster.client),
    };
    let mut found = Vec::new();
    for hpa in hpas.list(&ListParams::default()).await? {
        let mut value = serde_json::to_value(&hpa)?;
        value["apiVersion"] = "autoscaling/v2".into();
        value["kind"] = "HorizontalPodAutoscaler".into();
        found.push(value);
    }
    Ok(found)
}

fn of_object(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

/// apiVersion and kind.
fn kind_of(object: &Value) -> (&str, &str) {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    (text("apiVersion"), text("kind"))
}

fn is_list(object: &Value) -> bool {
    kind_of(object).1.ends_with("List") && object["items"].is_array()
}

/// The objects of a list, or the object itself.
fn items(object: &Value) -> Vec<&Value> {
    match object["items"].as_array() {
        Some(items) if is_list(object) => items.iter().collect(),
        _ => vec![object],
    }
}

#[cfg(test)]
mod tests;
