//! One contestant, one burst.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, ResourceExt, api::ListParams};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Who,
    catalogue::machines,
    figures::{Point, Run, Stretch, node_hours, round},
    workloads::{self, BURST, LABEL},
};
use crate::{
    Cluster,
    audit::{Audit, AuditEvent},
    bench::{process::Process, requests},
    operator::NAMESPACE,
    say,
};

/// How often the cluster is looked at.
const LOOKS: Duration = Duration::from_secs(1);
/// After which a burst that is not served is given up.
const PATIENCE: Duration = Duration::from_mins(20);
/// The label with the type of a machine.
const TYPE: &str = "node.kubernetes.io/instance-type";

/// What is measured of whom.
pub(super) struct Measure<'a> {
    cluster: &'a Cluster,
    who: Who,
    process: Process,
}

impl<'a> Measure<'a> {
    pub(super) fn new(cluster: &'a Cluster, who: Who, process: Process) -> Self {
        Self { cluster, who, process }
    }

    /// Makes the burst, waits until every pod is bound, and watches what becomes of the nodes.
    pub(super) async fn run(&self, size: u32, settle: Duration) -> Result<Run> {
        let client = self.cluster.client().await?;
        let prices: BTreeMap<_, _> =
            machines().into_iter().map(|machine| (machine.name.clone(), machine.price_milli())).collect();
        let begin = Begin::new(self)?;
        workloads::create(self.cluster, size).await?;
        let mut course = Vec::new();
        let mut all_bound: Option<Stretch> = None;
        let mut looks = interval(LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let point = look(&client, &prices, begin.at.elapsed()).await?;
            let (now, bound) = (point.seconds, point.bound);
            course.push(point);
            match &all_bound {
                None if bound == size => {
                    say(&format!("{}: all bound after {now:.1} s", self.who.name()));
                    all_bound = Some(begin.until_now(self, &course)?);
                }
                None => ensure!(
                    begin.at.elapsed() < PATIENCE,
                    "{bound} of {size} pods are bound after {now:.0} s"
                ),
                Some(served) if now >= served.seconds + settle.as_secs_f64() => {
                    let whole = begin.until_now(self, &course)?;
                    let (who, all_bound) = (self.who.name().to_owned(), served.clone());
                    let peak_mib = round(self.process.peak_mib()?);
                    return Ok(Run { who, size, all_bound, whole, peak_mib, course });
                }
                Some(_) => {}
            }
        }
    }

    /// Whether the contestant asked for this.
    fn asked(&self, event: &AuditEvent) -> bool {
        match self.who {
            Who::Plimsoll => event.user.username.starts_with(&format!("system:serviceaccount:{NAMESPACE}:")),
            Who::Karpenter => event.user_agent.starts_with("karpenter/"),
        }
    }
}

/// How things were before the burst.
struct Begin {
    at: Instant,
    audit: Audit,
    apiserver: Process,
    cpu: f64,
    apiserver_cpu: f64,
}

impl Begin {
    fn new(of: &Measure<'_>) -> Result<Self> {
        let apiserver = Process::of_bed(&of.cluster.pids(), "kube-apiserver")?;
        Ok(Self {
            audit: of.cluster.audit().from_now()?,
            cpu: of.process.cpu_seconds()?,
            apiserver_cpu: apiserver.cpu_seconds()?,
            apiserver,
            at: Instant::now(),
        })
    }

    fn until_now(&self, of: &Measure<'_>, course: &[Point]) -> Result<Stretch> {
        let last = course.last().cloned().unwrap_or_default();
        let (cpu, apiserver_cpu) = (of.process.cpu_seconds()?, self.apiserver.cpu_seconds()?);
        let requests = requests::by_kind(&self.audit, |event| of.asked(event))?;
        let evictions = requests::by_kind(&self.audit, |event| {
            event.rbac_resource().as_deref() == Some("pods/eviction")
                && event.response_status.as_ref().is_some_and(|status| status.code < 300)
        })?;
        Ok(Stretch {
            seconds: last.seconds,
            nodes: last.nodes,
            price_per_hour: last.price_per_hour,
            price: round(node_hours(course)),
            cpu_seconds: round(cpu - self.cpu),
            apiserver_cpu_seconds: round(apiserver_cpu - self.apiserver_cpu),
            evictions: evictions.values().sum(),
            requests,
        })
    }
}

async fn look(client: &Client, prices: &BTreeMap<String, u32>, elapsed: Duration) -> Result<Point> {
    let ours = ListParams::default().labels(&format!("{LABEL}={BURST}"));
    let pods = Api::<Pod>::namespaced(client.clone(), "default").list(&ours).await?.items;
    let nodes = Api::<Node>::all(client.clone()).list_metadata(&ours).await?.items;
    let is_bound = |pod: &&Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let mut milli = 0;
    for node in &nodes {
        let kind = node.labels().get(TYPE).and_then(|kind| prices.get(kind));
        milli += kind.ok_or_else(|| anyhow::anyhow!("{} is of no known type", node.name_any()))?;
    }
    Ok(Point {
        seconds: round(elapsed.as_secs_f64()),
        bound: u32::try_from(pods.iter().filter(is_bound).count())?,
        nodes: u32::try_from(nodes.len())?,
        price_per_hour: f64::from(milli) / 1000.0,
    })
}
