//! What we ask of the Go tool chain.

use std::{
    ffi::OsStr,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

const HOW_TO_GET_GO: &str = "install it from https://go.dev/doc/install";

/// The version of Go on this machine, for example `go1.26.8`; an error when it is too old for `module`.
pub(super) fn version_for(module: &Path) -> Result<String> {
    let go_mod = read_go_mod(module)?;
    let needed = go_mod
        .lines()
        .find_map(|line| line.strip_prefix("go "))
        .with_context(|| format!("{} has no go line", module.join("go.mod").display()))?;
    // Asked outside any module, so that an old Go answers with its own version.
    let found = run(Path::new("/"), ["env", "GOVERSION"]).unwrap_or_else(|error| format!("none ({error})"));
    if numbers(&found) < numbers(needed) {
        bail!(
            "Go {needed} or newer is needed to build the test bed's tools, here is {found}: {HOW_TO_GET_GO}"
        );
    }
    Ok(found)
}

/// The version of `path` that the module's go.mod requires.
pub(super) fn required_version(module: &Path, path: &str) -> Result<String> {
    read_go_mod(module)?
        .lines()
        .find_map(|line| {
            let mut words = line.split_whitespace().skip_while(|word| *word == "require");
            (words.next() == Some(path)).then(|| words.next().map(str::to_owned))?
        })
        .with_context(|| format!("{} does not require {path}", module.join("go.mod").display()))
}

/// The folder with the source of `path`, in the version that the module's go.mod requires.
pub(super) fn module_dir(module: &Path, path: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Downloaded {
        dir: PathBuf,
    }
    let json = run(module, ["mod", "download", "-json", path])?;
    let Downloaded { dir } = serde_json::from_str(&json)
        .with_context(|| format!("go mod download -json {path} answered {json}"))?;
    Ok(dir)
}

/// How many packages the module's tools are made of.
pub(super) fn count_packages(module: &Path, tags: &str) -> Result<usize> {
    Ok(run(module, ["list", "-deps", "-tags", tags, "tool"])?.lines().count())
}

pub(super) fn command(dir: &Path, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new("go");
    command.current_dir(dir).env("CGO_ENABLED", "0").env_remove("GOFLAGS").args(args);
    command
}

fn run(dir: &Path, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String> {
    let mut command = command(dir, args);
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("no `go` on the PATH")
        }
        output => output.with_context(|| format!("{command:?}"))?,
    };
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn read_go_mod(module: &Path) -> Result<String> {
    let path = module.join("go.mod");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn numbers(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(numbers("go1.26.8") > numbers("1.26.4"));
        assert!(numbers("go1.9") < numbers("1.26.4"));
        assert!(numbers("go1.27") > numbers("1.26.4"));
    }

    #[test]
    fn the_version_of_kubernetes_is_read_from_go_mod() {
        let version = required_version(&super::super::module("tools"), "k8s.io/kubernetes").unwrap();
        assert!(version.starts_with("v1.37."), "{version}");
    }
}
