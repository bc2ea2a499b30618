//! `docs/algorithms.md` has an example of each difference between the algorithms, and the examples are true.
//!
//! `UPDATE_GOLDENS=1 cargo test -p plimsoll-core --test differences` writes the answers anew; the diff is the review.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![allow(clippy::disallowed_methods, reason = "reads the page and the source; the core does no IO")]
#![allow(clippy::format_push_string, reason = "short texts")]

mod story;

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;

const BEGIN: &str = "```story\n";
const END: &str = "```\n";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/algorithms.md")
}

/// The page in parts: text, story, text, story, …, text.
fn parts(page: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (story, after) = after.split_once(END).unwrap();
        parts.extend([before, story]);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// Every yes-or-no rule of `rules.rs`, by its name.
fn rules() -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/replicas/rules.rs");
    let source = fs::read_to_string(source).unwrap();
    let rules = source.lines().filter(|line| line.ends_with("-> bool {"));
    let name = |line: &str| line.trim().strip_prefix("pub(super) fn ")?.split('(').next().map(str::to_owned);
    rules.filter_map(name).collect()
}

#[test]
fn every_example_is_true() {
    let written = fs::read_to_string(page()).unwrap();
    let mut told = String::new();
    for (number, part) in parts(&written).into_iter().enumerate() {
        if number % 2 == 0 {
            told += part;
        } else {
            let story = story::tell(part).unwrap_or_else(|error| panic!("{error} of\n{part}"));
            told += &format!("{BEGIN}{story}{END}");
        }
    }
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(page(), told).unwrap();
    } else {
        assert_eq!(written, told, "UPDATE_GOLDENS=1 if this is meant");
    }
}

/// Set a rule of `rules.rs` to what HPA does and its example tells no difference any more.
#[test]
fn every_example_shows_a_difference() {
    let page = fs::read_to_string(page()).unwrap();
    for story in parts(&page).into_iter().skip(1).step_by(2) {
        let answers: Vec<&str> = story.lines().filter(|line| line.starts_with("| ")).collect();
        let differs = |of: &str| answers.iter().any(|answer| answer.starts_with(&format!("| {of}: ")));
        assert!(differs("HPA-1.37") && differs("Plimsoll-1"), "both do the same:\n{story}");
    }
}

#[test]
fn every_rule_has_an_example() {
    let page = fs::read_to_string(page()).unwrap();
    let texts: Vec<&str> = parts(&page).into_iter().step_by(2).collect();
    let (rules, examples) = (rules(), texts.len() - 1);
    assert!(rules.len() >= 15 && examples >= rules.len(), "{rules:?}");
    for rule in rules {
        let sections = texts.iter().filter(|text| text.contains(&format!("\nRule `{rule}`. "))).count();
        assert_eq!(sections, 1, "sections of docs/algorithms.md about {rule}");
    }
}
