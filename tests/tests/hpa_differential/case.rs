//! A case: a sequence of syncs, with everything both sides need to know. `tests/hpa-oracle/case.go` reads the same JSON.

use plimsoll_core::replicas::{
    Input, LabelSelector, MetricSpec, Obstacle, PodUsage, PodView, Policy, Reading, ReadingError, Samples,
    Settings, TargetView, ValueTarget, resource_samples,
};
use plimsoll_core::replicas::{PodTarget, Sample};
use plimsoll_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// The namespace of everything in a case.
pub(crate) const NAMESPACE: &str = "shop";
/// The moment at which Go's `testing/synctest` starts its clock.
pub(crate) const START: Timestamp = Timestamp::from_secs(946_684_800);
/// A selector that matches all pods of a case.
pub(crate) const SELECTOR: &str = "app=web";
/// Selectors that do not parse, and what `labels.Parse` says about them.
pub(crate) const BAD_SELECTORS: [(&str, &str); 3] = [
    ("app in web", "unable to parse requirement: found 'web' expected: '('"),
    ("app=web,", "found '', expected: identifier after ','"),
    (
        "app > web",
        "unable to parse requirement: values[0]: Invalid value: \"web\": for 'Gt', 'Lt' operators, the value must be an integer",
    ),
];
/// How often a write is tried when it meets conflicts.
pub(crate) const TRIES: u32 = 5;

/// A sequence of syncs of one HPA by a controller that has just started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Case {
    /// The flags of the controller.
    pub(crate) settings: Settings,
    /// Whether the HPA has the condition `ScaledToZero` from the controller before.
    pub(crate) scaled_to_zero: bool,
    /// The syncs, in order of time.
    pub(crate) steps: Vec<Step>,
}

/// What one sync finds, and what becomes of what it writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// The moment of the sync: later than [`START`], and at least 500 ms after the step before.
    pub(crate) now: Timestamp,
    /// The spec.
    pub(crate) policy: Policy,
    /// The scale subresource.
    pub(crate) target: TargetView,
    /// The pods, all with the label `app=web`.
    pub(crate) pods: Vec<PodView>,
    /// What the metrics API has for each metric.
    pub(crate) observed: Vec<Observed>,
    /// The selector in the scale subresource: empty, [`SELECTOR`], or a bad one.
    pub(crate) selector: String,
    /// What another HPA in the namespace selects.
    pub(crate) rival: Rival,
    /// Whether the scale subresource can be read.
    pub(crate) scale: ScaleRead,
    /// What becomes of a write of the size.
    pub(crate) write: Write,
    /// The error of the write of the status.
    pub(crate) status_fails: Option<String>,
    /// The HPA was deleted since the step before, and created again.
    pub(crate) recreated: bool,
}

/// What a metrics API answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Observed {
    /// Resource and ContainerResource.
    Usages(Vec<PodUsage>),
    /// Pods. The window is always the 60 s that HPA takes for custom metrics.
    Custom(Samples),
    /// Object.
    Value(i64),
    /// External.
    Series(Vec<i64>),
    /// An error.
    Fails(String),
}

/// Another HPA in the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Rival {
    /// There is none.
    None,
    /// It selects other pods.
    Apart,
    /// It selects these pods too.
    Overlapping,
    /// It would, but its selector could not be read yet.
    Waiting,
}

/// Whether the scale subresource can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ScaleRead {
    /// At once.
    Works,
    /// By the second version of the kind only.
    FallsBack,
    /// It fails with this error.
    Fails(String),
    /// No API has this kind.
    Unmapped(String),
    /// This is no API version.
    BadVersion(String),
}

/// What becomes of a write of the size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Write {
    /// It succeeds.
    Works,
    /// It fails with this error.
    Fails(String),
    /// It meets this many conflicts before it succeeds. With [`TRIES`] it never does.
    Conflicts(u32),
}

impl Write {
    /// What the operator hears.
    pub(crate) fn result(&self) -> Result<(), String> {
        match self {
            Self::Fails(error) => Err(error.clone()),
            Self::Conflicts(conflicts) if *conflicts >= TRIES => Err("Operation cannot be fulfilled on \
                deployments.apps \"web\": changed meanwhile"
                .to_owned()),
            Self::Works | Self::Conflicts(_) => Ok(()),
        }
    }
}

