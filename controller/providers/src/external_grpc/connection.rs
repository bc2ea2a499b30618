//! The requests of the protocol, each with a time-out, and no more of them at once than the server is meant to bear.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use tonic::{Response, Status, transport::Channel};

use super::{
    config::{ExternalGrpcConfig, Files},
    failure::failure,
    protocol::externalgrpc::{
        ExternalGrpcNode, NodeGroup, NodeGroupDecreaseTargetSizeRequest, NodeGroupDeleteNodesRequest,
        NodeGroupIncreaseSizeRequest, NodeGroupNodesRequest, NodeGroupNodesResponse,
        NodeGroupTargetSizeRequest, NodeGroupTemplateNodeInfoRequest, NodeGroupsRequest,
        PricingNodePriceRequest, RefreshRequest, cloud_provider_client::CloudProviderClient,
    },
};
use crate::{ConfigError, OfferingId, ProviderError};

type Client = CloudProviderClient<Channel>;

/// The longest answer that is read: 10,000 instances are about a megabyte.
const LONGEST: usize = 32 << 20;
/// How often the files are looked at.
const BETWEEN_READS: Duration = Duration::from_secs(10);

/// A connection, made at the first request and again after it was lost.
#[derive(Debug)]
pub(super) struct Connection {
    config: ExternalGrpcConfig,
    time_out: Duration,
    permits: Semaphore,
    current: Mutex<Current>,
}

struct Current {
    files: Files,
    read_at: Instant,
    client: Client,
}

impl std::fmt::Debug for Current {
    // Not the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

fn client(config: &ExternalGrpcConfig, files: &Files) -> Result<Client, ConfigError> {
    Ok(Client::new(config.endpoint(files)?.connect_lazy()).max_decoding_message_size(LONGEST))
}

impl Connection {
    pub(super) fn new(config: ExternalGrpcConfig) -> Result<Self, ConfigError> {
        if config.concurrency == 0 {
            return Err(ConfigError::new("concurrency", "must be at least 1"));
        }
        let files = config.files()?;
        let client = client(&config, &files)?;
        let permits = usize::try_from(config.concurrency).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Ok(Self {
            time_out: config.time_out()?,
            permits: Semaphore::new(permits),
            current: Mutex::new(Current { files, read_at: Instant::now(), client }),
            config,
        })
    }

    /// What one request may take.
    pub(super) fn time_out(&self) -> Duration {
        self.time_out
    }

    /// A client with the certificates as they are now.
    fn client(&self) -> Client {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !current.files.are_none() && current.read_at.elapsed() >= BETWEEN_READS {
            current.read_at = Instant::now();
            let renewed = self.config.files().and_then(|files| Ok((client(&self.config, &files)?, files)));
            match renewed {
                Ok((client, files)) if files != current.files => {
                    current.client = client;
                    current.files = files;
                }
                Ok(_) => {}
                // They may be half written: what worked until now is used until they can be read.
                Err(error) => tracing::warn!(%error, "certificates could not be read again"),
            }
        }
        current.client.clone()
    }

    async fn ask<T>(
        &self,
        call: &'static str,
        offering: Option<&OfferingId>,
        answer: BoxFuture<'_, Result<Response<T>, Status>>,
    ) -> Result<T, ProviderError> {
        // The semaphore is never closed; if it were, asking without a limit would be the lesser evil.
        let _permit = self.permits.acquire().await.ok();
        match timeout(self.time_out, answer).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(failure(&status, call, offering)),
            Err(_) => Err(ProviderError::TimedOut { call, after: self.time_out }),
        }
    }

    /// Asks the server to bring what it remembers up to date. A server that has no use for it says so.
    pub(super) async fn refresh(&self) -> Result<(), ProviderError> {
        let mut client = self.client();
        match self.ask("Refresh", None, Box::pin(client.refresh(RefreshRequest {}))).await {
            Ok(_) | Err(ProviderError::Unsupported(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn groups(&self) -> Result<Vec<NodeGroup>, ProviderError> {
        let mut client = self.client();
        let answer = self.ask("NodeGroups", None, Box::pin(client.node_groups(NodeGroupsRequest {}))).await?;
        Ok(answer.node_groups)
    }

    /// As it was said: it may be below zero.
    pub(super) async fn target(&self, id: &OfferingId) -> Result<i32, ProviderError> {
        let (mut client, request) = (self.client(), NodeGroupTargetSizeRequest { id: id.0.clone() });
        let answer = self
            .ask("NodeGroupTargetSize", Some(id), Box::pin(client.node_group_target_size(request)))
            .await?;
        Ok(answer.target_size)
    }

    pub(super) async fn nodes(&self, id: &OfferingId) -> Result<NodeGroupNodesResponse, ProviderError> {
        let (mut client, request) = (self.client(), NodeGroupNodesRequest { id: id.0.clone() });
        self.ask("NodeGroupNodes", Some(id), Box::pin(client.node_group_nodes(request))).await
    }

    pub(super) async fn template(&self, id: &OfferingId) -> Result<Vec<u8>, ProviderError> {
        let (mut client, request) = (self.client(), NodeGroupTemplateNodeInfoRequest { id: id.0.clone() });
        let answer = Box::pin(client.node_group_template_node_info(request));
        Ok(self.ask("NodeGroupTemplateNodeInfo", Some(id), answer).await?.node_bytes)
    }

    pub(super) async fn price(
        &self,
        id: &OfferingId,
        request: PricingNodePriceRequest,
    ) -> Result<f64, ProviderError> {
        let mut client = self.client();
        Ok(self.ask("PricingNodePrice", Some(id), Box::pin(client.pricing_node_price(request))).await?.price)
    }

    pub(super) async fn increase(&self, id: &OfferingId, delta: i32) -> Result<(), ProviderError> {
        let (mut client, request) = (self.client(), NodeGroupIncreaseSizeRequest { delta, id: id.0.clone() });
        let answer = Box::pin(client.node_group_increase_size(request));
        self.ask("NodeGroupIncreaseSize", Some(id), answer).await.map(|_| ())
    }

    pub(super) async fn decrease(&self, id: &OfferingId, delta: i32) -> Result<(), ProviderError> {
        let (mut client, request) =
            (self.client(), NodeGroupDecreaseTargetSizeRequest { delta, id: id.0.clone() });
        let answer = Box::pin(client.node_group_decrease_target_size(request));
        self.ask("NodeGroupDecreaseTargetSize", Some(id), answer).await.map(|_| ())
    }

    pub(super) async fn delete(
        &self,
        id: &OfferingId,
        nodes: Vec<ExternalGrpcNode>,
    ) -> Result<(), ProviderError> {
        let (mut client, request) = (self.client(), NodeGroupDeleteNodesRequest { nodes, id: id.0.clone() });
        let answer = Box::pin(client.node_group_delete_nodes(request));
        self.ask("NodeGroupDeleteNodes", Some(id), answer).await.map(|_| ())
    }
}
