use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use anyhow::Result;
use testbed::tools::{Tools, repository};

/// What kind asks of Docker before it creates a node, answered as by a Docker that cannot pull images.
/// kind reads and validates its configuration before it gets there.
const DOCKER: &str = r#"#!/bin/sh
case "$1" in
info) echo '{"CgroupDriver":"systemd","CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,"CPUShares":true,"SecurityOptions":[]}' ;;
ps | network) ;;
-v) echo 'Docker version 28.0.0' ;;
*) echo "no images here" >&2; exit 1 ;;
esac
"#;

#[test]
fn kind_accepts_its_configuration() -> Result<()> {
    let output = create_cluster(&repository().join("kind-config.yaml"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Creating cluster"), "kind refused it: {said}");
    assert!(said.contains("Ensuring node image"), "kind refused it: {said}");
    Ok(())
}

#[test]
fn kind_refuses_an_unknown_field() -> Result<()> {
    let good = fs::read_to_string(repository().join("kind-config.yaml"))?;
    let folder = tempfile::tempdir()?;
    let bad = folder.path().join("kind-config.yaml");
    fs::write(&bad, format!("{good}\nzones: 3\n"))?;
    let output = create_cluster(&bad)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("zones") && !said.contains("Creating cluster"), "kind accepted it: {said}");
    Ok(())
}

fn create_cluster(config: &Path) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    let docker = folder.path().join("docker");
    fs::write(&docker, DOCKER)?;
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755))?;
    let output = Command::new(Tools::ensure()?.program("kind"))
        .args(["create", "cluster", "--name=only-parsed", "--config"])
        .arg(config)
        .env("PATH", folder.path())
        .env("KIND_EXPERIMENTAL_PROVIDER", "docker")
        .env("KUBECONFIG", folder.path().join("kubeconfig"))
        .output()?;
    assert!(!output.status.success(), "kind found a real Docker");
    Ok(output)
}
