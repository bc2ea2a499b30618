//! Windows of time in which something of a pool holds.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A window of time: it opens at each `start`, and is open for `durationSeconds`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new(r"self.start.matches('^ *[-0-9A-Za-z*,/#]+( +[-0-9A-Za-z*,/#]+){4} *$')")
    .message("start must be a cron expression of five fields: minute hour day-of-month month day-of-week, such as 0 8 * * 1-5")
    .field_path(".start"))]
#[x_kube(validation = Rule::new(r"self.timeZone.matches('^[A-Za-z][A-Za-z0-9_+/-]*$')")
    .message("timeZone must be a name of the IANA database, such as Europe/Berlin or UTC")
    .field_path(".timeZone"))]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// When it opens: a cron expression of five fields, minute hour day-of-month month day-of-week. A time that the clock
    /// jumps over counts at the jump, one that comes twice at the first.
    #[schemars(length(min = 9, max = 128))]
    pub start: String,
    /// Seconds for which it is open: 60 to 2678400, which is 31 days. One that starts again while it is open goes on.
    #[schemars(range(min = 60, max = 2_678_400))]
    pub duration_seconds: i32,
    /// The zone of `start`, by its name in the IANA database, such as Europe/Berlin. Default UTC.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}
