//! Labels, and what is required of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Name;

/// Labels of a pod, a node or a namespace.
pub type Labels = BTreeMap<Name, Name>;

/// How a label is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// It is there, with one of these values.
    In(BTreeSet<Name>),
    /// It is not there, or has none of these values.
    NotIn(BTreeSet<Name>),
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
    /// It is there, and its value is a whole number greater than this.
    Gt(i64),
    /// It is there, and its value is a whole number less than this.
    Lt(i64),
    /// An operator or a number that nobody knows. It is never met.
    Invalid,
}

/// One requirement of one label, or of one field of a node (`metadata.name`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Requirement {
    /// The label.
    pub key: Name,
    /// How it is compared.
    pub operator: Operator,
}

impl Requirement {
    /// Whether labels meet it.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.accepts(labels.get(&self.key).map(AsRef::as_ref))
    }

    /// Whether a value meets it; None where the label is not there.
    pub fn accepts(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt(bound) => number().is_some_and(|number| number > *bound),
            Operator::Lt(bound) => number().is_some_and(|number| number < *bound),
            Operator::Invalid => false,
        }
    }
}

/// A selector of labels: all requirements have to be met. Without any it selects everything; a selector that is absent
/// selects nothing, and is an `Option` where it may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selector(pub Vec<Requirement>);

impl Selector {
    /// Whether it selects these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }

    /// The labels it looks at.
    pub fn keys(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().map(|requirement| &requirement.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[&str]) -> BTreeSet<Name> {
        values.iter().map(|value| Name::from(*value)).collect()
    }

    #[test]
    fn an_absent_label_meets_only_what_asks_for_its_absence() {
        for (operator, absent, seven, word) in [
            (Operator::In(values(&["7"])), false, true, false),
            (Operator::NotIn(values(&["7"])), true, false, true),
            (Operator::Exists, false, true, true),
            (Operator::DoesNotExist, true, false, false),
            (Operator::Gt(6), false, true, false),
            (Operator::Gt(7), false, false, false),
            (Operator::Lt(8), false, true, false),
            (Operator::Lt(7), false, false, false),
            (Operator::Invalid, false, false, false),
        ] {
            let requirement = Requirement { key: "a".into(), operator };
            let of = |value: &str| requirement.matches(&Labels::from([("a".into(), value.into())]));
            assert_eq!(
                (requirement.matches(&Labels::new()), of("7"), of("seven")),
                (absent, seven, word),
                "{requirement:?}"
            );
        }
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        assert!(Selector::default().matches(&Labels::new()));
    }
}
