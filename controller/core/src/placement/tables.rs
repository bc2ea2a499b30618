//! What was met so far, by number: classes, needs, kinds of nodes, domains and tallies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::amounts::Amounts;
use super::class::{self, Class, ClassId, ClassKey, Need, NeedId, SpreadUse};
use super::intern::{Interner, id};
use super::tally::{DomainId, KeyId, NO_DOMAIN, PodMatch, Scope, TallyDef, TallyId};
use super::{node_affinity, taints, unschedulable};
use crate::cluster::{Effect, HOSTNAME, Labels, Name, PodShape, PodTerm, Policy, Spread, Taint};
use crate::lookup::Lookup;
use crate::placement::Refusal;

/// The number of a kind of nodes.
pub(crate) type KindId = u32;

/// What rules read of a node that do not look at its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Facts {
    /// Its name; empty for one that does not exist yet.
    pub(crate) name: Name,
    pub(crate) labels: Labels,
    pub(crate) taints: Vec<Taint>,
    pub(crate) unschedulable: bool,
}

/// Everything that has a number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) extended: Interner<Name>,
    keys: Interner<Name>,
    /// The key under which each node is a domain of its own.
    pub(crate) host_key: Option<KeyId>,
    domains: Vec<Interner<Name>>,
    kinds: Interner<Facts>,
    node_keys: BTreeSet<Name>,
    /// Whether a taint was met that is only preferred not to be tolerated.
    soft_taints: bool,
    pub(crate) classes: Vec<Arc<Class>>,
    class_ids: Lookup<ClassKey, ClassId>,
    pub(crate) needs: Interner<Need>,
    pub(crate) tallies: Interner<TallyDef>,
    /// Per class, the tallies that count its pods.
    pub(crate) counted: Vec<Vec<TallyId>>,
    /// Per class, the tallies of pods that keep it off.
    pub(crate) kept_off: Vec<Vec<TallyId>>,
    pub(crate) namespaces: BTreeMap<Name, Labels>,
}

/// What a new class has brought along.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brought {
    /// Kinds of nodes have to be told apart anew.
    pub(crate) node_keys: bool,
    /// Tallies from this number on are new.
    pub(crate) tallies_from: usize,
    /// Keys of domains from this number on are new.
    pub(crate) keys_from: usize,
}

impl Tables {
    /// The class of a normalised shape, if it was met.
    pub(crate) fn known(&self, key: &ClassKey) -> Option<ClassId> {
        self.class_ids.get(key).copied()
    }

    /// Makes a class of a normalised shape.
    pub(crate) fn add_class(&mut self, key: ClassKey) -> (ClassId, Brought) {
        let mut brought =
            Brought { node_keys: false, tallies_from: self.tallies.len(), keys_from: self.keys.len() };
        let shape = key.shape.clone();
        let need = Need::of(&shape);
        let liked = shape.affinity.preferred_nodes.iter().flat_map(|of| &of.term.labels).map(|of| &of.key);
        for name in need.keys().chain(liked).filter(|name| &***name != HOSTNAME) {
            brought.node_keys |= self.node_keys.insert(name.clone());
        }
        let affinity = &shape.affinity;
        let terms: Vec<_> = affinity.pods.iter().map(PodMatch::of).collect();
        let befriends_itself = terms.iter().all(|term| term.matches(&shape, &self.namespaces));
        let class = Class {
            ask: Amounts::of(&shape.requests, &mut self.extended),
            need: self.needs.intern(&need),
            affinity: affinity.pods.iter().map(|term| self.matching(terms.clone(), term)).collect(),
            befriends_itself,
            anti: affinity
                .anti_pods
                .iter()
                .map(|term| self.matching(vec![PodMatch::of(term)], term))
                .collect(),
            holds: affinity.anti_pods.iter().map(|term| self.holding(term)).collect(),
            spread: self.spread(&shape, true),
            soft_spread: self.spread(&shape, false),
            liked: self.liked(&shape),
            leaving: key.leaving,
            shape: shape.clone(),
        };
        let class_id = id(self.classes.len());
        self.classes.push(Arc::new(class));
        self.class_ids.insert(key, class_id);
        self.counted.push(Vec::new());
        self.kept_off.push(Vec::new());
        // The new class against all tallies, and the new tallies against all other classes.
        for tally in 0..self.tallies.len() {
            self.relate(class_id, id(tally));
        }
        for other in 0..class_id {
            for tally in brought.tallies_from..self.tallies.len() {
                self.relate(other, id(tally));
            }
        }
        (class_id, brought)
    }

