//! A file that no `mod` names is compiled by nobody, and its tests never run.

#![allow(clippy::disallowed_methods, reason = "looks at the source files; the core does no IO")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_file_is_named_by_a_mod() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut orphans = Vec::new();
    for file in
        rust_files(&crate_folder.join("src")).into_iter().chain(rust_files(&crate_folder.join("tests")))
    {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let folder = file.parent().unwrap();
        let is_root = stem == "lib" || folder == crate_folder.join("tests");
        if is_root {
            continue;
        }
        let (name, place) = if stem == "mod" {
            (folder.file_name().unwrap().to_str().unwrap(), folder.parent().unwrap())
        } else {
            (stem, folder)
        };
        let declaration = format!("mod {name};");
        if !could_declare(place).iter().any(|parent| parent.contains(&declaration)) {
            orphans.push(file);
        }
    }
    assert!(orphans.is_empty(), "named by no mod: {orphans:?}");
}

/// The texts of the files in which modules of this folder can be declared.
fn could_declare(folder: &Path) -> Vec<String> {
    let beside = ["mod.rs", "lib.rs"].map(|name| folder.join(name)).into_iter();
    let above = std::iter::once(folder.with_extension("rs"));
    let is_tests =
        folder.file_name().is_some_and(|name| name == "tests") && folder.join("modules.rs").exists();
    let roots = if is_tests { rust_files(folder) } else { Vec::new() };
    beside.chain(above).chain(roots).filter_map(|file| fs::read_to_string(file).ok()).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
