//! ServiceGroups: gather → decide → act → report.
//!
//! What is kept for a group is found by its label and belongs to it by the uid of its controller. Nothing else is ever
//! written or deleted, and nothing is deleted because something could not be read.

mod act;
mod apply;
pub mod controller;
pub mod decide;
mod desired;
pub mod door;
mod events;
mod front_door;
mod gather;
pub mod kind;
mod live;
pub mod memory;
pub mod object;
pub mod owned;
mod prune;
pub mod reason;
pub mod reconcile;
mod report;
mod resilience;
pub mod rooms;
pub mod seen;
mod shown;
mod status;
pub mod triggers;

use std::sync::Arc;

use kube::{core::DeserializeGuard, runtime::reflector::Store};
use plimsoll_api::ServiceGroup;
use tokio::sync::watch;

use crate::context::Context;
use door::watches::Watches;
use memory::Memories;
use owned::Owned;
use rooms::Rooms;

/// A ServiceGroup, whether it decodes or not.
pub type Group = DeserializeGuard<ServiceGroup>;

/// The name under which what is kept for groups appears in `managedFields`. Sizes are written under another.
pub const FIELD_MANAGER: &str = "plimsoll-servicegroups";

/// What a look at a group needs.
pub struct Groups {
    /// Handles that do IO, pods and workloads.
    pub context: Arc<Context>,
    /// All groups.
    pub all: Store<Group>,
    /// True once all of them were listed.
    pub listed: watch::Receiver<bool>,
    /// What is kept for them.
    pub owned: Owned,
    /// What front doors depend on.
    pub doors: Watches,
    /// What pools say of room for the pods of a lost zone. Nothing where nodes are not scaled.
    pub rooms: Rooms,
    /// What is remembered of each.
    pub memories: Memories,
}

impl Groups {
    /// Never decide on what we have not seen, nor beside another replica.
    fn may_decide(&self) -> bool {
        self.context.may_decide() && *self.listed.borrow() && self.owned.all_seen()
    }
}
