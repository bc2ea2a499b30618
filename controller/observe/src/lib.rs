//! What we see: Kubernetes objects become values of the core.
//!
//! Pure: objects in, values out. This is the one place where the versioned types of Kubernetes
//! and the types of the core meet, so a new version of Kubernetes is felt here and nowhere else.

mod availability;
pub mod cluster;
mod deletion_cost;
mod direct;
mod extension;
mod hpa;
mod owner;
mod pod;
mod policy;
mod selector;
mod time;

pub use availability::{Manner, SpreadOver};
pub use deletion_cost::{COST_MANAGER, DELETION_COST, DRAIN_MANAGER, DeletionCost};
pub use hpa::podscaler_spec_of_hpa;
pub use owner::{Owner, OwnerKind, observe_owner};
pub use pod::{ObservedPod, observe_pod};
pub use policy::{InvalidField, observe_policy};
pub use selector::{SelectorError, parse_selector, selector_text};
pub use time::{from_core_time, observe_time};
