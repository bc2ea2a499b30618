//! The running planner of nodes: it watches, plans, orders and tells.
//!
//! Another process than the one that scales pods, under another ServiceAccount: neither may do what the other does.

mod backoffs;
mod disruptable;
mod drains;
mod feed;
mod fulfil;
mod kept;
mod keys;
mod kinds;
pub mod leave;
mod metrics;
mod order;
mod planner;
mod polls;
mod provider;
mod record;
mod report;
pub mod run;
mod shown;
mod workloads;
mod world;

// What a pool's spec means to its provider, and what its provider's words mean to the planner: also for who tries a plan out.
pub use self::{order::request, polls::offerings, provider::config};
