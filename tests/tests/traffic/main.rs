//! What clients see of services behind a real front door: k6 asks Traefik, which asks pods at their addresses.
//!
//! `make test-traffic` runs these tests one after the other, each in a network namespace with a cluster of its own; `cargo
//! test` leaves them out. `docs/traffic.md` says what is real.

// Helpers outside `#[test]` functions may panic here: the whole file is a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, reason = "what was measured is a result too")]

mod no_request_is_lost;
mod one_service_grows;
mod requests_find_their_service;
mod sessions_stay;
mod stage;
mod zone_is_cut;
