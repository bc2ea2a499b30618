//! An explanation for people.

use plimsoll_core::{
    replicas::{Explanation, MetricRow},
    time::Timestamp,
};

use super::Told;
use crate::output::{Paint, Table};

pub(super) fn render(told: &Told, now: Timestamp, paint: Paint) -> String {
    let mut head = format!("PodScaler {}/{}", told.namespace, told.name);
    if let Some(policy) = &told.policy {
        head += &format!(" ({policy})");
    }
    let mut text = format!("{}\n", paint.strong(&head));
    if let Some(at) = told.at {
        text += &format!("Decided at {}, {} ago.", moment(at), seconds(now, at));
    }
    match told.next_look {
        Some(next) if next > now => text += &format!(" The next look is in {}.\n", seconds(next, now)),
        _ => text.push('\n'),
    }
    text += &format!("\n{}\n", told.explanation.sentences.join("\n"));
    let Explanation { metrics, steps, .. } = &told.explanation;
    let mut sizes = Table::new(&["SIZE", "BECAUSE"], paint);
    for step in steps {
        sizes.row([step.replicas.to_string(), step.because.clone()]);
    }
    let mut conditions = Table::new(&["CONDITION", "WHY"], paint);
    for condition in &told.conditions {
        let (kind, why) = condition.split_once(' ').unwrap_or((condition, ""));
        let kind = if kind.ends_with("=False") { kind.to_owned() } else { paint.strong(kind) };
        conditions.row([kind, why.to_owned()]);
    }
    for table in [metric_table(metrics, paint), pod_table(metrics, paint), sizes, conditions] {
        if !table.is_empty() {
            text += &format!("\n{}", table.render());
        }
    }
    text
}

/// As in `2026-11-24 08:00:00Z`.
pub(crate) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| at.as_millis().to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

fn seconds(later: Timestamp, earlier: Timestamp) -> String {
    plimsoll_core::time::Span::from_secs(later.since(earlier).as_secs()).to_string()
}

fn metric_table(metrics: &[MetricRow], paint: Paint) -> Table {
    let mut table = Table::new(&["METRIC", "VALUE", "TARGET", "VALUE/TARGET", "ASKS FOR", "HOW"], paint);
    let unknown = || "-".to_owned();
    for metric in metrics {
        let value = metric.value.clone().unwrap_or_else(unknown);
        let how = if metric.proposal.is_some() { metric.basis.clone() } else { paint.bad(&metric.basis) };
        table.row([
            metric.name.clone(),
            value,
            metric.target.clone(),
            metric.ratio.map_or_else(unknown, |ratio| format!("{ratio:.3}")),
            metric.proposal.map_or_else(unknown, |replicas| replicas.to_string()),
            how,
        ]);
    }
    table
}

fn pod_table(metrics: &[MetricRow], paint: Paint) -> Table {
    let head = ["PODS FOR", "READY", "UNREADY", "MISSING", "STALE", "GOING", "FOREIGN"];
    let mut table = Table::new(&head, paint);
    for metric in metrics {
        let Some(pods) = metric.pods else { continue };
        // A stale pod is one of the missing ones; here each stands once.
        let missing = pods.missing.saturating_sub(pods.stale);
        let counts = [pods.ready, pods.unready, missing, pods.stale, pods.ignored, metric.foreign];
        let counts = counts.iter().map(ToString::to_string);
        table.row([metric.name.clone()].into_iter().chain(counts));
    }
    table
}
