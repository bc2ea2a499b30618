//! The rules that pods bring along about other pods, each once, and what each shape has to do with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::after::After;
use super::books::Books;
use super::node_rules::{selected, untolerated};
use crate::cluster::{
    Labels, Name, NodeTerm, PodShape, PodTerm, Policy, Selector, Spread, Taint, Toleration, WhenUnsatisfiable,
};

/// Pods that are counted, by domains of a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule<'a> {
    pub(super) key: &'a Name,
    pub(super) counts: Counts<'a>,
}

/// Which pods are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Counts<'a> {
    /// Those of a namespace that a spread constraint selects, on nodes where it looks.
    Selected { namespace: &'a Name, selector: Option<&'a Selector>, scope: Scope<'a> },
    /// Those that match all these terms.
    Matching(Vec<&'a PodTerm>),
    /// Those with this term in their anti-affinity.
    Having(&'a PodTerm),
}

/// Where a spread constraint looks: nodes with all these labels that the pod's own selector and tolerations allow, as far as
/// those are honoured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope<'a> {
    keys: Vec<&'a Name>,
    affinity: Option<(&'a Labels, Option<&'a Vec<NodeTerm>>)>,
    tolerations: Option<&'a Vec<Toleration>>,
}

impl<'a> Scope<'a> {
    fn of(shape: &'a PodShape, spread: &Spread) -> Self {
        let honours = |policy| policy == Policy::Honor;
        let mut keys: Vec<&Name> = constraints(shape).map(|of| &of.topology_key).collect();
        keys.sort();
        let affinity = (&shape.node_selector, shape.affinity.nodes.as_ref());
        Self {
            keys,
            affinity: honours(spread.node_affinity).then_some(affinity),
            tolerations: honours(spread.node_taints).then_some(&shape.tolerations),
        }
    }

    /// Whether it looks at a node.
    pub(super) fn has(&self, name: &str, labels: &Labels, taints: &[Taint]) -> bool {
        self.keys.iter().all(|key| labels.contains_key(*key))
            && self.affinity.is_none_or(|(selector, terms)| selected(selector, terms, labels, name))
            && self.tolerations.is_none_or(|tolerations| untolerated(taints, tolerations).is_none())
    }
}

/// A spread constraint of a shape.
#[derive(Clone, Debug)]
pub(super) struct Even {
    pub(super) rule: usize,
    pub(super) most: u64,
    pub(super) least_domains: usize,
    /// Whether its own pods add to the skew.
    pub(super) selects_itself: bool,
}

/// What a shape has to do with the rules, by their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) even: Vec<Even>,
    /// One per term of its affinity.
    pub(super) near: Vec<usize>,
    /// Whether its own pods match all terms of its affinity.
    pub(super) befriends_itself: bool,
    /// One per term of its anti-affinity.
    pub(super) keeps_off: Vec<usize>,
    /// Terms of others that its pods match.
    pub(super) kept_off: Vec<usize>,
    /// Rules that count its pods.
    pub(super) counted: Vec<usize>,
    /// Those of them that do so while its pods are being deleted.
    pub(super) counted_leaving: Vec<usize>,
}

impl Part {
    /// Whether nothing can forbid its pods.
    pub(super) fn is_free(&self) -> bool {
        self.even.is_empty() && self.near.is_empty() && self.keeps_off.is_empty() && self.kept_off.is_empty()
    }
}

