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
    pub(crate) case: Case,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scheduler_differential/regressions")
}

/// All of them, with their files' names.
pub(crate) fn all() -> Vec<(String, Regression)> {
    let Ok(files) = fs::read_dir(folder()) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a readable file");
        let regression = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), regression)
    };
    files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "json")).map(read).collect()
}

/// Keeps one under a name.
pub(crate) fn keep(name: &str, regression: &Regression) -> PathBuf {
    let path = folder().join(format!("{name}.json"));
    fs::create_dir_all(folder()).expect("a folder");
    let text = serde_json::to_string_pretty(regression).expect("JSON") + "\n";
    fs::write(&path, text).expect("a writable folder");
    path
}
