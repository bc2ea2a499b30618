//! The list of clusters that outlive the process that started them.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{guardian, tools};

/// Adds the cluster with this state directory.
pub(super) fn note(state: &Path) -> Result<()> {
    let mut list = fs::File::options().create(true).append(true).open(path()?)?;
    Ok(list.write_all(format!("{}\n", state.display()).as_bytes())?)
}

/// Ends all of them and empties the list.
pub(super) fn end_all() -> Result<()> {
    let list = path()?;
    for state in fs::read_to_string(&list).unwrap_or_default().lines() {
        guardian::end(Path::new(state)).with_context(|| state.to_owned())?;
    }
    if list.exists() {
        fs::remove_file(list)?;
    }
    Ok(())
}

fn path() -> Result<PathBuf> {
    let cache = tools::cache_dir()?;
    fs::create_dir_all(&cache)?;
    Ok(cache.join("kept-clusters"))
}
