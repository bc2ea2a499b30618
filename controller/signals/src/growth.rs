//! What counters and histograms of a pod say between two scrapes.

use std::collections::BTreeMap;

use plimsoll_core::replicas::{LabelRequirement, LabelSelector, Scrape, ScrapeValue};

use crate::exposition::{Line, series};

/// The series of a metric at one scrape, by their labels.
pub(crate) type Counters = BTreeMap<String, Counter>;

/// A counter, or a bucket of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counter {
    value: f64,
    /// The upper bound, if it is a bucket.
    bound: f64,
}

/// What a page says of a metric at once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// The value, which needs no second scrape.
    Now(f64),
    /// What is to be compared with an earlier scrape.
    Counters(Counters),
}

/// Reads of a page what `scrape` asks for.
///
/// # Errors
/// What is wrong with the page, or what it lacks.
pub(crate) fn read(page: &str, scrape: &Scrape) -> Result<Seen, String> {
    let is_histogram = matches!(scrape.value, ScrapeValue::Quantile(_));
    let name = if is_histogram { format!("{}_bucket", scrape.metric) } else { scrape.metric.clone() };
    let mut lines = series(page, &name)?;
    if let Some(selector) = &scrape.selector {
        let all = lines.len();
        lines.retain(|line| matches(selector, line));
        if lines.is_empty() && all > 0 {
            return Err(format!("none of the {all} series of {name} has the labels of the selector"));
        }
    }
    if lines.is_empty() {
        return Err(format!("it does not serve {name}"));
    }
    if scrape.value == ScrapeValue::Gauge {
        return Ok(Seen::Now(lines.iter().map(|line| line.value).sum()));
    }
    lines.iter().map(|line| counter(line, &name, is_histogram)).collect::<Result<_, _>>().map(Seen::Counters)
}

fn counter(line: &Line<'_>, name: &str, is_bucket: bool) -> Result<(String, Counter), String> {
    if !line.value.is_finite() || line.value < 0.0 {
        return Err(format!("{name} is {}, and a counter is not", line.value));
    }
    let bound = match line.label("le") {
        _ if !is_bucket => f64::INFINITY,
        bound => bound.parse().map_err(|_| format!("a bucket of {name} has the bound {bound:?}"))?,
    };
    let mut labels: Vec<_> = line.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    labels.sort();
    Ok((labels.join(","), Counter { value: line.value, bound }))
}

/// The value over `seconds` from `before` to `after`.
///
/// # Errors
/// When the histogram has no bucket without a bound.
pub(crate) fn between(
    before: &Counters,
    after: &Counters,
    seconds: f64,
    value: ScrapeValue,
) -> Result<f64, String> {
    let grown = after.iter().map(|(labels, now)| {
        let before = before.get(labels).map_or(0.0, |before| before.value);
        // One that fell has started again from zero, and one that was not there has started at zero.
        let growth = if now.value < before { now.value } else { now.value - before };
        (now.bound, growth)
    });
    match value {
        ScrapeValue::Quantile(milli) => quantile(grown, f64::from(milli) / 1000.0),
        ScrapeValue::Rate | ScrapeValue::Gauge => Ok(grown.map(|(_, growth)| growth).sum::<f64>() / seconds),
    }
}

/// As `histogram_quantile` of PromQL. Without any observation it is 0: what nobody asks is not slow.
fn quantile(grown: impl Iterator<Item = (f64, f64)>, quantile: f64) -> Result<f64, String> {
    let mut buckets: Vec<(f64, f64)> = grown.collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.dedup_by(|later, kept| {
        let same = later.0.total_cmp(&kept.0).is_eq();
        if same {
            kept.1 += later.1;
        }
        same
    });
    let Some((f64::INFINITY, total)) = buckets.last().copied() else {
        return Err("the histogram has no bucket le=\"+Inf\"".to_owned());
    };
    if buckets.len() < 2 {
        return Err("the histogram has no bucket with a bound".to_owned());
    }
    if total <= 0.0 {
        return Ok(0.0);
    }
    let rank = quantile * total;
    let index = buckets.iter().position(|(_, count)| *count >= rank).unwrap_or(buckets.len() - 1);
    if index == buckets.len() - 1 {
        return Ok(buckets[index - 1].0);
    }
    let (end, count) = buckets[index];
    let (start, below) = match index {
        0 if end <= 0.0 => return Ok(end),
        0 => (0.0, 0.0),
        _ => buckets[index - 1],
    };
    if count <= below {
        return Ok(end);
    }
    Ok(start + (end - start) * (rank - below) / (count - below))
}

fn matches(selector: &LabelSelector, line: &Line<'_>) -> bool {
    let meets = |LabelRequirement { key, operator, values }: &LabelRequirement| {
        let value = line.label(key);
        match operator.as_str() {
            "In" => values.iter().any(|wanted| wanted == value),
            "NotIn" => values.iter().all(|unwanted| unwanted != value),
            "Exists" => !value.is_empty(),
            "DoesNotExist" => value.is_empty(),
            _ => false,
        }
    };
    selector.match_labels.iter().all(|(key, value)| line.label(key) == value)
        && selector.match_expressions.iter().all(meets)
}

#[cfg(test)]
mod tests {
    use plimsoll_core::replicas::PodPort;

    use super::*;

    fn scrape(metric: &str, value: ScrapeValue) -> Scrape {
        let (port, path) = (PodPort::Number(80), "/metrics".to_owned());
        Scrape { port, path, tls: false, metric: metric.to_owned(), selector: None, value }
    }

