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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Pod, PodShape, PodState, ZONE};
    use crate::nodes::fixtures::{evenly, node, of_app, term};
    use crate::placement::{Change, Refusal, View, fits};

    const SSD: (&str, &str) = ("disk", "ssd");

    fn labels(labels: &[(&str, &str)]) -> crate::cluster::Labels {
        labels.iter().map(|(key, value)| (Name::from(*key), Name::from(*value))).collect()
    }

    fn of(app: &str, state: PodState, shape: impl FnOnce(&mut PodShape)) -> Pod {
        let mut pod = of_app(app, app, state);
        shape(Arc::make_mut(&mut pod.shape));
        pod
    }

    /// Node n with a fast disk in zone a, on which db runs, and node m in zone b. All is counted already.
    fn counted() -> View {
        let mut n = node("n", "a");
        n.labels.extend(labels(&[SSD]));
        let db = of("db", PodState::Bound { node: "n".into(), ready: true }, |shape| {
            shape.affinity.anti_pods = vec![term(HOSTNAME, "foe"), term(ZONE, "foe")];
        });
        let mut view = View::default();
        for change in [Change::Node(n), Change::Node(node("m", "b")), Change::Pod(db)] {
            view.apply(change);
        }
        view.packing();
        view
    }

    #[test]
    fn a_pod_of_another_kind_is_judged_by_what_was_counted_before_it_came() {
        type Row = (&'static str, fn(&mut PodShape), Option<Refusal>, Option<Refusal>);
        let zone = || Name::from(ZONE);
        let rows: [Row; 5] = [
            ("web", |of| of.affinity.pods = vec![term(ZONE, "db")], None, Some(Refusal::PodAffinity(zone()))),
            (
                "web",
                |of| of.affinity.anti_pods = vec![term(ZONE, "db")],
                Some(Refusal::PodAntiAffinity(zone())),
                None,
            ),
            ("web", |of| of.spread = vec![evenly(ZONE, "db")], None, None),
            ("db", |of| of.spread = vec![evenly(ZONE, "db")], Some(Refusal::Spread(zone())), None),
            (
                "db",
                |of| {
                    of.spread = vec![evenly(ZONE, "db")];
                    of.node_selector = labels(&[SSD]);
                },
                None,
                Some(Refusal::NodeAffinity),
            ),
        ];
        for (app, shape, on_n, on_m) in rows {
            let mut view = counted();
            let pod = of(app, PodState::Pending, shape);
            let pod = Pod { uid: "comes later".into(), ..pod };
            view.apply(Change::Pod(pod.clone()));
            let found = ["n", "m"].map(|node| fits(&view, &pod, node).err());
            assert_eq!(found, [on_n, on_m], "{:?}", pod.shape);
        }
    }

    #[test]
    fn a_pod_that_comes_later_gets_no_node_for_being_like_another_to_those_before_it() {
        let view = counted();
        let mut packing = view.packing();
        for (label, suits) in [((HOSTNAME, "m"), "m"), ((HOSTNAME, "n"), "n"), (SSD, "n")] {
            let shape = of("web", PodState::Pending, |of| of.node_selector = labels(&[label])).shape;
            let class = view.dense().seeking_in(&mut packing, &shape);
            for node in ["m", "n"] {
                let found = packing.suits(class, view.dense().node(node).unwrap());
                assert_eq!(found, node == suits, "{label:?} on {node}");
            }
        }
    }
}
