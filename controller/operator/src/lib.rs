//! The running controller: gather → decide → act → report.
//!
//! Only this crate sets writes in motion, and within it only `act` (the scale subresource, the objects of a group) and
//! `report` (status, events). Both take a decision and make no choice; both are gated by the lease.

pub mod args;
pub mod budgets;
pub mod checkpoint;
pub mod context;
pub mod decisions;
mod events;
pub mod groups;
pub mod hpa;
pub mod http;
mod in_time;
pub mod labels;
pub mod leadership;
pub mod metrics;
pub mod mirror;
pub mod nodes;
pub mod pods;
pub mod podscaler;
mod register;
pub mod run;
pub mod signals;
pub mod sources;
pub mod targets;
pub mod telemetry;
pub mod usage;
pub mod workloads;
pub mod zones;
