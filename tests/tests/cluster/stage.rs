//! What tests of the operator's behaviour share: one cluster and one operator that looks every two seconds.

use std::{fs, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use testbed::{
    Cluster, Namespace, Operator, eventually,
    operator::{LogTail, NAMESPACE},
};
use tokio::sync::OnceCell;

use crate::requests::Requests;

/// A new load takes ten seconds to be seen and a new pod more than twenty, and words of a status that change alone are
/// written every three minutes; all of it takes many times as long where many tests share few cores.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// Values for a chart under test: looks follow each other faster than a person would have it.
pub(crate) const FAST: &str = "--set=operator.syncPeriodSeconds=2,memory.saveSeconds=1";

/// Values for an operator whose leader no pause of a busy machine deposes: the next one tells warnings once more, and
/// what was done near the end of a lease is not told.
pub(crate) const STEADY: &str = "--set=leaderElection.leaseDurationSeconds=60";

/// The operator's user.
pub(crate) const USER: &str = "system:serviceaccount:plimsoll-system:plimsoll";

/// The shared operator. Its namespace admits nothing but restricted pods.
pub(crate) async fn operator() -> Result<(&'static Operator<'static>, LogTail)> {
    static SHARED: OnceCell<Operator<'static>> = OnceCell::const_new();
    let operator = SHARED
        .get_or_try_init(async || {
            let cluster = Cluster::shared().await?;
            // Whoever comes first and fails leaves it there.
            let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
            let namespace = json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels},
            });
            cluster.kubectl_with(["apply", "--server-side", "-f", "-"], &namespace.to_string()).await?;
            // Beside HPAs it computes and writes nothing, so it disturbs no test that knows of none. Sources may name this
            // machine by its address only.
            let hosts = "--set=sources.addresses={127.0.0.1}";
            Operator::install(cluster, &[FAST, STEADY, "--set=hpa.mode=shadow", hosts]).await
        })
        .await?;
    Ok((operator, operator.log_tail()))
}

/// Tells a story in a namespace of its own under the shared operator, which must get through it without an
/// error of its own.
pub(crate) async fn story(prefix: &str, tell: impl AsyncFnOnce(&Scene<'static>) -> Result<()>) -> Result<()> {
    let (operator, _tail) = operator().await?;
    let scene = Scene::new(Cluster::shared().await?, prefix).await?;
    tell(&scene).await?;
    no_defects(operator)
}

/// Nothing in the logs that only a defect of the operator explains. (The client logs answers such as 503 as errors of
/// its own; what they mean is the operator's to say.)
pub(crate) fn no_defects(operator: &Operator<'_>) -> Result<()> {
    for process in operator.processes() {
        let log = fs::read_to_string(process.log())?;
        let is_defect = |line: &&str| {
            let is_ours = line.contains("\"target\":\"plimsoll");
            line.contains("panicked") || (line.contains("\"level\":\"ERROR\"") && is_ours)
        };
        let defect = log.lines().find(is_defect);
        ensure!(defect.is_none(), "{} wrote {defect:?}", process.pod());
    }
    Ok(())
}

/// Awaits all stories, and says of each one that failed why.
pub(crate) async fn all(stories: Vec<(&str, impl Future<Output = Result<()>>)>) -> Result<()> {
    let told = stories.into_iter().map(async |(name, story)| (name, story.await));
    let told = futures::future::join_all(told).await;
    let failed = told.into_iter().filter_map(|(name, told)| told.err().map(|why| format!("{name}: {why:#}")));
    let failed: Vec<_> = failed.collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// A namespace, and what happens in it.
pub(crate) struct Scene<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) namespace: Namespace,
    pub(crate) client: Client,
}

impl<'c> Scene<'c> {
    pub(crate) async fn new(cluster: &'c Cluster, prefix: &str) -> Result<Self> {
        Ok(Self { cluster, namespace: cluster.namespace(prefix).await?, client: cluster.client().await? })
    }

