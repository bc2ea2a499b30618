//! The kinds of objects that are kept for a group.

use std::fmt;

use k8s_openapi::api::{
    apps::v1::Deployment, core::v1::Service, networking::v1::Ingress, policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource,
    core::{ApiResource, DynamicObject},
};
use plimsoll_api::PodScaler;

use super::door::gateway_api::http_routes;

/// A kind of which objects are kept for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnedKind {
    /// Runs the pods of a service that has a template.
    Deployment,
    /// How many of them may be away at the same time. Before what makes pods reachable and many.
    PodDisruptionBudget,
    /// The address of a service.
    Service,
    /// How many pods a service has.
    PodScaler,
    /// The way in, for the controller of a class.
    Ingress,
    /// The way in, for Gateways.
    HttpRoute,
}

impl OwnedKind {
    /// Those that a service may have one of, in the order in which they are applied.
    pub const OF_SERVICE: [Self; 4] =
        [Self::Deployment, Self::PodDisruptionBudget, Self::Service, Self::PodScaler];

    /// Those that the front door may be made of.
    pub const OF_FRONT_DOOR: [Self; 2] = [Self::Ingress, Self::HttpRoute];

    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Deployment,
        Self::PodDisruptionBudget,
        Self::Service,
        Self::PodScaler,
        Self::Ingress,
        Self::HttpRoute,
    ];

    /// How the API server is asked about it.
    pub fn resource(self) -> ApiResource {
        fn of<K: Resource<DynamicType = ()>>() -> ApiResource {
            ApiResource::erase::<K>(&())
        }
        match self {
            Self::Deployment => of::<Deployment>(),
            Self::PodDisruptionBudget => of::<PodDisruptionBudget>(),
            Self::Service => of::<Service>(),
            Self::PodScaler => of::<PodScaler>(),
            Self::Ingress => of::<Ingress>(),
            Self::HttpRoute => http_routes(),
        }
    }

    /// Those of a namespace.
    pub(super) fn api(self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), namespace, &self.resource())
    }

    /// Whether the API server may not serve it, now or ever.
    pub(super) const fn may_be_missing(self) -> bool {
        matches!(self, Self::HttpRoute)
    }

    /// Whether those of everybody matter, and not only those that are labelled as ours: a pod under two budgets cannot be
    /// evicted.
    pub(super) const fn is_watched_whole(self) -> bool {
        matches!(self, Self::PodDisruptionBudget)
    }
}

impl fmt::Display for OwnedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HttpRoute => f.write_str("HTTPRoute"),
            _ => fmt::Debug::fmt(self, f),
        }
    }
}

/// An object of a group's namespace, by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// What it is.
    pub kind: OwnedKind,
    /// Its name.
    pub name: String,
}

impl Id {
    /// The object of this kind and name.
    pub fn new(kind: OwnedKind, name: &str) -> Self {
        Self { kind, name: name.to_owned() }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}
