//! The committed CRDs are those that the types mean.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files_in(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(repository().join(folder))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn committed_crds_are_current() {
    let mut generated = plimsoll_api::crds::files().unwrap();
    generated.sort();
    for folder in ["crds", "charts/plimsoll/files/crds"] {
        let is_current = files_in(folder) == generated;
        // A difference between texts of this size takes minutes and gigabytes to draw.
        assert!(is_current, "{folder} is stale: run `make generate`");
    }
    let upstream = plimsoll_api::crds::upstream_files().unwrap();
    let folder = "charts/plimsoll/files/upstream-crds";
    assert!(files_in(folder) == upstream, "{folder} is stale: run `make generate`");
}

/// `kubectl apply` keeps a copy of the object in an annotation, and the API server refuses more
/// than 256 KiB of annotations.
#[test]
fn every_crd_is_small_enough_for_a_plain_kubectl_apply() {
    for definition in plimsoll_api::crds::all().unwrap() {
        let bytes = serde_json::to_vec(&definition).unwrap().len();
        assert!(bytes < 200 * 1024, "{} has {bytes} bytes as JSON", definition["metadata"]["name"]);
    }
}

#[test]
fn every_field_says_what_it_means() {
    fn walk(path: &str, schema: &serde_json::Value, silent: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if property["description"].as_str().unwrap_or_default().is_empty() {
                silent.push(path.clone());
            }
            walk(&path, property, silent);
            walk(&path, &property["items"], silent);
        }
    }
    let upstream = plimsoll_api::crds::upstream().unwrap();
    for definition in plimsoll_api::crds::all().unwrap().into_iter().chain(upstream) {
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut silent = Vec::new();
        walk("spec", &schema["properties"]["spec"], &mut silent);
        walk("status", &schema["properties"]["status"], &mut silent);
        assert_eq!(silent, Vec::<String>::new());
    }
}
