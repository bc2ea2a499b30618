//! The protocol, as a server.

use std::{collections::BTreeMap, future::pending};

use plimsoll_core::quantity::Quantity;
use plimsoll_providers::{
    Failure, Offering, OfferingId, ProviderError, Resources,
    protocol::{
        externalgrpc::{
            self as said, Instance, InstanceErrorInfo, InstanceStatus, NodeGroup,
            NodeGroupDecreaseTargetSizeRequest, NodeGroupDeleteNodesRequest, NodeGroupIncreaseSizeRequest,
            NodeGroupNodesResponse, NodeGroupsResponse, PricingNodePriceRequest, PricingNodePriceResponse,
            cloud_provider_server::CloudProvider, instance_status::InstanceState,
        },
        kubernetes,
    },
};
use prost::Message as _;
use tonic::{Code, Request, Response, Status};

use crate::{Cloud, Lie, Machine, MachineState, Rpc, cloud::State};

/// The protocol's number for «there is no more of this».
const OUT_OF_RESOURCES: i32 = 1;
const MICROS_PER_UNIT: f64 = 1e6;

type Answer<T> = Result<Response<T>, Status>;

impl Cloud {
    /// What happens to a request: it is noted, it may hang or be refused, it is carried out, its answer may be lost.
    async fn answer<T>(
        &self,
        rpc: Rpc,
        group: Option<&str>,
        carry_out: impl FnOnce(&mut State) -> Result<T, Status> + Send,
    ) -> Answer<T> {
        self.note(rpc);
        let faults = self.state().faults.clone();
        let about = group.map(|id| (rpc, OfferingId(id.to_owned())));
        let by_the_catalogue = |id| rpc == Rpc::NodeGroupIncreaseSize && self.state().hangs(id);
        if faults.hangs.contains(&rpc)
            || about.is_some_and(|about| faults.hangs_for.contains(&about))
            || group.is_some_and(by_the_catalogue)
        {
            return pending().await;
        }
        if let Some((code, words)) = faults.refuses.get(&rpc) {
            return Err(Status::new(*code, words));
        }
        let done = carry_out(&mut self.state());
        if rpc.changes() {
            self.changed();
        }
        if faults.never_answers.contains(&rpc) {
            return pending().await;
        }
        if faults.loses_answer.contains(&rpc) {
            return Err(Status::unavailable("the answer was lost"));
        }
        done.map(Response::new)
    }
}

fn unknown(id: &str) -> Status {
    Status::not_found(format!("no group {id}"))
}

fn refused(error: &ProviderError) -> Status {
    let code = match error {
        ProviderError::OutOfCapacity { .. } => Code::ResourceExhausted,
        ProviderError::Quota { offering: None, .. } => {
            return Status::resource_exhausted(format!("quota: {error}"));
        }
        ProviderError::Quota { .. } => Code::OutOfRange,
        ProviderError::UnknownOffering(_) => Code::NotFound,
        _ => Code::Internal,
    };
    Status::new(code, error.to_string())
}

impl State {
    fn lies(&self, lie: impl FnOnce(OfferingId) -> Lie, id: &str) -> bool {
        self.faults.lies.contains(&lie(OfferingId(id.to_owned())))
    }

    fn hangs(&self, id: &str) -> bool {
        let stock = self.stock.get(&OfferingId(id.to_owned()));
        stock.is_some_and(|stock| stock.failure == Some(Failure::Hangs))
    }

    fn node_group(&self, offering: &Offering) -> NodeGroup {
        let signed = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        NodeGroup {
            id: offering.id.0.clone(),
            min_size: signed(offering.bounds.min),
            max_size: signed(self.most(&offering.id)),
            debug: format!("{} in {:?}", offering.instance_type, offering.zone),
        }
    }

