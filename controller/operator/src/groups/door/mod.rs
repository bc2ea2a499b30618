//! The one front door of a group: an Ingress, or an `HTTPRoute`.
//!
//! Everything here but `gather` and `watches` is pure: from a group and what was seen to the objects that should be there and the
//! condition `FrontDoor`. Two rules hold throughout. A mistake costs what it is about and nothing else: a path that is
//! refused is left out, a setting that cannot be done is left out, the rest of the door is made. And nothing is taken away
//! for a mistake: where no door can be made at all, the one that is there stays as it is.

mod certificate;
mod claims;
mod class;
mod condition;
mod controllers;
mod design;
pub mod gateway_api;
mod gather;
mod hosts;
mod http_route;
mod ingress;
mod parents;
mod paths;
mod problem;
mod route;
mod routes;
pub mod seen;
mod settings;
mod split;
pub mod watches;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod goldens;

pub use claims::Claimant;
pub use class::Class;
pub use condition::{Outcome, TYPE};
pub use controllers::ours_of_service;
pub use design::{Door, Group, design};
pub use gather::{Own, gather};
pub use hosts::share_hosts;
pub use problem::{Problem, Reason};
