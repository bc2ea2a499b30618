//! Pods that workloads are about to get: announced to the planner before they exist.
//!
//! For each workload `max(0, wanted − pods that it has)`, computed anew at each look and never counted down by hand. What a
//! Deployment wants is announced by the Deployment, and not by its `ReplicaSet`s again. In a namespace that is being deleted no
//! pod can be made, though what owns pods still asks for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentCondition, ReplicaSet, ReplicaSetCondition, StatefulSet},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use plimsoll_core::{
    cluster::{self, Announced, Name, Pod, PodShape, PodState, Unplannable},
    time::Timestamp,
};
use plimsoll_observe::{
    OwnerKind,
    cluster::{ClaimKey, Storage, claims_of, observe_template},
    observe_owner,
};

use self::{
    ending::Ending,
    grouped::Grouped,
    patience::Patience,
    unseen::{DeploymentKey, UnseenSets},
    workload::{Asked, State, Workload},
};
use super::{
    claimants::ByClaim,
    priorities::{Priorities, Said},
};

mod ending;
mod grouped;
mod patience;
mod unseen;
mod workload;

/// The kinds of `apps` that are known without asking.
pub(crate) const WATCHED: [&str; 3] = ["Deployment", "ReplicaSet", "StatefulSet"];

/// Workloads by uid, and the pods that each has.
#[derive(Default)]
pub(crate) struct Workloads {
    known: BTreeMap<Name, Workload>,
    /// Uids of pods that are not going, by the uid of their controller.
    pods: Grouped<Name>,
    /// Uids of `ReplicaSet`s, by the uid of their Deployment.
    sets: BTreeMap<Name, BTreeSet<Name>>,
    /// `ReplicaSet`s of such pods that were not seen yet.
    unseen: UnseenSets,
    /// Pods that are going.
    ending: Ending,
    /// Namespaces that are being deleted.
    closing: BTreeSet<Name>,
    /// Those whose announcement may have changed.
    dirty: BTreeSet<Name>,
    /// Those whose template names claims.
    by_claim: ByClaim,
    /// `StatefulSet`s, and since when pods of theirs are missing.
    patience: Patience,
    /// Uids by kind, namespace and name.
    named: BTreeMap<(&'static str, Name, Name), Name>,
}

/// A workload as a buffer looks at it.
pub(crate) struct Scaled {
    /// How many pods it asks for.
    pub(crate) replicas: i32,
    /// What its next pod will ask for, or why it is not planned for; None where nothing can be said of it.
    pub(crate) shape: Option<Result<Arc<PodShape>, Unplannable>>,
}

impl Workloads {
    pub(crate) fn deployment(&mut self, deployment: &Deployment, storage: &Storage) {
        let spec = &deployment.spec;
        let conditions = deployment.status.as_ref().and_then(|status| status.conditions.as_deref());
        let is_forbidden = |condition: &DeploymentCondition| {
            forbids(condition.type_.as_deref(), condition.status.as_deref())
        };
        let waits = spec.paused == Some(true) || conditions.unwrap_or_default().iter().any(is_forbidden);
        let wanted = if waits { Some(0) } else { spec.replicas };
        let strategy = spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
        let waits_for_end = strategy == Some("Recreate");
        let asked = Asked { replicas: wanted, state: State::of(deployment), waits_for_end };
        self.set("Deployment", &deployment.metadata, asked, &spec.template, storage);
    }

    pub(crate) fn replica_set(&mut self, set: &ReplicaSet, storage: &Storage) {
        let Some(template) = &set.spec.template else { return };
        let state = State { replicas: set.spec.replicas.unwrap_or(1), ..State::default() };
        let conditions = set.status.as_ref().and_then(|status| status.conditions.as_deref());
        let is_forbidden = |condition: &ReplicaSetCondition| {
            forbids(condition.type_.as_deref(), condition.status.as_deref())
        };
        let waits = conditions.unwrap_or_default().iter().any(is_forbidden);
        let wanted = if waits { Some(0) } else { set.spec.replicas };
        let asked = Asked { replicas: wanted, state, waits_for_end: false };
        self.set("ReplicaSet", &set.metadata, asked, template, storage);
    }

