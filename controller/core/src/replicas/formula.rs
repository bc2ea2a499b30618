//! An expression over named metrics that says how many replicas they ask for together.
//!
//! Its syntax is that of CEL. Of CEL only what computes with numbers is let in, and all numbers are doubles: the same
//! formula over the same numbers gives the same answer everywhere, its cost is bounded by its length, and
//! `web.replicas + 1` needs no conversion.

use std::collections::{BTreeMap, BTreeSet};

use cel::parser::Parser;

use super::decision::MetricOutcome;
use super::policy::{MetricSpec, PodTarget, ValueTarget};
use crate::numeric::{ceil_to_i32, f64_from_i64};

mod expression;
mod reader;

use expression::Number;
use reader::Reader;

/// The longest formula, in bytes.
const MOST_BYTES: usize = 512;

/// How deep brackets may be nested, and how often one may choose. The parser takes a lot of stack for each.
const MOST_NESTING: usize = 5;

/// How many operators and functions a formula may have.
const MOST_CALLS: usize = 40;

/// A formula that was understood.
#[derive(Debug)]
pub(super) struct Formula {
    expression: Number,
    /// The names of the metrics it uses.
    uses: BTreeSet<String>,
}

impl Formula {
    /// Understands a formula over metrics with these names. The error says what is wrong, and what would be right.
    pub(super) fn parse(text: &str, names: &BTreeSet<&str>) -> Result<Self, String> {
        refuse_large(text)?;
        let parsed = Parser::new().parse(text).map_err(|errors| {
            let first = errors.errors.first();
            let reason =
                first.map_or("cannot be parsed", |error| error.msg.lines().next().unwrap_or_default());
            let place = first.map_or(0, |error| error.pos.1.saturating_add(1));
            format!("is no CEL expression: {reason} (at character {place})")
        })?;
        let mut reader = Reader::new(names);
        let expression = reader.number(&parsed)?;
        Ok(Self { expression, uses: reader.uses })
    }

    /// Whether it uses the metric of this name.
    pub(super) fn uses(&self, name: &str) -> bool {
        self.uses.contains(name)
    }

    /// The number of replicas, rounded up and at least 0. `terms` has the numbers of every metric it uses.
    pub(super) fn replicas(&self, terms: &BTreeMap<&str, Terms>) -> Result<i32, String> {
        let replicas = self.expression.value(terms);
        if replicas.is_finite() {
            Ok(ceil_to_i32(replicas).max(0))
        } else {
            Err("its result is not a finite number: does it divide by zero?".to_owned())
        }
    }
}

