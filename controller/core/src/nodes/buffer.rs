//! For how many pods a `CapacityBuffer` keeps room, by the words of its upstream API (`autoscaling.x-k8s.io/v1beta1`).
//!
//! The larger of `replicas` and `percentage` of what the scalable has, at most what fits into `limits`; only with neither of
//! the two as many as fit into `limits`. Quotas of the namespace then cut that: pods that nobody could create need no room. What one
//! buffer takes of a quota is not there for the next.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::quantity;
use crate::cluster::{Name, Resources, Unplannable};

/// For so many pods one buffer may keep room at most, as headroom of a pool may: each is looked at in each plan.
pub const MOST_PODS: u32 = 10_000;

/// What a buffer asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// `spec.replicas`.
    pub replicas: Option<i32>,
    /// `spec.percentage`.
    pub percentage: Option<i32>,
    /// `spec.limits`, by the name of the resource, in the units of [`Resources`].
    pub limits: BTreeMap<Name, i64>,
}

/// What a `ResourceQuota` of the namespace has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Its name.
    pub name: Name,
    /// What pods may still ask for, by the name of the resource, in the units of [`Resources`].
    pub left: BTreeMap<Name, i64>,
}

impl Quota {
    /// Takes off what so many pods ask for.
    pub fn take(&mut self, count: u32, requests: &Resources) {
        for (name, left) in &mut self.left {
            *left = left.saturating_sub(requests.named(name).saturating_mul(count.into()));
        }
    }
}

/// For how many pods there is to be room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// For so many.
    pub count: u32,
    /// For so many without quotas.
    pub asked: u32,
    /// What its fields ask for, where that is more than [`MOST_PODS`].
    pub cut_from: Option<u32>,
    /// The quotas that cut it, in the order of their names.
    pub cut_by: Vec<Name>,
}

/// What is wrong with a buffer; it keeps no room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Problem {
    /// It names a template and a scalable.
    BothRefs,
    /// It names neither.
    NoRef,
    /// Its template does not exist.
    NoTemplate(Name),
    /// The template has no pod in it.
    EmptyTemplate(Name),
    /// Its scalable does not exist: kind and name.
    NoScalable(Name, Name),
    /// The size of its scalable cannot be read, in words.
    NotScalable(String),
    /// Its scalable has no pod yet by which to tell what the next one asks for: kind and name.
    NoPods(Name, Name),
    /// A field is below zero.
    Negative {
        /// The field.
        field: Name,
        /// What it says.
        value: i64,
    },
    /// `percentage` without a scalable.
    PercentageOfNothing,
    /// No field says how much.
    NoSize,
    /// Of a resource that is limited, not even one pod has enough.
    LimitTooSmall {
        /// The resource.
        resource: Name,
        /// The limit, in the units of [`Resources`].
        limit: i64,
        /// What one pod asks for.
        request: i64,
    },
    /// Its pods ask for nothing that is limited, so that the limits bound nothing.
    NothingLimited,
    /// Pods like these are not planned for.
    Unplannable(Unplannable),
}

impl Problem {
    /// One word for conditions.
    pub fn word(&self) -> &'static str {
        match self {
            Self::BothRefs => "BothReferences",
            Self::NoRef => "NoReference",
            Self::NoTemplate(_) => "PodTemplateNotFound",
            Self::EmptyTemplate(_) => "EmptyPodTemplate",
            Self::NoScalable(..) => "ScalableNotFound",
            Self::NotScalable(_) => "NotScalable",
            Self::NoPods(..) => "NoPodsYet",
            Self::Negative { .. } => "NegativeValue",
            Self::PercentageOfNothing => "PercentageWithoutScalable",
            Self::NoSize => "NoSize",
            Self::LimitTooSmall { .. } => "LimitTooSmall",
            Self::NothingLimited => "NothingLimited",
            Self::Unplannable(_) => "NotPlannedFor",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BothRefs => {
                f.write_str("spec.podTemplateRef and spec.scalableRef are both set: keep one of them")
            }
            Self::NoRef => f.write_str(
                "neither spec.podTemplateRef nor spec.scalableRef is set: name a PodTemplate or something with a scale",
            ),
            Self::NoTemplate(name) => write!(
                f,
                "spec.podTemplateRef.name: there is no PodTemplate {name} in this namespace: create it, or name another"
            ),
            Self::EmptyTemplate(name) => write!(
                f,
                "spec.podTemplateRef.name: the PodTemplate {name} has no template.spec: say there what a pod asks for"
            ),
            Self::NoScalable(kind, name) => write!(
                f,
                "spec.scalableRef.name: there is no {kind} {name} in this namespace: create it, or name another"
            ),
            Self::NotScalable(why) => write!(f, "spec.scalableRef: {why}"),
            Self::NoPods(kind, name) => write!(
                f,
                "spec.scalableRef: the {kind} {name} has no pod yet, and only a pod says what the next one asks for: \
                 scale it to 1, or use spec.podTemplateRef"
            ),
            Self::Negative { field, value } => {
                write!(f, "{field} is {value}: it must be 0 or more")
            }
            Self::PercentageOfNothing => f.write_str(
                "spec.percentage is a share of what spec.scalableRef has: set that, or spec.replicas instead",
            ),
            Self::NoSize => f.write_str(
                "no field says how much room: set spec.replicas, spec.limits or, with a scalableRef, spec.percentage",
            ),
            Self::LimitTooSmall { resource, limit, request } => write!(
                f,
                "spec.limits.{resource} is {}, less than the {} that one pod asks for: raise it, or lower the request",
                quantity(resource, *limit),
                quantity(resource, *request)
            ),
            Self::NothingLimited => f.write_str(
                "spec.limits names no resource that a pod of the buffer asks for, so there is no bound: \
                 set spec.replicas, or limit what the pods request",
            ),
            Self::Unplannable(why) => write!(f, "pods like these are not planned for: {why}"),
        }
    }
}

