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
