//! The figures of a run, as they are written to a file and drawn.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything that is known of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    /// When it was, in UTC.
    pub(super) date: String,
    /// Of the work tree, with `-dirty` when it had changes.
    pub(super) commit: String,
    pub(super) kubernetes: String,
    pub(super) plimsoll: String,
    /// Cores of the machine.
    pub(super) cores: usize,
    /// Processes that wanted to run in the last minute, at the start and at the end: the machine was shared.
    pub(super) load_average: [String; 2],
    /// Objects to scale.
    pub(super) size: usize,
    pub(super) pods_of_each: usize,
    /// Seconds between two decisions about an object.
    pub(super) period_seconds: f64,
    /// What the load is; nothing in a run is random.
    pub(super) load: &'static str,
    /// Cores that kube-apiserver used while nobody scaled; taken off the rest.
    pub(super) apiserver_alone_cores: f64,
    pub(super) contestants: Vec<Cost>,
    /// Of the first contestant to each other one.
    pub(super) ratios: Vec<Ratio>,
}

/// What the decisions of one contestant cost.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cost {
    pub(super) name: String,
    pub(super) flags: Vec<String>,
    pub(super) seconds: f64,
    pub(super) decisions: f64,
    /// The share of the decisions that were due: 1 is all of them.
    pub(super) of_those_due: f64,
    /// Cores that it used.
    pub(super) cores: f64,
    /// Milliseconds of its cpu time per decision, which is seconds per 1,000 decisions.
    pub(super) cpu_ms_per_decision: f64,
    /// The same of kube-apiserver, beyond what it uses when nobody scales.
    pub(super) apiserver_cpu_ms_per_decision: f64,
    pub(super) peak_mib: f64,
    /// Requests per decision by kind.
    pub(super) requests_per_decision: BTreeMap<String, f64>,
    pub(super) writes_per_decision: f64,
    /// Half, 99 % and all of the decisions were begun within so many seconds after they were due. Upper bounds
    /// of buckets; none where there is no bucket so high.
    pub(super) lag_seconds: [Option<f64>; 3],
}

/// How much more another contestant needs for a decision.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) to: String,
    pub(super) cpu: f64,
    pub(super) apiserver_cpu: f64,
    pub(super) memory: f64,
    pub(super) requests: f64,
}

impl Figures {
    pub(super) fn compare(&mut self) {
        let Some((first, others)) = self.contestants.split_first() else { return };
        let requests = |cost: &Cost| cost.requests_per_decision.values().sum::<f64>();
        let of = |other: f64, first: f64| if first > 0.0 { round(other / first) } else { f64::INFINITY };
        self.ratios = others
            .iter()
            .map(|other| Ratio {
                to: other.name.clone(),
                cpu: of(other.cpu_ms_per_decision, first.cpu_ms_per_decision),
                apiserver_cpu: of(other.apiserver_cpu_ms_per_decision, first.apiserver_cpu_ms_per_decision),
                memory: of(other.peak_mib, first.peak_mib),
                requests: of(requests(other), requests(first)),
            })
            .collect();
    }

    /// What a person reads.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{} objects of {} pods, every {} s; Kubernetes {}, Plimsoll {} ({}), {} cores, load average {} to {}",
            self.size,
            self.pods_of_each,
            self.period_seconds,
            self.kubernetes,
            self.plimsoll,
            self.commit,
            self.cores,
            self.load_average[0],
            self.load_average[1],
        )];
        lines.extend(self.contestants.iter().flat_map(Cost::lines));
        for ratio in &self.ratios {
            lines.push(format!(
                "{:<22} {} times the cpu, {} times the kube-apiserver cpu, {} times the requests, {} times the memory",
                ratio.to, ratio.cpu, ratio.apiserver_cpu, ratio.requests, ratio.memory,
            ));
        }
        lines
    }
}

impl Cost {
    /// What a person reads.
    pub(super) fn lines(&self) -> Vec<String> {
        let lag = self.lag_seconds.map(|lag| lag.map_or_else(|| "?".to_owned(), |lag| format!("{lag}")));
        let mut lines = vec![format!(
            "{:<22} {:.3} ms cpu, {:.3} ms kube-apiserver per decision; {:.2} cores, {:.0} MiB; {:.0} % of the \
             decisions due; {:.3} writes per decision; lag at most {} s (half), {} s (99 %), {} s (all)",
            self.name,
            self.cpu_ms_per_decision,
            self.apiserver_cpu_ms_per_decision,
            self.cores,
            self.peak_mib,
            self.of_those_due * 100.0,
            self.writes_per_decision,
            lag[0],
            lag[1],
            lag[2],
        )];
        for (kind, per_decision) in &self.requests_per_decision {
            lines.push(format!("{:<22}   {per_decision:.4} {kind}", ""));
        }
        lines
    }
}

/// To three digits after the point.
pub(super) fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
