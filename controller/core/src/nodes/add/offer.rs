//! The best new node for pods of a class.

use super::choose::{Offer, Rank, costs_at_least, price_per_pod};
use super::solve::Solver;
use crate::cluster::Expander;
use crate::placement::ClassId;
use crate::placement::class::Class;
use crate::placement::packing::NodeIx;
use crate::placement::preference::Liking;

impl Solver<'_> {
    /// The best new node for up to `need` pods of a class out of these families.
    pub(crate) fn best_new(&self, class: ClassId, need: u32, families: &[usize]) -> Option<Offer> {
        let of = self.packing.class(class);
        let likes = self.packing.taste(class).is_any();
        let mut best: Option<Offer> = None;
        for &at in families {
            let family = &self.menu.families[at];
            let by_price = self.ways[at].0 == Expander::Price;
            let most = self.most_per_node(class, of, family.stand_in).min(need);
            let nodes_in_zone = self.bounds.in_zone(&family.pool, &family.zone);
            let liking = if likes { self.packing.liking(class, family.stand_in) } else { Liking::default() };
            for (alternative, offered) in family.alternatives.iter().enumerate() {
                // What comes now costs no less, and takes no more pods than may be on one node.
                let is_dearer = |best: &Offer| {
                    let by_price = by_price && self.ways[best.family].0 == Expander::Price;
                    by_price && costs_at_least(offered.price, most, best.rank.price_per_pod.saturating_add(1))
                };
                if best.as_ref().is_some_and(is_dearer) {
                    break;
                }
                let pods = offered.room.room(&of.ask).min(most);
                if pods == 0 || offered.left == Some(0) {
                    continue;
                }
                let price = price_per_pod(offered.price, pods);
                let is_worse = best.as_ref().is_some_and(|best| {
                    by_price && self.ways[best.family].0 == Expander::Price && best.rank.price_per_pod < price
                });
                let forbids = || self.bounds.forbids(&family.pool, &family.zone, &offered.allocatable);
                let is_allowed = is_worse || forbids().is_none();
                if is_allowed && !is_worse {
                    let rank = Rank::of(family, offered, pods, &of.ask, self.ways[at], nodes_in_zone, liking);
                    if best.as_ref().is_none_or(|best| rank < best.rank) {
                        best = Some(Offer { family: at, alternative, pods, rank });
                    }
                }
                // What comes now costs no less and takes no more.
                let next_costs_more =
                    family.alternatives.get(alternative + 1).is_none_or(|next| next.price > offered.price);
                if by_price && is_allowed && pods == most && next_costs_more {
                    break;
                }
            }
        }
        best
    }

    /// How many pods of a class may be on one new node, resources aside.
    pub(super) fn most_per_node(&self, class: ClassId, of: &Class, stand_in: NodeIx) -> u32 {
        let kept_off = &self.packing.tables.kept_off[class as usize];
        let counted = &self.packing.tables.counted[class as usize];
        let forbids_itself = of.holds.iter().any(|tally| kept_off.contains(tally))
            || of.anti.iter().any(|tally| counted.contains(tally));
        if !of.shape.host_ports.is_empty() || forbids_itself {
            return 1;
        }
        let by_host = of.spread.iter().filter(|of| of.counts_itself && self.packing.is_by_host(of.tally));
        let skew = by_host.map(|of| u32::try_from(of.max_skew.max(1)).unwrap_or(1)).min();
        let limits = &self.packing.nodes[stand_in as usize].attach_limits;
        let attached = of.shape.attachments();
        let volumes = limits.iter().filter_map(|(driver, limit)| {
            let each =
                of.shape.volumes.iter().filter(|volume| volume.driver.as_ref() == Some(driver)).count();
            let each = i64::try_from(each.max(attached.get(driver).map_or(0, |_| 1))).unwrap_or(1);
            (each > 0).then(|| u32::try_from((limit / each).max(0)).unwrap_or(u32::MAX))
        });
        skew.into_iter().chain(volumes).min().unwrap_or(u32::MAX)
    }

    /// The offer, and those of other families that differ from it in no more than their place.
    pub(super) fn equals(&self, class: ClassId, offer: &Offer, families: &[usize]) -> Vec<Offer> {
        let ask = &self.packing.class(class).ask;
        let others = families.iter().filter(|family| **family != offer.family).filter_map(|&at| {
            let family = &self.menu.families[at];
            let price = self.menu.families[offer.family].alternatives[offer.alternative].price;
            let offered = family.alternatives.iter().enumerate();
            let same = offered.filter(|(_, of)| of.price == price && of.room.room(ask) >= offer.pods);
            let way = self.ways[at];
            let in_zone = self.bounds.in_zone(&family.pool, &family.zone);
            let liking = self.packing.liking(class, family.stand_in);
            let mut offers = same.map(|(alternative, of)| {
                let rank = Rank::of(family, of, offer.pods, ask, way, in_zone, liking);
                Offer { family: at, alternative, pods: offer.pods, rank }
            });
            offers.find(|of| of.rank.is_as_good(&offer.rank))
        });
        std::iter::once(offer.clone()).chain(others).collect()
    }
}
