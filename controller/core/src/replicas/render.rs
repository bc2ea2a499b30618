//! The words of a decision, as logs, `explain` and the golden tests show them.

use std::fmt;

use super::decision::{ConditionUpdate, Decision, Event, Limit, LimitKind, MetricOutcome, PodCounts};
use super::measure::display_name;
use super::policy::MetricSpec;
use super::proposal::Basis;
use crate::quantity::{Format, Quantity};

/// One line for the size, then one per metric, limit, condition and event.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            current,
            desired,
            reason,
            metrics,
            recommendation,
            limits,
            conditions,
            events,
            error,
            bounds,
            fallback,
            reserve,
            ..
        } = self;
        let reason = reason.to_string();
        let because = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        if self.is_rescale() {
            writeln!(f, "{current} -> {desired}{because}")?;
        } else if self.is_decided() {
            writeln!(f, "stays {current}{because}")?;
        } else {
            writeln!(f, "stays {current}, undecided")?;
        }
        if let Some(bounds) = bounds {
            writeln!(f, "  bounds  {bounds}")?;
        }
        for metric in metrics {
            writeln!(f, "  metric  {metric}")?;
        }
        if let Some(failures) = fallback {
            writeln!(f, "  without metrics that can be trusted for {failures} looks")?;
        }
        if let Some(recommendation) = recommendation {
            writeln!(f, "  asked   {recommendation}")?;
        }
        if let Some(reserve) = reserve {
            writeln!(f, "  reserve {reserve}")?;
        }
        for limit in limits {
            writeln!(f, "  limit   {limit}")?;
        }
        for condition in conditions {
            writeln!(f, "  set     {condition}")?;
        }
        for event in events {
            writeln!(f, "  event   {event}")?;
        }
        if let Some(error) = error {
            writeln!(f, "  error   {}", error.message)?;
        }
        if let Some(next_look) = self.next_look {
            writeln!(f, "  again   in {next_look}")?;
        }
        if self.to_zero {
            writeln!(f, "  zero    ours to wake again")?;
        }
        Ok(())
    }
}

impl fmt::Display for MetricOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, status, proposal, ratio, basis, pods, alias, total: _, adjustment } = self;
        if let Some(alias) = alias {
            write!(f, "{alias}, ")?;
        }
        match proposal {
            Ok(replicas) => write!(f, "{name}: {replicas}")?,
            Err(error) => return write!(f, "{name}: failed: {error}"),
        }
        if let Some(adjustment) = adjustment {
            write!(f, ", {adjustment}")?;
        }
        if let Some(basis) = basis {
            write!(f, ", {basis}")?;
        }
        if let Some(ratio) = ratio {
            write!(f, "; usage/target {ratio:.3}")?;
        }
        if let Some(status) = status {
            let amount = |milli| amount(milli, Format::DecimalSI);
            if let Some(percent) = status.average_utilization {
                write!(f, "; {percent} % of requests")?;
            }
            if let Some(average) = status.average_value {
                write!(f, "; {} per pod", amount(average))?;
            }
            if let Some(value) = status.value {
                write!(f, "; {} in total", amount(value))?;
            }
        }
        match pods {
            Some(pods) => write!(f, "; {pods}"),
            None => Ok(()),
        }
    }
}

/// Thousandths as a quantity.
pub(super) fn amount(milli: i64, format: Format) -> Quantity {
    Quantity::from_milli(milli, format)
}

/// The name in conditions and events.
impl fmt::Display for MetricSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&display_name(self))
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithinTolerance => "within tolerance",
            Self::Ratio => "by ratio",
            Self::Rebalanced => "by ratio with assumed samples",
            Self::WouldTurn => "held: the count would go against the usage",
            Self::NoReadyPods => "held: no pod is ready to measure by",
            Self::Value => "by value",
        })
    }
}

impl fmt::Display for PodCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ready, unready, missing, ignored, stale } = self;
        write!(f, "{ready} ready")?;
        for (count, what) in [(unready, "unready"), (missing, "missing"), (ignored, "ignored")] {
            if *count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if *stale > 0 {
            write!(f, " ({stale} stale)")?;
        }
        Ok(())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.from, self.to, self.kind)
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScaleDownWindow { window } => {
                write!(
                    f,
                    "more was recommended within the last {window} (scaleDown.stabilizationWindowSeconds)"
                )
            }
            Self::ScaleUpWindow { window } => {
                write!(
                    f,
                    "less was recommended within the last {window} (scaleUp.stabilizationWindowSeconds)"
                )
            }
            Self::ScaleUpRate { policy } => write!(f, "at most {policy} (scaleUp.policies)"),
            Self::ScaleDownRate { policy } => write!(f, "at most {policy} (scaleDown.policies)"),
            Self::ScaleUpDisabled => f.write_str("growing is switched off (scaleUp.selectPolicy)"),
            Self::ScaleDownDisabled => f.write_str("shrinking is switched off (scaleDown.selectPolicy)"),
            Self::Doubling => f.write_str("at most double the size, or 4, at once (no behavior is set)"),
            Self::Max => f.write_str("maxReplicas"),
            Self::Min => f.write_str("minReplicas"),
            Self::ScheduledMax { schedule } => write!(f, "maxReplicas of the schedule {schedule}"),
            Self::ScheduledMin { schedule } => write!(f, "minReplicas of the schedule {schedule}"),
            Self::PartialFailure => f.write_str("not all metrics could be read, and the others would shrink"),
        }
    }
}

impl fmt::Display for ConditionUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={} {}: {}", self.kind, self.status, self.reason, self.message)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.reason, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PodCounts, fixtures::pods_metric};

    #[test]
    fn only_pods_that_there_are_are_counted() {
        let some = PodCounts { ready: 2, unready: 1, missing: 0, ignored: 3, stale: 0 };
        assert_eq!(some.to_string(), "2 ready, 1 unready, 3 ignored");
        let all = PodCounts { ready: 0, unready: 0, missing: 4, ignored: 0, stale: 4 };
        assert_eq!(all.to_string(), "0 ready, 4 missing (4 stale)");
    }

    #[test]
    fn a_metric_is_called_as_in_conditions() {
        assert_eq!(pods_metric(1).to_string(), "pods metric rps");
    }
}