/// For how many pods of these requests a buffer asks for room. `scale`: how many the scalable has, for one that names a
/// scalable. `quotas`: those of its namespace.
///
/// # Errors
/// The first field that makes no sense.
pub fn size(ask: &Ask, scale: Option<i32>, requests: &Resources, quotas: &[Quota]) -> Result<Size, Problem> {
    let whole = |field: &str, value: i32| {
        u32::try_from(value).map_err(|_| Problem::Negative { field: field.into(), value: value.into() })
    };
    let replicas = ask.replicas.map(|replicas| whole("spec.replicas", replicas)).transpose()?;
    let percentage = ask.percentage.map(|share| whole("spec.percentage", share)).transpose()?;
    if let Some((resource, limit)) = ask.limits.iter().find(|(_, limit)| **limit < 0) {
        return Err(Problem::Negative { field: format!("spec.limits.{resource}").into(), value: *limit });
    }
    let share = match (percentage, scale) {
        (Some(_), None) if replicas.is_none() => return Err(Problem::PercentageOfNothing),
        (Some(percentage), Some(scale)) => Some(share_of(percentage, scale)),
        _ => None,
    };
    let within = within_limits(&ask.limits, requests)?;
    let asked = match (replicas.max(share), within) {
        (Some(wanted), Some(within)) => wanted.min(within),
        (Some(wanted), None) => wanted,
        (None, Some(within)) => within,
        (None, None) if ask.limits.is_empty() => return Err(Problem::NoSize),
        (None, None) => return Err(Problem::NothingLimited),
    };
    let cut_from = (asked > MOST_PODS).then_some(asked);
    let asked = asked.min(MOST_PODS);
    let of_quota = |quota: &Quota| fits_into(&quota.left, requests).unwrap_or(u32::MAX);
    let count = quotas.iter().map(of_quota).fold(asked, u32::min);
    let mut cut_by: Vec<Name> =
        quotas.iter().filter(|quota| of_quota(quota) < asked).map(|quota| quota.name.clone()).collect();
    cut_by.sort();
    Ok(Size { count, asked, cut_from, cut_by })
}

/// A share of a number of pods, rounded up and at least 1; nothing of 0 %.
fn share_of(percentage: u32, scale: i32) -> u32 {
    if percentage == 0 {
        return 0;
    }
    let pods = u64::from(u32::try_from(scale).unwrap_or(0));
    let share = (pods * u64::from(percentage)).div_ceil(100);
    u32::try_from(share.max(1)).unwrap_or(u32::MAX)
}

fn within_limits(limits: &BTreeMap<Name, i64>, requests: &Resources) -> Result<Option<u32>, Problem> {
    let too_small = limits.iter().find(|(name, limit)| requests.named(name) > **limit);
    if let Some((resource, limit)) = too_small {
        let (resource, limit) = (resource.clone(), *limit);
        let request = requests.named(&resource);
        return Err(Problem::LimitTooSmall { resource, limit, request });
    }
    Ok(fits_into(limits, requests))
}

/// How many pods fit into amounts; None where they ask for nothing that is named.
fn fits_into(amounts: &BTreeMap<Name, i64>, requests: &Resources) -> Option<u32> {
    let each = amounts.iter().filter_map(|(name, amount)| {
        let request = requests.named(name);
        (request > 0).then(|| u32::try_from((amount / request).max(0)).unwrap_or(u32::MAX))
    });
    each.min()
}

#[cfg(test)]
mod tests;
