//! Topology spread that constrains (`podtopologyspread`): a domain may have at most `maxSkew` more than the emptiest one.

use super::class::{Class, SpreadUse};
use super::packing::{NodeIx, Packing};
use super::tally::{NO_DOMAIN, TallyId};
use crate::placement::Refusal;

/// Why a node refuses one more pod of a class, if it does.
pub(crate) fn refuses(
    packing: &Packing,
    of: &Class,
    node: NodeIx,
    looks_at: impl Fn(TallyId) -> bool,
) -> Option<Refusal> {
    of.spread.iter().filter(|spread| looks_at(spread.tally)).find_map(|spread| {
        if packing.domain_of(spread.tally, node) == NO_DOMAIN {
            return Some(Refusal::NoTopology(packing.key_name(spread.tally)));
        }
        let own = i64::from(spread.counts_itself);
        (slack(packing, spread, node) < own).then(|| Refusal::Spread(packing.key_name(spread.tally)))
    })
}

/// How many pods more the domain of a node may have.
pub(crate) fn slack(packing: &Packing, spread: &SpreadUse, node: NodeIx) -> i64 {
    let least = packing.tallies[spread.tally as usize].least(spread.min_domains);
    i64::from(spread.max_skew) + i64::from(least) - i64::from(packing.tallied(spread.tally, node))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{
        Effect, HOSTNAME, Labels, Pod, PodShape, PodState, Policy, Selector, Spread, Taint, Toleration,
        TolerationOperator, WhenUnsatisfiable, ZONE,
    };
    use crate::nodes::fixtures::{evenly, node, of_app};
    use crate::placement::{Change, View, fits};
    use crate::time::Timestamp;

    const RACK: &str = "example.com/rack";

    fn web(state: PodState) -> Pod {
        of_app("web", "web", state)
    }

    fn label(key: &str, value: &str) -> Labels {
        Labels::from([(key.into(), value.into())])
    }

    fn on_n() -> PodState {
        PodState::Bound { node: "n".into(), ready: true }
    }

    /// Why node n in zone a, where one pod runs, refuses one of web; in zone b is node m, which is tainted and has neither a
    /// fast disk nor a rack, and node o is in no zone.
    fn refused(runs: Pod, shape: impl FnOnce(&mut PodShape), on: &str) -> Option<Refusal> {
        let (mut n, mut m, mut o) = (node("n", "a"), node("m", "b"), node("o", "c"));
        n.labels.extend(label("disk", "ssd").into_iter().chain(label(RACK, "r")));
        m.taints = vec![Taint { key: "gpu".into(), value: "".into(), effect: Effect::NoSchedule }];
        o.labels.remove(ZONE);
        let mut waits = web(PodState::Pending);
        shape(Arc::make_mut(&mut waits.shape));
        let waits = Pod { uid: "waits".into(), ..waits };
        let mut view = View::default();
        for node in [n, m, o] {
            view.apply(Change::Node(node));
        }
        for pod in [runs, waits.clone()] {
            view.apply(Change::Pod(pod));
        }
        fits(&view, &waits, on).err()
    }

    #[test]
    fn a_spread_counts_the_domains_of_the_nodes_that_it_honours() {
        use Policy::{Honor, Ignore};
        let all = || Toleration {
            key: "".into(),
            operator: TolerationOperator::Exists,
            value: "".into(),
            effect: None,
        };
        for (affinity, taints, picky, tolerant, fits, what) in [
            (Honor, Ignore, true, false, true, "m has no fast disk"),
            (Ignore, Ignore, true, false, false, "m counts whatever it has"),
            (Honor, Ignore, false, false, false, "m has what is asked for"),
            (Ignore, Honor, true, false, true, "m is tainted"),
            (Ignore, Honor, true, true, false, "the taint is tolerated"),
            (Honor, Honor, true, true, true, "m has no fast disk, though its taint is tolerated"),
        ] {
            let found = refused(
                web(on_n()),
                |shape| {
                    shape.spread =
                        vec![Spread { node_affinity: affinity, node_taints: taints, ..evenly(ZONE, "web") }];
                    shape.node_selector = if picky { label("disk", "ssd") } else { Labels::new() };
                    shape.tolerations = if tolerant { vec![all()] } else { Vec::new() };
                },
                "n",
            );
            assert_eq!(found.is_none(), fits, "{what}");
        }
    }

    #[test]
    fn a_domain_may_have_at_most_so_many_more_than_the_emptiest() {
        let uneven = |key: &str| Some(Refusal::Spread(key.into()));
        let soft = || Spread { when: WhenUnsatisfiable::ScheduleAnyway, ..evenly(RACK, "web") };
        let leaves = PodState::Terminating { node: "n".into(), until: Timestamp::default() };
        let mut foreign = web(on_n());
        Arc::make_mut(&mut foreign.shape).namespace = "other".into();
        let one = || web(on_n());
        let skew = |max_skew| Spread { max_skew, ..evenly(ZONE, "web") };
        let of = |selector| Spread { selector, ..evenly(ZONE, "web") };
        let least = |min_domains| Spread { min_domains, max_skew: 1, ..evenly(RACK, "web") };
        for (runs, spread, refusal, what) in [
            (one(), vec![skew(1)], uneven(ZONE), "one too many"),
            (one(), vec![skew(2)], None, "as many as may be"),
            (web(leaves), vec![skew(1)], None, "what is being deleted does not count"),
            (foreign, vec![skew(1)], None, "pods of another namespace do not count"),
            (one(), vec![of(None)], None, "without a selector nobody counts"),
            (one(), vec![of(Some(Selector::default()))], None, "for an empty one nobody counts"),
            (one(), vec![evenly(RACK, "web")], None, "the only rack"),
            (one(), vec![least(Some(1))], None, "the only rack, and one is enough"),
            (one(), vec![least(Some(2))], uneven(RACK), "there should be two, the other is empty"),
            (
                one(),
                vec![evenly(ZONE, "web"), evenly(RACK, "web")],
                None,
                "m has no rack, so its zone does not count",
            ),
            (one(), vec![evenly(ZONE, "web"), soft()], uneven(ZONE), "a soft one asks for no label"),
            (one(), vec![evenly(HOSTNAME, "db")], None, "those of others"),
        ] {
            assert_eq!(refused(runs, |shape| shape.spread = spread, "n"), refusal, "{what}");
        }
        let unlabelled = refused(one(), |shape| shape.spread = vec![skew(9)], "o");
        assert_eq!(unlabelled, Some(Refusal::NoTopology(ZONE.into())));
    }

    /// In zone a is node n with a fast disk, in zone b is node p with one.
    #[test]
    fn pods_on_nodes_that_it_does_not_honour_are_not_counted() {
        let ssd = |name: &str, zone: &str| {
            let mut node = node(name, zone);
            node.labels.extend(label("disk", "ssd"));
            node
        };
        let mut waits = Pod { uid: "waits".into(), ..web(PodState::Pending) };
        let shape = Arc::make_mut(&mut waits.shape);
        shape.spread = vec![evenly(ZONE, "web")];
        shape.node_selector = label("disk", "ssd");
        for (other, refusal) in [(node("m", "a"), None), (ssd("m", "a"), Some(Refusal::Spread(ZONE.into())))]
        {
            let mut view = View::default();
            for node in [ssd("n", "a"), ssd("p", "b"), other] {
                view.apply(Change::Node(node));
            }
            let runs = web(PodState::Bound { node: "m".into(), ready: true });
            for pod in [runs, waits.clone()] {
                view.apply(Change::Pod(pod));
            }
            assert_eq!(fits(&view, &waits, "n").err(), refusal);
        }
    }
}
