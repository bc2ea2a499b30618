//! Claims, volumes and storage classes, and where they let a pod run.
//!
//! The rules are those of kube-scheduler's `VolumeBinding`, `VolumeZone`, `VolumeRestrictions` and `NodeVolumeLimits`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    core::v1::{PersistentVolume, PersistentVolumeClaim, PodSpec, Volume},
    storage::v1::StorageClass,
};
use plimsoll_core::{
    cluster::{Labels, Name, NodeTerm, Selector, Unplannable, VolumeNeed},
    quantity::Quantity,
};

use super::{
    node::name,
    requirement::{observe_labels, observe_node_term, observe_selector},
    volume::{CsiVolume, csi_volume, driver_of, in_its_zone, inline_csi_volume, is_in},
};

/// Says that a claim and its volume belong to each other.
const BOUND: &str = "pv.kubernetes.io/bind-completed";
/// The provisioner of classes whose volumes people make by hand.
const BY_HAND: &str = "kubernetes.io/no-provisioner";

/// Namespace and name of a claim.
pub type ClaimKey = (Name, Name);

/// What is known of the storage of a cluster. Each change answers of which claims something else may be said now.
#[derive(Debug, Clone, Default)]
pub struct Storage {
    claims: BTreeMap<ClaimKey, Claim>,
    volumes: BTreeMap<Name, Known>,
    classes: BTreeMap<Name, Class>,
    /// Claims by the volume that they name.
    by_volume: BTreeMap<Name, BTreeSet<ClaimKey>>,
    /// Claims that name no volume, by their class.
    by_class: BTreeMap<Name, BTreeSet<ClaimKey>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    volume: Option<Name>,
    /// Whether the volume is the claim's and not only meant to be.
    is_bound: bool,
    class: Name,
    modes: Vec<String>,
    size: i128,
    /// Which volumes it may be given.
    selector: Selector,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    driver: Option<Name>,
    handle: Name,
    reachable: Option<Vec<NodeTerm>>,
    class: Name,
    available: bool,
    modes: Vec<String>,
    size: i128,
    labels: Labels,
}

impl Known {
    /// Whether a claim may be given it.
    fn suits(&self, claim: &Claim) -> bool {
        self.available
            && self.class == claim.class
            && self.size >= claim.size
            && claim.modes.iter().all(|mode| self.modes.contains(mode))
            && claim.selector.matches(&self.labels)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Class {
    waits: bool,
    provisioner: Name,
    reachable: Option<Vec<NodeTerm>>,
}

impl Storage {
    /// Learns of a claim as it is now.
    pub fn apply_claim(&mut self, claim: &PersistentVolumeClaim) -> BTreeSet<ClaimKey> {
        let key = (name(claim.metadata.namespace.as_ref()), name(claim.metadata.name.as_ref()));
        let spec = claim.spec.clone().unwrap_or_default();
        let requested =
            spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()?.get("storage"));
        let seen = Claim {
            volume: spec.volume_name.filter(|volume| !volume.is_empty()).map(Name::from),
            is_bound: claim.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(BOUND)),
            class: spec.storage_class_name.unwrap_or_default().into(),
            modes: spec.access_modes.unwrap_or_default(),
            size: requested.map_or(0, |size| nano(&size.0)),
            selector: spec.selector.as_ref().map(observe_selector).unwrap_or_default(),
        };
        if self.claims.get(&key) == Some(&seen) {
            return BTreeSet::new();
        }
        self.drop_claim(&key);
        let (index, of) = self.index(&seen);
        index.entry(of).or_default().insert(key.clone());
        self.claims.insert(key.clone(), seen);
        BTreeSet::from([key])
    }

    /// Forgets a claim.
    pub fn remove_claim(&mut self, namespace: &str, claim: &str) -> BTreeSet<ClaimKey> {
        let key = (namespace.into(), claim.into());
        self.drop_claim(&key);
        BTreeSet::from([key])
    }

    fn drop_claim(&mut self, key: &ClaimKey) {
        let Some(old) = self.claims.remove(key) else { return };
        let (index, of) = self.index(&old);
        if let Some(claims) = index.get_mut(&of) {
            claims.remove(key);
            if claims.is_empty() {
                index.remove(&of);
            }
        }
    }

