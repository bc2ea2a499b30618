//! A decision as sentences and rows, for whoever shows it to people. The words are those of `render.rs`.

use std::cmp::Ordering;

use serde::Serialize;

use super::decision::{Decision, Limit, MetricOutcome, PodCounts};
use super::input::Input;
use super::policy::{MetricSpec, PodTarget, ValueTarget};
use super::record::Outcome;
use super::render::amount;
use crate::quantity::Format;
use crate::reason::RescaleReason;

/// A decision taken apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What was decided, why, and what became of it: a sentence each.
    pub sentences: Vec<String>,
    /// One per metric, in the order of the spec.
    pub metrics: Vec<MetricRow>,
    /// The sizes from the recommendation to the decision, each with what led to it. Empty when metrics were not asked.
    pub steps: Vec<Step>,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricRow {
    /// The name as in conditions and events.
    pub name: String,
    /// Its value, in the terms of its target. `None` when there is none.
    pub value: Option<String>,
    /// The value to keep.
    pub target: String,
    /// Usage divided by target.
    pub ratio: Option<f64>,
    /// The size it asks for.
    pub proposal: Option<i32>,
    /// How the size came about, or why there is none.
    pub basis: String,
    /// How the pods were counted, if they were.
    pub pods: Option<PodCounts>,
    /// Pods of others with the same labels, which were left out.
    pub foreign: usize,
}

/// A size on the way to the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The size.
    pub replicas: i32,
    /// What led to it.
    pub because: String,
}

impl Decision {
    /// Why the size is what it is, in one line.
    pub fn why(&self) -> String {
        let reason = self.reason.to_string();
        match (&self.error, self.limits.last()) {
            (Some(error), _) if error.ends_sync => error.message.clone(),
            (_, Some(limit)) if !self.is_rescale() => limit.kind.to_string(),
            _ if reason.is_empty() => "all metrics within tolerance".to_owned(),
            _ => reason,
        }
    }

    /// Takes the decision apart. Without its `input` targets are not known.
    pub fn explain(&self, input: Option<&Input>, outcome: &Outcome) -> Explanation {
        let specs = input.map(|input| input.policy.metrics.as_slice()).unwrap_or_default();
        let foreign = input.map_or(0, Input::foreign_pods);
        let rows = self.metrics.iter().enumerate();
        Explanation {
            sentences: self.sentences(outcome),
            metrics: rows.map(|(index, metric)| row(metric, specs.get(index), foreign)).collect(),
            steps: self.steps(),
        }
    }

    fn sentences(&self, outcome: &Outcome) -> Vec<String> {
        let Self { current, desired, reason, error, .. } = self;
        let mut sentences = vec![match desired.cmp(current) {
            _ if !self.is_decided() => format!("Stays at {current}: nothing could be decided."),
            Ordering::Greater => format!("Grows from {current} to {desired}."),
            Ordering::Less => format!("Shrinks from {current} to {desired}."),
            Ordering::Equal => format!("Stays at {current}."),
        }];
        if *reason != RescaleReason::None || (self.limits.is_empty() && error.is_none()) {
            sentences.push(format!("{}.", self.because()));
        }
        if let Some(error) = error {
            sentences.push(format!("Error: {}.", error.message.trim_end_matches('.')));
        }
        sentences.extend(self.limits.iter().map(|limit| format!("{}: {}.", cut(limit), limit.kind)));
        sentences.extend(self.reserve.iter().map(|reserve| format!("{}.", capital(&reserve.to_string()))));
        if let Some(next_look) = self.next_look {
            sentences.push(format!("What holds it back may give way in {next_look}."));
        }
        match outcome {
            Outcome::Nothing if self.is_rescale() => sentences.push("It was not to be written.".to_owned()),
            Outcome::Nothing => {}
            Outcome::Written => sentences.push("It was written.".to_owned()),
            Outcome::Lent => sentences.push(
                "It was not written: a drain of a node has one replica more of it, and gives that back itself."
                    .to_owned(),
            ),
            Outcome::Failed(error) => sentences.push(format!("It could not be written: {error}.")),
        }
        sentences
    }

