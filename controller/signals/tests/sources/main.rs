//! What sources ask for, and what they make of the answers, against a scripted API server.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod custom;
mod external;
mod server;
