//! Which requests one look sends, against a scripted API server.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod budgets;
mod groups;
mod groups_front_door;
mod groups_prune;
mod groups_stage;
mod hpa;
mod lease;
mod look;
mod memory;
mod script;
mod shared;
mod victims;
mod zero;
