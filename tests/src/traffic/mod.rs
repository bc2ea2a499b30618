//! Real traffic: clients ask a real ingress controller, which asks the pods at their addresses.
//!
//! ```text
//!  k6 ──► Traefik ──► pod address:port ──► this process stands for all pods
//!            │ watches                        │ watches            │ says what they use
//!            └───► Ingress, HTTPRoute, EndpointSlices, pods        └──► metrics-server ──► the operator
//! ```
//!
//! All of it, the cluster included, lives in a network namespace ([`network`]) in which every pod address leads to this
//! machine. A pod that a test wants to answer has the annotations of [`pods`]. `docs/traffic.md` says what is real here and
//! what is played.

mod bed;
pub mod clients;
pub mod front_door;
mod kubelets;
pub mod network;
mod pod;
pub mod pods;
pub mod record;
pub mod shop;

pub use self::{
    bed::Bed,
    clients::{Clients, Stream},
    front_door::FrontDoor,
    pods::PlayedPods,
    record::Record,
};
