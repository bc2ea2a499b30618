//! What the clients saw, from the lines that k6 writes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// What is read of k6.
const METRICS: [&str; 3] = ["http_req_duration", "answered", "dropped_iterations"];

/// What the clients saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// In the order in which they ended.
    pub requests: Vec<Request>,
    /// Those of them that a pod has answered.
    pub answers: Vec<Answer>,
    /// Requests that k6 could not send in time, because all its clients were waiting.
    pub unsent: u64,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// When it ended.
    pub at: Timestamp,
    /// Its stream.
    pub stream: String,
    /// Of HTTP; 0 when there was no answer.
    pub status: u16,
    /// k6's number for why there was none; 0 when there was one.
    pub error: u32,
    /// How long it took, in milliseconds.
    pub millis: f64,
}

/// What a pod said of a request, and what a client said of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it came.
    pub at: Timestamp,
    /// The stream.
    pub stream: String,
    /// Which client.
    pub session: String,
    /// Who answered.
    pub service: String,
    /// Who answered.
    pub pod: String,
    /// Where it is.
    pub zone: String,
    /// What it was asked.
    pub method: String,
    /// What it was asked.
    pub path: String,
    /// How the client came to the front door: `http` or `https`.
    pub scheme: String,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    metric: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    time: Option<Timestamp>,
    #[serde(default)]
    value: f64,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl Record {
    /// Adds lines that k6 writes with `--out json`.
    pub(super) fn add(&mut self, lines: &str) -> Result<()> {
        // Of ten lines nine are about something else.
        let told = lines.lines().filter(|line| METRICS.iter().any(|metric| line.contains(metric)));
        for line in told {
            let line: Line = serde_json::from_str(line).with_context(|| format!("k6 wrote {line}"))?;
            if line.kind == "Point" {
                self.see(&line.metric, line.data)?;
            }
        }
        Ok(())
    }

    fn see(&mut self, metric: &str, data: Data) -> Result<()> {
        let at = data.time.context("a point without a time")?;
        let mut tags = data.tags;
        let mut tag = |name: &str| tags.remove(name).unwrap_or_default();
        match metric {
            "http_req_duration" => self.requests.push(Request {
                at,
                stream: tag("scenario"),
                status: tag("status").parse().unwrap_or_default(),
                error: tag("error_code").parse().unwrap_or_default(),
                millis: data.value,
            }),
            "answered" => self.answers.push(Answer {
                at,
                stream: tag("scenario"),
                session: tag("session"),
                service: tag("service"),
                pod: tag("pod"),
                zone: tag("zone"),
                method: tag("method"),
                path: tag("path"),
                scheme: tag("forwardedProto"),
            }),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A count.
            "dropped_iterations" => self.unsent += data.value as u64,
            _ => {}
        }
        Ok(())
    }

    /// What ended between these moments.
    #[must_use]
    pub fn between(mut self, from: Timestamp, to: Timestamp) -> Self {
        self.requests.retain(|request| (from..to).contains(&request.at));
        self.answers.retain(|answer| (from..to).contains(&answer.at));
        self
    }

    /// Adds what others saw.
    pub(crate) fn extend(&mut self, other: Self) {
        self.requests.extend(other.requests);
        self.answers.extend(other.answers);
        self.unsent += other.unsent;
    }

    /// One stream of it.
    #[must_use]
    pub fn of(&self, stream: &str) -> Self {
        let requests = self.requests.iter().filter(|request| request.stream == stream).cloned().collect();
        let answers = self.answers.iter().filter(|answer| answer.stream == stream).cloned().collect();
        Self { requests, answers, unsent: 0 }
    }

    /// The requests that were not answered as they should be.
    pub fn lost(&self) -> Vec<&Request> {
        self.requests.iter().filter(|request| request.status != 200).collect()
    }

    /// The share of requests that were lost, from 0 to 1.
    #[allow(clippy::cast_precision_loss)] // Small numbers.
    pub fn share_lost(&self) -> f64 {
        self.lost().len() as f64 / self.requests.len().max(1) as f64
    }

    /// How long all but the slowest requests took, in milliseconds: of the answered ones the share `quantile`, from 0 to 1,
    /// was as fast or faster.
    pub fn latency(&self, quantile: f64) -> Option<f64> {
        let mut millis: Vec<f64> =
            self.requests.iter().filter(|request| request.status == 200).map(|r| r.millis).collect();
        millis.sort_by(f64::total_cmp);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rank = (quantile * millis.len() as f64).ceil() as usize; // By the nearest rank.
        millis.get(rank.saturating_sub(1)).copied()
    }

    /// The beginning of the last second for which `is_bad` holds, of those in which something ended.
    pub fn last_second(&self, is_bad: impl Fn(&Self) -> bool) -> Option<Timestamp> {
        let mut seconds: BTreeMap<i64, Self> = BTreeMap::new();
        for request in &self.requests {
            seconds.entry(request.at.as_second()).or_default().requests.push(request.clone());
        }
        let last = seconds.into_iter().rev().find(|(_, second)| is_bad(second))?;
        Timestamp::from_second(last.0).ok()
    }

    /// Who answered.
    pub fn services(&self) -> BTreeSet<&str> {
        self.answers.iter().map(|answer| answer.service.as_str()).collect()
    }

    /// Who answered.
    pub fn pods(&self) -> BTreeSet<&str> {
        self.answers.iter().map(|answer| answer.pod.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As k6 1.8 writes them.
    const LINES: &str = concat!(
        r#"{"type":"Metric","data":{"name":"http_req_duration","type":"trend","contains":"time","thresholds":[],"submetrics":null},"metric":"http_req_duration"}"#,
        "\n",
        r#"{"metric":"http_req_duration","type":"Point","data":{"time":"2026-11-26T00:00:01.5Z","value":52.5,"tags":{"scenario":"get","status":"200"}}}"#,
        "\n",
        r#"{"metric":"answered","type":"Point","data":{"time":"2026-11-26T00:00:01.5Z","value":1,"tags":{"scenario":"get","service":"store-get","pod":"a","zone":"zone-a","method":"GET","path":"/store/get","forwardedProto":"https","session":"7"}}}"#,
        "\n",
        r#"{"metric":"http_req_duration","type":"Point","data":{"time":"2026-11-26T00:00:02Z","value":3.5,"tags":{"scenario":"get","status":"502","error_code":"1502"}}}"#,
        "\n",
        r#"{"metric":"dropped_iterations","type":"Point","data":{"time":"2026-11-26T00:00:02Z","value":2,"tags":{"scenario":"get"}}}"#,
    );

    #[test]
    fn what_k6_writes_is_read() {
        let mut record = Record::default();
        record.add(LINES).unwrap();
        assert_eq!(record.requests.len(), 2);
        assert_eq!(record.unsent, 2);
        assert_eq!(record.lost()[0].error, 1502);
        assert_eq!(record.services(), BTreeSet::from(["store-get"]));
        assert_eq!(record.answers[0].scheme, "https");
        assert_eq!(record.share_lost().to_string(), "0.5");
    }

    #[test]
    fn a_quantile_is_a_latency_that_was_seen() {
        let request = |millis| Request {
            at: Timestamp::UNIX_EPOCH,
            stream: String::new(),
            status: 200,
            error: 0,
            millis,
        };
        let record = Record { requests: [4.0, 1.0, 3.0, 2.0].map(request).to_vec(), ..Record::default() };
        assert_eq!([0.5, 0.75, 1.0].map(|quantile| record.latency(quantile)), [2.0, 3.0, 4.0].map(Some));
        assert_eq!(Record::default().latency(0.5), None);
    }
}
