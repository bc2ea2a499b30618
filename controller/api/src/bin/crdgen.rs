//! `crdgen FOLDER…`: writes the CRDs of all kinds into each folder.

use std::{error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if folders.is_empty() {
        return Err("usage: crdgen FOLDER…".into());
    }
    let files = plimsoll_api::crds::files()?;
    for folder in folders {
        fs::create_dir_all(&folder)?;
        for (name, content) in &files {
            fs::write(folder.join(name), content)?;
        }
    }
    Ok(())
}
