//! A simulated cloud, and what every provider of nodes promises.
//!
//! [`Cloud`] offers what a [`Catalogue`](plimsoll_providers::Catalogue) says and speaks the cluster-autoscaler's
//! protocol for external providers as a server, so that Plimsoll and the cluster-autoscaler can run against the same
//! cloud. Its machines join a cluster as nodes that kwok plays ([`join`](Cloud::join)). A test switches its
//! [`Faults`].
//!
//! [`contract`] is one list of promises that is run over every provider.

mod cloud;
pub mod contract;
mod faults;
mod join;
mod machine;
mod serve;
mod server;

pub use self::{
    cloud::Cloud,
    faults::{Faults, Lie, Rpc, Shortage},
    join::Joining,
    machine::{Machine, MachineState},
    serve::{Certificates, Serving},
};
