//! `ServiceGroup`: services that scale apart from each other behind one front door.

// Two printer columns may well have the same type.
#![allow(clippy::duplicated_attributes)]

mod front_door;
mod opaque;
mod service;
mod status;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use self::{
    front_door::{
        FrontDoor, GatewayDoor, IngressDoor, IngressTls, ParentReference, SessionAffinity, Timeouts,
    },
    opaque::{PodTemplate, Scaling},
    service::{GroupService, Method, PathMatch, PathType, WorkloadKind, WorkloadReference},
    status::{GroupServiceStatus, ServiceGroupStatus},
};
use super::Availability;

/// Services that scale apart from each other behind one front door.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "plimsoll.dev",
    version = "v1alpha1",
    kind = "ServiceGroup",
    namespaced,
    status = "ServiceGroupStatus",
    derive = "PartialEq",
    shortname = "sg",
    category = "autoscaling",
    doc = "A ServiceGroup is services that scale apart from each other behind one front door. It keeps a Deployment, a Service, a PodScaler and a PodDisruptionBudget for each, and one Ingress or HTTPRoute for all.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("the name of a group begins with a letter and has letters, digits and dashes only: it is a part of names of Services, and a label"),
    validation = Rule::new("self.spec.services.all(s, self.metadata.name.size() + s.name.size() < 63)").message("the name of the group and that of a service have at most 62 characters together: GROUP-SERVICE is the name of the Service"),
    printcolumn(
        name = "Address",
        type_ = "string",
        json_path = ".status.address",
        description = "Where the front door is"
    ),
    printcolumn(
        name = "Services",
        type_ = "string",
        json_path = ".status.ready",
        description = "Services with all the replicas they should have, of all"
    ),
    printcolumn(
        name = "Zones",
        type_ = "string",
        json_path = ".status.zones",
        description = "Zones with ready pods of it"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        priority = 1
    ),
    printcolumn(
        name = "CanLoseZone",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='CanLoseZone')].status",
        priority = 1,
        description = "Whether any one zone may go now"
    )
)]
#[x_kube(validation = Rule::new("self.services.all(s, self.services.exists_one(o, o.name == s.name))")
    .message("each name may be given to one service only")
    .field_path(".services"))]
#[x_kube(validation = Rule::new("!has(self.frontDoor) || has(self.frontDoor.gateway) || self.services.all(s, !has(s.methods))")
    .message("methods need a Gateway: an Ingress cannot route by method. Use frontDoor.gateway, or give each service paths of its own")
    .field_path(".services"))]
#[serde(rename_all = "camelCase")]
pub struct ServiceGroupSpec {
    /// The services. 1 to 64, each name once.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub services: Vec<GroupService>,

    /// How requests from outside reach them. Left out: they have no front door, only their Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front_door: Option<FrontDoor>,

    /// What may be lost without the load noticing, and how pods leave: of every service whose scaling does not say
    /// otherwise.
    #[serde(default)]
    pub availability: Availability,
}
