//! A cloud and a client of it.

use std::time::Duration;

use cloud::{Cloud, Faults, Serving, contract::catalogue};
use plimsoll_providers::{CreateRequest, ExternalGrpc, ExternalGrpcConfig, Group, OfferingId, Provider as _};

/// What one request may take: far more than one needs, so that no pause of a busy machine is taken for silence.
pub(crate) const TIME_OUT: Duration = Duration::from_secs(5);

pub(crate) struct Server {
    pub(crate) cloud: Cloud,
    pub(crate) client: ExternalGrpc,
    _serving: Serving,
}

/// A cloud that behaves so.
pub(crate) async fn server(faults: Faults) -> Server {
    let cloud = Cloud::new(catalogue(), Duration::ZERO).unwrap();
    cloud.misbehave(faults);
    let serving = cloud.serve().await.unwrap();
    Server { cloud, client: client(&serving.address()), _serving: serving }
}

pub(crate) fn client(address: &str) -> ExternalGrpc {
    let timeout = format!("{}ms", TIME_OUT.as_millis());
    ExternalGrpc::new(ExternalGrpcConfig { timeout, ..ExternalGrpcConfig::plain(address) }).unwrap()
}

pub(crate) fn here() -> OfferingId {
    "small.zone-a.on-demand".into()
}

pub(crate) fn there() -> OfferingId {
    "small.zone-b.spot".into()
}

pub(crate) fn order(count: u32, size_before: u32) -> CreateRequest {
    CreateRequest::new("order".parse().unwrap(), here(), count, size_before)
}

impl Server {
    pub(crate) async fn group(&self, id: &OfferingId) -> Group {
        let mut inventory = self.client.inventory().await.unwrap();
        inventory.groups.remove(id).unwrap().unwrap()
    }
}
