//! Cases that failed once, kept in `regressions/` and replayed at each run.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::case::Case;

/// A case that failed once, and how.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Regression {
    /// What differed.
    pub(crate) what: String,
    /// The known deviation it shows, if it is one: then it must show it still.
    pub(crate) deviation: Option<String>,
    pub(crate) case: Case,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hpa_differential/regressions")
}

/// All of them, with their files' names.
pub(crate) fn all() -> Vec<(String, Regression)> {
    let files = fs::read_dir(folder()).expect("the folder exists");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("readable");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// Writes a new one, and says where.
pub(crate) fn keep(name: &str, regression: &Regression) -> PathBuf {
    let path = folder().join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(regression).expect("JSON");
    fs::write(&path, text + "\n").unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}
