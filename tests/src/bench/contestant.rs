//! Who decides, and how that is seen.

use anyhow::Result;

use super::{
    manager::Manager,
    process::Process,
    scrape::{Histogram, Page},
};
use crate::{
    audit::AuditEvent,
    operator::{NAMESPACE, OperatorProcess, RELEASE},
};

/// One that makes decisions.
pub(super) enum Contestant<'a> {
    /// Plimsoll's operator.
    Operator(&'a OperatorProcess),
    /// The HPA controller.
    Manager(&'a Manager),
}

impl Contestant<'_> {
    pub(super) fn process(&self) -> Process {
        match self {
            Self::Operator(operator) => Process::new(operator.id()),
            Self::Manager(manager) => manager.process(),
        }
    }

    pub(super) async fn page(&self) -> Result<Page> {
        match self {
            Self::Operator(operator) => Ok(Page::new(operator.get("/metrics").await?.body)),
            Self::Manager(manager) => manager.page().await,
        }
    }

    /// Decisions until now.
    pub(super) fn decisions(&self, page: &Page) -> f64 {
        match self {
            Self::Operator(_) => page.sum("plimsoll_decisions_total", ""),
            Self::Manager(_) => page.sum("horizontal_pod_autoscaler_controller_reconciliations_total", ""),
        }
    }

    /// How long each decision was due before it was begun.
    pub(super) fn lag(&self, page: &Page) -> Histogram {
        match self {
            Self::Operator(_) => page.histogram("plimsoll_look_lag_seconds", ""),
            Self::Manager(_) => {
                page.histogram("workqueue_queue_duration_seconds", "name=\"horizontalpodautoscaler\"")
            }
        }
    }

    /// Whether a request is from it.
    pub(super) fn asked(&self, event: &AuditEvent) -> bool {
        match self {
            Self::Operator(_) => {
                event.user.username == format!("system:serviceaccount:{NAMESPACE}:{RELEASE}")
            }
            Self::Manager(_) => event.user_agent.starts_with("kube-controller-manager/"),
        }
    }
}