/// The parser recurses, and its stack is the operator's: what could exhaust it is refused unread.
fn refuse_large(text: &str) -> Result<(), String> {
    if text.len() > MOST_BYTES {
        return Err(format!("has {} bytes; it may have {MOST_BYTES}", text.len()));
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    for character in text.chars() {
        match character {
            '(' | '[' | '{' | '?' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > MOST_NESTING {
        return Err(format!(
            "is nested {deepest} deep, brackets and `?` together; {MOST_NESTING} are possible"
        ));
    }
    let calls =
        text.matches(['+', '-', '*', '/', '%', '<', '>', '=', '!', '&', '|', '(', ',', '?', '.']).count();
    if calls > MOST_CALLS * 2 {
        return Err(format!(
            "is too long: at most {MOST_CALLS} operators, functions and metrics are possible"
        ));
    }
    Ok(())
}

/// The numbers of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Terms {
    /// The value: percent of requests, an average per pod, or a total.
    value: f64,
    /// What it should be: percent, per pod, or in total.
    target: f64,
    /// The value divided by the target, as the proposal used it.
    ratio: f64,
    /// The proposal.
    replicas: f64,
}

impl Terms {
    /// The numbers of a metric that has a proposal.
    pub(super) fn of(spec: &MetricSpec, outcome: &MetricOutcome) -> Option<Self> {
        let replicas = f64::from(*outcome.proposal.as_ref().ok()?);
        let units = |milli: i64| f64_from_i64(milli) / 1000.0;
        let status = outcome.status?;
        let (value, target) = match spec.target_number()? {
            TargetNumber::Percent(percent) => (f64::from(status.average_utilization?), f64::from(percent)),
            TargetNumber::PerPod(milli) => (units(status.average_value?), units(milli)),
            TargetNumber::OfTotal(milli) => (units(outcome.total?), units(milli)),
        };
        let ratio = outcome.ratio.unwrap_or(value / target);
        Some(Self { value, target, ratio, replicas })
    }
}

/// The number that a metric is compared with.
enum TargetNumber {
    Percent(i32),
    PerPod(i64),
    OfTotal(i64),
}

impl MetricSpec {
    fn target_number(&self) -> Option<TargetNumber> {
        Some(match self {
            Self::Resource { target, .. } | Self::ContainerResource { target, .. } => match target {
                PodTarget::Utilization(percent) => TargetNumber::Percent(*percent),
                PodTarget::AverageValue(milli) => TargetNumber::PerPod(*milli),
                PodTarget::Unset => return None,
            },
            Self::Pods { average, .. } | Self::Scrape { average, .. } => TargetNumber::PerPod(*average),
            Self::Object { target, .. } | Self::External { target, .. } | Self::Prometheus { target, .. } => {
                match target {
                    ValueTarget::Value(milli) | ValueTarget::AverageValue(milli) => {
                        TargetNumber::OfTotal(*milli)
                    }
                    ValueTarget::Unset => return None,
                }
            }
            Self::Unknown { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::decision::MetricStatus;
    use super::super::fixtures::{cpu_percent, external, object, pods_metric, prometheus, scrape};
    use super::*;

    const NAMES: [&str; 2] = ["web", "jobs"];

    fn parse(text: &str) -> Result<Formula, String> {
        Formula::parse(text, &BTreeSet::from(NAMES))
    }

    fn replicas(text: &str) -> Result<i32, String> {
        let web = Terms { value: 90.0, target: 60.0, ratio: 1.5, replicas: 6.0 };
        let jobs = Terms { value: 250.0, target: 100.0, ratio: 2.5, replicas: 3.0 };
        parse(text)?.replicas(&BTreeMap::from([("web", web), ("jobs", jobs)]))
    }

    #[test]
    fn a_formula_computes_with_the_numbers_of_its_metrics() {
        for (text, expected) in [
            ("min(web.replicas, jobs.replicas)", 3),
            ("max(web.replicas, jobs.replicas, 4)", 6),
            ("0.7 * web.replicas + 0.3 * jobs.replicas", 6),
            ("web.replicas + 1", 7),
            ("jobs.value / jobs.target", 3),
            ("floor(jobs.ratio) + ceil(web.ratio) - abs(-1)", 3),
            ("web.ratio > 1 && jobs.ratio > 1 ? web.replicas : 2", 6),
            ("web.ratio > 2 || !(jobs.value == 250) ? web.replicas : 2", 2),
            ("web.value >= 90 && web.value <= 90 && jobs.target == 100 && jobs.value < 1e3 ? 5 : 1", 5),
            ("jobs.replicas - web.replicas", 0),
            ("5 + -jobs.ratio", 3),
            ("web.value < 90 ? 1 : 2", 2),
            ("web.value > 90 ? 1 : 2", 2),
            ("web.value == 91 ? 1 : 2", 2),
            ("web.value != 90 ? 1 : 2", 2),
            ("web.value != 91 ? 1 : 2", 1),
            ("2.000001", 3),
            ("9 * 1e12", i32::MAX),
        ] {
            assert_eq!(replicas(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn only_the_metrics_it_names_are_used() {
        let formula = parse("web.ratio > 1 ? 3 : 2").expect("is valid");
        assert!(formula.uses("web") && !formula.uses("jobs"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_way_out() {
        for (text, expected) in [
            ("", "is no CEL expression"),
            ("web.replicas +", "is no CEL expression"),
            ("cpu.replicas", "no metric has the name cpu; the named ones are: jobs, web"),
            ("cpu", "no metric has the name cpu"),
            ("web", "web is a metric: say which of its numbers, such as web.replicas"),
            ("web.ratio > 1 && 3 ? 1 : 2", "where true or false is needed, this may not be used"),
            ("web.pods", "a metric has no .pods; it has value, target, ratio, replicas"),
            ("web.value.target", "only name.field"),
            ("web.ratio > 1", "where a number is needed, > may not be used"),
            ("web.ratio + true", "where a number is needed, true may not be used"),
            ("web.ratio ? 1 : 2", "where true or false is needed, web.ratio may not be used"),
            ("min()", "min needs at least one number in its brackets"),
            ("ceil(1, 2)", "ceil needs one number in its brackets"),
            ("web.value.min(2)", "where a number is needed, min may not be used"),
            ("[1, 2].map(x, x)", "where a number is needed, this may not be used"),
            ("size('text')", "where a number is needed, size may not be used"),
            ("'text'", "where a number is needed, this may not be used"),
            ("5 % 2", "where a number is needed, % may not be used"),
            ("has(web.value)", "where a number is needed, this may not be used"),
            ("now()", "where a number is needed, now may not be used"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    /// The stack of a test is as small as that of the operator's workers, and its code needs more.
    #[test]
    fn the_largest_formula_fits_the_stack() {
        let fits = |text: &str| parse(text).and_then(|formula| formula.replicas(&BTreeMap::new()));
        assert_eq!(fits(&format!("{}1{}", "abs(".repeat(5), ")".repeat(5))), Ok(1));
        assert_eq!(fits(&format!("1{}", " + 1".repeat(80))), Ok(81));
        assert_eq!(fits(&format!("{}1", "true ? 1 : ".repeat(5))), Ok(1));
        let nested = fits(&format!("{}1{}", "(".repeat(6), ")".repeat(6)));
        assert_eq!(nested, Err("is nested 6 deep, brackets and `?` together; 5 are possible".to_owned()));
        assert_eq!(fits(&format!("(1){}", " + (1)".repeat(12))), Ok(13), "side by side is not nested");
        assert_eq!(fits(&format!("{}1", " ".repeat(511))), Ok(1));
        let long = fits(&format!("{}1", " ".repeat(600)));
        assert_eq!(long, Err("has 601 bytes; it may have 512".to_owned()));
        for text in ["1 +".repeat(200), "!".repeat(300), "-".repeat(100), format!("1{}", "+1".repeat(100))] {
            let error = fits(&text).expect_err("is too large");
            assert!(error.contains("possible") || error.contains("may have 512"), "{error}");
        }
    }

    #[test]
    fn a_result_that_is_no_number_is_an_error() {
        for text in ["web.value / 0", "0.0 / 0.0", "-1 / 0.0", "max(0.0 / 0.0, 1)"] {
            assert!(replicas(text).is_err(), "{text}: {:?}", replicas(text));
        }
    }

    #[test]
    fn the_numbers_of_a_metric_are_in_the_terms_of_its_target() {
        let mut outcome = MetricOutcome {
            name: "m".to_owned(),
            status: Some(MetricStatus {
                average_utilization: Some(90),
                average_value: Some(250),
                value: Some(7000),
            }),
            proposal: Ok(6),
            ratio: None,
            basis: None,
            pods: None,
            alias: None,
            total: Some(300_000),
            adjustment: None,
        };
        for (metric, value, target, ratio) in [
            (cpu_percent(60), 90.0, 60.0, 1.5),
            (pods_metric(500), 0.25, 0.5, 0.5),
            (scrape(500), 0.25, 0.5, 0.5),
            (object(ValueTarget::Value(100_000)), 300.0, 100.0, 3.0),
            (external(ValueTarget::AverageValue(75_000)), 300.0, 75.0, 4.0),
            (prometheus(ValueTarget::Value(100_000)), 300.0, 100.0, 3.0),
        ] {
            let expected = Terms { value, target, ratio, replicas: 6.0 };
            assert_eq!(Terms::of(&metric, &outcome), Some(expected), "{metric:?}");
        }
        assert_eq!(Terms::of(&external(ValueTarget::Unset), &outcome), None);
        outcome.ratio = Some(1.25);
        let exact = Terms::of(&cpu_percent(60), &outcome).map(|terms| terms.ratio);
        assert_eq!(exact, Some(1.25), "the ratio of the proposal, where there is one");
    }
}
