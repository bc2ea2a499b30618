//! Node selector and required node affinity (`nodeaffinity`).

use crate::cluster::{Labels, Name, NodeTerm};

/// The only field of a node that a term can ask for.
pub(crate) const NAME_FIELD: &str = "metadata.name";

/// Whether a node has all labels of a node selector and matches one of the terms, where there are any.
pub(crate) fn matches(selector: &Labels, terms: Option<&[NodeTerm]>, labels: &Labels, name: &Name) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        && terms.is_none_or(|terms| any_term(terms, labels, name))
}

/// Whether a node matches one of the terms. A term without requirements matches none.
pub(crate) fn any_term(terms: &[NodeTerm], labels: &Labels, name: &Name) -> bool {
    terms.iter().any(|term| term_matches(term, labels, name))
}

/// Whether a node meets all requirements of a term.
pub(crate) fn term_matches(term: &NodeTerm, labels: &Labels, name: &Name) -> bool {
    let field = |key: &Name| (&**key == NAME_FIELD && !name.is_empty()).then_some(&**name);
    !(term.labels.is_empty() && term.fields.is_empty())
        && term.labels.iter().all(|requirement| requirement.matches(labels))
        && term.fields.iter().all(|requirement| requirement.accepts(field(&requirement.key)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cluster::{Operator, Requirement};

    fn is(key: &str, value: &str) -> Requirement {
        Requirement { key: key.into(), operator: Operator::In(BTreeSet::from([value.into()])) }
    }

    #[test]
    fn terms_are_alternatives_and_their_requirements_are_not() {
        let labels = Labels::from([("zone".into(), "a".into()), ("disk".into(), "ssd".into())]);
        let term = |labels: &[Requirement], fields: &[Requirement]| NodeTerm {
            labels: labels.to_vec(),
            fields: fields.to_vec(),
        };
        for (expected, terms) in [
            (true, None),
            (false, Some(vec![])),
            (false, Some(vec![term(&[], &[])])),
            (true, Some(vec![term(&[is("zone", "a")], &[])])),
            (false, Some(vec![term(&[is("zone", "a"), is("disk", "hdd")], &[])])),
            (true, Some(vec![term(&[is("disk", "hdd")], &[]), term(&[is("disk", "ssd")], &[])])),
            (true, Some(vec![term(&[], &[is(NAME_FIELD, "n1")])])),
            (false, Some(vec![term(&[is("zone", "a")], &[is(NAME_FIELD, "n2")])])),
            (false, Some(vec![term(&[], &[is("metadata.uid", "n1")])])),
        ] {
            let found = matches(&Labels::new(), terms.as_deref(), &labels, &"n1".into());
            assert_eq!(found, expected, "{terms:?}");
        }
        let selector = Labels::from([("zone".into(), "b".into())]);
        assert!(!matches(&selector, None, &labels, &"n1".into()));
    }
}