/// All rules that the pods of a plan are judged by.
#[derive(Debug, Default)]
pub(super) struct Rules<'a> {
    numbers: BTreeMap<Rule<'a>, usize>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(books: &'a Books, after: &'a After<'_>) -> Self {
        let mut rules = Self::default();
        for (_, arrival) in &after.turns {
            let shape: &'a PodShape = arrival.shape;
            for spread in constraints(shape) {
                rules.number(even(shape, spread));
            }
            let affinity = &shape.affinity;
            for term in &affinity.pods {
                rules.number(near(shape, term));
            }
            for term in &affinity.anti_pods {
                rules.number(matching(term));
                rules.number(having(term));
            }
        }
        for term in books.shapes.values().flat_map(|(shape, _)| &shape.affinity.anti_pods) {
            rules.number(having(term));
        }
        rules
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// All of them, in the order of their numbers.
    pub(super) fn in_order(&self) -> Vec<&Rule<'a>> {
        let mut rules: Vec<_> = self.numbers.iter().map(|(rule, number)| (*number, rule)).collect();
        rules.sort_unstable_by_key(|(number, _)| *number);
        rules.into_iter().map(|(_, rule)| rule).collect()
    }

    /// What pods of a shape have to do with them.
    pub(super) fn part(&self, books: &Books, shape: &Arc<PodShape>) -> Part {
        let affinity = &shape.affinity;
        let find = |rule: &Rule<'_>| self.numbers.get(rule).copied();
        let mut part = Part {
            even: constraints(shape)
                .filter_map(|spread| {
                    Some(Even {
                        rule: find(&even(shape, spread))?,
                        most: u64::try_from(spread.max_skew).unwrap_or(0),
                        least_domains: spread
                            .min_domains
                            .map_or(0, |least| usize::try_from(least).unwrap_or(0)),
                        selects_itself: spread
                            .selector
                            .as_ref()
                            .is_some_and(|selector| selector.matches(&shape.labels)),
                    })
                })
                .collect(),
            near: affinity.pods.iter().filter_map(|term| find(&near(shape, term))).collect(),
            befriends_itself: affinity.pods.iter().all(|term| matches(books, term, shape)),
            keeps_off: affinity.anti_pods.iter().filter_map(|term| find(&matching(term))).collect(),
            ..Part::default()
        };
        for (rule, number) in &self.numbers {
            let (counts, leaving_too) = match &rule.counts {
                // The scheduler counts no pods for a selector without requirements, nor those that are being deleted.
                Counts::Selected { namespace, selector, .. } => {
                    let selects =
                        |selector: &&Selector| !selector.0.is_empty() && selector.matches(&shape.labels);
                    (**namespace == shape.namespace && selector.as_ref().is_some_and(selects), false)
                }
                Counts::Matching(terms) => (terms.iter().all(|term| matches(books, term, shape)), true),
                Counts::Having(term) => {
                    if matches(books, term, shape) {
                        part.kept_off.push(*number);
                    }
                    (affinity.anti_pods.contains(term), true)
                }
            };
            if counts {
                part.counted.push(*number);
                part.counted_leaving.extend(leaving_too.then_some(*number));
            }
        }
        part
    }

    fn number(&mut self, rule: Rule<'a>) {
        let next = self.numbers.len();
        self.numbers.entry(rule).or_insert(next);
    }
}

/// The spread of a shape that constrains.
fn constraints(shape: &PodShape) -> impl Iterator<Item = &Spread> {
    shape.spread.iter().filter(|spread| spread.when == WhenUnsatisfiable::DoNotSchedule)
}

fn even<'a>(shape: &'a PodShape, spread: &'a Spread) -> Rule<'a> {
    let (namespace, selector) = (&shape.namespace, spread.selector.as_ref());
    let counts = Counts::Selected { namespace, selector, scope: Scope::of(shape, spread) };
    Rule { key: &spread.topology_key, counts }
}

fn near<'a>(shape: &'a PodShape, term: &'a PodTerm) -> Rule<'a> {
    Rule { key: &term.topology_key, counts: Counts::Matching(shape.affinity.pods.iter().collect()) }
}

fn matching(term: &PodTerm) -> Rule<'_> {
    Rule { key: &term.topology_key, counts: Counts::Matching(vec![term]) }
}

fn having(term: &PodTerm) -> Rule<'_> {
    Rule { key: &term.topology_key, counts: Counts::Having(term) }
}

fn matches(books: &Books, term: &PodTerm, shape: &PodShape) -> bool {
    let in_namespace = term.namespaces.contains(&shape.namespace)
        || term.namespace_selector.as_ref().is_some_and(|selector| {
            let nothing = Labels::new();
            selector.matches(books.namespaces.get(&shape.namespace).unwrap_or(&nothing))
        });
    in_namespace && term.selector.as_ref().is_some_and(|selector| selector.matches(&shape.labels))
}
