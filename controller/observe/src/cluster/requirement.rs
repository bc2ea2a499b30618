//! Selectors of labels, and requirements of nodes.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use plimsoll_core::cluster::{Labels, Name, NodeTerm, Operator, Requirement, Selector};

/// Labels as the core keeps them.
pub fn observe_labels(labels: Option<&BTreeMap<String, String>>) -> Labels {
    labels.into_iter().flatten().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

/// A label selector. An operator that nobody knows is never met.
pub fn observe_selector(selector: &LabelSelector) -> Selector {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| Requirement {
        key: key.as_str().into(),
        operator: Operator::In([Name::from(value.as_str())].into()),
    });
    let expressions = selector.match_expressions.iter().flatten();
    let expressions = expressions.map(|expression| {
        requirement(&expression.key, &expression.operator, expression.values.as_deref(), false)
    });
    let mut requirements: Vec<_> = labels.chain(expressions).collect();
    // The order says nothing, and one that says the same twice says it once: equal selectors are equal values.
    requirements.sort();
    requirements.dedup();
    Selector(requirements)
}

/// A selector with what it takes from the labels of the pod that has it.
pub(super) fn selector_of_pod(
    selector: Option<&LabelSelector>,
    matching: Option<&[String]>,
    mismatching: Option<&[String]>,
    labels: &Labels,
) -> Option<Selector> {
    let Selector(mut requirements) = observe_selector(selector?);
    let mut take = |keys: Option<&[String]>, operator: fn([Name; 1]) -> Operator| {
        for key in keys.into_iter().flatten() {
            if let Some((key, value)) = labels.get_key_value(key.as_str()) {
                requirements.push(Requirement { key: key.clone(), operator: operator([value.clone()]) });
            }
        }
    };
    take(matching, |value| Operator::In(value.into()));
    take(mismatching, |value| Operator::NotIn(value.into()));
    requirements.sort();
    requirements.dedup();
    Some(Selector(requirements))
}

/// One term of a node affinity.
pub fn observe_node_term(term: &NodeSelectorTerm) -> NodeTerm {
    let of = |list: &Option<Vec<NodeSelectorRequirement>>| {
        let list = list.iter().flatten();
        let mut list: Vec<_> =
            list.map(|each| requirement(&each.key, &each.operator, each.values.as_deref(), true)).collect();
        list.sort();
        list
    };
    NodeTerm { labels: of(&term.match_expressions), fields: of(&term.match_fields) }
}

fn requirement(key: &str, operator: &str, values: Option<&[String]>, of_node: bool) -> Requirement {
    let values = values.unwrap_or_default();
    let set = || values.iter().map(|value| Name::from(value.as_str())).collect();
    let bound = || match values {
        [bound] if of_node => bound.parse().ok(),
        _ => None,
    };
    let operator = match operator {
        "In" => Operator::In(set()),
        "NotIn" => Operator::NotIn(set()),
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => bound().map_or(Operator::Invalid, Operator::Gt),
        "Lt" => bound().map_or(Operator::Invalid, Operator::Lt),
        _ => Operator::Invalid,
    };
    Requirement { key: key.into(), operator }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn labels(of: &[(&str, &str)]) -> Labels {
        of.iter().map(|(key, value)| (Name::from(*key), Name::from(*value))).collect()
    }

    #[test]
    fn what_is_taken_from_the_pod_is_part_of_the_selector_once() {
        let selector: LabelSelector = serde_saphyr::from_str(
            "{ matchLabels: { app: web }, matchExpressions: [{ key: pod-template-hash, operator: In, values: ['1'] }] }",
        )
        .unwrap();
        let of_pod = labels(&[("app", "web"), ("pod-template-hash", "1"), ("tenant", "a")]);
        let keys = ["pod-template-hash".to_owned(), "absent".to_owned()];
        let taken =
            selector_of_pod(Some(&selector), Some(&keys), Some(&["tenant".to_owned()]), &of_pod).unwrap();
        assert_eq!(taken.0.len(), 3);
        assert!(taken.matches(&labels(&[("app", "web"), ("pod-template-hash", "1"), ("tenant", "b")])));
        assert!(!taken.matches(&of_pod));
        assert_eq!(
            selector_of_pod(None, Some(&keys), None, &of_pod),
            None,
            "an absent selector selects nothing"
        );
    }

    #[test]
    fn numbers_are_compared_for_nodes_only_and_a_bad_one_is_never_met() {
        let term = |yaml: &str| observe_node_term(&serde_saphyr::from_str(yaml).unwrap());
        let gt = |value: &str| {
            term(&format!("matchExpressions: [{{ key: cores, operator: Gt, values: ['{value}'] }}]"))
        };
        assert_eq!(gt("4").labels[0].operator, Operator::Gt(4));
        assert_eq!(gt("four").labels[0].operator, Operator::Invalid);
        let selector: LabelSelector =
            serde_saphyr::from_str("matchExpressions: [{ key: cores, operator: Gt, values: ['4'] }]")
                .unwrap();
        assert_eq!(observe_selector(&selector).0[0].operator, Operator::Invalid);
    }
}