impl Step {
    /// The input of the decision, as the operator would observe it.
    pub(crate) fn input(&self, settings: Settings, scaled_to_zero: bool) -> Input {
        let readings = self.policy.metrics.iter().zip(&self.observed).map(|(m, o)| reading(m, o)).collect();
        Input {
            now: self.now,
            settings,
            namespace: NAMESPACE.to_owned(),
            policy: self.policy.clone(),
            target: self.target,
            pods: self.pods.clone(),
            readings,
            scaled_to_zero,
            obstacle: self.obstacle(),
            zones: None,
            nodes: None,
        }
    }

    fn obstacle(&self) -> Option<Obstacle> {
        match &self.scale {
            ScaleRead::Fails(error) => return Some(Obstacle::FailedGetScale(error.clone())),
            ScaleRead::Unmapped(kind) => {
                let error = format!("no matches for apps/, Resource={kind}");
                return Some(Obstacle::FailedGetScale(error));
            }
            ScaleRead::BadVersion(version) => {
                let error = format!("unexpected GroupVersion string: {version}");
                return Some(Obstacle::FailedGetScale(error));
            }
            ScaleRead::Works | ScaleRead::FallsBack => {}
        }
        if self.selector.is_empty() {
            return Some(Obstacle::SelectorRequired);
        }
        if let Some((_, error)) = BAD_SELECTORS.iter().find(|(bad, _)| *bad == self.selector) {
            return Some(Obstacle::InvalidSelector((*error).to_owned()));
        }
        (self.rival == Rival::Overlapping && !self.pods.is_empty()).then(|| Obstacle::AmbiguousSelector {
            selector: self.selector.clone(),
            scalers: ["rival", "x"].map(|name| format!("{NAMESPACE}/{name}")).into(),
        })
    }
}

/// The reading that the operator makes of what was observed.
fn reading(metric: &MetricSpec, observed: &Observed) -> Reading {
    if let Some(operator) = selector_of(metric).and_then(bad_operator) {
        let error = format!("{operator:?} is not a valid label selector operator");
        return Reading::Failed(ReadingError::InvalidSelector(error));
    }
    let empty = Reading::Failed(ReadingError::Empty);
    match (metric, observed) {
        (_, Observed::Fails(error)) => Reading::Failed(ReadingError::Fetch(error.clone())),
        (MetricSpec::Resource { name, .. }, Observed::Usages(usages)) if !usages.is_empty() => {
            Reading::Pods(resource_samples(usages, name, None))
        }
        (MetricSpec::ContainerResource { name, container, .. }, Observed::Usages(usages))
            if !usages.is_empty() =>
        {
            Reading::Pods(resource_samples(usages, name, Some(container)))
        }
        (_, Observed::Custom(samples)) if !samples.is_empty() => Reading::Pods(samples.clone()),
        (_, Observed::Value(value)) => Reading::Value(*value),
        (_, Observed::Series(series)) if !series.is_empty() => Reading::Series(series.clone()),
        _ => empty,
    }
}

/// The selector of the metric's series.
pub(crate) fn selector_of(metric: &MetricSpec) -> Option<&LabelSelector> {
    match metric {
        MetricSpec::Pods { selector, .. }
        | MetricSpec::Object { selector, .. }
        | MetricSpec::External { selector, .. } => selector.as_ref(),
        _ => None,
    }
}

/// The first operator of the selector that is none.
pub(crate) fn bad_operator(selector: &LabelSelector) -> Option<&str> {
    let operators = selector.match_expressions.iter().map(|requirement| requirement.operator.as_str());
    operators.into_iter().find(|operator| !["In", "NotIn", "Exists", "DoesNotExist"].contains(operator))
}

/// Whether the target of the metric lacks the field that counts.
pub(crate) fn has_no_target(metric: &MetricSpec) -> bool {
    matches!(
        metric,
        MetricSpec::Resource { target: PodTarget::Unset, .. }
            | MetricSpec::ContainerResource { target: PodTarget::Unset, .. }
            | MetricSpec::Object { target: ValueTarget::Unset, .. }
            | MetricSpec::External { target: ValueTarget::Unset, .. }
    )
}

/// A sample of a custom metric.
pub(crate) fn custom_sample(value: i64, timestamp: Timestamp) -> Sample {
    Sample { value, timestamp, window: Span::from_secs(60) }
}