    /// In a namespace that is there anyhow.
    pub(crate) async fn of(cluster: &'c Cluster, namespace: &str) -> Result<Self> {
        let namespace = Namespace::existing(namespace);
        Ok(Self { cluster, namespace, client: cluster.client().await? })
    }

    /// The objects of a kind in this namespace, for example of `apps/v1`, `Deployment`.
    pub(crate) fn api(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    pub(crate) fn scalers(&self) -> Api<DynamicObject> {
        self.api("plimsoll.dev/v1alpha1", "PodScaler")
    }

    /// Creates an object, and returns it as the API server completed it.
    pub(crate) async fn create(&self, object: Value) -> Result<Value> {
        let text = |field: &str| object[field].as_str().map(str::to_owned).context("no apiVersion or kind");
        let api = self.api(&text("apiVersion")?, &text("kind")?);
        let created = api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(serde_json::to_value(created)?)
    }

    /// What the API server would make of an object.
    pub(crate) async fn dry_run(&self, object: Value) -> Result<Value> {
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        let api = self.api(&text("apiVersion"), &text("kind"));
        let params = PostParams { dry_run: true, ..PostParams::default() };
        Ok(serde_json::to_value(api.create(&params, &serde_json::from_value(object)?).await?)?)
    }

    /// Creates a PodScaler with this name on `target`.
    pub(crate) async fn scale(&self, name: &str, target: &Target, spec: Value) -> Result<()> {
        self.create(pod_scaler(name, target, spec)).await.map(drop)
    }

    /// A merge patch on a PodScaler.
    pub(crate) async fn edit(&self, name: &str, patch: Value) -> Result<()> {
        self.scalers().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// A PodScaler.
    pub(crate) async fn scaler(&self, name: &str) -> Result<Value> {
        Ok(serde_json::to_value(self.scalers().get(name).await?)?)
    }

    /// Waits until a PodScaler is as wanted, and returns it.
    pub(crate) async fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        eventually(&format!("the PodScaler {name}"), PATIENCE, async || {
            let scaler = self.scaler(name).await?;
            if wanted(&scaler) { Ok(scaler) } else { Err(anyhow!("{}", scaler["status"])) }
        })
        .await
    }

    /// Waits until a condition has this status and reason, as in `ScalingActive=True ValidMetricFound`, and
    /// returns its message.
    pub(crate) async fn condition(&self, name: &str, wanted: &str) -> Result<String> {
        let scaler = self.until(name, |scaler| conditions(scaler).iter().any(|(told, _)| told == wanted));
        let scaler = scaler.await.with_context(|| wanted.to_owned())?;
        let found = conditions(&scaler).into_iter().find(|(told, _)| told == wanted);
        found.map(|(_, message)| message).context("the condition was there")
    }

    /// Waits until a condition has this status and reason, and these words in its message.
    pub(crate) async fn says(&self, name: &str, wanted: &str, words: &str) -> Result<()> {
        let says = self.until(name, |scaler| {
            conditions(scaler).iter().any(|(told, message)| told == wanted && message.contains(words))
        });
        says.await.with_context(|| format!("{wanted}: {words}")).map(drop)
    }

    /// The replicas that a target asks for.
    pub(crate) async fn replicas(&self, target: &Target) -> Result<i32> {
        let scale = self.api(&target.api_version, &target.kind).get_scale(&target.name).await?;
        // The API server leaves out a 0.
        Ok(scale.spec.context("a scale without a spec")?.replicas.unwrap_or(0))
    }

    /// Waits until a target asks for this many replicas.
    pub(crate) async fn reaches(&self, target: &Target, replicas: i32) -> Result<()> {
        eventually(&format!("{} to ask for {replicas} replicas", target.name), PATIENCE, async || {
            let seen = self.replicas(target).await?;
            if seen == replicas { Ok(()) } else { Err(anyhow!("{seen}: {}", self.told().await?)) }
        })
        .await
    }

    /// The events about a PodScaler as `Reason: note`, in the order of their time.
    pub(crate) async fn events(&self, name: &str) -> Result<Vec<String>> {
        let params = ListParams::default().fields(&format!("regarding.kind=PodScaler,regarding.name={name}"));
        let mut events = self.api("events.k8s.io/v1", "Event").list(&params).await?.items;
        let text = |event: &DynamicObject, field: &str| event.data[field].as_str().unwrap_or("").to_owned();
        events.sort_by_key(|event| text(event, "eventTime"));
        Ok(events.iter().map(|event| format!("{}: {}", text(event, "reason"), text(event, "note"))).collect())
    }

    /// Waits until this many events tell of a new size, and returns them.
    pub(crate) async fn rescales(&self, name: &str, count: usize) -> Result<Vec<String>> {
        eventually(&format!("{count} events of a new size of {name}"), PATIENCE, async || {
            let mut events = self.events(name).await?;
            events.retain(|event| event.starts_with("SuccessfulRescale"));
            if events.len() == count { Ok(events) } else { Err(anyhow!("{events:?}")) }
        })
        .await
    }

    /// What is asked of the API server about this namespace from now on.
    pub(crate) fn requests(&self) -> Result<Requests> {
        Requests::from_now(self.cluster, &format!("\"namespace\":\"{}\"", self.namespace))
    }

    /// Waits until the operator has looked `count` more times at a PodScaler of this namespace.
    pub(crate) async fn looks(&self, count: usize) -> Result<()> {
        let mut requests = self.requests()?;
        eventually(&format!("{count} looks in {}", self.namespace), PATIENCE, async || {
            let looks = requests.all()?.iter().filter(|request| request.reads_metrics()).count();
            if looks >= count { Ok(()) } else { Err(anyhow!("{looks}")) }
        })
        .await
    }

    /// What the PodScalers of this namespace say, for the message of a test that failed.
    async fn told(&self) -> Result<String> {
        let all = self.scalers().list(&ListParams::default()).await?;
        let told = all.iter().map(|scaler| {
            let last = &scaler.data["status"]["lastDecision"];
            format!("{:?}: {last}", scaler.metadata.name.as_deref().unwrap_or_default())
        });
        Ok(told.collect::<Vec<_>>().join("; "))
    }
}

/// The conditions of an object as `Type=Status Reason`, each with its message.
pub(crate) fn conditions(object: &Value) -> Vec<(String, String)> {
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let conditions = object["status"]["conditions"].as_array();
    let conditions = conditions.into_iter().flatten().map(|condition| {
        let [kind, status, reason] = ["type", "status", "reason"].map(|field| text(condition, field));
        (format!("{kind}={status} {reason}"), text(condition, "message"))
    });
    conditions.collect()
}

/// What is scaled.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Target {
    pub(crate) fn new(api_version: &str, kind: &str, name: &str) -> Self {
        Self { api_version: api_version.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn deployment(name: &str) -> Self {
        Self::new("apps/v1", "Deployment", name)
    }
}

/// A PodScaler. `spec` is all of its spec but the target.
pub(crate) fn pod_scaler(name: &str, target: &Target, mut spec: Value) -> Value {
    spec["scaleTargetRef"] =
        json!({"apiVersion": target.api_version, "kind": target.kind, "name": target.name});
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1",
        "kind": "PodScaler",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// A metric: cpu or memory in percent of what the pods request.
pub(crate) fn utilization(resource: &str, percent: u32) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": percent});
    json!({"type": "Resource", "resource": {"name": resource, "target": target}})
}

/// A metric: cpu or memory of a pod on average.
pub(crate) fn average(resource: &str, value: &Value) -> Value {
    let target = json!({"type": "AverageValue", "averageValue": value});
    json!({"type": "Resource", "resource": {"name": resource, "target": target}})
}
