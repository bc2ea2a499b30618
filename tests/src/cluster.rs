//! A real Kubernetes for a test: etcd, the control plane, metrics-server, and kwok in place of kubelets.

mod command;
mod config;
mod gateway_api;
mod hpa_controller;
mod kept;
mod kinds;
mod nodes;
mod pod_network;
mod revive;
mod simulation;
mod spec;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{process::Command as AsyncCommand, sync::OnceCell, task::spawn_blocking};

pub use self::{
    command::Output,
    hpa_controller::HpaController,
    spec::{ClusterSpec, PodsEnd},
};
pub(crate) use self::{nodes::ZONE, pod_network::PodNetwork};
use crate::{
    audit::Audit, eventually, guardian, guardian::Guardian, namespace::Namespace, ports::Port, say,
    tools::Tools,
};

/// kwokctl wants a name. Each cluster has a state directory of its own, so one name serves all.
const NAME: &str = "plimsoll";
const START_TIMEOUT: Duration = Duration::from_mins(5);
/// How often the start of a cluster is tried.
const STARTS: usize = 3;

/// A running cluster. It ends when this value is dropped, or with the process, however that ends.
#[derive(Debug)]
pub struct Cluster {
    state: PathBuf,
    tools: Tools,
    guardian: Guardian,
    started_in: Duration,
    pod_network: Option<PodNetwork>,
    _ports: Vec<Port>,
}

impl Cluster {
    /// Starts a cluster and waits until its nodes are ready and its metrics API answers. One that does not come up, because
    /// the machine was too busy for the patience of its parts, is ended, and another one started.
    pub async fn start(spec: ClusterSpec) -> Result<Self> {
        for _ in 1..STARTS {
            match Self::try_start(&spec).await {
                Ok(cluster) => return Ok(cluster),
                Err(why) => say(&format!("starting another cluster, because one did not come up: {why:#}")),
            }
        }
        Self::try_start(&spec).await
    }

    async fn try_start(spec: &ClusterSpec) -> Result<Self> {
        let tools = spawn_blocking(Tools::ensure).await??;
        let started = Instant::now();
        let state = tempfile::Builder::new().prefix("plimsoll-").tempdir()?.keep();
        let guardian = Guardian::watch(&state)?;
        let ports = config::claim_ports()?;
        let pod_network = spec.pod_network.then(|| PodNetwork::start(&state)).transpose()?;
        let config = config::write(&state, &tools, &ports, spec, pod_network.as_ref())?;
        let mut cluster =
            Self { state, tools, guardian, started_in: Duration::ZERO, pod_network, _ports: ports };
        cluster.kwokctl_create(&config).await?;
        let client = cluster.client().await?;
        simulation::install(&client, &cluster.tools, spec).await?;
        nodes::create(&client, spec).await?;
        let ready = async { tokio::join!(nodes::await_ready(&client), await_metrics_api(&client)) };
        let (nodes, metrics) = cluster.reviving(ready).await?;
        nodes.and(metrics)?;
        cluster.started_in = started.elapsed();
        Ok(cluster)
    }

    /// The cluster that all tests of this process share; started by the first who asks.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED
            .get_or_try_init(async || {
                let cluster = Self::start(ClusterSpec::default()).await?;
                say(&format!("cluster ready in {:.1} s", cluster.started_in.as_secs_f64()));
                Ok(cluster)
            })
            .await
    }

    /// How long it took until it was ready.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// A client with all rights, for the runtime of the caller.
    pub async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// The file with the address and credentials of the administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// Where the cluster keeps its files. Removed with it.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The programs it is made of.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// The network of its pods, if it has one.
    pub(crate) fn pod_network(&self) -> Option<&PodNetwork> {
        self.pod_network.as_ref()
    }

    /// A new namespace whose name starts with `prefix`.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace> {
        Namespace::create(self, prefix).await
    }

    /// Everything that was asked of the API server.
    pub fn audit(&self) -> Audit {
        Audit::whole(self.logs().join("audit.log"))
    }

    /// The folder with one log for each part of the cluster.
    pub fn logs(&self) -> PathBuf {
        self.state.join("kwok/clusters").join(NAME).join("logs")
    }

    /// The folder with the process id of each part of the cluster.
    pub fn pids(&self) -> PathBuf {
        self.state.join("kwok/clusters").join(NAME).join("pids")
    }

    /// The folder with its authority (`ca.crt`) and with a certificate for this machine and for the administrator
    /// (`admin.crt`, `admin.key`).
    pub fn pki(&self) -> PathBuf {
        self.state.join("kwok/clusters").join(NAME).join("pki")
    }

    /// Ends the cluster and waits until it is gone.
    pub async fn stop(self) -> Result<()> {
        spawn_blocking(|| self.guardian.end()).await?
    }

    /// Leaves the cluster running when this process ends; [`Cluster::stop_kept`] ends it.
    pub fn keep(self) -> Result<PathBuf> {
        // Noted first: what nobody knows of, nobody ends.
        kept::note(&self.state)?;
        self.guardian.let_go()?;
        Ok(self.state)
    }

    /// Ends all clusters that were kept.
    pub fn stop_kept() -> Result<()> {
        kept::end_all()
    }

    /// A command of this cluster's tools, which ends with the cluster.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.command_of(&self.tools.program(program))
    }

    /// A command of this program, which ends with the cluster.
    pub(crate) fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let (name, value) = guardian::mark(&self.state);
        command.env(name, value).env("KUBECONFIG", self.kubeconfig());
        command
    }

    fn kwokctl(&self) -> Command {
        let mut command = self.command("kwokctl");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"KWOK_"))
        {
            command.env_remove(name);
        }
        command.env("KWOK_WORKDIR", self.state.join("kwok"));
        command
    }

    async fn kwokctl_create(&self, config: &Path) -> Result<()> {
        let log = self.state.join("kwokctl.log");
        let mut command = self.kwokctl();
        command
            .args(["create", "cluster", "--name", NAME, "--timeout", "5m", "--config"])
            .arg(config)
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .stdin(std::process::Stdio::null())
            .stdout(fs::File::create(&log)?)
            .stderr(fs::File::options().append(true).open(&log)?);
        let status = AsyncCommand::from(command).status().await.context("kwokctl")?;
        if !status.success() {
            bail!("kwokctl create cluster ended with {status}:\n{}", fs::read_to_string(&log)?);
        }
        Ok(())
    }
}

/// metrics-server answers through the API server only once the latter has looked after it.
async fn await_metrics_api(client: &Client) -> Result<()> {
    let services: Api<APIService> = Api::all(client.clone());
    eventually("the metrics API", START_TIMEOUT, async || {
        let service = services.get("v1beta1.metrics.k8s.io").await?;
        let conditions = service.status.and_then(|status| status.conditions).unwrap_or_default();
        match conditions.iter().find(|condition| condition.type_ == "Available") {
            Some(condition) if condition.status == "True" => Ok(()),
            seen => Err(anyhow!("{seen:?}")),
        }
    })
    .await
}
