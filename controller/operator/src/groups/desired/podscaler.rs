//! The PodScaler of a service.

use serde_json::{Value, json};

use super::Part;
use crate::groups::{kind::OwnedKind, object::Object};

/// What the service says of its scaling, on what it runs; the availability of the group where it says none of its own.
pub(super) fn podscaler(part: &Part<'_>) -> Object {
    let mut spec = part.service.scaling.0.clone();
    spec.insert("scaleTargetRef".to_owned(), json!(part.target));
    spec.entry("availability").or_insert_with(|| json!(part.availability));
    Object::of_service(OwnedKind::PodScaler, &part.name(), &part.service.name, Value::Object(spec))
}
