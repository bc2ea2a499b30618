//! Nodes that pods name, as those of daemons do.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::cluster::{Name, NodeTerm, Operator, PodShape};
use crate::placement::View;
use crate::placement::class::ClassId;
use crate::placement::node_affinity::NAME_FIELD;
use crate::placement::packing::{NodeIx, Packing};

/// The nodes out of `on` that a class may run on as far as it names them. Pods of a daemon are a class each, as many as there
/// are nodes: to try each on all would cost the square of that.
pub(crate) fn narrowed<'n>(
    view: &View,
    packing: &Packing,
    class: ClassId,
    on: &'n [NodeIx],
) -> Cow<'n, [NodeIx]> {
    match named(&packing.class(class).shape).map(|names| nodes(view, &names)) {
        None => Cow::Borrowed(on),
        Some(named) if named.len() == 1 => {
            Cow::Owned(named.into_iter().filter(|node| has_room(packing, *node)).collect())
        }
        Some(named) => Cow::Owned(on.iter().filter(|node| named.contains(node)).copied().collect()),
    }
}

/// Whether a node is there and has room for a pod.
pub(crate) fn has_room(packing: &Packing, node: NodeIx) -> bool {
    let state = &packing.nodes[node as usize];
    state.open && state.present && state.free.base[3] > 0
}

/// The nodes with these names, as far as they are there.
fn nodes(view: &View, names: &BTreeSet<&Name>) -> BTreeSet<NodeIx> {
    names.iter().filter_map(|name| view.dense().node(name)).collect()
}

/// The names of all nodes that a pod may run on, where it names them all.
pub(crate) fn named(shape: &PodShape) -> Option<BTreeSet<&Name>> {
    let mut all = BTreeSet::new();
    for term in shape.affinity.nodes.as_ref()? {
        all.extend(names_of(term)?);
    }
    Some(all)
}

fn names_of(term: &NodeTerm) -> Option<&BTreeSet<Name>> {
    term.fields.iter().find_map(|field| match &field.operator {
        Operator::In(names) if &*field.key == NAME_FIELD => Some(names),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::cluster::{Affinity, Requirement};

    fn term(key: &str, operator: Operator) -> NodeTerm {
        NodeTerm { labels: Vec::new(), fields: vec![Requirement { key: key.into(), operator }] }
    }

    fn names(terms: Option<Vec<NodeTerm>>) -> Option<Vec<String>> {
        let affinity = Affinity { nodes: terms, ..Affinity::default() };
        let shape = PodShape { affinity, ..PodShape::default() };
        named(&shape).map(|names| names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_pod_names_its_nodes_where_each_of_its_terms_does() {
        let is = |name: &str| term(NAME_FIELD, Operator::In([Name::from(name)].into()));
        let is_not = term(NAME_FIELD, Operator::NotIn([Name::from("n")].into()));
        assert_eq!(names(None), None);
        assert_eq!(names(Some(vec![is("n"), is("m")])), Some(vec!["m".to_owned(), "n".to_owned()]));
        assert_eq!(names(Some(vec![is("n"), is_not])), None);
        assert_eq!(names(Some(vec![is("n"), NodeTerm::default()])), None);
    }
}