    fn relate(&mut self, class: ClassId, tally: TallyId) {
        let of = &self.classes[class as usize];
        let def = self.tallies.value(tally);
        if def.counts(&of.shape, of.leaving, &self.namespaces) {
            self.counted[class as usize].push(tally);
        }
        if let TallyDef::Holding { term, .. } = def
            && term.matches(&of.shape, &self.namespaces)
        {
            self.kept_off[class as usize].push(tally);
        }
    }

    fn matching(&mut self, mut terms: Vec<PodMatch>, term: &PodTerm) -> TallyId {
        terms.sort();
        terms.dedup();
        let key = self.key(&term.topology_key);
        self.tallies.intern(&TallyDef::Matching { terms, key })
    }

    fn liked(&mut self, shape: &PodShape) -> Vec<(TallyId, i64)> {
        let affinity = &shape.affinity;
        let near = affinity.preferred_pods.iter().map(|of| (&of.term, i64::from(of.weight)));
        let far = affinity.preferred_anti_pods.iter().map(|of| (&of.term, -i64::from(of.weight)));
        let liked = near.chain(far);
        liked.map(|(term, weight)| (self.matching(vec![PodMatch::of(term)], term), weight)).collect()
    }

    fn holding(&mut self, term: &PodTerm) -> TallyId {
        let key = self.key(&term.topology_key);
        self.tallies.intern(&TallyDef::Holding { term: PodMatch::of(term), key })
    }

    fn spread(&mut self, shape: &PodShape, hard: bool) -> Vec<SpreadUse> {
        let wanted: Vec<&Spread> = shape.spread.iter().filter(|of| class::constrains(of) == hard).collect();
        let keys: BTreeSet<KeyId> = wanted.iter().map(|spread| self.key(&spread.topology_key)).collect();
        let uses = wanted.into_iter().map(|spread| {
            let key = self.key(&spread.topology_key);
            let honour = |policy| policy == Policy::Honor;
            let scope = Scope {
                // Only constraints want the labels of all of them.
                keys: if hard { keys.clone() } else { BTreeSet::from([key]) },
                affinity: honour(spread.node_affinity)
                    .then(|| (shape.node_selector.clone(), shape.affinity.nodes.clone())),
                tolerations: honour(spread.node_taints).then(|| shape.tolerations.clone()),
            };
            let selects = spread.selector.as_ref();
            let counts_itself = selects.is_some_and(|selector| selector.matches(&shape.labels));
            let (namespace, selector) = (shape.namespace.clone(), spread.selector.clone());
            let tally = self.tallies.intern(&TallyDef::Spread { namespace, selector, key, scope });
            SpreadUse {
                tally,
                max_skew: spread.max_skew,
                min_domains: spread.min_domains.unwrap_or(1),
                counts_itself,
            }
        });
        uses.collect()
    }

    fn key(&mut self, name: &Name) -> KeyId {
        let key = self.keys.intern(name);
        if &**name == HOSTNAME {
            self.host_key = Some(key);
        }
        if self.domains.len() <= key as usize {
            self.domains.resize_with(key as usize + 1, Interner::default);
        }
        key
    }

    /// The name of a label that domains are made of.
    pub(crate) fn key_name(&self, key: KeyId) -> &Name {
        self.keys.value(key)
    }

