//! The running planner of nodes: it watches, plans, orders and tells.
//!
//! Another process than the one that scales pods, under another ServiceAccount: neither may do what the other does.

mod backoffs;
mod drains;
mod explain;
mod feed;
mod fulfil;
mod gauges;
mod kept;
mod keys;
mod kinds;
mod metrics;
mod news;
mod order;
mod planner;
mod polls;
mod provider;
mod record;
mod report;
pub mod run;
mod served;
mod shown;
mod workloads;
mod world;

#[cfg(test)]
mod tests;
