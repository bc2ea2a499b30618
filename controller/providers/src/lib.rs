//! Where nodes come from.
//!
//! A provider is asked what it offers, what there is, and for more or fewer nodes; it answers in plain values. It knows
//! nothing of pools, orders as objects, or policy. [`Provider`] is what one implements, and says how an order is made
//! so that a crash neither loses nor repeats it. [`Registry`] makes providers from their configuration, each
//! [`Instrumented`] with metrics, a limit and a time-out.

mod catalogue;
mod config_error;
mod error;
mod external_grpc;
mod instance;
mod instrumented;
mod kwok;
pub mod labels;
mod offering;
mod order;
mod provider;
mod registry;
mod time_out;

pub use catalogue::{Catalogue, CloudQuota, Failure, InstanceType, Rule, Stock, Usage};
pub use config_error::ConfigError;
pub use error::{ProviderError, Remedy};
pub use external_grpc::{ExternalGrpc, ExternalGrpcConfig, GrpcTls, NodeGroupRule, protocol};
pub use instance::{
    FailureKind, Group, Instance, InstanceFailure, InstanceRef, InstanceState, Inventory, Oddity,
};
pub use instrumented::{Instrumented, ProviderSeries};
pub use kwok::{KwokConfig, KwokProvider};
pub use offering::{Bounds, CapacityType, InvalidPrice, Offering, OfferingId, Price, Resources, Taint};
pub use order::{CreateRequest, Created, InvalidOrderKey, OrderKey, Settled};
pub use provider::{Capabilities, Offerings, Provider};
pub use registry::{ProviderConfig, Registry, Surroundings};