    /// How many labels make domains.
    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// How many domains of a key were met.
    pub(crate) fn domain_count(&self, key: KeyId) -> usize {
        self.domains[key as usize].len()
    }

    /// Whether the labels of namespaces matter to a tally.
    pub(crate) fn reads_namespaces(&self) -> bool {
        let by_label = |terms: &[PodMatch]| terms.iter().any(PodMatch::reads_namespaces);
        (0..self.tallies.len()).any(|tally| match self.tallies.value(id(tally)) {
            TallyDef::Matching { terms, .. } => by_label(terms),
            TallyDef::Holding { term, .. } => term.reads_namespaces(),
            TallyDef::Spread { .. } => false,
        })
    }

    /// The domain of a node with these labels.
    pub(crate) fn domain(&mut self, key: KeyId, labels: &Labels) -> DomainId {
        let value = labels.get(self.keys.value(key)).cloned();
        value.map_or(NO_DOMAIN, |value| self.domains[key as usize].intern(&value))
    }

    /// The domain of a node with these labels, if it was met; see [`Tables::domain`].
    pub(crate) fn known_domain(&self, key: KeyId, labels: &Labels) -> Option<DomainId> {
        let value = labels.get(self.keys.value(key));
        value.map_or(Some(NO_DOMAIN), |value| self.domains[key as usize].get(value))
    }

    /// The kind of a node: what rules that many nodes answer alike read of it.
    pub(crate) fn kind(&mut self, facts: &Facts) -> KindId {
        let kind = self.kind_of(facts);
        self.soft_taints |= kind.taints.iter().any(|taint| taint.effect == Effect::PreferNoSchedule);
        self.kinds.intern(&kind)
    }

    /// The kind of a node, if it was met; see [`Tables::kind`].
    pub(crate) fn known_kind(&self, facts: &Facts) -> Option<KindId> {
        self.kinds.get(&self.kind_of(facts))
    }

    fn kind_of(&self, facts: &Facts) -> Facts {
        let labels = facts.labels.iter().filter(|(key, _)| self.node_keys.contains(*key));
        Facts {
            name: "".into(),
            labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
            taints: facts.taints.clone(),
            unschedulable: facts.unschedulable,
        }
    }

    /// Whether there may be nodes with taints that pods only had better tolerate.
    pub(crate) fn has_soft_taints(&self) -> bool {
        self.soft_taints
    }

    /// Forgets the kinds, since they have to be told apart anew.
    pub(crate) fn forget_kinds(&mut self) {
        self.kinds = Interner::default();
    }

    /// Why a node refuses whatever needs this, if it does.
    pub(crate) fn refuses(&self, need: NeedId, facts: &Facts) -> Option<Refusal> {
        let need = self.needs.value(need);
        if !unschedulable::allows(facts.unschedulable, &need.tolerations) {
            return Some(Refusal::Unschedulable);
        }
        if let Some(taint) = taints::untolerated(&facts.taints, &need.tolerations) {
            return Some(Refusal::Taint(taint.clone()));
        }
        let terms = need.node_terms.as_deref();
        if !node_affinity::matches(&need.node_selector, terms, &facts.labels, &facts.name) {
            return Some(Refusal::NodeAffinity);
        }
        let reaches = |terms: &[_]| node_affinity::any_term(terms, &facts.labels, &facts.name);
        let unreachable = need.reach.iter().find(|(_, terms)| !reaches(terms));
        unreachable.map(|(volume, _)| Refusal::VolumeElsewhere(volume.clone()))
    }

    /// Whether a spread constraint counts on such a node, its labels for domains aside.
    pub(crate) fn in_scope(scope: &Scope, facts: &Facts) -> bool {
        scope.affinity.as_ref().is_none_or(|(selector, terms)| {
            node_affinity::matches(selector, terms.as_deref(), &facts.labels, &facts.name)
        }) && scope
            .tolerations
            .as_ref()
            .is_none_or(|tolerations| taints::untolerated(&facts.taints, tolerations).is_none())
    }
}
