//! A kube-controller-manager that runs the HPA controller and nothing else.

use std::{
    fs::{self, File},
    process::Stdio,
};

use anyhow::{Context, Result};
use kube::{Client, Config};

use super::{process::Process, scrape::Page};
use crate::{cluster::Cluster, ports::Port, program::Program};

/// A running HPA controller. It ends when this value is dropped.
pub(super) struct Manager {
    child: Program,
    client: Client,
    _port: Port,
}

impl Manager {
    pub(super) fn start(cluster: &Cluster, flags: &[&str]) -> Result<Self> {
        let port = Port::claim()?;
        let folder = cluster.state().join("hpa-controller");
        fs::create_dir_all(&folder)?;
        let log = File::create(folder.join("log"))?;
        let kubeconfig = cluster.kubeconfig();
        let kubeconfig = kubeconfig.display();
        let mut command = cluster.command("kube-controller-manager");
        command
            .arg(format!("--kubeconfig={kubeconfig}"))
            .arg(format!("--authorization-kubeconfig={kubeconfig}"))
            .arg(format!("--authentication-kubeconfig={kubeconfig}"))
            .arg(format!("--cert-dir={}", folder.display()))
            .arg(format!("--secure-port={}", port.number()))
            .args(["--bind-address=127.0.0.1", "--leader-elect=false"])
            .args(["--controllers=horizontal-pod-autoscaler-controller"])
            .arg("--authorization-always-allow-paths=/healthz,/metrics")
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn().context("cannot start kube-controller-manager")?;
        // It signs its own certificate.
        let mut config = Config::new(format!("https://127.0.0.1:{}", port.number()).parse()?);
        config.accept_invalid_certs = true;
        Ok(Self { child: child.into(), client: Client::try_from(config)?, _port: port })
    }

    pub(super) fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    pub(super) async fn page(&self) -> Result<Page> {
        let request = kube::client::Body::empty();
        let request = http::Request::get("/metrics").body(request)?;
        let answer = self.client.send(request).await?;
        Ok(Page::new(String::from_utf8(answer.into_body().collect_bytes().await?.to_vec())?))
    }
}
