//! Who scales what: which autoscalers of one kind name the same target, or select the same pods.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use kube::core::{Expression, Selector, SelectorExt as _};
use plimsoll_api::v1alpha1::{Mode, ObjectReference, PodScalerSpec};
use plimsoll_observe::ObservedPod;

/// A target, whatever version of its kind a PodScaler names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    group: String,
    kind: String,
    name: String,
}

impl From<&ObjectReference> for Target {
    fn from(reference: &ObjectReference) -> Self {
        let api_version = reference.api_version.as_deref().unwrap_or_default();
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self { group: group.to_owned(), kind: reference.kind.clone(), name: reference.name.clone() }
    }
}

/// The claims of one namespace.
#[derive(Debug, Default)]
struct Namespace {
    targets: HashMap<String, Target>,
    scalers: HashMap<Target, BTreeSet<String>>,
    /// The selector of each PodScaler's target, since it was last read.
    selectors: BTreeMap<String, Selector>,
    /// The PodScalers whose selector asks for a label, by its key and value.
    by_label: HashMap<String, HashMap<String, BTreeSet<String>>>,
    /// Those whose selector asks for no one label.
    by_no_label: BTreeSet<String>,
}

/// Which active autoscalers of one kind claim which targets and pods. Clones share the same claims.
///
/// One that only recommends, or is paused, writes nothing and so claims nothing.
#[derive(Clone, Default)]
pub struct Claims {
    namespaces: Arc<Mutex<HashMap<String, Namespace>>>,
}

impl Claims {
    /// Notes what a PodScaler claims, in place of what it claimed before.
    pub fn claim(&self, namespace: &str, name: &str, spec: &PodScalerSpec) {
        self.claim_target(namespace, name, (spec.mode == Mode::Active).then_some(&spec.scale_target_ref));
    }

    /// Notes which target an autoscaler claims, in place of what it claimed before. None: nothing.
    pub fn claim_target(&self, namespace: &str, name: &str, target: Option<&ObjectReference>) {
        let mut namespaces = self.lock();
        let claims = namespaces.entry(namespace.to_owned()).or_default();
        let target = target.map(Target::from);
        if claims.targets.get(name) == target.as_ref() {
            return;
        }
        claims.withdraw(name);
        if let Some(target) = target {
            claims.scalers.entry(target.clone()).or_default().insert(name.to_owned());
            claims.targets.insert(name.to_owned(), target);
        }
    }

    /// Notes that an autoscaler claims nothing any more.
    pub fn withdraw(&self, namespace: &str, name: &str) {
        let mut namespaces = self.lock();
        if let Some(claims) = namespaces.get_mut(namespace) {
            claims.withdraw(name);
            if claims.targets.is_empty() {
                namespaces.remove(namespace);
            }
        }
    }

    /// The other PodScalers that claim the target of `name`, in order.
    pub fn rivals(&self, namespace: &str, name: &str) -> Vec<String> {
        let namespaces = self.lock();
        let Some(claims) = namespaces.get(namespace) else { return Vec::new() };
        claims
            .targets
            .get(name)
            .and_then(|target| claims.scalers.get(target))
            .into_iter()
            .flatten()
            .filter(|other| other.as_str() != name)
            .cloned()
            .collect()
    }

    /// All that claim `target`, in order.
    pub fn claimants(&self, namespace: &str, target: &ObjectReference) -> Vec<String> {
        let namespaces = self.lock();
        let claimants =
            namespaces.get(namespace).and_then(|claims| claims.scalers.get(&Target::from(target)));
        claimants.into_iter().flatten().cloned().collect()
    }

    /// Notes which pods the target of `name` selects, and answers which others select one of
    /// `pods` too. Overlapping selectors without a common pod are no rivalry.
    pub fn select(
        &self,
        namespace: &str,
        name: &str,
        selector: &Selector,
        pods: &[Arc<ObservedPod>],
    ) -> Vec<String> {
        let mut namespaces = self.lock();
        let Some(claims) = namespaces.get_mut(namespace) else { return Vec::new() };
        if !claims.targets.contains_key(name) {
            return Vec::new();
        }
        if claims.selectors.get(name) != Some(selector) {
            claims.unselect(name);
            claims.select(name, selector);
        }
        claims.that_select_one_of(pods).into_iter().filter(|other| *other != name).cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Namespace>> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Namespace {
    fn select(&mut self, name: &str, selector: &Selector) {
        match asked_label(selector) {
            Some((key, value)) => {
                let values = self.by_label.entry(key).or_default();
                values.entry(value).or_default().insert(name.to_owned());
            }
            None => _ = self.by_no_label.insert(name.to_owned()),
        }
        self.selectors.insert(name.to_owned(), selector.clone());
    }

    fn unselect(&mut self, name: &str) {
        self.by_no_label.remove(name);
        let Some((key, value)) = self.selectors.remove(name).as_ref().and_then(asked_label) else { return };
        let Some(values) = self.by_label.get_mut(&key) else { return };
        if let Some(names) = values.get_mut(&value) {
            names.remove(name);
            if names.is_empty() {
                values.remove(&value);
            }
        }
        if values.is_empty() {
            self.by_label.remove(&key);
        }
    }

    /// Those whose selector matches one of `pods`, without trying the selectors that ask for a label which
    /// none of them has.
    fn that_select_one_of(&self, pods: &[Arc<ObservedPod>]) -> BTreeSet<&String> {
        let labels = pods.iter().flat_map(|pod| &pod.labels);
        let by_label = labels.filter_map(|(key, value)| self.by_label.get(key)?.get(value)).flatten();
        let candidates: BTreeSet<_> = by_label.chain(&self.by_no_label).collect();
        let matches = |name: &&String| {
            let selector = self.selectors.get(*name);
            selector.is_some_and(|selector| pods.iter().any(|pod| selector.matches(&pod.labels)))
        };
        candidates.into_iter().filter(matches).collect()
    }

    fn withdraw(&mut self, name: &str) {
        self.unselect(name);
        let Some(target) = self.targets.remove(name) else { return };
        if let Some(scalers) = self.scalers.get_mut(&target) {
            scalers.remove(name);
            if scalers.is_empty() {
                self.scalers.remove(&target);
            }
        }
    }
}

/// A label that every pod has which a selector matches, if it names one.
fn asked_label(selector: &Selector) -> Option<(String, String)> {
    selector.clone().into_iter().find_map(|expression| match expression {
        Expression::Equal(key, value) => Some((key, value)),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
