//! What was asked of an API server, read on as its audit log grows.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;
use testbed::{Cluster, audit::AuditEvent};

use crate::stage::USER;

/// The requests in whose audit lines some text occurs.
#[derive(Debug)]
pub(crate) struct Requests {
    log: PathBuf,
    read_to: u64,
    /// The writer was in the middle of a line when it was told to begin.
    begins_within_a_line: bool,
    needle: String,
    found: Vec<Request>,
}

impl Requests {
    /// Those from now on.
    pub(crate) fn from_now(cluster: &Cluster, needle: &str) -> Result<Self> {
        let mut log = File::open(cluster.audit().path())?;
        let read_to = log.seek(SeekFrom::End(0))?;
        let mut last = [b'\n'];
        if read_to > 0 {
            log.seek(SeekFrom::Start(read_to - 1))?;
            log.read_exact(&mut last)?;
        }
        let begins_within_a_line = last != [b'\n'];
        Ok(Self { read_to, begins_within_a_line, ..Self::of_all_time(cluster, needle) })
    }

    /// Those since the cluster started.
    pub(crate) fn of_all_time(cluster: &Cluster, needle: &str) -> Self {
        let log = cluster.audit().path().to_owned();
        Self { log, read_to: 0, begins_within_a_line: false, needle: needle.to_owned(), found: Vec::new() }
    }

    /// All that were answered until now.
    pub(crate) fn all(&mut self) -> Result<&[Request]> {
        let mut log = File::open(&self.log)?;
        log.seek(SeekFrom::Start(self.read_to))?;
        let mut text = Vec::new();
        log.read_to_end(&mut text)?;
        if self.begins_within_a_line {
            // It began before now. While it is still half written there is nothing to read yet.
            let Some(end) = text.iter().position(|byte| *byte == b'\n') else { return Ok(&self.found) };
            text.drain(..=end);
            self.read_to += u64::try_from(end + 1)?;
            self.begins_within_a_line = false;
        }
        // The last line may be half written.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.read_to += u64::try_from(whole)?;
        for line in String::from_utf8_lossy(&text[..whole]).lines() {
            if line.contains(&self.needle) {
                self.found.push(Request::read(line)?);
            }
        }
        Ok(&self.found)
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) event: AuditEvent,
    /// When it was answered, in RFC 3339 with a fixed number of digits.
    pub(crate) at: String,
    /// The pod to which the token of the one who asked is bound.
    pub(crate) pod: String,
}

/// What the library does not read of an audit line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct More {
    stage_timestamp: String,
    user: Asker,
}

#[derive(Deserialize)]
struct Asker {
    #[serde(default)]
    extra: Value,
}

impl Request {
    pub(crate) fn is_of_operator(&self) -> bool {
        self.event.user.username == USER
    }

    fn read(line: &str) -> Result<Self> {
        let more: More = serde_json::from_str(line)?;
        let pod = more.user.extra["authentication.kubernetes.io/pod-name"][0].as_str().unwrap_or_default();
        Ok(Self { event: serde_json::from_str(line)?, at: more.stage_timestamp, pod: pod.to_owned() })
    }

    /// Whether the operator asked for this, as in `patch podscalers/status`.
    pub(crate) fn is(&self, verb: &str, resource: &str) -> bool {
        self.is_of_operator()
            && self.event.verb == verb
            && self.event.rbac_resource().as_deref() == Some(resource)
    }

    /// The name of the object.
    pub(crate) fn name(&self) -> &str {
        self.event.object_ref.as_ref().and_then(|object| object.name.as_deref()).unwrap_or_default()
    }

    /// Whether it was granted.
    pub(crate) fn succeeded(&self) -> bool {
        self.event.response_status.as_ref().is_some_and(|status| status.code < 300)
    }

    /// Each look at a PodScaler reads its metric from one of the metrics APIs, unless another has read the same
    /// a moment ago.
    pub(crate) fn reads_metrics(&self) -> bool {
        let object = self.event.object_ref.as_ref();
        self.is_of_operator() && object.is_some_and(|object| object.api_group.ends_with("metrics.k8s.io"))
    }

    /// Each look at a PodScaler with an External metric reads it, as no other one of its namespace does.
    pub(crate) fn reads_external_metrics(&self) -> bool {
        let object = self.event.object_ref.as_ref();
        self.is_of_operator() && object.is_some_and(|object| object.api_group == "external.metrics.k8s.io")
    }

    /// Each look at a PodScaler reads the size of its target, unless a watch shows it, as it does for a
    /// Deployment and a StatefulSet.
    pub(crate) fn reads_scale(&self, target: &str) -> bool {
        let object = self.event.object_ref.as_ref();
        self.is_of_operator()
            && self.event.verb == "get"
            && object.is_some_and(|object| object.subresource.as_deref() == Some("scale"))
            && self.name() == target
    }
}
