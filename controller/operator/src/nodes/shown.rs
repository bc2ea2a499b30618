//! The last plan, for `plimsoll explain`.

use std::sync::{Arc, PoisonError, RwLock};

use plimsoll_core::{
    nodes::{NodePlan, remove::RemovalPlan},
    time::Timestamp,
};
use serde::Serialize;

/// The last plan. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown(Arc<RwLock<Option<Arc<Dated>>>>);

/// A plan and when it was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dated {
    /// When it was made, in milliseconds since the Unix epoch.
    pub(crate) at: Timestamp,
    /// What is added.
    pub(crate) plan: NodePlan,
    /// What is removed, and why everything else stays.
    pub(crate) removal: RemovalPlan,
    /// The invariant that it breaks, if the audit refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
}

impl Shown {
    /// Shows a plan from now on.
    pub(crate) fn plan(&self, plan: NodePlan, removal: RemovalPlan, refused: Option<String>, at: Timestamp) {
        self.set(Some(Arc::new(Dated { at, plan, removal, refused })));
    }

    /// Shows none: somebody else plans.
    pub(crate) fn clear(&self) {
        self.set(None);
    }

    /// What is shown.
    pub(crate) fn get(&self) -> Option<Arc<Dated>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, plan: Option<Arc<Dated>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = plan;
    }
}
