//! The figures of a run, as they are printed and written to a file.

use std::collections::BTreeMap;

use serde::Serialize;

pub(super) use crate::bench::figures::round;

/// Everything that is known of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    /// When it was, in UTC.
    pub(super) date: String,
    /// Of the work tree, with `-dirty` when it had changes.
    pub(super) commit: String,
    pub(super) kubernetes: String,
    pub(super) plimsoll: String,
    pub(super) karpenter: String,
    /// Cores of the machine.
    pub(super) cores: usize,
    /// From an order to the Node object.
    pub(super) boot_seconds: u32,
    /// How long the cluster was watched after all pods were bound.
    pub(super) settle_seconds: u64,
    pub(super) runs: Vec<Run>,
}

/// One contestant, one burst.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) who: String,
    /// Pods of the burst.
    pub(super) size: u32,
    /// Until every pod was bound.
    pub(super) all_bound: Stretch,
    /// Until the end of the run.
    pub(super) whole: Stretch,
    /// The most memory that the contestant ever had.
    pub(super) peak_mib: f64,
    /// A look each second.
    pub(super) course: Vec<Point>,
}

/// From the creation of the burst to some moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stretch {
    pub(super) seconds: f64,
    /// Nodes at its end.
    pub(super) nodes: u32,
    /// What these cost for an hour.
    pub(super) price_per_hour: f64,
    /// What all nodes have cost so far.
    pub(super) price: f64,
    /// Of the contestant's process.
    pub(super) cpu_seconds: f64,
    /// Of kube-apiserver, whoever asked it.
    pub(super) apiserver_cpu_seconds: f64,
    /// Pods that were evicted.
    pub(super) evictions: u32,
    /// What the contestant asked of kube-apiserver, by kind.
    pub(super) requests: BTreeMap<String, u32>,
}

/// One look.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Point {
    /// Since the creation of the burst.
    pub(super) seconds: f64,
    pub(super) bound: u32,
    pub(super) nodes: u32,
    pub(super) price_per_hour: f64,
}

/// What the nodes have cost: each look counts until the next.
pub(super) fn node_hours(course: &[Point]) -> f64 {
    let stretches = course.iter().zip(course.iter().skip(1));
    stretches.map(|(from, to)| from.price_per_hour * (to.seconds - from.seconds) / 3600.0).sum()
}

impl Stretch {
    fn asked(&self) -> u32 {
        self.requests.values().sum()
    }
}

impl Run {
    /// What a person reads while it goes on.
    pub(super) fn lines(&self) -> Vec<String> {
        [("all bound", &self.all_bound), ("settled", &self.whole)]
            .map(|(what, stretch)| {
                format!(
                    "{}, {} pods, {what}: {:.1} s, {} nodes, {:.3} per hour ({:.3} so far), {:.2} s of cpu and {:.2} s \
                     of kube-apiserver, {} requests, {} evictions",
                    self.who,
                    self.size,
                    stretch.seconds,
                    stretch.nodes,
                    stretch.price_per_hour,
                    stretch.price,
                    stretch.cpu_seconds,
                    stretch.apiserver_cpu_seconds,
                    stretch.asked(),
                    stretch.evictions,
                )
            })
            .into()
    }
}

impl Figures {
    /// The same as the table of `docs/bench/README.md`.
    pub(super) fn table(&self) -> Vec<String> {
        let head = "| pods | | all bound | nodes | price per hour | cpu | of kube-apiserver | requests | peak memory \
                    | settled: nodes | price per hour | evictions |";
        let line = "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";
        let row = |run: &Run| {
            let (served, whole) = (&run.all_bound, &run.whole);
            format!(
                "| {} | {} | {:.1} s | {} | {:.2} | {:.2} s | {:.1} s | {} | {:.0} MiB | {} | {:.2} | {} |",
                run.size,
                run.who,
                served.seconds,
                served.nodes,
                served.price_per_hour,
                served.cpu_seconds,
                served.apiserver_cpu_seconds,
                served.asked(),
                run.peak_mib,
                whole.nodes,
                whole.price_per_hour,
                whole.evictions,
            )
        };
        [head.to_owned(), line.to_owned()].into_iter().chain(self.runs.iter().map(row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_counts_from_one_look_to_the_next() {
        let point = |seconds, price_per_hour| Point { seconds, price_per_hour, ..Point::default() };
        let course = [point(0.0, 0.0), point(10.0, 3.6), point(20.0, 7.2)];
        assert!((node_hours(&course) - 0.01).abs() < 1e-9);
    }
}
