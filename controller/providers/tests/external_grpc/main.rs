//! What goes wrong with a server, and what becomes of it.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lies;
mod load;
mod orders;
mod server;
mod tls;
