//! What every provider promises, of the external gRPC protocol over a simulated cloud. The rows for kwok need a real API
//! server: `tests/tests/cluster/providers_keep_their_promises.rs` runs the same list there.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use cloud::{
    Cloud, Serving,
    contract::{Subject, catalogue},
};
use plimsoll_providers::{Catalogue, ExternalGrpc, ExternalGrpcConfig, OrderKey, Provider};

struct OverGrpc {
    cloud: Cloud,
    serving: Serving,
    provider: Arc<dyn Provider>,
}

fn client(serving: &Serving) -> Result<Arc<dyn Provider>> {
    let timeout = "5s".to_owned();
    Ok(Arc::new(ExternalGrpc::new(ExternalGrpcConfig {
        timeout,
        ..ExternalGrpcConfig::plain(serving.address())
    })?))
}

async fn over_grpc() -> Result<OverGrpc> {
    let cloud = Cloud::new(catalogue(), Duration::ZERO)?;
    let serving = cloud.serve().await?;
    let provider = client(&serving)?;
    Ok(OverGrpc { cloud, serving, provider })
}

impl Subject for OverGrpc {
    fn provider(&self) -> &Arc<dyn Provider> {
        &self.provider
    }

    fn restarted(&self) -> Result<Arc<dyn Provider>> {
        client(&self.serving)
    }

    fn key(&self, name: &str) -> Result<OrderKey> {
        Ok(name.parse()?)
    }

    fn offer(&self, catalogue: Catalogue) -> Result<()> {
        Ok(self.cloud.configure(catalogue)?)
    }
}

cloud::contract!(over_grpc);
