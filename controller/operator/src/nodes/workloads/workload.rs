//! A workload, as far as announcements and drains are about it.

use std::sync::Arc;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::PodTemplateSpec};
use plimsoll_core::cluster::{Name, PodShape, Unplannable};

use crate::nodes::priorities::{Priorities, Said};

pub(super) struct Workload {
    pub(super) kind: &'static str,
    pub(super) name: Name,
    /// The Deployment that a `ReplicaSet` belongs to.
    pub(super) owner: Option<Name>,
    pub(super) namespace: Name,
    pub(super) wanted: u32,
    /// What is asked for, what is available, and whether two templates or an unseen spec are in between.
    pub(super) state: State,
    /// Whether its next pod is made only once the one before it is gone.
    pub(super) waits_for_end: bool,
    /// What its next pod will ask for but for its priority, or why it is not planned for; None where nothing can be said of it.
    pub(super) shape: Option<Result<Arc<PodShape>, Unplannable>>,
    /// What its template says of the priority of its pods.
    pub(super) priority: Said,
    /// Its template, where that names claims.
    pub(super) template: Option<Box<PodTemplateSpec>>,
}

impl Workload {
    /// What its next pod will ask for, with the priority that it will have.
    pub(super) fn shape(&self, priorities: &Priorities) -> Option<Result<Arc<PodShape>, Unplannable>> {
        let priority = priorities.of(&self.priority)?;
        let mut shape = self.shape.clone()?;
        if let Ok(shape) = &mut shape
            && shape.priority != priority
        {
            Arc::make_mut(shape).priority = priority;
        }
        Some(shape)
    }
}

/// What a workload asks for, and how far it is.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) replicas: Option<i32>,
    pub(super) state: State,
    pub(super) waits_for_end: bool,
}

/// How far a Deployment is.
#[derive(Clone, Copy, Default)]
pub(super) struct State {
    pub(super) replicas: i32,
    pub(super) available: i32,
    pub(super) in_rollout: bool,
}

impl State {
    pub(super) fn of(deployment: &Deployment) -> Self {
        let replicas = deployment.spec.replicas.unwrap_or(1);
        let status = deployment.status.clone().unwrap_or_default();
        let updated = status.updated_replicas.unwrap_or(0);
        let is_seen = status.observed_generation.unwrap_or(0) >= deployment.metadata.generation.unwrap_or(0);
        let is_one = updated >= replicas && status.replicas.unwrap_or(0) <= updated;
        Self { replicas, available: status.available_replicas.unwrap_or(0), in_rollout: !is_seen || !is_one }
    }
}
