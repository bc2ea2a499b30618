//! `ReplicaSet`s that pods name as their owner and that were not seen yet. Kinds are watched one by one, so pods may be seen
//! before what they belong to. Until it is, its name says its Deployment, which would else be taken to have none of them:
//! the Deployment controller names each `ReplicaSet` after its Deployment, a dash, and a hash without one.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::cluster::Name;

/// A namespace, and the name of a Deployment in it.
type DeploymentKey = (Name, Name);

/// `ReplicaSet`s by uid, each with the Deployment that its name says.
#[derive(Default)]
pub(super) struct UnseenSets {
    deployments: BTreeMap<Name, DeploymentKey>,
    sets: BTreeMap<DeploymentKey, BTreeSet<Name>>,
}

impl UnseenSets {
    /// A pod names a `ReplicaSet` that was not seen.
    pub(super) fn note(&mut self, uid: &Name, namespace: &Name, name: &str) {
        let Some((deployment, _)) = name.rsplit_once('-') else { return };
        let key = (namespace.clone(), Name::from(deployment));
        self.sets.entry(key.clone()).or_default().insert(uid.clone());
        self.deployments.insert(uid.clone(), key);
    }

    /// It was seen, has no pods any more, or is gone.
    pub(super) fn forget(&mut self, uid: &str) -> Option<DeploymentKey> {
        let key = self.deployments.remove(uid)?;
        if let Some(sets) = self.sets.get_mut(&key) {
            sets.remove(uid);
            if sets.is_empty() {
                self.sets.remove(&key);
            }
        }
        Some(key)
    }

    /// The Deployment that the name of a `ReplicaSet` says.
    pub(super) fn deployment(&self, uid: &Name) -> Option<&DeploymentKey> {
        self.deployments.get(uid)
    }

    /// The `ReplicaSet`s whose names say this Deployment.
    pub(super) fn of(&self, namespace: &Name, deployment: &Name) -> impl Iterator<Item = &Name> {
        self.sets.get(&(namespace.clone(), deployment.clone())).into_iter().flatten()
    }
}