    /// Where a claim is found again.
    fn index(&mut self, claim: &Claim) -> (&mut BTreeMap<Name, BTreeSet<ClaimKey>>, Name) {
        match &claim.volume {
            Some(volume) => (&mut self.by_volume, volume.clone()),
            None => (&mut self.by_class, claim.class.clone()),
        }
    }

    /// Learns of a volume as it is now.
    pub fn apply_volume(&mut self, volume: &PersistentVolume) -> BTreeSet<ClaimKey> {
        let id = name(volume.metadata.name.as_ref());
        let spec = volume.spec.clone().unwrap_or_default();
        let affinity = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
        let affinity =
            affinity.map(|required| required.node_selector_terms.iter().map(observe_node_term).collect());
        let csi = csi_volume(volume);
        let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
        let seen = Known {
            driver: csi.as_ref().map(|csi| csi.driver.clone()),
            handle: csi.map_or_else(|| id.clone(), |csi| csi.handle),
            reachable: in_its_zone(affinity, volume),
            class: spec.storage_class_name.unwrap_or_default().into(),
            available: phase == Some("Available") && spec.claim_ref.is_none(),
            modes: spec.access_modes.unwrap_or_default(),
            size: spec
                .capacity
                .as_ref()
                .and_then(|capacity| capacity.get("storage"))
                .map_or(0, |size| nano(&size.0)),
            labels: observe_labels(volume.metadata.labels.as_ref()),
        };
        if self.volumes.get(&id) == Some(&seen) {
            return BTreeSet::new();
        }
        let mut touched = self.remove_volume(&id);
        touched.extend(self.that_may_take(&seen));
        self.volumes.insert(id, seen);
        touched
    }

    /// Forgets a volume.
    pub fn remove_volume(&mut self, volume: &str) -> BTreeSet<ClaimKey> {
        let mut touched = self.by_volume.get(volume).cloned().unwrap_or_default();
        if let Some(old) = self.volumes.remove(volume) {
            touched.extend(self.that_may_take(&old));
        }
        touched
    }

    /// The claims that may be given a volume.
    fn that_may_take(&self, volume: &Known) -> BTreeSet<ClaimKey> {
        let claims = self.by_class.get(&volume.class).filter(|_| volume.available);
        claims.cloned().unwrap_or_default()
    }

    /// Learns of a storage class as it is now.
    pub fn apply_class(&mut self, class: &StorageClass) -> BTreeSet<ClaimKey> {
        let terms = class.allowed_topologies.as_ref().filter(|terms| !terms.is_empty()).map(|terms| {
            let term = |term: &k8s_openapi::api::core::v1::TopologySelectorTerm| NodeTerm {
                labels: term
                    .match_label_expressions
                    .iter()
                    .flatten()
                    .map(|each| is_in(&each.key, &each.values))
                    .collect(),
                fields: Vec::new(),
            };
            terms.iter().map(term).collect()
        });
        let seen = Class {
            waits: class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
            provisioner: class.provisioner.as_str().into(),
            reachable: terms,
        };
        let class = name(class.metadata.name.as_ref());
        if self.classes.get(&class) == Some(&seen) {
            return BTreeSet::new();
        }
        let touched = self.remove_class(&class);
        self.classes.insert(class, seen);
        touched
    }

    /// Forgets a storage class.
    pub fn remove_class(&mut self, class: &str) -> BTreeSet<ClaimKey> {
        self.classes.remove(class);
        self.by_class.get(class).cloned().unwrap_or_default()
    }

    /// What the volumes of a pod ask of its node, and the first of its claims that has no volume and can get none.
    pub(super) fn needs(
        &self,
        namespace: &Name,
        pod: &str,
        spec: &PodSpec,
    ) -> (Vec<VolumeNeed>, Option<Unplannable>) {
        let (mut needs, mut missing) = (Vec::new(), None);
        let mut claims: Vec<Name> =
            spec.volumes.iter().flatten().filter_map(|volume| claim_name(pod, volume)).collect();
        claims.sort();
        claims.dedup();
        for volume in spec.volumes.iter().flatten() {
            if let Some(claim) = claim_name(pod, volume) {
                match self.need(namespace, &claims, &claim) {
                    Some(need) => needs.push(need),
                    None => missing = missing.or(Some(Unplannable::Claim(claim))),
                }
            } else if let Some(CsiVolume { driver, handle }) = inline_csi_volume(volume) {
                needs.push(VolumeNeed {
                    id: handle,
                    driver: Some(driver),
                    bound: true,
                    ..VolumeNeed::default()
                });
            }
        }
        needs.sort();
        (needs, missing)
    }