    fn list(&self, id: &str) -> Result<Vec<Instance>, Status> {
        let key = OfferingId(id.to_owned());
        let group = self.groups.get(&key).ok_or_else(|| unknown(id))?;
        let mut instances: Vec<Instance> =
            group.by_id.values().map(|machine| self.instance(machine)).collect();
        if self.lies(Lie::InstancesTwice, id) {
            instances.extend(instances.clone());
        }
        if self.lies(Lie::UnknownInstance, id) {
            instances.push(Instance { id: "simulated://nowhere".to_owned(), status: None });
        }
        if self.lies(Lie::UnknownState, id) {
            let status = InstanceStatus { instance_state: 99, error_info: None };
            instances.push(Instance { id: "simulated://odd".to_owned(), status: Some(status) });
        }
        for lie in &self.faults.lies {
            if let Lie::ClaimsInstancesOf(first, second) = lie
                && *second == key
                && let Some(first) = self.groups.get(first)
            {
                instances.extend(first.by_id.values().map(|machine| self.instance(machine)));
            }
        }
        Ok(instances)
    }

    fn instance(&self, machine: &Machine) -> Instance {
        let state = match machine.state {
            MachineState::Booting(_) => InstanceState::InstanceCreating,
            MachineState::Running => InstanceState::InstanceRunning,
            MachineState::Reclaimed | MachineState::Leaving => InstanceState::InstanceDeleting,
        };
        let error_info = machine.failure.as_ref().map(|words| InstanceErrorInfo {
            error_code: "InsufficientInstanceCapacity".to_owned(),
            error_message: words.clone(),
            instance_error_class: OUT_OF_RESOURCES,
        });
        let stands_in = self.faults.renames_when_booted && matches!(machine.state, MachineState::Booting(_));
        Instance {
            id: if stands_in { format!("request://{}", machine.name) } else { machine.id.clone() },
            status: Some(InstanceStatus { instance_state: state.into(), error_info }),
        }
    }
}

/// What a new node of an offering looks like.
fn template(offering: &Offering) -> kubernetes::Node {
    let amounts = |resources: &Resources| {
        let amount = |amount: &Quantity| kubernetes::Quantity { string: amount.to_string() };
        resources.iter().map(|(resource, said)| (resource.clone(), amount(said))).collect()
    };
    let taint = |taint: &plimsoll_providers::Taint| kubernetes::Taint {
        key: taint.key.clone(),
        value: taint.value.clone(),
        effect: taint.effect.clone(),
    };
    kubernetes::Node {
        metadata: Some(kubernetes::ObjectMeta {
            name: format!("template-{}", offering.id),
            labels: offering.labels.clone(),
            annotations: BTreeMap::new(),
        }),
        spec: Some(kubernetes::NodeSpec {
            taints: offering.taints.iter().map(taint).collect(),
            ..kubernetes::NodeSpec::default()
        }),
        status: Some(kubernetes::NodeStatus {
            capacity: amounts(&offering.capacity),
            allocatable: amounts(&offering.allocatable),
        }),
    }
}

#[tonic::async_trait]
impl CloudProvider for Cloud {
    async fn node_groups(&self, _: Request<said::NodeGroupsRequest>) -> Answer<NodeGroupsResponse> {
        self.answer(Rpc::NodeGroups, None, |state| {
            let mut node_groups: Vec<NodeGroup> =
                state.stock.values().map(|stock| state.node_group(&stock.offering)).collect();
            let again: Vec<_> =
                node_groups.iter().filter(|group| state.lies(Lie::GroupTwice, &group.id)).cloned().collect();
            node_groups.extend(again);
            Ok(NodeGroupsResponse { node_groups })
        })
        .await
    }

    async fn node_group_for_node(
        &self,
        request: Request<said::NodeGroupForNodeRequest>,
    ) -> Answer<said::NodeGroupForNodeResponse> {
        let node = request.into_inner().node.unwrap_or_default();
        self.answer(Rpc::NodeGroupForNode, None, |state| {
            let id = state.groups.iter().find(|(_, group)| group.by_id.contains_key(&node.provider_id));
            let stock = id.and_then(|(id, _)| state.stock.get(id));
            let node_group = stock.map(|stock| state.node_group(&stock.offering)).unwrap_or_default();
            Ok(said::NodeGroupForNodeResponse { node_group: Some(node_group) })
        })
        .await
    }

