//! `crdgen FOLDER… [--upstream FOLDER…]`: writes the CRDs of all our kinds into each folder, and those of others' kinds
//! into each folder after `--upstream`.

use std::{error::Error, ffi::OsString, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut parts = arguments.split(|argument| argument == "--upstream");
    let (own, upstream) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if own.is_empty() {
        return Err("usage: crdgen FOLDER… [--upstream FOLDER…]".into());
    }
    write(&plimsoll_api::crds::files()?, own)?;
    write(&plimsoll_api::crds::upstream_files()?, upstream)
}

fn write(files: &[(String, String)], folders: &[OsString]) -> Result<(), Box<dyn Error>> {
    for folder in folders.iter().map(Path::new) {
        fs::create_dir_all(folder)?;
        for (name, content) in files {
            fs::write(folder.join(name), content)?;
        }
    }
    Ok(())
}