    fn because(&self) -> String {
        match &self.reason {
            RescaleReason::None => self.why(),
            reason => reason.to_string(),
        }
    }

    fn steps(&self) -> Vec<Step> {
        let asked = self.recommendation.map(|replicas| Step {
            replicas,
            because: match self.winners() {
                names if names.is_empty() => "asked for by the metrics".to_owned(),
                names => format!("asked for by {}", names.join(", and by ")),
            },
        });
        let reserve = self.reserve.iter().filter(|reserve| reserve.wanted != reserve.needed);
        let reserve = reserve.map(|reserve| Step {
            replicas: reserve.wanted,
            because: format!("so that the rest carries the load after the loss of a {}", reserve.against),
        });
        let cuts =
            self.limits.iter().map(|limit| Step { replicas: limit.to, because: limit.kind.to_string() });
        asked.into_iter().chain(reserve).chain(cuts).collect()
    }

    fn winners(&self) -> Vec<&str> {
        let wins = |metric: &&MetricOutcome| metric.proposal.as_ref().ok() == self.recommendation.as_ref();
        self.metrics.iter().filter(wins).map(|metric| metric.name.as_str()).collect()
    }
}

/// A sentence with a capital letter.
pub fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn cut(limit: &Limit) -> String {
    let verb = match limit.to.cmp(&limit.from) {
        Ordering::Less => "cut",
        Ordering::Equal => "kept",
        Ordering::Greater => "raised",
    };
    format!("The {} was {verb} to {}", limit.from, limit.to)
}

fn row(metric: &MetricOutcome, spec: Option<&MetricSpec>, foreign: usize) -> MetricRow {
    let format = spec.map_or(Format::DecimalSI, MetricSpec::format);
    let status = metric.status;
    let value =
        status.and_then(|status| match (status.average_utilization, status.average_value, status.value) {
            (Some(percent), Some(average), _) => {
                Some(format!("{percent} % ({} per pod)", amount(average, format)))
            }
            (Some(percent), None, _) => Some(format!("{percent} %")),
            (None, Some(average), _) => Some(format!("{} per pod", amount(average, format))),
            (None, None, value) => value.map(|value| amount(value, format).to_string()),
        });
    MetricRow {
        name: metric.name.clone(),
        value,
        target: spec.and_then(MetricSpec::target_words).unwrap_or_default(),
        ratio: metric.ratio,
        proposal: metric.proposal.as_ref().ok().copied(),
        basis: match (&metric.proposal, &metric.basis) {
            (Err(error), _) => format!("failed: {error}"),
            (Ok(_), Some(basis)) => basis.to_string(),
            (Ok(_), None) => String::new(),
        },
        pods: metric.pods,
        foreign: if metric.pods.is_some() { foreign } else { 0 },
    }
}

impl MetricSpec {
    /// The value to keep, in words. `None` when none is set.
    pub fn target_words(&self) -> Option<String> {
        let format = self.format();
        match self {
            Self::Resource { target, .. } | Self::ContainerResource { target, .. } => match target {
                PodTarget::Utilization(percent) => Some(format!("{percent} %")),
                PodTarget::AverageValue(milli) => Some(format!("{} per pod", amount(*milli, format))),
                PodTarget::Unset => None,
            },
            Self::Pods { average, .. } | Self::Scrape { average, .. } => {
                Some(format!("{} per pod", amount(*average, format)))
            }
            Self::Object { target, .. } | Self::External { target, .. } | Self::Prometheus { target, .. } => {
                match target {
                    ValueTarget::Value(milli) => Some(amount(*milli, format).to_string()),
                    ValueTarget::AverageValue(milli) => Some(format!("{} per pod", amount(*milli, format))),
                    ValueTarget::Unset => None,
                }
            }
            Self::Unknown { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