    async fn pricing_node_price(
        &self,
        request: Request<PricingNodePriceRequest>,
    ) -> Answer<PricingNodePriceResponse> {
        let PricingNodePriceRequest { node, start_timestamp, end_timestamp } = request.into_inner();
        let labels = node.unwrap_or_default().labels;
        self.answer(Rpc::PricingNodePrice, None, |state| {
            let id = labels.get(plimsoll_providers::labels::OFFERING).cloned().unwrap_or_default();
            let stock = state.stock.get(&OfferingId(id.clone())).ok_or_else(|| unknown(&id))?;
            if state.lies(Lie::NoPrice, &id) {
                return Ok(PricingNodePriceResponse { price: f64::NAN });
            }
            let per_hour = stock.offering.price.map_or(0.0, |price| {
                // Prices are far below 2^53 millionths.
                #[allow(clippy::cast_precision_loss)]
                let micros = price.micros() as f64;
                micros / MICROS_PER_UNIT
            });
            let seconds =
                end_timestamp.unwrap_or_default().seconds - start_timestamp.unwrap_or_default().seconds;
            let seconds =
                i32::try_from(seconds).map_err(|_| Status::invalid_argument("the span is too long"))?;
            Ok(PricingNodePriceResponse { price: per_hour * f64::from(seconds) / 3600.0 })
        })
        .await
    }

    async fn pricing_pod_price(
        &self,
        _: Request<said::PricingPodPriceRequest>,
    ) -> Answer<said::PricingPodPriceResponse> {
        let none = || Status::unimplemented("pods have no price of their own");
        self.answer(Rpc::PricingPodPrice, None, |_| Err(none())).await
    }

    async fn gpu_label(&self, _: Request<said::GpuLabelRequest>) -> Answer<said::GpuLabelResponse> {
        self.answer(Rpc::GpuLabel, None, |_| Ok(said::GpuLabelResponse { label: String::new() })).await
    }

    async fn get_available_gpu_types(
        &self,
        _: Request<said::GetAvailableGpuTypesRequest>,
    ) -> Answer<said::GetAvailableGpuTypesResponse> {
        self.answer(Rpc::GetAvailableGpuTypes, None, |_| Ok(said::GetAvailableGpuTypesResponse::default()))
            .await
    }

    async fn cleanup(&self, _: Request<said::CleanupRequest>) -> Answer<said::CleanupResponse> {
        self.answer(Rpc::Cleanup, None, |_| Ok(said::CleanupResponse {})).await
    }

    async fn refresh(&self, _: Request<said::RefreshRequest>) -> Answer<said::RefreshResponse> {
        self.answer(Rpc::Refresh, None, |_| Ok(said::RefreshResponse {})).await
    }

    async fn node_group_target_size(
        &self,
        request: Request<said::NodeGroupTargetSizeRequest>,
    ) -> Answer<said::NodeGroupTargetSizeResponse> {
        let id = request.into_inner().id;
        self.answer(Rpc::NodeGroupTargetSize, Some(&id), |state| {
            if state.lies(Lie::NegativeSize, &id) {
                return Ok(said::NodeGroupTargetSizeResponse { target_size: -7 });
            }
            let grows = state.lies(Lie::GrowingSize, &id);
            let group = state.groups.get_mut(&OfferingId(id.clone())).ok_or_else(|| unknown(&id))?;
            group.lied = if grows { group.lied + 1 } else { 0 };
            let target_size = i32::try_from(group.said_target() + group.lied).unwrap_or(i32::MAX);
            Ok(said::NodeGroupTargetSizeResponse { target_size })
        })
        .await
    }

    async fn node_group_increase_size(
        &self,
        request: Request<NodeGroupIncreaseSizeRequest>,
    ) -> Answer<said::NodeGroupIncreaseSizeResponse> {
        let NodeGroupIncreaseSizeRequest { delta, id } = request.into_inner();
        self.answer(Rpc::NodeGroupIncreaseSize, Some(&id), |state| {
            let key = OfferingId(id.clone());
            let more = u32::try_from(delta).ok().filter(|more| *more > 0);
            let more = more.ok_or_else(|| Status::invalid_argument("delta must be above 0"))?;
            let group = state.groups.get(&key).ok_or_else(|| unknown(&id))?;
            let most = state.most(&key);
            if group.target.saturating_add(more) > most {
                return Err(Status::out_of_range(format!("{id} may have at most {most} nodes")));
            }
            state.grow(&key, more).map_err(|error| refused(&error))?;
            Ok(said::NodeGroupIncreaseSizeResponse {})
        })
        .await
    }

