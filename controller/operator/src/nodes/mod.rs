//! The running planner of nodes: it watches, plans, orders and tells.
//!
//! Another process than the one that scales pods, under another ServiceAccount: neither may do what the other does.

mod adopt;
mod backoffs;
mod calls;
mod claims;
mod drains;
mod feed;
mod fulfil;
mod kept;
mod keys;
mod kinds;
mod metrics;
mod node_groups;
mod order;
mod planner;
mod polls;
mod provider;
mod record;
mod report;
pub mod run;
#[cfg(test)]
#[path = "../../tests/requests/script.rs"]
mod script;
mod secrets;
mod shown;
mod workloads;
mod world;
