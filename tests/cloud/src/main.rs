//! The simulated cloud as a program, for the cluster-autoscaler (`--cloud-provider=externalgrpc`) or Plimsoll.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser;
use cloud::Cloud;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use plimsoll_providers::Catalogue;

/// A simulated cloud that speaks the cluster-autoscaler's protocol for external providers.
#[derive(Parser)]
struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8086")]
    listen: SocketAddr,
    /// A YAML file with the catalogue; without one, eighteen types in three zones.
    #[arg(long)]
    catalogue: Option<PathBuf>,
    /// The cluster that machines join; without one they join none.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Seconds from the request until a machine joins.
    #[arg(long, default_value_t = 0)]
    boot_delay_seconds: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let catalogue = match &args.catalogue {
        None => Catalogue::default(),
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            serde_saphyr::from_str(&text).with_context(|| path.display().to_string())?
        }
    };
    let cloud = Cloud::new(catalogue, Duration::from_secs(args.boot_delay_seconds.into()))?;
    let _joining = match &args.kubeconfig {
        None => None,
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)?;
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
            Some(cloud.join(Client::try_from(config)?, "cloud"))
        }
    };
    let _serving = cloud.serve_at(args.listen, None).await?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
