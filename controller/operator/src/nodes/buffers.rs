//! Buffers: what is seen of them becomes room that the planner keeps free.
//!
//! No object is made of them. What a buffer asks for is worked out anew at each look, as it is cheap; the view changes only
//! when the answer does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::PodTemplate;
use kube::ResourceExt as _;
use plimsoll_api::{
    CapacityBuffer,
    upstream::{ACTIVE_CAPACITY, CapacityBufferSpec, LocalReference, PLIMSOLL_CAPACITY, ScalableReference},
};
use plimsoll_core::{
    cluster::{Buffer, Name, PodShape},
    nodes::buffer::{Ask, Problem, Quota, Size, size},
    placement::Change as ViewChange,
};
use plimsoll_observe::cluster::{observe_amounts, observe_template};

use super::{planner::Planner, priorities::Said, scalables::Sizes, workloads::WATCHED, world::World};

/// What buffers are made of, by namespace and name.
#[derive(Default)]
pub(crate) struct BufferSources {
    /// The buffers.
    pub(crate) asked: BTreeMap<String, Arc<CapacityBuffer>>,
    /// `PodTemplate`s.
    pub(crate) templates: BTreeMap<String, Arc<PodTemplate>>,
    /// Quotas, as far as they bound what pods request.
    pub(crate) quotas: BTreeMap<String, Quota>,
    /// What is known of scalables that no watch shows.
    pub(crate) sizes: Sizes,
    /// What the buffers that are ours came to at the last look.
    pub(crate) resolved: BTreeMap<String, Result<Resolved, Problem>>,
}

/// What a buffer came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved {
    /// For how many pods there is to be room.
    pub(crate) size: Size,
    /// The template and its generation, where it names one.
    pub(crate) template: Option<(String, Option<i64>)>,
    shape: Arc<PodShape>,
}

/// Whether a strategy is one that we serve.
pub(super) fn is_ours(spec: &CapacityBufferSpec) -> bool {
    let strategy = spec.provisioning_strategy.as_deref();
    strategy.is_none_or(|strategy| ["", ACTIVE_CAPACITY, PLIMSOLL_CAPACITY].contains(&strategy))
}

impl Planner {
    /// Brings the room that buffers ask for up to date; answers when a scalable is to be asked about again.
    pub(super) fn buffers(&mut self) -> Duration {
        let asked = &self.world.buffers.asked;
        let ours = asked
            .iter()
            .filter(|(_, buffer)| is_ours(&buffer.spec) && buffer.metadata.deletion_timestamp.is_none());
        let ours: Vec<_> = ours.map(|(key, buffer)| (key.clone(), Arc::clone(buffer))).collect();
        let asks = ours.iter().filter_map(|(_, buffer)| {
            let scalable = buffer.spec.scalable_ref.as_ref().filter(|scalable| !is_watched(scalable))?;
            Some((buffer.namespace().unwrap_or_default(), scalable.clone()))
        });
        let pause = self.scalables.ask(asks.collect(), &mut self.world.buffers.sizes);
        let mut quotas = self.world.buffers.quotas.clone();
        let resolved: BTreeMap<_, _> = ours
            .into_iter()
            .filter_map(|(key, buffer)| Some((key, resolve(&self.world, &buffer, &mut quotas)?)))
            .collect();
        let known: Vec<Name> = self.world.view.buffers().map(|buffer| buffer.key.clone()).collect();
        for key in known.into_iter().filter(|key| !matches!(resolved.get(&**key), Some(Ok(_)))) {
            self.world.change(ViewChange::BufferGone(key));
        }
        for (key, found) in &resolved {
            let Ok(Resolved { size, shape, .. }) = found else { continue };
            let seen = self.world.view.buffers().find(|buffer| *buffer.key == **key);
            if seen.is_none_or(|seen| seen.count != size.count || *seen.shape != **shape) {
                let buffer = Buffer { key: key.as_str().into(), shape: Arc::clone(shape), count: size.count };
                self.world.change(ViewChange::Buffer(buffer));
            }
        }
        self.world.buffers.resolved = resolved;
        pause
    }
}

