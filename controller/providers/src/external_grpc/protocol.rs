//! The messages of the protocol, as the compiler makes them from `proto/`.

/// The cluster-autoscaler's protocol for external providers. The server's half is there with the feature `server`.
#[allow(
    missing_docs,
    clippy::pedantic,
    clippy::use_self,
    clippy::or_fun_call,
    reason = "made from the .proto file by a compiler with a style of its own"
)]
pub mod externalgrpc {
    tonic::include_proto!("clusterautoscaler.cloudprovider.v1.externalgrpc");
}

/// The part of a v1.Node that describes a node to come.
#[allow(
    missing_docs,
    clippy::pedantic,
    reason = "made from the .proto file by a compiler with a style of its own"
)]
pub mod kubernetes {
    tonic::include_proto!("plimsoll.kubernetes");
}
