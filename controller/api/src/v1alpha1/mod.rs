//! Version `v1alpha1` of the kinds.

mod availability;
mod behavior;
mod direct;
mod fallback;
mod labels;
mod metric;
mod nodeorder;
mod podscaler;
mod pool;
mod quantity;
mod schedule;
mod servicegroup;
mod source;
mod status;

pub use availability::{Availability, Survive};
pub use behavior::{Behavior, PolicyType, RatePolicy, ScalingRules, SelectPolicy};
pub use direct::{PrometheusMetric, ReadAs, ScrapeMetric, ScrapeScheme, SourceKind, SourceReference};
pub use fallback::{Fallback, FallbackBehavior};
pub use metric::{
    ContainerResourceMetric, DescribedObject, ExternalMetric, Metric, MetricIdentifier, MetricTarget,
    MetricType, ObjectMetric, PodsMetric, ResourceMetric, TargetType,
};
pub use nodeorder::{
    NodeOrder, NodeOrderSpec, NodeOrderStatus, OrderPhase, OrderedNode, OrderedOffering, PlannedFor,
};
pub use podscaler::{Algorithm, Mode, ObjectReference, PodDeletionCost, PodScaler, PodScalerSpec};
pub(crate) use pool::resources::resources;
pub use pool::{
    AvoidedOffering, Budget, CapacityPool, CapacityPoolSpec, CapacityPoolStatus, CapacityType,
    DisruptionReason, Drain, Expander, ExternalGrpcProvider, GrpcTls, Headroom, HeadroomPods, Kubelet,
    KwokInstanceType, KwokOffering, KwokProvider, NodeCounts, NodeGroup, NodeProvider, NodeTaint,
    NodeTemplate, PoolLimits, PoolUse, Requirement, RequirementOperator, ScaleDown, ScaleDownPolicy,
    TaintEffect, Window, ZoneLimits, ZoneLossStatus, ZoneStatus,
};
pub use schedule::Schedule;
pub use servicegroup::{
    FrontDoor, GatewayDoor, GroupService, GroupServiceStatus, IngressDoor, IngressTls, Method,
    ParentReference, PathMatch, PathType, PodTemplate, Scaling, ServiceGroup, ServiceGroupSpec,
    ServiceGroupStatus, SessionAffinity, Timeouts, WorkloadKind, WorkloadReference,
};
pub use source::{
    BasicAuth, ClusterSource, ClusterSourceSpec, PrometheusSource, SecretHeader, SecretKey, Source,
    SourceSpec, SourceStatus, SourceTls, Tenant,
};
pub use status::{
    CurrentContainerResource, CurrentExternal, CurrentMetric, CurrentObject, CurrentPods, CurrentPrometheus,
    CurrentResource, CurrentScrape, CurrentValue, LastDecision, MetricProposal, PodScalerStatus,
};
