//! A metric's label selector, kept in the form it was written in.
//!
//! The object form is needed because HPA prints it, in Go's notation, in the names of external metrics, and
//! people match on these.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// `metav1.LabelSelector`. Its `Display` is the text HPA prints; [`LabelSelector::query`] is the text for the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LabelSelector {
    /// Labels and the values they must have.
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements, in the order of the spec.
    pub match_expressions: Vec<LabelRequirement>,
}

/// One entry of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`, as written.
    pub operator: String,
    /// The values for `In` and `NotIn`.
    pub values: Vec<String>,
}

impl LabelSelector {
    /// A selector of exact labels.
    pub fn labels<K: Into<String>, V: Into<String>>(labels: impl IntoIterator<Item = (K, V)>) -> Self {
        Self {
            match_labels: labels.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            match_expressions: Vec::new(),
        }
    }

    /// The selector as the API servers take it in `labelSelector=` or `metricLabelSelector=`, ordered by key.
    /// Empty for an empty selector. An unknown operator is written as it is, and the server refuses it.
    pub fn query(&self) -> String {
        let mut parts: Vec<(&str, String)> =
            self.match_labels.iter().map(|(key, value)| (key.as_str(), format!("{key}={value}"))).collect();
        for LabelRequirement { key, operator, values } in &self.match_expressions {
            let mut values = values.clone();
            values.sort();
            let values = values.join(",");
            let part = match operator.as_str() {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.clone(),
                "DoesNotExist" => format!("!{key}"),
                other => format!("{key} {other} ({values})"),
            };
            parts.push((key, part));
        }
        parts.sort_by_key(|(key, _)| *key);
        parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join(",")
    }
}

/// Go's `String()` of the generated type, which is what HPA prints.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "&LabelSelector{{MatchLabels:map[string]string{{")?;
        for (key, value) in &self.match_labels {
            write!(f, "{key}: {value},")?;
        }
        write!(f, "}},MatchExpressions:[]LabelSelectorRequirement{{")?;
        for LabelRequirement { key, operator, values } in &self.match_expressions {
            let values = values.join(" ");
            write!(f, "LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")?;
        }
        write!(f, "}},}}")
    }
}

/// What Go prints for a selector that may be absent.
pub(super) fn in_go_words(selector: Option<&LabelSelector>) -> String {
    selector.map_or_else(|| "nil".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector() -> LabelSelector {
        let requirement = |key: &str, operator: &str, values: &[&str]| LabelRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        LabelSelector {
            match_expressions: vec![
                requirement("zone", "In", &["b", "a"]),
                requirement("tier", "NotIn", &["test"]),
                requirement("app", "Exists", &[]),
                requirement("old", "DoesNotExist", &[]),
            ],
            ..LabelSelector::labels([("topic", "orders"), ("env", "prod")])
        }
    }

    #[test]
    fn the_api_gets_a_query_ordered_by_key() {
        assert_eq!(selector().query(), "app,env=prod,!old,tier notin (test),topic=orders,zone in (a,b)");
        assert_eq!(LabelSelector::default().query(), "");
    }

    #[test]
    fn people_get_what_go_prints() {
        assert_eq!(
            selector().to_string(),
            "&LabelSelector{MatchLabels:map[string]string{env: prod,topic: orders,},\
             MatchExpressions:[]LabelSelectorRequirement{\
             LabelSelectorRequirement{Key:zone,Operator:In,Values:[b a],},\
             LabelSelectorRequirement{Key:tier,Operator:NotIn,Values:[test],},\
             LabelSelectorRequirement{Key:app,Operator:Exists,Values:[],},\
             LabelSelectorRequirement{Key:old,Operator:DoesNotExist,Values:[],},},}"
        );
        assert_eq!(in_go_words(None), "nil");
    }
}
