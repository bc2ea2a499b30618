//! Pods by their labels, for the labels that selectors ask for.
//!
//! A namespace may have thousands of pods, and a target few of them. Which keys are asked for is known only from the
//! selectors, so a key is indexed from the first time on that one asks for it.

use std::collections::{BTreeSet, HashMap};

use kube::core::{Expression, Selector, SelectorExt as _};
use plimsoll_observe::ObservedPod;

use crate::mirror::{Index, Namespace};

/// Names of pods, by the value of a label.
type Values = HashMap<Box<str>, BTreeSet<Box<str>>>;

/// The pods of a namespace by the labels that were asked for.
#[derive(Debug, Default)]
pub struct ByLabel {
    keys: HashMap<Box<str>, Values>,
}

impl Index<ObservedPod> for ByLabel {
    fn add(&mut self, name: &str, pod: &ObservedPod) {
        for (key, values) in &mut self.keys {
            note(values, key, name, pod);
        }
    }

    fn remove(&mut self, name: &str, pod: &ObservedPod) {
        for (key, values) in &mut self.keys {
            let Some(value) = pod.labels.get(&**key) else { continue };
            let Some(names) = values.get_mut(value.as_str()) else { continue };
            names.remove(name);
            if names.is_empty() {
                values.remove(value.as_str());
            }
        }
    }
}

fn note(values: &mut Values, key: &str, name: &str, pod: &ObservedPod) {
    let Some(value) = pod.labels.get(key) else { return };
    match values.get_mut(value.as_str()) {
        Some(names) => names.insert(name.into()),
        None => values.entry(value.as_str().into()).or_default().insert(name.into()),
    };
}

/// The pods of a namespace that a selector matches, ordered by name. None if a key it asks for is not indexed yet.
pub(crate) fn select<P: AsRef<ObservedPod> + Clone>(
    entries: &std::collections::BTreeMap<Box<str>, P>,
    index: &ByLabel,
    selector: &Selector,
) -> Option<Vec<P>> {
    let matches = |pod: &&P| selector.matches(&pod.as_ref().labels);
    let mut fewest: Option<&BTreeSet<Box<str>>> = None;
    for (key, value) in asked(selector) {
        // No pod has a label that none was noted with.
        let Some(names) = index.keys.get(key.as_str())?.get(value.as_str()) else { return Some(Vec::new()) };
        if fewest.is_none_or(|fewest| names.len() < fewest.len()) {
            fewest = Some(names);
        }
    }
    Some(match fewest {
        Some(names) => names.iter().filter_map(|name| entries.get(name)).filter(matches).cloned().collect(),
        None => entries.values().filter(matches).cloned().collect(),
    })
}

/// Indexes the keys that a selector asks for.
pub(crate) fn arrange(
    Namespace { entries, index }: &mut Namespace<ObservedPod, ByLabel>,
    selector: &Selector,
) {
    for (key, _) in asked(selector) {
        if !index.keys.contains_key(key.as_str()) {
            let mut values = Values::new();
            for (name, pod) in entries.iter() {
                note(&mut values, &key, name, pod);
            }
            index.keys.insert(key.into(), values);
        }
    }
}

/// The labels that every pod has which a selector matches.
fn asked(selector: &Selector) -> impl Iterator<Item = (String, String)> {
    selector.clone().into_iter().filter_map(|expression| match expression {
        Expression::Equal(key, value) => Some((key, value)),
        _ => None,
    })
}
