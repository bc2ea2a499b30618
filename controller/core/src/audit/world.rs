//! Nodes with what rules count on them, followed pod by pod.

use std::collections::BTreeMap;

use super::after::After;
use super::books::Books;
use super::rules::{Counts, Part, Rule, Rules};
use crate::cluster::{Labels, Name, Taint};
use crate::lookup::Lookup;

/// What one rule counts.
#[derive(Debug)]
struct Count {
    /// Which of the labels makes its domains.
    key: usize,
    /// Per seat, whether it is counted on.
    scope: Vec<bool>,
    pods: Vec<u64>,
    total: u64,
    /// How many domains with a seat that is counted on have so many.
    domains: BTreeMap<u64, usize>,
    is_domain: Vec<bool>,
}

/// Some moment of the cluster.
#[derive(Debug)]
pub(super) struct World<'a> {
    /// By name of the node.
    seats: Lookup<&'a str, usize>,
    /// Per seat, its domain by label.
    domains: Vec<Vec<Option<usize>>>,
    counts: Vec<Count>,
}

impl<'a> World<'a> {
    /// Before anything comes or goes, or with all that comes and without what goes; in both none of the pods has come that
    /// get a place.
    pub(super) fn of(books: &'a Books, after: &'a After<'_>, rules: &Rules<'_>, now: bool) -> Self {
        let going = if now { &after.going_already } else { &after.going };
        let there = books.nodes.values().filter(|node| !going.contains(&node.name));
        let there = there.map(|node| (&*node.name, &node.labels, &*node.taints));
        let come = after.new_spots().filter(|_| !now);
        let come = come.map(|spot| (&*spot.name, &spot.labels, &*spot.taints));
        let nodes: Vec<(&str, &Labels, &[Taint])> = there.chain(come).collect();

        let rules = rules.in_order();
        let mut keys: Vec<&Name> = rules.iter().map(|rule| rule.key).collect();
        keys.sort();
        keys.dedup();
        let mut known: Vec<Lookup<&str, usize>> = keys.iter().map(|_| Lookup::default()).collect();
        let domains = nodes.iter().map(|(_, labels, _)| {
            let mut domain = |(at, key): (usize, &&Name)| {
                let next = known[at].len();
                labels.get(*key).map(|value| *known[at].get_or_insert(value, next))
            };
            keys.iter().enumerate().map(&mut domain).collect()
        });
        let domains: Vec<Vec<Option<usize>>> = domains.collect();
        let seats = nodes.iter().enumerate().map(|(seat, (name, ..))| (*name, seat)).collect();
        let counts = rules.into_iter().map(|rule| {
            let key = keys.binary_search(&rule.key).unwrap_or(0);
            Count::of(rule, key, &nodes, &domains, known[key].len())
        });
        let counts = counts.collect();
        Self { seats, domains, counts }
    }

    /// Counts the pods that were there before the plan.
    pub(super) fn count_those_there<'p>(&mut self, books: &Books, mut part: impl FnMut(usize) -> &'p Part) {
        for (at, ((_, leaving), (_, nodes))) in books.shapes.iter().enumerate() {
            let part = part(at);
            let rules = if *leaving { &part.counted_leaving } else { &part.counted };
            if rules.is_empty() {
                continue;
            }
            for (node, pods) in nodes {
                // All pods of a node that goes are gone with it.
                if let Some(seat) = self.seat(node) {
                    self.add(seat, rules, u64::from(*pods));
                }
            }
        }
    }

    pub(super) fn seat(&self, node: &str) -> Option<usize> {
        self.seats.get(node).copied()
    }

    /// Counts pods more that these rules count.
    pub(super) fn add(&mut self, seat: usize, rules: &[usize], pods: u64) {
        for rule in rules {
            let count = &mut self.counts[*rule];
            if count.scope[seat]
                && let Some(domain) = self.domains[seat][count.key]
            {
                count.add(domain, pods);
            }
        }
    }

    /// What a rule counts in the domain of a seat; None where the seat is in none.
    pub(super) fn near(&self, rule: usize, seat: usize) -> Option<u64> {
        let count = &self.counts[rule];
        self.domains[seat][count.key].map(|domain| count.pods[domain])
    }

    /// What a rule counts everywhere.
    pub(super) fn anywhere(&self, rule: usize) -> u64 {
        self.counts[rule].total
    }

    /// What a rule counts in its emptiest domain; 0 with fewer domains than `least`.
    pub(super) fn emptiest(&self, rule: usize, least: usize) -> u64 {
        let domains = &self.counts[rule].domains;
        if domains.values().sum::<usize>() < least {
            return 0;
        }
        domains.keys().next().copied().unwrap_or(0)
    }
}

impl Count {
    fn of(
        rule: &Rule<'_>,
        key: usize,
        nodes: &[(&str, &Labels, &[Taint])],
        domains: &[Vec<Option<usize>>],
        size: usize,
    ) -> Self {
        let counted_on = |(name, labels, taints): &(&str, &Labels, &[Taint])| match &rule.counts {
            Counts::Selected { scope, .. } => scope.has(name, labels, taints),
            Counts::Matching(_) | Counts::Having(_) => true,
        };
        let scope: Vec<bool> = nodes.iter().map(counted_on).collect();
        let mut is_domain = vec![false; size];
        for seat in (0..nodes.len()).filter(|seat| scope[*seat]) {
            if let Some(domain) = domains[seat][key] {
                is_domain[domain] = true;
            }
        }
        let there = is_domain.iter().filter(|is| **is).count();
        let domains = if there > 0 { BTreeMap::from([(0, there)]) } else { BTreeMap::new() };
        Self { key, scope, pods: vec![0; size], total: 0, domains, is_domain }
    }

    fn add(&mut self, domain: usize, pods: u64) {
        let before = self.pods[domain];
        self.pods[domain] += pods;
        self.total += pods;
        if self.is_domain[domain] {
            if let Some(domains) = self.domains.get_mut(&before) {
                *domains -= 1;
                if *domains == 0 {
                    self.domains.remove(&before);
                }
            }
            *self.domains.entry(before + pods).or_default() += 1;
        }
    }
}