    async fn node_group_delete_nodes(
        &self,
        request: Request<NodeGroupDeleteNodesRequest>,
    ) -> Answer<said::NodeGroupDeleteNodesResponse> {
        let NodeGroupDeleteNodesRequest { nodes, id } = request.into_inner();
        self.answer(Rpc::NodeGroupDeleteNodes, Some(&id), |state| {
            let group = state.groups.get_mut(&OfferingId(id.clone())).ok_or_else(|| unknown(&id))?;
            if let Some(node) = nodes.iter().find(|node| !group.by_id.contains_key(&node.provider_id)) {
                return Err(Status::internal(format!("{} is not of {id}", node.provider_id)));
            }
            for node in &nodes {
                let is_counted = match group.by_id.get_mut(&node.provider_id) {
                    Some(machine) if state.faults.deletes_slowly => {
                        machine.state = MachineState::Leaving;
                        true
                    }
                    _ => group.by_id.remove(&node.provider_id).is_some_and(|machine| machine.is_counted()),
                };
                group.target = group.target.saturating_sub(is_counted.into());
            }
            Ok(said::NodeGroupDeleteNodesResponse {})
        })
        .await
    }

    async fn node_group_decrease_target_size(
        &self,
        request: Request<NodeGroupDecreaseTargetSizeRequest>,
    ) -> Answer<said::NodeGroupDecreaseTargetSizeResponse> {
        let NodeGroupDecreaseTargetSizeRequest { delta, id } = request.into_inner();
        self.answer(Rpc::NodeGroupDecreaseTargetSize, Some(&id), |state| {
            let group = state.groups.get_mut(&OfferingId(id.clone())).ok_or_else(|| unknown(&id))?;
            let there = u32::try_from(group.by_id.len()).unwrap_or(u32::MAX);
            match group.target.checked_add_signed(delta) {
                Some(left) if delta < 0 && left >= there => group.target = left,
                _ => return Err(Status::invalid_argument(format!("{id} has {there} machines"))),
            }
            Ok(said::NodeGroupDecreaseTargetSizeResponse {})
        })
        .await
    }

    async fn node_group_nodes(
        &self,
        request: Request<said::NodeGroupNodesRequest>,
    ) -> Answer<NodeGroupNodesResponse> {
        let id = request.into_inner().id;
        self.answer(Rpc::NodeGroupNodes, Some(&id), |state| {
            Ok(NodeGroupNodesResponse { instances: state.list(&id)? })
        })
        .await
    }

    async fn node_group_template_node_info(
        &self,
        request: Request<said::NodeGroupTemplateNodeInfoRequest>,
    ) -> Answer<said::NodeGroupTemplateNodeInfoResponse> {
        let id = request.into_inner().id;
        self.answer(Rpc::NodeGroupTemplateNodeInfo, Some(&id), |state| {
            let stock = state.stock.get(&OfferingId(id.clone())).ok_or_else(|| unknown(&id))?;
            let node_bytes = if state.lies(Lie::Garbage, &id) {
                b"\xff\xff\xff garbage".to_vec()
            } else {
                template(&stock.offering).encode_to_vec()
            };
            let (node_info, node_bytes) =
                if state.faults.is_old { (node_bytes, Vec::new()) } else { (Vec::new(), node_bytes) };
            let resource_slice_bytes = Vec::new();
            Ok(said::NodeGroupTemplateNodeInfoResponse { node_info, node_bytes, resource_slice_bytes })
        })
        .await
    }

    /// With an answer, the cluster-autoscaler would take what it lacks for zero.
    async fn node_group_get_options(
        &self,
        _: Request<said::NodeGroupAutoscalingOptionsRequest>,
    ) -> Answer<said::NodeGroupAutoscalingOptionsResponse> {
        let none = || Status::unimplemented("groups have no options of their own");
        self.answer(Rpc::NodeGroupGetOptions, None, |_| Err(none())).await
    }
}
