//! Traefik as the one front door, configured by Ingresses of the class `traefik` and by Gateways of the same class.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{cluster::Cluster, eventually, http, ports::Port, program::Program, tools::TrafficTools};

/// The class of Ingresses and of Gateways.
pub const CLASS: &str = "traefik";
/// Where it answers.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A running Traefik on the ports 80 and 443 of the namespace. It ends when this value is dropped, or with its cluster.
#[derive(Debug)]
pub struct FrontDoor(Program);

impl FrontDoor {
    /// Installs both classes, starts Traefik and waits until it answers.
    pub async fn open(cluster: &Cluster) -> Result<Self> {
        let tools = spawn_blocking(TrafficTools::ensure).await??;
        cluster.install_gateway_api().await?;
        let classes = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": CLASS},
             "spec": {"controller": "traefik.io/ingress-controller"}},
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": CLASS},
             "spec": {"controllerName": "traefik.io/gateway-controller"}},
        ]});
        cluster.kubectl_with(["apply", "--filename=-"], &classes.to_string()).await?;
        let folder = cluster.state().join("traefik");
        fs::create_dir_all(&folder)?;
        let (log_file, ping) = (folder.join("log"), Port::claim()?);
        let log = File::create(&log_file)?;
        let child = cluster
            .command_of(tools.traefik())
            .current_dir(&folder)
            .args(["--entryPoints.web.address=:80", "--entryPoints.websecure.address=:443"])
            // As in the chart of Traefik.
            .arg("--entryPoints.websecure.http.tls=true")
            .arg(format!("--entryPoints.traefik.address=127.0.0.1:{}", ping.number()))
            .args(["--ping=true", "--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"])
            .args(["--providers.kubernetesIngress=true", "--providers.kubernetesGateway=true"])
            .arg(format!("--providers.kubernetesIngress.ingressClass={CLASS}"))
            .arg(format!("--providers.kubernetesIngress.ingressEndpoint.ip={ADDRESS}"))
            .arg(format!("--providers.kubernetesGateway.statusAddress.ip={ADDRESS}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start Traefik")?;
        let mut door = Self(child.into());
        let url = format!("http://127.0.0.1:{}/ping", ping.number());
        eventually("Traefik to answer", Duration::from_secs(30), async || {
            if let Some(status) = door.0.try_wait()? {
                bail!("Traefik ended with {status}: {}", fs::read_to_string(&log_file)?);
            }
            http::get(&url).await
        })
        .await?;
        Ok(door)
    }
}
