//! A real server of `custom.metrics.k8s.io` and `external.metrics.k8s.io`, with values that a test sets.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use tokio::{sync::OnceCell, task::spawn_blocking};

use crate::{
    cluster::Cluster,
    eventually, guardian,
    http::{self, escape},
    ports::Port,
    program::Program,
    tools::AdapterTools,
};

/// Where the Service is that the API server finds the adapter by.
const NAMESPACE: &str = "custom-metrics";

/// Group and version of each API, the one that is preferred first.
const APIS: [(&str, &str); 3] = [
    ("custom.metrics.k8s.io", "v1beta2"),
    ("custom.metrics.k8s.io", "v1beta1"),
    ("external.metrics.k8s.io", "v1beta1"),
];

/// A running adapter, known to its cluster. It ends when this value is dropped, or with its cluster.
#[derive(Debug)]
pub struct Adapter {
    child: Program,
    writes: Port,
    serves: Port,
}

impl Adapter {
    /// Starts an adapter, registers its APIs and waits until they answer.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let program = spawn_blocking(AdapterTools::ensure).await??.program();
        let (serves, writes) = (Port::claim()?, Port::claim()?);
        let folder = cluster.state().join(format!("adapter-{}", serves.number()));
        fs::create_dir_all(&folder)?;
        let log = File::create(folder.join("log"))?;
        let kubeconfig = cluster.kubeconfig();
        let kubeconfig = kubeconfig.display();
        let (mark_name, mark_value) = guardian::mark(cluster.state());
        let child = Command::new(program)
            .args(
                ["lister", "authentication", "authorization"]
                    .map(|of| format!("--{of}-kubeconfig={kubeconfig}")),
            )
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--secure-port={}", serves.number()))
            .arg(format!("--cert-dir={}", folder.display()))
            .arg(format!("--write-address=127.0.0.1:{}", writes.number()))
            .env(mark_name, mark_value)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the adapter")?;
        let mut adapter = Self { child: child.into(), writes, serves };
        let manifest = manifest(adapter.serves.number()).to_string();
        cluster.kubectl_with(["apply", "-f", "-"], &manifest).await?;
        eventually("the adapter to answer", Duration::from_mins(3), async || {
            if let Some(status) = adapter.child.try_wait()? {
                bail!("the adapter ended with {status}: {}", fs::read_to_string(folder.join("log"))?);
            }
            for (group, version) in APIS {
                cluster.kubectl(["get", "--raw", &format!("/apis/{group}/{version}")]).await?;
            }
            // Served is not yet discovered: a client asks for the versions of the group first.
            let groups = cluster.kubectl(["get", "--raw", "/apis/custom.metrics.k8s.io"]).await?.stdout;
            let groups: Value = serde_json::from_str(&groups)?;
            let preferred = &groups["preferredVersion"]["version"];
            if *preferred == APIS[0].1 { Ok(()) } else { Err(anyhow!("{groups}")) }
        })
        .await?;
        Ok(adapter)
    }

    /// The adapter of the shared cluster.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Adapter> = OnceCell::const_new();
        SHARED.get_or_try_init(async || Self::start(Cluster::shared().await?).await).await
    }

    /// Sets a metric of an object, whose kind is named by its resource, such as `pods` or `services`.
    pub async fn set(
        &self,
        namespace: &str,
        resource: &str,
        name: &str,
        metric: &str,
        value: &str,
    ) -> Result<()> {
        let path = format!("namespaces/{namespace}/{resource}/{name}/{metric}");
        self.write("POST", &format!("write-metrics/{path}"), &json!(value)).await
    }

    /// Sets a metric of a namespace.
    pub async fn set_of_namespace(&self, namespace: &str, metric: &str, value: &str) -> Result<()> {
        let path = format!("write-metrics/namespaces/{namespace}/metrics/{metric}");
        self.write("POST", &path, &json!(value)).await
    }

    /// Sets the series of an external metric: `[{"labels": {}, "value": "3"}]`, with a `timestamp` if they were
    /// not measured at the moment at which they are asked for.
    pub async fn set_external(&self, namespace: &str, metric: &str, series: Value) -> Result<()> {
        self.write("PUT", &format!("external/{}/{}", escape(namespace), escape(metric)), &series).await
    }

    async fn write(&self, method: &str, path: &str, body: &Value) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/{path}", self.writes.number());
        let answer = http::send(method, &url, &body.to_string()).await?;
        ensure!(answer.status == 200, "{method} {url} answered {answer:?}");
        Ok(())
    }

    /// Makes it hang, as under a load that is too much for it: connections are taken and not answered.
    pub fn hang(&self) -> Result<()> {
        self.signal(rustix::process::Signal::STOP)
    }

    /// Lets it go on.
    pub fn go_on(&self) -> Result<()> {
        self.signal(rustix::process::Signal::CONT)
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        Ok(rustix::process::kill_process(pid, signal)?)
    }
}

/// As kwokctl registers metrics-server: the API server reaches the adapter by a name, at its port.
fn manifest(port: u16) -> Value {
    let name = "adapter";
    let mut items = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }),
    ];
    for (priority, (group, version)) in APIS.iter().rev().enumerate() {
        items.push(json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": format!("{version}.{group}")},
            "spec": {
                "group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100 + priority,
                "insecureSkipTLSVerify": true,
                "service": {"name": name, "namespace": NAMESPACE, "port": port},
            },
        }));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}