    pub(crate) fn stateful_set(&mut self, set: &StatefulSet, storage: &Storage) {
        let state = State { replicas: set.spec.replicas.unwrap_or(1), ..State::default() };
        let uid = Name::from(set.metadata.uid.as_deref().unwrap_or_default());
        self.patience.follow(&uid, set.metadata.generation.unwrap_or(0));
        let asked = Asked { replicas: set.spec.replicas, state, waits_for_end: true };
        self.set("StatefulSet", &set.metadata, asked, &set.spec.template, storage);
    }

    fn set(
        &mut self,
        kind: &'static str,
        metadata: &ObjectMeta,
        Asked { replicas, state, waits_for_end }: Asked,
        template: &PodTemplateSpec,
        storage: &Storage,
    ) {
        let text = |text: &Option<String>| Name::from(text.as_deref().unwrap_or_default());
        let uid = text(&metadata.uid);
        let shape = shape(&text(&metadata.namespace), template, storage);
        let owner = observe_owner(metadata).filter(|owner| owner.kind == OwnerKind::Deployment);
        let going = metadata.deletion_timestamp.is_some();
        let wanted = if going { 0 } else { u32::try_from(replicas.unwrap_or(1)).unwrap_or(0) };
        let owner = owner.map(|owner| Name::from(&*owner.uid));
        if let Some(owner) = &owner {
            self.sets.entry(owner.clone()).or_default().insert(uid.clone());
            self.dirty.insert(owner.clone());
        }
        self.dirty.insert(uid.clone());
        self.seen(&uid);
        let (name, namespace) = (text(&metadata.name), text(&metadata.namespace));
        self.named.insert((kind, namespace.clone(), name.clone()), uid.clone());
        let priority = Said::by(template);
        let claims = claims(&namespace, template);
        let template = (!claims.is_empty()).then(|| Box::new(template.clone()));
        self.by_claim.note(&uid, claims);
        let workload = Workload {
            kind,
            name,
            owner,
            namespace,
            wanted,
            state,
            waits_for_end,
            shape,
            priority,
            template,
        };
        self.known.insert(uid, workload);
    }

    /// Something else may be said of these claims.
    pub(crate) fn touch_claims(&mut self, claims: &BTreeSet<ClaimKey>) {
        self.by_claim.touch(claims);
    }

    /// Looks again at the templates whose claims are not what they were.
    pub(crate) fn look_again(&mut self, storage: &Storage) {
        for uid in self.by_claim.take_touched() {
            let Some(workload) = self.known.get_mut(&uid) else { continue };
            let Some(template) = &workload.template else { continue };
            workload.shape = shape(&workload.namespace, template, storage);
            self.dirty.insert(uid);
        }
    }

    /// What priorities templates name may be worth something else.
    pub(crate) fn priorities_changed(&mut self) {
        self.dirty.extend(self.known.keys().cloned());
    }

    /// A workload is gone.
    pub(crate) fn gone(&mut self, uid: &str) {
        self.patience.forget(uid);
        self.by_claim.forget(uid);
        self.seen(uid);
        let gone = self.known.remove(uid);
        if let Some(gone) = &gone {
            let name = (gone.kind, gone.namespace.clone(), gone.name.clone());
            // One of the same name may have come before this one went.
            if self.named.get(&name).is_some_and(|named| **named == *uid) {
                self.named.remove(&name);
            }
        }
        if let Some(owner) = gone.and_then(|gone| gone.owner) {
            if let Some(sets) = self.sets.get_mut(&owner) {
                sets.remove(uid);
            }
            self.dirty.insert(owner);
        }
        self.sets.remove(uid);
        self.dirty.insert(uid.into());
    }

