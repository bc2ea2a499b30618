//! Which Deployments have one replica more, and for which drain.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::{cluster::Name, nodes::drain::Drain};

/// Namespaces and names of Deployments, by the node for whose drain they have one replica more. Within a pass none is taken
/// out: all that is seen in it is the size from before anything was given back.
pub(super) struct Surging(BTreeMap<Name, BTreeSet<(Name, Name)>>);

impl Surging {
    /// Those of all drains.
    pub(super) fn of(drains: &[(Name, Drain)]) -> Self {
        Self(drains.iter().map(|(node, drain)| (node.clone(), drain.surging().collect())).collect())
    }

    /// Those that have it for drains of other nodes.
    pub(super) fn for_others(&self, node: &Name) -> BTreeSet<(Name, Name)> {
        let others = self.0.iter().filter(|(of, _)| *of != node);
        others.flat_map(|(_, deployments)| deployments.iter().cloned()).collect()
    }

    /// Adds those of a drain that has gone a step further.
    pub(super) fn note(&mut self, node: &Name, drain: &Drain) {
        self.0.entry(node.clone()).or_default().extend(drain.surging());
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_core::{nodes::drain::Surge, time::Timestamp};
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn what_begins_or_ends_within_a_pass_counts_for_the_drains_after_it() {
        let idle = Drain::new(Timestamp::from_secs(1), false, BTreeSet::new());
        let surge = Surge {
            namespace: "shop".into(),
            deployment: "web".into(),
            from: 1,
            pod: "uid-web".into(),
            given_back: false,
            absorbed: false,
            returned: false,
        };
        let surges = Drain { surges: BTreeMap::from([("uid-web-1".into(), surge)]), ..idle.clone() };
        for (before, after) in [(&idle, &surges), (&surges, &idle)] {
            let mut surging = Surging::of(&[("a".into(), before.clone()), ("b".into(), idle.clone())]);
            surging.note(&"a".into(), after);
            let count = |node: &str| surging.for_others(&node.into()).len();
            assert_eq!((count("a"), count("b")), (0, 1));
        }
    }
}
