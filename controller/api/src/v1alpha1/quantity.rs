//! The schema of quantities, short enough to be repeated in every metric.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A Kubernetes quantity: a number, or a string such as `500m`, `1.5` or `2Gi`.
///
/// `k8s_openapi`'s own schema repeats four pages of prose at each use, which alone would make the
/// CRD too big for a plain `kubectl apply`.
pub(super) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "x-kubernetes-int-or-string": true,
        "maxLength": 64,
    })
}
