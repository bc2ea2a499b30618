//! What happens to both twins.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::{Recorder, Step};
use crate::{Cluster, Load, Namespace, Operator, Total, eventually, say};

pub(super) const HPA: &str = "by-hpa";
pub(super) const PLIMSOLL: &str = "by-plimsoll";

const PATIENCE: Duration = Duration::from_mins(2);
/// Long enough for both to see a new load and for its new pods to be seen too.
const SETTLED: Duration = Duration::from_secs(55);
/// Seconds in which what was needed lately still counts, in place of five minutes.
const WINDOW: u32 = 60;
/// Long enough for both to see a new load, and well within the window.
const SEEN: Duration = Duration::from_secs(25);
/// The part of the control plane that has the HPA, which is also the name of its Lease.
const THEIRS: &str = "kube-controller-manager";

/// What was done, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Act {
    /// Seconds since the beginning of the story.
    pub(super) at: f64,
    pub(super) what: String,
}

/// What came of it.
pub(super) struct Told {
    pub(super) acts: Vec<Act>,
    pub(super) hpa: Vec<Step>,
    pub(super) plimsoll: Vec<Step>,
    pub(super) lasted: f64,
}

/// Tells the story.
pub(super) async fn tell(cluster: &Cluster) -> Result<Told> {
    let operator = Operator::install(cluster, &["--set=replicas=1"]).await?;
    let namespace = cluster.namespace("twins").await?;
    let loads = set_up(cluster, &namespace).await?;
    let begun = Instant::now();
    let client = cluster.client().await?;
    let record = |name| Recorder::start(client.clone(), &namespace, name, begun);
    let mut story = Story {
        cluster,
        operator,
        namespace: &namespace,
        loads,
        begun,
        acts: Vec::new(),
        twins: [record(HPA), record(PLIMSOLL)],
    };
    story.play().await?;
    let [hpa, plimsoll] = story.twins.each_ref().map(Recorder::steps);
    Ok(Told { acts: story.acts, hpa, plimsoll, lasted: begun.elapsed().as_secs_f64() })
}

/// Twin Deployments of two pods, each at its target, and who scales them.
async fn set_up(cluster: &Cluster, namespace: &Namespace) -> Result<[Load; 2]> {
    let target = json!({"type": "Utilization", "averageUtilization": 50});
    let spec = |name: &str| {
        json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2, "maxReplicas": 20,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": WINDOW}},
        })
    };
    let mut ours = spec(PLIMSOLL);
    ours["algorithm"] = json!("HPA-1.37");
    let object = |api_version: &str, kind: &str, name: &str, spec: Value| json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace.name()}, "spec": spec});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        object("apps/v1", "Deployment", HPA, deployment(HPA)),
        object("apps/v1", "Deployment", PLIMSOLL, deployment(PLIMSOLL)),
        object("autoscaling/v2", "HorizontalPodAutoscaler", HPA, spec(HPA)),
        object("plimsoll.dev/v1alpha1", "PodScaler", PLIMSOLL, ours),
    ]});
    cluster.kubectl_with(["create", "-f", "-"], &list.to_string()).await?;
    let load = async |name: &str| Load::start(cluster, namespace, &format!("app={name}"), total(100)).await;
    let loads = [load(HPA).await?, load(PLIMSOLL).await?];
    for (kind, name) in [("hpa", HPA), ("podscaler", PLIMSOLL)] {
        eventually(&format!("{name} to be scaled by its metrics"), PATIENCE, async || {
            let args = ["-n", namespace, "get", kind, name, "-o", "json"];
            let scaler: Value = serde_json::from_str(&cluster.kubectl(args).await?.stdout)?;
            let conditions = scaler["status"]["conditions"].as_array().context("no conditions")?;
            let active =
                conditions.iter().any(|one| one["type"] == "ScalingActive" && one["status"] == "True");
            ensure!(active, "{conditions:?}");
            Ok(())
        })
        .await?;
    }
    Ok(loads)
}

