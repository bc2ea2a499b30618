//! Whether pods of two classes may be on one node, room aside.

use super::class::ClassId;
use super::host_ports;
use super::packing::{NodeIx, Packing};
use super::tally::{NO_DOMAIN, TallyId};
use crate::placement::Refusal;

impl Packing {
    /// Why a node like this refuses a pod of a class since one of another is there from the first moment, as those of daemons
    /// are, if it does.
    pub(crate) fn refuses_beside(&self, class: ClassId, other: ClassId, node: NodeIx) -> Option<Refusal> {
        let (of, theirs) = (self.class(class), self.class(other));
        if let Some(port) = host_ports::shared(of, theirs) {
            return Some(Refusal::HostPort(port.clone()));
        }
        let first = |mine: &[TallyId], of_other: &[TallyId]| {
            let meets =
                |tally: &TallyId| of_other.contains(tally) && self.domain_of(*tally, node) != NO_DOMAIN;
            mine.iter().copied().filter(meets).min_by_key(|tally| self.key_name(*tally))
        };
        let kept_off = first(&self.tables.kept_off[class as usize], &theirs.holds);
        let keeps_off = || first(&of.anti, &self.tables.counted[other as usize]);
        kept_off
            .map(|tally| Refusal::ExistingAntiAffinity(self.key_name(tally)))
            .or_else(|| keeps_off().map(|tally| Refusal::PodAntiAffinity(self.key_name(tally))))
    }
}
