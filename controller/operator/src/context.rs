//! What a look at a PodScaler needs: handles that do IO, and plain settings.

use std::time::Duration;

use kube::Client;
use plimsoll_core::replicas::Settings;
use plimsoll_signals::ResourceMetrics;
use tokio::sync::watch;

use crate::{
    leadership::Leadership,
    metrics::Metrics,
    pods::PodIndex,
    podscaler::{claims::Claims, memory::Memories},
    targets::Targets,
};

/// Handles that do IO, and what is remembered between two looks.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// All pods.
    pub pods: PodIndex,
    /// True once all PodScalers and pods of the cluster were seen.
    pub ready: watch::Receiver<bool>,
    /// Whether we may write.
    pub leadership: Leadership,
    /// The workloads that are scaled.
    pub targets: Targets,
    /// Usage of pods.
    pub resource_metrics: ResourceMetrics,
    /// Who scales what.
    pub claims: Claims,
    /// What is remembered of each PodScaler.
    pub memories: Memories,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Plain values.
    pub options: Options,
}

/// Plain values from the flags.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the core wants to know.
    pub settings: Settings,
    /// The time between two looks at a PodScaler.
    pub sync_period: Duration,
    /// Our identity in events.
    pub pod_name: String,
}