    fn counters(page: &str, scrape: &Scrape) -> Counters {
        match read(page, scrape) {
            Ok(Seen::Counters(counters)) => counters,
            other => panic!("{other:?}"),
        }
    }

    fn over_ten_seconds(before: &str, after: &str, scrape: &Scrape) -> f64 {
        between(&counters(before, scrape), &counters(after, scrape), 10.0, scrape.value).unwrap()
    }

    #[test]
    fn a_rate_is_the_growth_of_all_series_per_second() {
        let rate = scrape("hits", ScrapeValue::Rate);
        let grown = over_ten_seconds(
            "hits{a=\"1\"} 100\nhits{a=\"2\"} 5",
            "hits{a=\"2\"} 25\nhits{a=\"1\"} 130",
            &rate,
        );
        assert!((grown - 5.0).abs() < 1e-9, "{grown}");
    }

    /// Without the rule a restarted container would have a negative rate.
    #[test]
    fn a_counter_that_fell_has_started_again_from_zero() {
        let rate = scrape("hits", ScrapeValue::Rate);
        assert!((over_ten_seconds("hits 1000", "hits 30", &rate) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_counter_that_appeared_has_started_at_zero() {
        let rate = scrape("hits", ScrapeValue::Rate);
        let grown = over_ten_seconds("hits{a=\"1\"} 7", "hits{a=\"1\"} 7\nhits{a=\"2\"} 20", &rate);
        assert!((grown - 2.0).abs() < 1e-9, "{grown}");
    }

    #[test]
    fn a_gauge_is_the_sum_of_its_series() {
        let gauge = scrape("busy", ScrapeValue::Gauge);
        assert_eq!(read("busy{a=\"1\"} 2\nbusy{a=\"2\"} 3.5", &gauge), Ok(Seen::Now(5.5)));
    }

    #[test]
    fn a_quantile_is_that_of_what_was_observed_in_between() {
        let page = |a: u32, b: u32, all: u32| {
            format!(
                "lag_bucket{{le=\"0.1\"}} {a}\nlag_bucket{{le=\"0.5\"}} {b}\nlag_bucket{{le=\"+Inf\"}} {all}"
            )
        };
        let at = |milli, before: String, after: String| {
            over_ten_seconds(&before, &after, &scrape("lag", ScrapeValue::Quantile(milli)))
        };
        // In between: 50 up to 0.1, 40 up to 0.5, 10 beyond. What was before, all slow, plays no role.
        let (before, after) = (page(0, 0, 1000), page(50, 90, 1100));
        assert!((at(500, before.clone(), after.clone()) - 0.1).abs() < 1e-9);
        assert!((at(250, before.clone(), after.clone()) - 0.05).abs() < 1e-9);
        assert!((at(700, before.clone(), after.clone()) - 0.3).abs() < 1e-9);
        assert!((at(990, before.clone(), after) - 0.5).abs() < 1e-9, "the highest bound there is");
        assert!(at(990, before.clone(), before).abs() < 1e-9, "nothing observed");
    }

    #[test]
    fn series_are_selected_by_their_labels() {
        let mut gauge = scrape("busy", ScrapeValue::Gauge);
        let page = "busy{zone=\"a\"} 1\nbusy{zone=\"b\"} 2\nbusy 4";
        let requirement = |operator: &str, values: &[&str]| LabelRequirement {
            key: "zone".to_owned(),
            operator: operator.to_owned(),
            values: values.iter().map(ToString::to_string).collect(),
        };
        for (expression, expected) in [
            (requirement("In", &["a"]), 1.0),
            (requirement("NotIn", &["a"]), 6.0),
            (requirement("Exists", &[]), 3.0),
            (requirement("DoesNotExist", &[]), 4.0),
        ] {
            let selector = LabelSelector { match_expressions: vec![expression], ..LabelSelector::default() };
            gauge.selector = Some(selector.clone());
            assert_eq!(read(page, &gauge), Ok(Seen::Now(expected)), "{selector:?}");
        }
        gauge.selector = Some(LabelSelector::labels([("zone", "c")]));
        assert_eq!(
            read(page, &gauge),
            Err("none of the 3 series of busy has the labels of the selector".to_owned())
        );
    }

    #[test]
    fn what_is_no_counter_or_histogram_is_refused_in_words() {
        for (page, value, problem) in [
            ("hits -1", ScrapeValue::Rate, "hits is -1, and a counter is not"),
            ("hits NaN", ScrapeValue::Rate, "hits is NaN, and a counter is not"),
            ("other 1", ScrapeValue::Rate, "it does not serve hits"),
            ("hits 1", ScrapeValue::Quantile(500), "it does not serve hits_bucket"),
            ("hits_bucket 1", ScrapeValue::Quantile(500), "a bucket of hits_bucket has the bound \"\""),
        ] {
            assert_eq!(read(page, &scrape("hits", value)), Err(problem.to_owned()));
        }
        let endless = scrape("hits", ScrapeValue::Quantile(500));
        for (page, problem) in [
            ("hits_bucket{le=\"1\"} 1", "the histogram has no bucket le=\"+Inf\""),
            ("hits_bucket{le=\"+Inf\"} 1", "the histogram has no bucket with a bound"),
        ] {
            let seen = counters(page, &endless);
            assert_eq!(between(&seen, &seen, 1.0, endless.value), Err(problem.to_owned()));
        }
    }
}
