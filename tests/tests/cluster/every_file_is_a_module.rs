use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Result;

/// A file that no `mod` names is never compiled, and its tests never run.
#[test]
fn every_file_is_a_module() -> Result<()> {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))? {
        let entry = entry?.path();
        // Cargo itself finds a file; a folder is a test binary whose main.rs names the others.
        if entry.is_dir() {
            assert_eq!(named_in_main(&entry)?, present_in(&entry)?, "in {}", entry.display());
        }
    }
    Ok(())
}

fn named_in_main(folder: &Path) -> Result<BTreeSet<String>> {
    let main = fs::read_to_string(folder.join("main.rs"))?;
    Ok(main
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect())
}

fn present_in(folder: &Path) -> Result<BTreeSet<String>> {
    let files: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let names = files.iter().filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()));
    Ok(names.filter(|name| name != "main").collect())
}
