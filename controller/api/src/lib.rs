//! What users write: the custom resources of the group `plimsoll.dev`, and those of others that we act on.
//!
//! The doc comments of the fields are the manual: they become the descriptions of the CRDs
//! (`kubectl explain podscaler.spec`). What the API server can check, it checks: with bounds in
//! the schema, and with CEL rules for what spans several fields. Both carry messages for people.
//!
//! This crate has no client and depends on no other crate of ours.

// KubeSchema's expansion declares a `pub` helper struct beside each type.
#![allow(unreachable_pub)]

pub mod crds;
pub mod marks;
pub mod upstream;
pub mod v1alpha1;

pub use upstream::CapacityBuffer;
pub use v1alpha1::{CapacityPool, ClusterSource, NodeOrder, PodScaler, ServiceGroup, Source};

/// The API group of all our kinds.
pub const GROUP: &str = "plimsoll.dev";
