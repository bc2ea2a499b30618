//! The kubelets of the bed's nodes, as far as metrics-server asks them.
//!
//! kwok evaluates an expression for each value of each container at each scrape, beside all that is measured. Here a node
//! says what it would say of pods that all use the same, a little more and less than half of what they request.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;
use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use jiff::Timestamp;
use tokio::{net::TcpListener, task::JoinHandle};

/// What the usage of each pod is in turn, in thousandths of its request.
const WAVE: [u64; 8] = [480, 490, 500, 510, 520, 510, 500, 490];
/// How long each of them lasts.
const STEP: Duration = Duration::from_secs(10);
/// In words, for whoever reads the figures.
pub(super) const LOAD: &str =
    "cpu of each pod from 48 % to 52 % of its request and back, a step each 10 s; target 50 %";

/// A pod of a node.
#[derive(Clone, Debug)]
pub(super) struct PlayedPod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) container: &'static str,
}

struct Played {
    start: Timestamp,
    request_milli: u64,
    nodes: BTreeMap<String, Vec<PlayedPod>>,
}

/// A server that answers for all nodes. It ends when this value is dropped.
pub(super) struct Kubelets {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Kubelets {
    /// Plays nodes with these pods, each of which requests `request_milli` thousandths of a core.
    pub(super) async fn start(nodes: BTreeMap<String, Vec<PlayedPod>>, request_milli: u64) -> Result<Self> {
        let played = Arc::new(Played { start: Timestamp::now(), request_milli, nodes });
        let routes =
            Router::new().route("/metrics/nodes/{node}/metrics/resource", get(resource)).with_state(played);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            // It serves until it is aborted.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { address, serving })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn resource(State(played): State<Arc<Played>>, Path(node): Path<String>) -> String {
    let pods = played.nodes.get(&node).map(Vec::as_slice).unwrap_or_default();
    page(pods, played.request_milli, played.start, Timestamp::now())
}

/// What a kubelet says of its node and pods.
fn page(pods: &[PlayedPod], request_milli: u64, start: Timestamp, now: Timestamp) -> String {
    let age = Duration::try_from(now.duration_since(start)).unwrap_or_default();
    // metrics-server drops a container that has used nothing yet.
    let used = Duration::from_secs(1) + cpu_time(age, request_milli);
    let (used, at) = (used.as_secs_f64(), now.as_millisecond());
    let started = start.as_second();
    let mut page =
        format!("node_cpu_usage_seconds_total {used} {at}\nnode_memory_working_set_bytes 1073741824 {at}\n");
    for PlayedPod { namespace, name, container } in pods {
        let labels = format!("{{container=\"{container}\",namespace=\"{namespace}\",pod=\"{name}\"}}");
        // Writing to a String does not fail.
        let _ = write!(
            page,
            "container_start_time_seconds{labels} {started} {at}\n\
             container_cpu_usage_seconds_total{labels} {used} {at}\n\
             container_memory_working_set_bytes{labels} 33554432 {at}\n"
        );
    }
    page
}

/// The cpu time of a container of this age.
fn cpu_time(age: Duration, request_milli: u64) -> Duration {
    let step = STEP.as_millis();
    let (steps, rest) = (age.as_millis() / step, age.as_millis() % step);
    let of = |step: u128| u128::from(WAVE[usize::try_from(step % 8).unwrap_or_default()]);
    let rounds = (steps / 8) * u128::from(WAVE.iter().sum::<u64>());
    let shares = rounds + (0..steps % 8).map(of).sum::<u128>();
    // Milliseconds, times thousandths of a request, times thousandths of a core.
    let used = (shares * step + of(steps) * rest) * u128::from(request_milli);
    Duration::from_nanos(u64::try_from(used).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_of_a_round_is_half_of_the_request() {
        let round = STEP * 8;
        // Half of 100m over 80 s, and over 10 rounds.
        assert_eq!(cpu_time(round, 100), Duration::from_secs(4));
        assert_eq!(cpu_time(10 * round, 100), Duration::from_secs(40));
    }

    #[test]
    fn the_usage_moves_between_48_and_52_percent() {
        let used = |from: u64, to: u64| {
            let at = |secs| cpu_time(Duration::from_secs(secs), 100);
            at(to).saturating_sub(at(from)).as_millis()
        };
        assert_eq!([used(0, 10), used(40, 50), used(80, 90), used(45, 55)], [480, 520, 480, 515]);
    }

    #[test]
    fn a_container_has_the_three_values_that_metrics_server_wants() {
        let pod = PlayedPod { namespace: "shop".into(), name: "web".into(), container: "app" };
        let start = Timestamp::UNIX_EPOCH;
        let page = page(&[pod], 100, start, Timestamp::from_second(20).unwrap());
        let labels = "{container=\"app\",namespace=\"shop\",pod=\"web\"}";
        let lines: Vec<_> = page.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                format!("container_start_time_seconds{labels} 0 20000"),
                format!("container_cpu_usage_seconds_total{labels} 1.97 20000"),
                format!("container_memory_working_set_bytes{labels} 33554432 20000"),
            ]
        );
    }
}