    /// How many volumes have to suit a claim so that the other claims of its pod leave it one. Among claims that differ in
    /// size alone the smaller ones take the smaller volumes, so those count that are at least as large. Of the others each
    /// counts that may take the same volume: nobody knows which it takes.
    fn rank(&self, namespace: &Name, claims: &[Name], of: &Name) -> usize {
        let seen = |claim: &Name| self.claims.get(&(namespace.clone(), claim.clone()));
        let Some(own) = seen(of) else { return 1 };
        let rivals = claims.iter().filter(|claim| {
            seen(claim).is_some_and(|other| {
                let is_alike = other.selector == own.selector && other.modes == own.modes;
                let comes_first = (-other.size, *claim) < (-own.size, of);
                other.class == own.class
                    && other.volume.is_none()
                    && if is_alike { comes_first } else { self.compete(own, other) }
            })
        });
        rivals.count() + 1
    }

    /// Whether there is a volume that either of two claims may be given.
    fn compete(&self, claim: &Claim, other: &Claim) -> bool {
        self.volumes.values().any(|volume| volume.suits(claim) && volume.suits(other))
    }

    fn need(&self, namespace: &Name, claims: &[Name], claim: &Name) -> Option<VolumeNeed> {
        let seen = self.claims.get(&(namespace.clone(), claim.clone()))?;
        let one_pod = seen.modes.iter().any(|mode| mode == "ReadWriteOncePod");
        if let Some(volume) = &seen.volume {
            let volume = self.volumes.get(volume).filter(|_| seen.is_bound)?;
            let (id, driver, reachable) =
                (volume.handle.clone(), volume.driver.clone(), volume.reachable.clone());
            return Some(VolumeNeed { id, driver, reachable, one_pod, bound: true });
        }
        let class = self.classes.get(&seen.class).filter(|class| class.waits)?;
        let id = format!("{namespace}/{claim}").into();
        let need = VolumeNeed { id, one_pod, ..VolumeNeed::default() };
        if &*class.provisioner != BY_HAND {
            let driver = driver_of(&class.provisioner);
            return Some(VolumeNeed { driver, reachable: class.reachable.clone(), ..need });
        }
        let reachable = match self.made_by_hand(seen, self.rank(namespace, claims, claim))? {
            Made::Anywhere => None,
            Made::Where(terms) => Some(terms),
        };
        Some(VolumeNeed { reachable, ..need })
    }

    /// Where volumes of a claim's class are free for it. The claim of rank n asks for n of them that are reachable from the
    /// same places: then there is one for each claim of the pod, since those before it cannot have taken them all.
    fn made_by_hand(&self, claim: &Claim, rank: usize) -> Option<Made> {
        let mut everywhere = 0;
        let mut places: BTreeMap<&[NodeTerm], usize> = BTreeMap::new();
        for volume in self.volumes.values().filter(|volume| volume.suits(claim)) {
            match &volume.reachable {
                None => everywhere += 1,
                Some(terms) => *places.entry(terms).or_default() += 1,
            }
        }
        if everywhere >= rank {
            return Some(Made::Anywhere);
        }
        let enough = places.into_iter().filter(|(_, volumes)| volumes + everywhere >= rank);
        let terms: Vec<NodeTerm> = enough.flat_map(|(terms, _)| terms.iter().cloned()).collect();
        (!terms.is_empty()).then_some(Made::Where(terms))
    }
}

/// Where volumes made by hand can be reached from.
enum Made {
    Anywhere,
    Where(Vec<NodeTerm>),
}

/// The claims of a pod.
pub fn claims_of(namespace: &str, pod: &str, spec: &PodSpec) -> BTreeSet<ClaimKey> {
    let names = spec.volumes.iter().flatten().filter_map(|volume| claim_name(pod, volume));
    names.map(|name| (namespace.into(), name)).collect()
}

/// The claim behind a volume: named, or made for this pod alone.
fn claim_name(pod: &str, volume: &Volume) -> Option<Name> {
    let named = volume.persistent_volume_claim.as_ref().map(|source| source.claim_name.as_str().into());
    named.or_else(|| volume.ephemeral.as_ref().map(|_| format!("{pod}-{}", volume.name).into()))
}

fn nano(quantity: &str) -> i128 {
    Quantity::parse(quantity).map_or(0, Quantity::nano)
}

#[cfg(test)]
mod tests;
