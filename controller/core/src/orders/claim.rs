//! Which instances are of which order, where the provider does not say.
//!
//! A group of the provider may have had instances before we asked for some: those were written down with the order and are
//! never taken for ours. What shows up afterwards is claimed by the orders that wait for instances, the oldest first.
//! Instances of one group are interchangeable, so it does not matter which order has which; it matters that no more are
//! claimed than were ordered.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cluster::Name;
use crate::time::Timestamp;

/// An order that may have instances that it does not know yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claimant {
    /// The name of its record.
    pub order: Name,
    /// When it was asked for.
    pub asked: Timestamp,
    /// How many more are to come.
    pub room: u32,
    /// How many more may come late although the provider seemed not to have taken them.
    pub late: u32,
    /// Instances that were there before it was asked for, and are of no order.
    pub not_ours: BTreeSet<Name>,
}

/// An instance of a group that no record names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unclaimed {
    /// The provider's id.
    pub id: Name,
    /// Whether a Node with this id is there: proof that it is not only talk.
    pub joined: bool,
}

/// What each order of a group claims, in the order of ids; orders that claim nothing are left out.
///
/// 1. Instances whose Node is there, to the oldest order for which one is to come; only then to one that may get some late,
///    which would give it back: a later order of the same group is not robbed of what it waits for.
/// 2. The others, but only if all of them fit: of more than were ordered nobody can tell which are ours before they have
///    joined, and what never joins would be deleted.
pub fn claims(claimants: &[Claimant], instances: &[Unclaimed]) -> BTreeMap<Name, Vec<Name>> {
    let mut oldest: Vec<&Claimant> = claimants.iter().collect();
    oldest.sort_by_key(|claimant| (claimant.asked, &claimant.order));
    let sure = oldest.iter().map(|claimant| (*claimant, claimant.room));
    let mut orders: Vec<(&Claimant, u32)> =
        sure.chain(oldest.iter().map(|claimant| (*claimant, claimant.late))).collect();
    let mut claimed: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    let mut take = |orders: &mut Vec<(&Claimant, u32)>, id: &Name| {
        let may = |(claimant, room): &&mut (&Claimant, u32)| *room > 0 && !claimant.not_ours.contains(id);
        if let Some((claimant, room)) = orders.iter_mut().find(may) {
            *room -= 1;
            claimed.entry(claimant.order.clone()).or_default().push(id.clone());
        }
    };
    let ids = |joined: bool| -> BTreeSet<&Name> {
        instances.iter().filter(|instance| instance.joined == joined).map(|instance| &instance.id).collect()
    };
    for id in ids(true) {
        take(&mut orders, id);
    }
    let possible = |id: &&Name| claimants.iter().any(|claimant| !claimant.not_ours.contains(*id));
    let rest: Vec<&Name> = ids(false).into_iter().filter(possible).collect();
    let room = orders.iter().map(|(_, room)| *room).fold(0, u32::saturating_add);
    if u32::try_from(rest.len()).is_ok_and(|rest| rest <= room) {
        for id in rest {
            take(&mut orders, id);
        }
    }
    for ids in claimed.values_mut() {
        ids.sort();
    }
    claimed
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn claimant(order: &str, asked: i64, room: u32, not_ours: &[&str]) -> Claimant {
        let not_ours = not_ours.iter().map(|id| Name::from(*id)).collect();
        Claimant { order: order.into(), asked: Timestamp::from_secs(asked), room, late: 0, not_ours }
    }

    fn made(ids: &[&str], joined: &[&str]) -> Vec<Unclaimed> {
        let of = |joined: bool| move |id: &&str| Unclaimed { id: Name::from(*id), joined };
        ids.iter().map(of(false)).chain(joined.iter().map(of(true))).collect()
    }

    fn claimed(claimants: &[Claimant], instances: &[Unclaimed]) -> Vec<(String, String)> {
        let all = claims(claimants, instances);
        let join = |ids: &[Name]| ids.iter().map(|id| &**id).collect::<Vec<_>>().join(" ");
        all.iter().map(|(order, ids)| (order.to_string(), join(ids))).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(order, ids)| ((*order).to_owned(), (*ids).to_owned())).collect()
    }

    #[test]
    fn what_was_there_before_an_order_is_never_taken_for_its_own() {
        let of_others = [claimant("a", 1, 2, &["old", "older"])];
        assert_eq!(claimed(&of_others, &made(&["older", "new"], &["old"])), pairs(&[("a", "new")]));
    }

    #[test]
    fn the_oldest_order_claims_first_and_none_claims_more_than_it_ordered() {
        let orders = [claimant("younger", 2, 2, &[]), claimant("older", 1, 1, &[])];
        assert_eq!(
            claimed(&orders, &made(&["x", "y", "z"], &[])),
            pairs(&[("older", "x"), ("younger", "y z")])
        );
        assert_eq!(claimed(&[claimant("a", 1, 0, &[])], &made(&["x"], &["y"])), []);
    }

    #[test]
    fn what_an_order_waits_for_is_not_taken_for_what_an_older_one_gets_late() {
        let seemed_refused = Claimant { late: 1, ..claimant("older", 1, 0, &[]) };
        let orders = [seemed_refused, claimant("younger", 2, 1, &[])];
        assert_eq!(claimed(&orders, &made(&["x"], &[])), pairs(&[("younger", "x")]));
        assert_eq!(claimed(&orders, &made(&["x", "y"], &[])), pairs(&[("older", "y"), ("younger", "x")]));
    }

    #[test]
    fn of_more_than_were_ordered_only_those_that_have_joined_are_claimed() {
        let orders = [claimant("a", 1, 2, &[])];
        assert_eq!(claimed(&orders, &made(&["nowhere", "b"], &["c"])), pairs(&[("a", "c")]));
        assert_eq!(claimed(&orders, &made(&["nowhere"], &["b", "c"])), pairs(&[("a", "b c")]));
        assert_eq!(claimed(&orders, &made(&[], &["b", "c", "d"])), pairs(&[("a", "b c")]));
    }

    #[test]
    fn the_order_in_which_instances_are_listed_does_not_matter() {
        let orders = [claimant("a", 1, 1, &["y"]), claimant("b", 1, 2, &[])];
        let mut instances = made(&["z", "y"], &["x"]);
        let one = claimed(&orders, &instances);
        instances.reverse();
        assert_eq!(one, claimed(&orders, &instances));
        assert_eq!(one, pairs(&[("a", "x"), ("b", "y z")]));
    }
}
