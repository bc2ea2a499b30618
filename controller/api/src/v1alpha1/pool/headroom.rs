//! Room that is kept free.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{resources::resources, window::Window};

/// Room that is kept free, without pods that hold it: `pods` or `percentage`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.pods) != has(self.percentage)")
    .message("set exactly one of pods and percentage"))]
#[serde(rename_all = "camelCase")]
pub struct Headroom {
    /// Its name, unique in this pool.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$"))]
    pub name: String,
    /// Room for a number of pods of one size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<HeadroomPods>,
    /// Room for this percentage of the number of pods on the pool, those of DaemonSets aside, rounded up; each of their
    /// mean size. 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub percentage: Option<i32>,
    /// When it is kept. Default: always. Of all that are open, each is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// Room for a number of pods of one size.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("self.requests.all(name, isQuantity(string(self.requests[name])) && quantity(string(self.requests[name])).compareTo(quantity('0')) > 0)")
    .message("requests must be quantities greater than 0, such as 500m or 1Gi")
    .field_path(".requests"))]
#[x_kube(validation = Rule::new("self.requests.size() > 0")
    .message("requests must name at least one resource, such as cpu")
    .field_path(".requests"))]
#[serde(rename_all = "camelCase")]
pub struct HeadroomPods {
    /// How many, wherever there is room for them. 1 to 10000.
    #[schemars(range(min = 1, max = 10_000))]
    pub count: i32,
    /// What each of them would request, by resource: cpu, memory, … At least one, at most 24.
    #[schemars(schema_with = "resources")]
    pub requests: BTreeMap<String, Quantity>,
}