    /// A namespace is there, or is different.
    pub(crate) fn namespace(&mut self, name: &Name, is_closing: bool) {
        let changed = if is_closing { self.closing.insert(name.clone()) } else { self.closing.remove(name) };
        if changed {
            let of_it = self.known.iter().filter(|(_, workload)| workload.namespace == *name);
            self.dirty.extend(of_it.map(|(uid, _)| uid.clone()));
        }
    }

    /// A pod is there, or is different. One that is going counts apart.
    pub(crate) fn pod_came(&mut self, pod: &Pod) {
        let Some(owner) = &pod.owner else { return self.pod_went(&pod.uid) };
        if let PodState::Terminating { node, .. } = &pod.state {
            self.pod_went(&pod.uid);
            self.ending.note(&pod.uid, &owner.uid, node);
        } else if self.pods.insert(&pod.uid, &owner.uid) {
            self.patience.begin_anew(&owner.uid);
            if owner.kind == cluster::OwnerKind::ReplicaSet
                && !self.known.contains_key(&owner.uid)
                && let Some(deployment) = unseen::deployment(&pod.shape.namespace, &owner.name)
            {
                self.unseen.insert(&owner.uid, &deployment);
            }
            self.touch(&owner.uid);
        }
    }

    /// A pod is gone.
    pub(crate) fn pod_went(&mut self, uid: &Name) {
        if let Some(owner) = self.ending.forget(uid) {
            self.touch(&owner);
        }
        let Some(owner) = self.pods.remove(uid) else { return };
        if self.pods.len(&owner) == 0 {
            self.seen(&owner);
        }
        self.touch(&owner);
    }

    fn touch(&mut self, owner: &Name) {
        self.dirty.extend(self.known.get(owner).and_then(|workload| workload.owner.clone()));
        self.dirty.extend(self.unseen.group(owner).and_then(|key| self.deployment_named(key)).cloned());
        self.dirty.insert(owner.clone());
    }

    /// Nothing has to be guessed of a `ReplicaSet` any more.
    fn seen(&mut self, uid: &str) {
        let guessed = self.unseen.remove(uid);
        let guessed = guessed.and_then(|key| self.deployment_named(&key)).cloned();
        self.dirty.extend(guessed);
    }

    fn deployment_named(&self, (namespace, name): &DeploymentKey) -> Option<&Name> {
        self.named.get(&("Deployment", namespace.clone(), name.clone()))
    }

