//! Definitions of kinds of others, as files.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{go, module};

/// The files that define `ServiceMonitor` and `PrometheusRule`.
pub fn monitoring_crds() -> Result<Vec<PathBuf>> {
    let module = go::module_dir(&module("assets"), "github.com/prometheus-operator/prometheus-operator")?;
    let crds = module.join("example/prometheus-operator-crd");
    ["servicemonitors", "prometheusrules"]
        .map(|plural| crds.join(format!("monitoring.coreos.com_{plural}.yaml")))
        .into_iter()
        .map(|file| {
            let file = file.canonicalize().with_context(|| format!("{} is missing", file.display()))?;
            Ok(file)
        })
        .collect()
}

/// The folder with what defines the kinds of Gateway API's standard channel.
pub fn gateway_api_crds() -> Result<PathBuf> {
    let module = go::module_dir(&module("assets"), "sigs.k8s.io/gateway-api")?;
    Ok(module.join("config/crd/standard"))
}
