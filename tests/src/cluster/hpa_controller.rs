//! The built-in controller of HPAs, for a cluster that was started without it.

use std::{fs::File, process::Stdio};

use anyhow::{Context, Result};

use super::Cluster;
use crate::program::Program;

/// A kube-controller-manager with this controller alone, which looks every five seconds. It ends when this value is
/// dropped.
#[derive(Debug)]
pub struct HpaController {
    _program: Program,
}

impl Cluster {
    /// Starts the controller; see [`super::ClusterSpec::hpa_controller`].
    pub fn start_hpa_controller(&self) -> Result<HpaController> {
        let log = self.logs().join("hpa-controller.log");
        let child = self
            .command("kube-controller-manager")
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args([
                "--controllers=horizontal-pod-autoscaler-controller",
                "--horizontal-pod-autoscaler-sync-period=5s",
                "--leader-elect=false",
                "--secure-port=0",
            ])
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            .spawn()
            .context("kube-controller-manager")?;
        Ok(HpaController { _program: child.into() })
    }
}