    /// What is to be announced anew since the last call. `stays` says whether a node is there and does not go.
    pub(crate) fn announcements(
        &mut self,
        priorities: &Priorities,
        stays: impl Fn(&Name) -> bool,
        now: Timestamp,
    ) -> Vec<Announced> {
        // Their nodes may go now.
        let ending: Vec<Name> = self.ending.controllers().cloned().collect();
        for controller in &ending {
            self.touch(controller);
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.extend(self.patience.ends(now).cloned());
        let mut announcements = Vec::new();
        for uid in dirty {
            let announced = self.known.get(&uid).and_then(|of| self.announced(&uid, of, priorities, &stays));
            let mut announced = announced.unwrap_or_else(|| Announced {
                key: uid.clone(),
                name: Name::from(""),
                shape: Arc::default(),
                count: 0,
            });
            announced.count = self.patience.announces(&uid, announced.count, now);
            announcements.push(announced);
        }
        announcements
    }

    /// The `ReplicaSet`s that own pods, with the Deployment above each, by the uid of the `ReplicaSet`.
    pub(crate) fn of_replica_sets(&self) -> BTreeMap<Name, cluster::Workload> {
        let owners = self.pods.groups().filter_map(|uid| Some((uid, self.known.get(uid)?)));
        let of = owners.map(|(uid, set)| {
            let deployment = set.owner.as_ref().and_then(|owner| self.known.get(owner));
            let state = deployment.map(|deployment| deployment.state).unwrap_or_default();
            let workload = cluster::Workload {
                owner: uid.clone(),
                namespace: set.namespace.clone(),
                deployment: deployment.map(|deployment| deployment.name.clone()),
                replicas: state.replicas,
                available: state.available,
                in_rollout: state.in_rollout,
            };
            (uid.clone(), workload)
        });
        of.collect()
    }

    /// A Deployment, `ReplicaSet` or `StatefulSet` by its name.
    pub(crate) fn find(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        priorities: &Priorities,
    ) -> Option<Scaled> {
        let kind = WATCHED.into_iter().find(|watched| *watched == kind)?;
        let uid = self.named.get(&(kind, namespace.into(), name.into()))?;
        let workload = self.known.get(uid)?;
        Some(Scaled { replicas: workload.state.replicas, shape: workload.shape(priorities) })
    }

    fn announced(
        &self,
        uid: &Name,
        workload: &Workload,
        priorities: &Priorities,
        stays: impl Fn(&Name) -> bool,
    ) -> Option<Announced> {
        if workload.owner.is_some() || self.closing.contains(&workload.namespace) {
            return None;
        }
        let shape = workload.shape(priorities)?.ok()?;
        let ending = self
            .controllers(uid, workload)
            .flat_map(|uid| self.ending.nodes_of(uid))
            .filter(|node| stays(node));
        let ending = if workload.waits_for_end { ending.count() } else { 0 };
        let has = u32::try_from(self.pods_of(uid, workload) + ending).unwrap_or(u32::MAX);
        let count = workload.wanted.saturating_sub(has);
        Some(Announced { key: uid.clone(), name: workload.name.clone(), shape, count })
    }

    /// Whether the Deployment of a `ReplicaSet` has more than so many pods, or is about to: what a quota forbids never comes.
    pub(crate) fn will_have_more_than(&self, set: &Name, count: i32) -> bool {
        let owner = self.known.get(set).and_then(|set| set.owner.as_ref());
        owner.and_then(|owner| Some((owner, self.known.get(owner)?))).is_some_and(|(uid, deployment)| {
            let pods = self.pods_of(uid, deployment).max(deployment.wanted as usize);
            i64::try_from(pods).unwrap_or(i64::MAX) > i64::from(count)
        })
    }

    fn pods_of(&self, uid: &Name, workload: &Workload) -> usize {
        self.controllers(uid, workload).map(|uid| self.pods.len(uid)).sum()
    }

    /// What makes the pods of a workload, as far as is known: itself, and the `ReplicaSet`s that belong to it.
    fn controllers<'s>(
        &'s self,
        uid: &'s Name,
        workload: &'s Workload,
    ) -> impl Iterator<Item = &'s Name> + use<'s> {
        let is_deployment = workload.kind == "Deployment";
        let key = (workload.namespace.clone(), workload.name.clone());
        let unseen = is_deployment.then(|| self.unseen.of(&key));
        let sets = self.sets.get(uid).into_iter().flatten();
        std::iter::once(uid).chain(sets).chain(unseen.into_iter().flatten())
    }
}

/// Whether a condition says that a quota or an admission policy forbids pods: they will not come, however long we wait.
fn forbids(kind: Option<&str>, status: Option<&str>) -> bool {
    kind == Some("ReplicaFailure") && status == Some("True")
}

fn shape(
    namespace: &Name,
    template: &PodTemplateSpec,
    storage: &Storage,
) -> Option<Result<Arc<PodShape>, Unplannable>> {
    let (shape, unplannable) = observe_template(namespace, template, storage)?;
    Some(unplannable.map_or_else(|| Ok(Arc::new(shape)), Err))
}

/// The claims that a template names itself.
fn claims(namespace: &str, template: &PodTemplateSpec) -> BTreeSet<ClaimKey> {
    let mut spec = template.spec.clone().unwrap_or_default();
    spec.volumes.iter_mut().for_each(|volumes| volumes.retain(|volume| volume.ephemeral.is_none()));
    claims_of(namespace, "", &spec)
}
