//! How pods are spread over zones and nodes.

use std::collections::BTreeMap;

use plimsoll_api::v1alpha1::{Availability, Survive};
use serde_json::{Value, json};

pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
pub(super) const HOST: &str = "kubernetes.io/hostname";

/// The constraints, each with the key of its topology.
///
/// They bind over what may be lost, and are a preference otherwise: one that binds keeps pods waiting while a zone is full,
/// and off nodes that are in no zone. A zone that is lost has tainted nodes, which `nodeTaintsPolicy: Honor` leaves out, and
/// there is no `minDomains`: with fewer zones left than that, the survivors could take no pod. Only pods of one version
/// count, so that a rolling update ends spread too.
pub(super) fn constraints(
    pods: &BTreeMap<String, String>,
    availability: &Availability,
) -> [(&'static str, Value); 2] {
    [(ZONE, Survive::Zone), (HOST, Survive::Node)].map(|(key, loss)| {
        let binds = availability.survive == loss;
        let constraint = json!({
            "topologyKey": key,
            "maxSkew": 1,
            "whenUnsatisfiable": if binds { "DoNotSchedule" } else { "ScheduleAnyway" },
            "nodeTaintsPolicy": "Honor",
            "matchLabelKeys": ["pod-template-hash"],
            "labelSelector": { "matchLabels": pods },
        });
        (key, constraint)
    })
}
