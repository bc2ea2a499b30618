//! Windows of time with bounds of their own.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Narrower bounds from each `start` until the next `end`. Of all windows that are open, and the bounds of the spec,
/// the highest minReplicas and the lowest maxReplicas count; where they cross, maxReplicas wins.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new(r"self.start.matches('^ *[-0-9A-Za-z*,/#]+( +[-0-9A-Za-z*,/#]+){4} *$')")
    .message("start must be a cron expression of five fields: minute hour day-of-month month day-of-week, such as 0 8 * * 1-5")
    .field_path(".start"))]
#[x_kube(validation = Rule::new(r"self.end.matches('^ *[-0-9A-Za-z*,/#]+( +[-0-9A-Za-z*,/#]+){4} *$')")
    .message("end must be a cron expression of five fields: minute hour day-of-month month day-of-week, such as 0 18 * * 1-5")
    .field_path(".end"))]
#[x_kube(validation = Rule::new("self.start != self.end")
    .message("end must differ from start, or the window never closes")
    .field_path(".end"))]
#[x_kube(validation = Rule::new(r"self.timeZone.matches('^[A-Za-z][A-Za-z0-9_+/-]*$')")
    .message("timeZone must be a name of the IANA database, such as Europe/Berlin or UTC")
    .field_path(".timeZone"))]
#[x_kube(validation = Rule::new("has(self.minReplicas) || has(self.maxReplicas)")
    .message("set minReplicas, maxReplicas or both: without them the schedule says nothing"))]
#[x_kube(validation = Rule::new("!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas")
    .message("minReplicas must not be larger than maxReplicas: lower minReplicas or raise maxReplicas")
    .field_path(".minReplicas"))]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Its name, unique in this PodScaler.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$"))]
    pub name: String,
    /// When the window opens: a cron expression of five fields, minute hour day-of-month month day-of-week. A time
    /// that the clock jumps over counts at the jump, one that comes twice at the first.
    #[schemars(length(min = 9, max = 128))]
    pub start: String,
    /// When it closes. Where both come at the same moment, it opens.
    #[schemars(length(min = 9, max = 128))]
    pub end: String,
    /// The zone of both, by its name in the IANA database, such as Europe/Berlin.
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// The fewest replicas within the window. Cannot be lower than that of the spec: it is then without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_replicas: Option<i32>,
    /// The most replicas within the window. Cannot be higher than that of the spec: it is then without effect. 0
    /// switches the workload off until the window closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_replicas: Option<i32>,
}
