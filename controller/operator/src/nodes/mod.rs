//! The running planner of nodes: it watches, plans, orders and tells.
//!
//! Another process than the one that scales pods, under another ServiceAccount: neither may do what the other does.

mod adopt;
mod attachments;
mod backoffs;
mod buffer_status;
mod buffers;
mod calls;
mod claimants;
mod claims;
mod coming;
mod daemons;
mod disruptable;
mod drains;
mod explain;
mod failures;
mod feed;
mod fulfil;
mod gauges;
mod kept;
mod keys;
mod kinds;
pub mod leave;
mod losses;
mod metrics;
mod news;
mod node_groups;
mod nominations;
mod order;
mod planner;
mod polls;
mod pool_status;
mod pools;
mod priorities;
mod provider;
mod record;
mod recorded;
mod report;
pub mod run;
mod scalables;
#[cfg(test)]
#[path = "../../tests/requests/script.rs"]
mod script;
mod secrets;
mod served;
mod shown;
mod unanswered;
mod unasked;
mod uncounted;
mod workloads;
mod world;

// What a pool's spec means to its provider, and what its provider's words mean to the planner: also for who tries a plan out.
pub use self::{order::request, polls::offerings, provider::kwok_config};
#[cfg(test)]
mod tests;
