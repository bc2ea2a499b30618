//! The test bed: a real Kubernetes in seconds, without containers.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let cluster = testbed::Cluster::shared().await?;
//! let namespace = cluster.namespace("shop").await?;
//! cluster.kubectl(["-n", &namespace, "create", "deployment", "web", "--image=web"]).await?;
//! # Ok(()) }
//! ```

pub mod adapter;
pub mod audit;
pub mod bench;
mod binaries;
pub mod cli;
pub mod cluster;
pub mod compare;
pub mod demo;
mod eventually;
pub mod guardian;
pub mod http;
pub mod load;
pub mod namespace;
pub mod operator;
pub mod oracle;
pub mod ports;
mod program;
pub mod prometheus;
mod save;
mod say;
pub mod tools;
pub mod traffic;
pub mod usage;

pub(crate) use self::say::say;
pub use self::{
    adapter::Adapter,
    cli::Cli,
    cluster::{Cluster, ClusterSpec},
    eventually::eventually,
    load::{Load, Total},
    namespace::Namespace,
    operator::Operator,
    prometheus::Prometheus,
};
