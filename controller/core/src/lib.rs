//! What Plimsoll decides: values in, values out.
//!
//! - No IO, no clock, no randomness, no Kubernetes types. `now` and everything else that may differ between two
//!   runs is an argument; the nearest `clippy.toml` bans the rest.
//! - [`replicas::decide`] says how many pods a workload gets and why, and what to remember for the next call.
//! - [`replicas::blocked`] says what to report when a decision cannot even start.
//! - [`replicas::acted`] says what to report once the size was written, or was not.
//! - Every word a user reads comes from [`reason`] or from the `Display` of a value in here, so that status,
//!   events, logs and `explain` cannot disagree.

#![forbid(unsafe_code)]

pub mod audit;
pub mod cluster;
mod lookup;
pub mod nodes;
mod numeric;
pub mod orders;
pub mod placement;
pub mod quantity;
pub mod reason;
pub mod replicas;
pub mod time;
pub mod wildcard;
mod window;
