//! The requests of the protocol, each with a time-out, and no more of them at once than the server is meant to bear.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::{sync::Semaphore, time::timeout};
use tonic::{Response, Status, transport::Channel};

use super::{
    config::{ExternalGrpcConfig, NodeGroupRule},
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

/// A connection, made at the first request and again after it was lost.
#[derive(Debug)]
pub(super) struct Connection {
    time_out: Duration,
    permits: Semaphore,
    client: Client,
    node_groups: Vec<NodeGroupRule>,
}

impl Connection {
    pub(super) fn new(config: ExternalGrpcConfig) -> Result<Self, ConfigError> {
        if config.concurrency == 0 {
            return Err(ConfigError::new("concurrency", "must be at least 1"));
        }
        let client = Client::new(config.endpoint()?.connect_lazy()).max_decoding_message_size(LONGEST);
        let permits = usize::try_from(config.concurrency).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Ok(Self {
            time_out: config.time_out()?,
            permits: Semaphore::new(permits),
            client,
            node_groups: config.node_groups,
        })
    }

    /// What one request may take.
    pub(super) fn time_out(&self) -> Duration {
        self.time_out
    }

    /// What is said of a group beside the protocol.
    pub(super) fn rule(&self, group: &OfferingId) -> Option<&NodeGroupRule> {
        NodeGroupRule::of(&self.node_groups, group)
    }

    fn client(&self) -> Client {
        self.client.clone()
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

    /// Those that are meant; the others are nobody's business of ours.
    pub(super) async fn groups(&self) -> Result<Vec<NodeGroup>, ProviderError> {
        let mut client = self.client();
        let answer = self.ask("NodeGroups", None, Box::pin(client.node_groups(NodeGroupsRequest {}))).await?;
        let mut groups = answer.node_groups;
        groups.retain(|group| {
            group.id.is_empty() || NodeGroupRule::mean(&self.node_groups, &OfferingId(group.id.clone()))
        });
        Ok(groups)
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
        let said = self.ask("NodeGroupTemplateNodeInfo", Some(id), answer).await?;
        Ok(if said.node_bytes.is_empty() { said.node_info } else { said.node_bytes })
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
