//! The running planner of nodes: it watches, plans, orders and tells.
//!
//! Another process than the one that scales pods, under another ServiceAccount: neither may do what the other does.

mod backoffs;
mod buffer_status;
mod buffers;
mod drains;
mod feed;
mod fulfil;
mod kept;
mod keys;
mod kinds;
mod metrics;
mod nominations;
mod order;
mod planner;
mod polls;
mod provider;
mod record;
mod report;
pub mod run;
mod scalables;
mod shown;
mod workloads;
mod world;
