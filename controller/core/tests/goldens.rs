//! Stories: what is commanded, and what was decided, in one text per file.
//!
//! Lines that start with `|` are answers; everything else is the story. `UPDATE_GOLDENS=1 cargo test -p plimsoll-core`
//! writes the answers anew, and the diff is the review. The commands are those of `story/command.rs`.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness reads and writes the stories; the core does no IO"
)]
#![allow(clippy::format_push_string, reason = "short texts")]

mod story;

use std::fs;
use std::path::Path;

use pretty_assertions::assert_eq;

#[test]
fn every_story_ends_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let written = fs::read_to_string(&file).unwrap();
        let told = story::tell(&written).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if asked_to_update() {
            fs::write(&file, told).unwrap();
        } else {
            assert_eq!(written, told, "{}: UPDATE_GOLDENS=1 if this is meant", file.display());
        }
    }
}

fn asked_to_update() -> bool {
    std::env::var_os("UPDATE_GOLDENS").is_some()
}
