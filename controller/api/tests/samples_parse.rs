//! The samples that people copy are valid.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use kube::{CustomResourceExt, core::cel::validate_cel};
use plimsoll_api::{
    CapacityPool, ClusterSource, PodScaler, ServiceGroup, Source,
    v1alpha1::{ObjectReference, Scaling},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

#[test]
fn every_sample_decodes_and_keeps_the_rules() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests/samples");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            match document["kind"].as_str().unwrap() {
                "PodScaler" => names.extend(sample::<PodScaler>(&path, document).metadata.name),
                "CapacityPool" => names.extend(sample::<CapacityPool>(&path, document).metadata.name),
                "ServiceGroup" => names.extend(group(&path, document).metadata.name),
                _ => {}
            }
        }
    }
    names.sort();
    assert_eq!(names, ["general", "store", "store-delete", "store-get", "store-post"]);
}

/// A group, with what the API server fills in: the defaults of what is handed on as it was written.
fn group(path: &Path, mut document: Value) -> ServiceGroup {
    for service in document["spec"]["services"].as_array_mut().unwrap() {
        let scaling: Scaling = serde_json::from_value(service["scaling"].take()).unwrap();
        let spec = scaling.of(&ObjectReference::default());
        let mut spec =
            serde_json::to_value(spec.unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap();
        spec.as_object_mut().unwrap().remove("scaleTargetRef");
        service["scaling"] = spec;
    }
    sample(path, document)
}

fn sample<K: CustomResourceExt + Serialize + DeserializeOwned>(path: &Path, document: Value) -> K {
    let sample: K =
        serde_json::from_value(document).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    validate_cel(&sample).unwrap_or_else(|errors| panic!("{}: {errors:?}", path.display()));
    sample
}

#[test]
fn every_example_of_the_page_about_policies_decodes_and_keeps_the_rules() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples: Vec<&str> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 4);
    for example in examples {
        let scaler: PodScaler =
            serde_saphyr::from_str(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        validate_cel(&scaler).unwrap_or_else(|errors| panic!("{example}: {errors:?}"));
    }
}

/// The manifests in the manual of signals are copied too.
#[test]
fn every_manifest_about_signals_decodes_and_keeps_the_rules() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/signals.md");
    let text = std::fs::read_to_string(manual).unwrap();
    let mut kinds = Vec::new();
    for block in text.split("```yaml\n").skip(1) {
        let yaml = block.split("```").next().unwrap();
        for document in serde_saphyr::from_multiple::<Value>(yaml).unwrap() {
            let kind = document["kind"].as_str().unwrap().to_owned();
            match kind.as_str() {
                "PodScaler" => {
                    let scaler: PodScaler = serde_json::from_value(document).unwrap();
                    validate_cel(&scaler).unwrap();
                }
                "Source" => {
                    let source: Source = serde_json::from_value(document).unwrap();
                    validate_cel(&source).unwrap();
                }
                "ClusterSource" => {
                    let source: ClusterSource = serde_json::from_value(document).unwrap();
                    validate_cel(&source).unwrap();
                }
                other => panic!("{other}"),
            }
            kinds.push(kind);
        }
    }
    assert_eq!(kinds, ["Source", "PodScaler", "PodScaler", "ClusterSource"]);
}

#[test]
fn every_example_of_the_page_about_nodes_decodes_and_keeps_the_rules() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/nodes.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let mut examples = 0;
    for block in text.split("```yaml\n").skip(1) {
        let document = serde_saphyr::from_str(block.split("```").next().unwrap()).unwrap();
        sample::<CapacityPool>(&page, document);
        examples += 1;
    }
    assert_eq!(examples, 2);
}

#[test]
fn every_example_of_the_page_about_service_groups_decodes_and_keeps_the_rules() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/service-groups.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let mut examples = 0;
    for block in text.split("```yaml\n").skip(1) {
        let document = serde_saphyr::from_str(block.split("```").next().unwrap()).unwrap();
        group(&page, document);
        examples += 1;
    }
    assert!(examples > 0);
}
