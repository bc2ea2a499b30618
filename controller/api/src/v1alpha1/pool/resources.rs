//! Schemas of amounts: of resources by their names, and of a share of nodes.

use schemars::{Schema, SchemaGenerator, json_schema};

/// At most 24 quantities by the names of resources, as in a Node's `status.capacity`.
pub(crate) fn resources(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 24,
        "additionalProperties": {
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "x-kubernetes-int-or-string": true,
            "maxLength": 64,
        },
    })
}

/// A number of nodes, or a percentage of them from `0%` to `100%`.
pub(in crate::v1alpha1) fn share(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "x-kubernetes-int-or-string": true,
        "minimum": 0,
        "maxLength": 4,
        "pattern": "^(100|[1-9]?[0-9])%$",
    })
}
