//! What names a signal that is read directly: a source and a query, or an endpoint of each pod and what to make of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::selector::LabelSelector;

/// The longest part of a query that a text repeats.
const SHOWN_QUERY: usize = 80;

/// Names an endpoint for signals. Its `Display` is `Kind/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SourceName {
    /// A Source in the namespace of the workload.
    Namespaced(String),
    /// A ClusterSource.
    Cluster(String),
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespaced(name) => write!(f, "Source/{name}"),
            Self::Cluster(name) => write!(f, "ClusterSource/{name}"),
        }
    }
}

/// What to read of each pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scrape {
    /// Where the pod answers.
    pub port: PodPort,
    /// The path, beginning with `/`.
    pub path: String,
    /// Whether to speak TLS.
    pub tls: bool,
    /// The metric; of a histogram without `_bucket`.
    pub metric: String,
    /// Narrows the metric down to series with these labels.
    pub selector: Option<LabelSelector>,
    /// What to make of it.
    pub value: ScrapeValue,
}

/// A port of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PodPort {
    /// By number, 1 to 65535.
    Number(u16),
    /// By the name a container gives it.
    Name(String),
}

/// What to make of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ScrapeValue {
    /// How fast a counter grows per second.
    Rate,
    /// The value as it is.
    Gauge,
    /// A quantile of what a histogram has observed, in thousandths, 1 to 999.
    Quantile(u16),
}

impl fmt::Display for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            ScrapeValue::Rate => write!(f, "rate of {}", self.metric),
            ScrapeValue::Gauge => f.write_str(&self.metric),
            ScrapeValue::Quantile(milli) => {
                let digits = format!("{milli:03}");
                write!(f, "quantile 0.{} of {}", digits.trim_end_matches('0'), self.metric)
            }
        }
    }
}

/// A query on one line, as texts show it: its beginning if it is long.
pub(super) fn shown(query: &str) -> String {
    let line = query.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_QUERY) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_query_is_shown_by_its_beginning_on_one_line() {
        assert_eq!(shown("sum(\n  up\n)"), "sum( up )");
        let long = shown(&"ü".repeat(200));
        assert_eq!(long.chars().count(), SHOWN_QUERY + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_scrape_is_named_by_what_is_made_of_its_metric() {
        let named = |value| {
            let (port, path, metric) = (PodPort::Number(80), "/metrics".to_owned(), "hits".to_owned());
            Scrape { port, path, tls: false, metric, selector: None, value }.to_string()
        };
        assert_eq!(named(ScrapeValue::Rate), "rate of hits");
        assert_eq!(named(ScrapeValue::Gauge), "hits");
        assert_eq!(named(ScrapeValue::Quantile(950)), "quantile 0.95 of hits");
        assert_eq!(named(ScrapeValue::Quantile(5)), "quantile 0.005 of hits");
    }
}
