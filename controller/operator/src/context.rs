//! What a look at a PodScaler needs: handles that do IO, and plain settings.

use std::time::Duration;

use futures::Stream;
use kube::Client;
use plimsoll_api::v1alpha1::PodScalerSpec;
use plimsoll_core::replicas::Settings;
use tokio::sync::watch;

use crate::{
    args::HpaMode,
    budgets::Budgets,
    decisions::Decisions,
    hpa::shadow::Shadows,
    leadership::Leadership,
    metrics::Metrics,
    pods::PodIndex,
    podscaler::{claims::Claims, memory::Memories, schedule::Schedule},
    signals::Signals,
    sources::Sources,
    targets::Targets,
    workloads::Workloads,
    zones::Zones,
};

/// Handles that do IO, and what is remembered between two looks.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// All pods.
    pub pods: PodIndex,
    /// The zones of nodes; none unless somebody asks for them.
    pub zones: Zones,
    /// The PodDisruptionBudgets; none unless PodScalers may have some.
    pub budgets: Budgets,
    /// True once all PodScalers, HPAs, pods and built-in workloads of the cluster were seen.
    pub ready: watch::Receiver<bool>,
    /// Whether we may write.
    pub leadership: Leadership,
    /// The workloads that are scaled.
    pub targets: Targets,
    /// Where load numbers come from.
    pub signals: Signals,
    /// What watches show of the built-in ones among them.
    pub workloads: Workloads,
    /// Where else load numbers may be asked for, and as whom.
    pub sources: Sources,
    /// When each PodScaler is looked at.
    pub schedule: Schedule,
    /// Which PodScalers scale what.
    pub claims: Claims,
    /// Which HPAs scale what, whoever acts for them.
    pub hpa_claims: Claims,
    /// How our answers differ from those of the built-in controller.
    pub shadows: Shadows,
    /// What is remembered of each PodScaler.
    pub memories: Memories,
    /// The recent decisions, for `plimsoll explain` and `plimsoll replay`.
    pub decisions: Decisions,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Plain values.
    pub options: Options,
}

impl Options {
    /// The time between two looks at a PodScaler with this spec; None for one that does not decode.
    pub fn period(&self, spec: Option<&PodScalerSpec>) -> Duration {
        spec.and_then(|spec| spec.sync_period_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map_or(self.sync_period, Duration::from_secs)
    }

    /// How old an answer of a source may be that serves a PodScaler with this spec: one request then
    /// serves all that look within a fifth of the period.
    pub fn max_age(&self, spec: &PodScalerSpec) -> Duration {
        self.period(Some(spec)) / 5
    }
}

impl Context {
    /// Never decide on what we have not seen, never beside another replica, and never before we know what it left us.
    pub fn may_decide(&self) -> bool {
        let remembers = || self.leadership.term().is_some_and(|term| self.memories.are_of(term));
        *self.ready.borrow() && self.leadership.is_leader() && remembers()
    }

    /// When to look at everything that was waved through: once everything was seen, and once we lead and know what the
    /// last leader remembered.
    pub fn resumptions(&self) -> impl Stream<Item = ()> + Send + use<> {
        let mut ready = self.ready.clone();
        let once_ready = futures::stream::once(async move {
            // A sender that is gone means that the process is ending.
            let _ = ready.wait_for(|ready| *ready).await;
        });
        futures::stream::select(once_ready, self.memories.beginnings())
    }
}

/// Plain values from the flags.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the core wants to know.
    pub settings: Settings,
    /// The time between two looks at a PodScaler that does not set one.
    pub sync_period: Duration,
    /// What to do with HPAs.
    pub hpa: HpaMode,
    /// Whether deletion costs of pods may be written.
    pub pod_deletion_cost: bool,
    /// Whether nodes are watched and budgets may be written for PodScalers with `availability`.
    pub availability: bool,
    /// Whether CapacityPools are watched for what they say of the loss of zones.
    pub capacity_pools: bool,
    /// Our identity in events.
    pub pod_name: String,
}