fn deployment(name: &str) -> Value {
    json!({
        "replicas": 2,
        "selector": {"matchLabels": {"app": name}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{
                "name": "app", "image": "app", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            }]},
        },
    })
}

fn total(cpu_milli: u64) -> Total {
    Total { cpu_milli, memory_mib: 64 }
}

struct Story<'c> {
    cluster: &'c Cluster,
    operator: Operator<'c>,
    namespace: &'c Namespace,
    loads: [Load; 2],
    begun: Instant,
    acts: Vec<Act>,
    twins: [Recorder; 2],
}

impl Story<'_> {
    async fn play(&mut self) -> Result<()> {
        self.load(190, "load for 4 pods").await;
        self.load(390, "load for 8 pods").await;
        self.act("rollout with a surge of half");
        for name in [HPA, PLIMSOLL] {
            let name = format!("deployment/{name}");
            self.cluster.kubectl(["-n", self.namespace, "rollout", "restart", &name]).await?;
        }
        tokio::time::sleep(SETTLED).await;

        let service = self.take_metrics_away().await?;
        self.load(190, "metrics outage; meanwhile load for 4 pods").await;
        self.act("metrics are back");
        self.cluster.kubectl_with(["create", "-f", "-"], &service.to_string()).await?;
        self.both_reach(4).await?;

        self.begin(90, "load for 2 pods");
        tokio::time::sleep(SEEN).await;
        self.restart().await?;
        self.both_reach(2).await?;
        // What one does too much, it does within a period.
        tokio::time::sleep(super::PERIOD + super::RESOLUTION).await;
        Ok(())
    }

    fn act(&mut self, what: &str) {
        let at = self.begun.elapsed().as_secs_f64();
        say(&format!("{at:6.1} s  {what}"));
        self.acts.push(Act { at, what: what.to_owned() });
    }

    fn begin(&mut self, cpu_milli: u64, what: &str) {
        self.act(what);
        self.loads.iter().for_each(|load| load.set(total(cpu_milli)));
    }

    async fn load(&mut self, cpu_milli: u64, what: &str) {
        self.begin(cpu_milli, what);
        // The story goes on by the clock, as load does, whatever the controllers make of it.
        tokio::time::sleep(SETTLED).await;
    }

    async fn both_reach(&self, size: i32) -> Result<()> {
        eventually(&format!("{size} replicas of both"), Duration::from_mins(3), async || {
            let [hpa, plimsoll] = [self.twins[0].size()?, self.twins[1].size()?];
            ensure!((hpa, plimsoll) == (size, size), "{hpa} by the HPA, {plimsoll} by Plimsoll");
            Ok(())
        })
        .await
    }

    /// Both controllers die, and are away until the lease of the one has run out; what both remembered is lost.
    async fn restart(&mut self) -> Result<()> {
        let leases: Api<Lease> = Api::namespaced(self.cluster.client().await?, "kube-system");
        let holder =
            async || anyhow::Ok(leases.get(THEIRS).await?.spec.and_then(|spec| spec.holder_identity));
        let before = holder().await?;
        self.act("both controllers are killed");
        self.operator.leader().await?.kill()?;
        self.cluster.restart(THEIRS).await?;
        eventually("another holder of the lease of kube-controller-manager", PATIENCE, async || {
            let now = holder().await?;
            ensure!(now != before, "{now:?}");
            Ok(())
        })
        .await?;
        self.operator.follow_pods().await?;
        self.operator.leader().await?;
        self.act("both lead again");
        Ok(())
    }

    /// Returns what brings them back.
    async fn take_metrics_away(&self) -> Result<Value> {
        let name = "v1beta1.metrics.k8s.io";
        let service = self.cluster.kubectl(["get", "apiservice", name, "-o", "json"]).await?.stdout;
        let service: Value = serde_json::from_str(&service)?;
        self.cluster.kubectl(["delete", "apiservice", name]).await?;
        Ok(json!({
            "apiVersion": service["apiVersion"], "kind": service["kind"],
            "metadata": {"name": name}, "spec": service["spec"],
        }))
    }
}
