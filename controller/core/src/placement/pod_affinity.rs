//! Required affinity and anti-affinity between pods (`interpodaffinity`).

use super::class::{Class, ClassId};
use super::packing::{NodeIx, Packing};
use super::tally::{NO_DOMAIN, TallyId};
use crate::placement::Refusal;

/// Why a node refuses one more pod of a class, if it does: pods there that keep it off, pods that it keeps off, and last
/// the pods that it wants beside it. The first pod of a group that wants to be together may be anywhere where all the
/// labels are.
pub(crate) fn refuses(
    packing: &Packing,
    class: ClassId,
    node: NodeIx,
    looks_at: impl Fn(TallyId) -> bool,
) -> Option<Refusal> {
    let of = packing.class(class);
    let found = |tallies: &[TallyId]| {
        let found = tallies.iter().copied();
        let found = found.filter(|tally| looks_at(*tally) && packing.tallied(*tally, node) > 0);
        // Tallies are numbered as they were met, and what is said must not depend on that.
        found.min_by_key(|tally| packing.key_name(*tally))
    };
    if let Some(tally) = found(&packing.tables.kept_off[class as usize]) {
        return Some(Refusal::ExistingAntiAffinity(packing.key_name(tally)));
    }
    if let Some(tally) = found(&of.anti) {
        return Some(Refusal::PodAntiAffinity(packing.key_name(tally)));
    }
    let lonely = lonely(packing, of, node)?;
    lonely.1.is_none_or(looks_at).then_some(lonely.0)
}

/// What the affinity of a class misses around a node, and the tally that says so.
fn lonely(packing: &Packing, of: &Class, node: NodeIx) -> Option<(Refusal, Option<TallyId>)> {
    let unlabelled = |tally: &&TallyId| packing.domain_of(**tally, node) == NO_DOMAIN;
    if let Some(tally) = of.affinity.iter().find(unlabelled) {
        return Some((Refusal::NoTopology(packing.key_name(*tally)), None));
    }
    let missing = of.affinity.iter().copied().find(|tally| packing.tallied(*tally, node) == 0)?;
    let is_first =
        of.befriends_itself && of.affinity.iter().all(|tally| packing.tallies[*tally as usize].total() == 0);
    (!is_first).then(|| (Refusal::PodAffinity(packing.key_name(missing)), Some(missing)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{Affinity, HOSTNAME, Pod, PodState, ZONE};
    use crate::nodes::fixtures::{labelled, node, pod, term};
    use crate::placement::{Change, View, fits};

    fn of(app: &str, on: Option<&str>, affinity: Affinity) -> Pod {
        let pending = PodState::Pending;
        let state = on.map_or(pending, |node| PodState::Bound { node: node.into(), ready: true });
        let mut pod = Pod { state, ..pod(app, "none") };
        let shape = Arc::make_mut(&mut pod.shape);
        shape.labels = [("app", app), ("tier", "back")].map(|(key, value)| (key.into(), value.into())).into();
        shape.affinity = affinity;
        pod
    }

    fn apart(terms: &[(&str, &str)]) -> Affinity {
        Affinity { anti_pods: terms.iter().map(|(key, app)| term(key, app)).collect(), ..Affinity::default() }
    }

    fn together(terms: &[(&str, &str)]) -> Affinity {
        Affinity { pods: terms.iter().map(|(key, app)| term(key, app)).collect(), ..Affinity::default() }
    }

    /// Why nodes refuse a pod of web beside pods that run: n and m in zone a, and o, which is in no zone.
    fn refused(affinity: Affinity, running: &[Pod]) -> [Option<Refusal>; 3] {
        let mut view = View::default();
        for name in ["n", "m", "o"] {
            let mut node = node(name, "a");
            node.labels.retain(|key, _| name != "o" || **key != *ZONE);
            view.apply(Change::Node(node));
        }
        let web = of("web", None, affinity);
        let running = running
            .iter()
            .cloned()
            .map(|pod| Pod { uid: format!("{} runs", pod.uid).as_str().into(), ..pod });
        running.chain([web.clone()]).for_each(|pod| view.apply(Change::Pod(pod)));
        ["n", "m", "o"].map(|node| fits(&view, &web, node).err())
    }

    #[test]
    fn what_keeps_a_pod_off_comes_before_what_it_keeps_off_and_this_before_what_it_misses() {
        let (host, zone) = (|| HOSTNAME.into(), || ZONE.into());
        let all =
            Affinity { pods: vec![term(HOSTNAME, "cache")], ..apart(&[(ZONE, "db"), (HOSTNAME, "db")]) };
        let no_cache = Some(Refusal::PodAffinity(host()));
        let db = of("db", Some("n"), Affinity::default());
        let foe = of("foe", Some("m"), apart(&[(HOSTNAME, "web")]));
        let found = refused(all.clone(), &[foe, db.clone()]);
        let kept_off = Some(Refusal::ExistingAntiAffinity(host()));
        let keeps_off = |key| Some(Refusal::PodAntiAffinity(key));
        assert_eq!(found, [keeps_off(host()), kept_off, no_cache.clone()], "of two the first by name");
        assert_eq!(refused(all.clone(), &[db]), [keeps_off(host()), keeps_off(zone()), no_cache.clone()]);
        assert_eq!(refused(all, &[]), [no_cache.clone(), no_cache.clone(), no_cache]);
    }

    #[test]
    fn pods_that_are_to_be_together_start_anywhere_where_the_labels_are() {
        let none = |key: &str| Some(Refusal::PodAffinity(key.into()));
        let unlabelled = Some(Refusal::NoTopology(ZONE.into()));
        let web = |on| of("web", Some(on), Affinity::default());
        let first = [(HOSTNAME, "web"), (ZONE, "web")];
        assert_eq!(refused(together(&first), &[]), [None, None, unlabelled.clone()]);
        assert_eq!(refused(together(&first), &[web("n")]), [None, none(HOSTNAME), unlabelled.clone()]);
        assert_eq!(refused(together(&first[1..]), &[web("n")]), [None, None, unlabelled.clone()]);
        assert_eq!(
            refused(together(&first[1..]), &[web("o")]),
            [None, None, unlabelled],
            "it is in no domain"
        );
        assert_eq!(
            refused(together(&[(HOSTNAME, "db")]), &[]),
            [none(HOSTNAME), none(HOSTNAME), none(HOSTNAME)]
        );
    }

    #[test]
    fn only_pods_that_match_all_terms_are_company() {
        let both = |second: &str| {
            let mut affinity = together(&[(HOSTNAME, "db"), (HOSTNAME, "any")]);
            affinity.pods[1].selector = Some(labelled("tier", second));
            affinity
        };
        let db = [of("db", Some("n"), Affinity::default())];
        assert_eq!(refused(both("back"), &db)[0], None);
        assert_eq!(refused(both("front"), &db)[0], Some(Refusal::PodAffinity(HOSTNAME.into())));
    }
}
