//! `ReplicaSet`s that pods name as their owner and that were not seen yet. Kinds are watched one by one, so pods may be seen
//! before what they belong to. Until it is, its name says its Deployment, which would else be taken to have none of them:
//! the Deployment controller names each `ReplicaSet` after its Deployment, a dash, and a hash without one.

use plimsoll_core::cluster::Name;

use super::grouped::Grouped;

/// A namespace, and the name of a Deployment in it.
pub(super) type DeploymentKey = (Name, Name);

/// `ReplicaSet`s by uid, by the Deployment that their name says.
pub(super) type UnseenSets = Grouped<DeploymentKey>;

/// The Deployment that the name of a `ReplicaSet` says.
pub(super) fn deployment(namespace: &Name, set: &str) -> Option<DeploymentKey> {
    let (deployment, _) = set.rsplit_once('-')?;
    Some((namespace.clone(), deployment.into()))
}