fn is_watched(scalable: &ScalableReference) -> bool {
    scalable.api_group == "apps" && WATCHED.contains(&scalable.kind.as_str())
}

/// What a buffer comes to; None while nothing is known of its scalable. What it takes of `quotas` is taken off there.
fn resolve(
    world: &World,
    buffer: &CapacityBuffer,
    quotas: &mut BTreeMap<String, Quota>,
) -> Option<Result<Resolved, Problem>> {
    let namespace = buffer.namespace().unwrap_or_default();
    let spec = &buffer.spec;
    let found = match (&spec.pod_template_ref, &spec.scalable_ref) {
        (Some(_), Some(_)) => Err(Problem::BothRefs),
        (None, None) => Err(Problem::NoRef),
        (Some(template), None) => of_template(world, &namespace, template),
        (None, Some(scalable)) => of_scalable(world, &namespace, scalable)?,
    };
    Some(found.and_then(|Found { shape, scale, template }| {
        if let Some(why) = world.view.cuts_off(shape.priority) {
            return Err(Problem::Unplannable(why));
        }
        let ask = Ask {
            replicas: spec.replicas,
            percentage: spec.percentage,
            limits: observe_amounts(spec.limits.as_ref()),
        };
        let own = format!("{namespace}/");
        let of_namespace = quotas.range(own.clone()..).take_while(|(key, _)| key.starts_with(&own));
        let left: Vec<Quota> = of_namespace.map(|(_, quota)| quota.clone()).collect();
        let size = size(&ask, scale, &shape.requests, &left)?;
        for (_, quota) in quotas.range_mut(own.clone()..).take_while(|(key, _)| key.starts_with(&own)) {
            quota.take(size.count, &shape.requests);
        }
        Ok(Resolved { size, template, shape })
    }))
}

/// What the pods of a buffer ask for.
struct Found {
    shape: Arc<PodShape>,
    scale: Option<i32>,
    template: Option<(String, Option<i64>)>,
}

fn of_template(world: &World, namespace: &str, named: &LocalReference) -> Result<Found, Problem> {
    let name = || Name::from(named.name.as_str());
    let key = format!("{namespace}/{}", named.name);
    let template = world.buffers.templates.get(&key).ok_or_else(|| Problem::NoTemplate(name()))?;
    let spec = template.template.as_ref();
    let seen = spec.and_then(|spec| observe_template(&namespace.into(), spec, &world.storage));
    let (mut shape, unplannable) = seen.ok_or_else(|| Problem::EmptyTemplate(name()))?;
    if let Some(why) = unplannable {
        return Err(Problem::Unplannable(why));
    }
    shape.priority = spec.and_then(|spec| world.priorities.of(&Said::by(spec))).unwrap_or(shape.priority);
    let template = Some((named.name.clone(), template.metadata.generation));
    Ok(Found { shape: Arc::new(shape), scale: None, template })
}

fn of_scalable(world: &World, namespace: &str, named: &ScalableReference) -> Option<Result<Found, Problem>> {
    let (kind, name) = (|| Name::from(named.kind.as_str()), || Name::from(named.name.as_str()));
    if !is_watched(named) {
        let size = world.buffers.sizes.get(namespace, named)?;
        return Some(size.and_then(|(shape, replicas)| {
            let shape = shape.ok_or_else(|| Problem::NoPods(kind(), name()))?;
            Ok(Found { shape, scale: Some(replicas), template: None })
        }));
    }
    let found = world.workloads.find(&named.kind, namespace, &named.name, &world.priorities);
    let found = found.ok_or_else(|| Problem::NoScalable(kind(), name()));
    Some(found.and_then(|scaled| match scaled.shape {
        Some(Ok(shape)) => Ok(Found { shape, scale: Some(scaled.replicas), template: None }),
        Some(Err(why)) => Err(Problem::Unplannable(why)),
        None => Err(Problem::NoPods(kind(), name())),
    }))
}
