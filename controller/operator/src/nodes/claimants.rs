//! Pods that name claims, bound ones too: what is said of them changes with their claims, which another watch shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use plimsoll_core::cluster::Name;
use plimsoll_observe::cluster::{ClaimKey, claims_of};

/// Pods that name claims, by uid.
#[derive(Default)]
pub(super) struct Claimants {
    pods: BTreeMap<Name, Arc<Pod>>,
    by_claim: ByClaim,
}

/// Who names which claims, by uid.
#[derive(Default)]
pub(super) struct ByClaim {
    claims: BTreeMap<Name, BTreeSet<ClaimKey>>,
    named_by: BTreeMap<ClaimKey, BTreeSet<Name>>,
    /// Those of which something else may be said now.
    touched: BTreeSet<Name>,
}

impl ByClaim {
    /// Something names these claims and no others, and was just looked at.
    pub(super) fn note(&mut self, uid: &Name, claims: BTreeSet<ClaimKey>) {
        self.touched.remove(uid);
        if self.claims.get(uid) == Some(&claims) {
            return;
        }
        self.forget(uid);
        for claim in &claims {
            self.named_by.entry(claim.clone()).or_default().insert(uid.clone());
        }
        if !claims.is_empty() {
            self.claims.insert(uid.clone(), claims);
        }
    }

    pub(super) fn forget(&mut self, uid: &str) {
        self.touched.remove(uid);
        for claim in self.claims.remove(uid).unwrap_or_default() {
            if let Some(names) = self.named_by.get_mut(&claim) {
                names.remove(uid);
                if names.is_empty() {
                    self.named_by.remove(&claim);
                }
            }
        }
    }

    /// Something else may be said of these claims.
    pub(super) fn touch(&mut self, claims: &BTreeSet<ClaimKey>) {
        let names = claims.iter().filter_map(|claim| self.named_by.get(claim));
        self.touched.extend(names.flatten().cloned());
    }

    /// What is to be looked at again, once.
    pub(super) fn take_touched(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.touched)
    }
}

impl Claimants {
    /// A pod is there, or is different, and was just looked at.
    pub(super) fn note(&mut self, uid: &Name, mut pod: Pod) {
        let claims = claims(&pod);
        if claims.is_empty() {
            return self.forget(uid);
        }
        self.by_claim.note(uid, claims);
        // The longest part of most pods, and nobody reads it.
        pod.metadata.managed_fields = None;
        self.pods.insert(uid.clone(), Arc::new(pod));
    }

    /// A pod is gone.
    pub(super) fn forget(&mut self, uid: &str) {
        self.by_claim.forget(uid);
        self.pods.remove(uid);
    }

    /// Something else may be said of these claims.
    pub(super) fn touch(&mut self, claims: &BTreeSet<ClaimKey>) {
        self.by_claim.touch(claims);
    }

    /// The pods that are to be looked at again, each once.
    pub(super) fn take_touched(&mut self) -> Vec<Arc<Pod>> {
        let touched = self.by_claim.take_touched();
        touched.iter().filter_map(|uid| self.pods.get(uid)).cloned().collect()
    }
}

fn claims(pod: &Pod) -> BTreeSet<ClaimKey> {
    let spec = pod.spec.as_ref();
    let claims = spec.map(|spec| claims_of(&pod.namespace().unwrap_or_default(), &pod.name_any(), spec));
    claims.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn pod(name: &str, claim: &str) -> Pod {
        let volume = json!({ "name": "data", "persistentVolumeClaim": { "claimName": claim } });
        let metadata = json!({ "name": name, "namespace": "shop" });
        from_value(json!({ "metadata": metadata, "spec": { "containers": [], "volumes": [volume] } }))
            .unwrap()
    }

    #[test]
    fn only_the_pods_of_a_claim_are_looked_at_again_and_each_once() {
        let mut claimants = Claimants::default();
        let claim = |name: &str| BTreeSet::from([(Name::from("shop"), Name::from(name))]);
        let touched = |claimants: &mut Claimants| {
            let pods = claimants.take_touched();
            pods.iter().map(|pod| pod.name_any()).collect::<Vec<_>>()
        };
        for (name, of) in [("a", "one"), ("b", "other"), ("c", "other")] {
            claimants.note(&name.into(), pod(name, of));
        }
        claimants.touch(&claim("one"));
        claimants.touch(&claim("one"));
        assert_eq!(touched(&mut claimants), ["a"]);
        assert!(touched(&mut claimants).is_empty());
        claimants.touch(&claim("other"));
        claimants.forget("b");
        assert_eq!(touched(&mut claimants), ["c"]);
        claimants.note(&"a".into(), pod("a", "new"));
        claimants.touch(&claim("one"));
        assert!(touched(&mut claimants).is_empty(), "it has another claim now");
    }
}
