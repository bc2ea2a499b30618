//! What is new to a packing: classes, and nodes.

use std::sync::Arc;

use super::amounts::Amounts;
use super::class::{ClassId, ClassKey};
use super::intern::id;
use super::packing::{NodeIx, NodeState, Packing, remember};
use super::tables::{Brought, Facts};
use super::tally::{DomainId, KeyId, Tally, TallyDef, UNCOUNTED};
use crate::cluster::{HOSTNAME, Name, Resources};

impl Packing {
    /// Whether a node may have pods of a class as far as what runs there does not matter.
    pub(crate) fn suits(&mut self, class: ClassId, node: NodeIx) -> bool {
        let need = self.tables.classes[class as usize].need;
        let state = &self.nodes[node as usize];
        let kind = state.kind;
        match self.verdicts.get(need as usize).and_then(|known| known.get(kind as usize)) {
            Some(1) => return true,
            Some(2) => return false,
            _ => {}
        }
        let suits = self.tables.refuses(need, &state.facts).is_none();
        if !self.tables.needs.value(need).is_about_single_nodes() {
            if self.verdicts.len() <= need as usize {
                self.verdicts.resize_with(need as usize + 1, Arc::default);
            }
            remember(&mut self.verdicts[need as usize], kind, suits);
        }
        suits
    }

    /// The class of a normalised shape, made where it is new.
    pub(crate) fn intern(&mut self, key: ClassKey) -> ClassId {
        if let Some(class) = self.tables.known(&key) {
            return class;
        }
        let (class, brought) = Arc::make_mut(&mut self.tables).add_class(key);
        self.population.push(0);
        self.adopt(brought);
        class
    }

    fn adopt(&mut self, brought: Brought) {
        let keys = self.tables.key_count();
        self.fresh.resize(keys, 0);
        if brought.keys_from < keys {
            for node in 0..self.nodes.len() {
                let state = &self.nodes[node];
                let mut domains = state.domains.to_vec();
                let facts = state.facts.clone();
                let stand_in = state.stand_in;
                for key in brought.keys_from..keys {
                    domains.push(self.find_domain(id(key), &facts, stand_in));
                }
                self.nodes[node].domains = domains.into();
            }
        }
        if brought.node_keys {
            Arc::make_mut(&mut self.tables).forget_kinds();
            self.verdicts.clear();
            self.scopes.iter_mut().for_each(|known| *known = Arc::default());
            for node in &mut self.nodes {
                node.kind = Arc::make_mut(&mut self.tables).kind(&node.facts);
            }
        }
        let tables = self.tables.clone();
        for tally in brought.tallies_from..tables.tallies.len() {
            self.tallies.push(Arc::default());
            self.scopes.push(Arc::default());
            let def = tables.tallies.value(id(tally));
            let counted: Vec<bool> = (0..tables.classes.len())
                .map(|class| {
                    tables.counted[class].contains(&id(tally))
                        || tables.classes[class].holds.contains(&id(tally))
                })
                .collect();
            let any = counted.iter().zip(&self.population).any(|(counted, pods)| *counted && *pods > 0);
            let is_spread = matches!(def, TallyDef::Spread { .. });
            let mut fresh = Tally::default();
            for node in 0..self.nodes.len() {
                let state = &self.nodes[node];
                let (kind, domain) = (state.kind, state.domains[def.key() as usize]);
                if !(any || is_spread)
                    || !state.present
                    || domain >= UNCOUNTED
                    || !self.scoped(id(tally), def, kind, id(node))
                {
                    continue;
                }
                if is_spread {
                    fresh.node_came(domain);
                }
                if any {
                    let residents = self.nodes[node].residents.iter();
                    let pods = residents.filter(|(class, _)| counted[*class as usize]);
                    let holds = |class: ClassId| {
                        let holds = &tables.classes[class as usize].holds;
                        i64::try_from(holds.iter().filter(|held| **held == id(tally)).count())
                            .unwrap_or(0)
                            .max(1)
                    };
                    fresh.add(domain, pods.map(|(class, count)| i64::from(*count) * holds(*class)).sum());
                }
            }
            self.tallies[tally] = Arc::new(fresh);
        }
    }

    fn find_domain(&mut self, key: KeyId, facts: &Facts, stand_in: bool) -> DomainId {
        let is_host = &**self.tables.key_name(key) == HOSTNAME;
        if facts.name.is_empty() && is_host {
            if stand_in {
                return UNCOUNTED;
            }
            let fresh = &mut self.fresh[key as usize];
            let domain = id(self.tables.domain_count(key)).saturating_add(*fresh);
            *fresh += 1;
            return domain;
        }
        // A copy shares the tables for as long as it meets nothing new.
        let known = self.tables.known_domain(key, &facts.labels);
        known.unwrap_or_else(|| Arc::make_mut(&mut self.tables).domain(key, &facts.labels))
    }

    /// Resources in dense form.
    pub(crate) fn amounts(&mut self, resources: &Resources) -> Amounts {
        let known = |name: &Name| self.tables.extended.get(name).is_some();
        if resources.extended.keys().all(known) {
            // Nothing new is met, so the names are only read.
            return Amounts::known(resources, &self.tables.extended);
        }
        Amounts::of(resources, &mut Arc::make_mut(&mut self.tables).extended)
    }

    /// A node as it would be, not added yet.
    pub(crate) fn state(
        &mut self,
        facts: Arc<Facts>,
        free: Amounts,
        attach_limits: Arc<Vec<(Name, i64)>>,
        stand_in: bool,
    ) -> NodeState {
        let domains = (0..self.tables.key_count()).map(|key| self.find_domain(id(key), &facts, stand_in));
        let domains: Vec<_> = domains.collect();
        let known = self.tables.known_kind(&facts);
        NodeState {
            kind: known.unwrap_or_else(|| Arc::make_mut(&mut self.tables).kind(&facts)),
            domains: domains.into(),
            residents: Arc::default(),
            facts,
            free,
            attach_limits,
            present: false,
            open: true,
            stand_in,
        }
    }
}
