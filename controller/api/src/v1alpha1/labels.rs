//! The schema of labels: what Kubernetes takes as the value of one.

use schemars::{Schema, SchemaGenerator, json_schema};

/// At most 64 labels by their keys. That the keys are well-formed is the matter of a rule beside the field.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^([a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?$",
        },
    })
}
