//! How pods are spread over zones and nodes.

use std::collections::BTreeMap;

use plimsoll_api::v1alpha1::{Availability, Survive};
use serde_json::{Value, json};

pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
pub(super) const HOST: &str = "kubernetes.io/hostname";

/// The constraints, each with the key of its topology.
///
/// Zones always bind: what is lost with one is then at most a share of it more than of the others. A zone that is lost
/// has tainted nodes, which `nodeTaintsPolicy: Honor` leaves out, and there is no `minDomains`: with fewer zones left than
/// that, the survivors could take no pod. Nodes bind only where the loss of one is to be survived, since a node for each
/// pod is dear. Only pods of one version count, so that a rolling update ends spread too.
pub(super) fn constraints(
    pods: &BTreeMap<String, String>,
    availability: &Availability,
) -> [(&'static str, Value); 2] {
    let binds_hosts = availability.survive == Survive::Node;
    [(ZONE, true), (HOST, binds_hosts)].map(|(key, binds)| {
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
