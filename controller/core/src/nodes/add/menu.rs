//! What can be ordered, grouped so that equal things are looked at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{
    CAPACITY_POOL, CAPACITY_TYPE, Capacity, HOSTNAME, INSTANCE_TYPE, Labels, Name, Offering, OfferingKey,
    Pool, Resources, ZONE,
};
use crate::nodes::reason::{PassedOver, WhyPassedOver};
use crate::placement::View;
use crate::placement::amounts::Amounts;
use crate::placement::class::ClassId;
use crate::placement::packing::{NodeIx, NodeState, Packing};
use crate::placement::tables::Facts;
use crate::time::Timestamp;

/// One offering of a family.
#[derive(Clone, Debug)]
pub(crate) struct Alternative {
    pub(crate) key: OfferingKey,
    pub(crate) price: i64,
    pub(crate) allocatable: Resources,
    /// All that a node of it has.
    pub(crate) gross: Amounts,
    /// What daemons leave.
    pub(crate) room: Amounts,
    /// How many more there are; None where nobody knows.
    pub(crate) left: Option<u32>,
    /// For how many offerings it stands: those that differ in nothing that is looked at are one.
    pub(crate) offerings: u32,
}

/// Offerings of one pool that differ to no pod but in size and price, cheapest first. A new node may become any of them, and
/// which one is settled last.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) pool: Name,
    pub(crate) weight: i32,
    /// Pods of a lower priority get no nodes of it.
    pub(crate) cut_off: i32,
    pub(crate) zone: Name,
    /// A node of it, with nothing on it.
    pub(crate) state: NodeState,
    pub(crate) daemons: Vec<ClassId>,
    pub(crate) alternatives: Vec<Alternative>,
    /// Stands for nodes of it that may come, where domains are judged.
    pub(crate) stand_in: NodeIx,
}

/// What offerings of a pool have in common that are one family: the zone, the kind of node with its domains and daemons, and
/// attach limits.
type Alike = (Name, Vec<u32>, Vec<(Name, i64)>);

/// Everything that can be ordered, and what cannot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Menu {
    pub(crate) families: Vec<Family>,
    pub(crate) passed_over: Vec<PassedOver>,
}

/// The labels that a node of an offering will have.
fn labels(pool: &Pool, offering: &Offering) -> Labels {
    let mut labels = pool.template.labels.clone();
    labels.extend(offering.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    let key = &offering.key;
    let own = [
        (CAPACITY_POOL, pool.name.clone()),
        (CAPACITY_TYPE, key.capacity_type.to_string().into()),
        (INSTANCE_TYPE, key.instance_type.clone()),
        (ZONE, key.zone.clone()),
        // It will have one, and no rule can know it.
        (HOSTNAME, "".into()),
    ];
    for (key, value) in own {
        labels.entry(key.into()).or_insert(value);
    }
    labels
}

/// A new node of an offering, empty but for the classes of daemons that it will run.
pub(crate) fn new_node(
    packing: &mut Packing,
    pool: &Pool,
    offering: &Offering,
    daemons: &[ClassId],
    stand_in: bool,
) -> (NodeState, Vec<ClassId>) {
    let mut taints = pool.template.taints.clone();
    taints.extend(offering.taints.iter().cloned());
    let facts = Facts { name: "".into(), labels: labels(pool, offering), taints, unschedulable: false };
    let gross = packing.amounts(&offering.allocatable);
    let limits = offering.attach_limits.iter().map(|(driver, limit)| (driver.clone(), *limit)).collect();
    let runs = |class: &ClassId| {
        let need = packing.class(*class).need;
        packing.tables.refuses(need, &facts).is_none()
    };
    let daemons = daemons.iter().copied().filter(runs).collect();
    (packing.state(Arc::new(facts), gross, Arc::new(limits), stand_in), daemons)
}

/// The classes of all daemons, one for each of them.
pub(crate) fn daemons(view: &View, packing: &mut Packing) -> Vec<ClassId> {
    let daemons = view.daemons().map(|daemon| view.dense().seeking_in(packing, &daemon.shape));
    daemons.collect()
}

/// The CSI drivers of the volumes of a class.
fn drivers(packing: &Packing, class: ClassId) -> Vec<Name> {
    let volumes = &packing.class(class).shape.volumes;
    volumes.iter().filter_map(|volume| volume.driver.clone()).collect()
}

impl Menu {
    /// What the pools of a view offer at `now`, without a zone that is taken for lost. `asks` says which classes look for room:
    /// offerings that differ only in what none of them asks for are of one family. The stand-ins are added to the packing, and
    /// are not open.
    pub(crate) fn of(
        view: &View,
        packing: &mut Packing,
        daemons: &[ClassId],
        asks: impl Iterator<Item = ClassId>,
        now: Timestamp,
        lost: Option<&str>,
    ) -> Self {
        let mut menu = Self::default();
        let drivers: BTreeSet<Name> = asks.flat_map(|class| drivers(packing, class)).collect();
        for pool in view.pools() {
            menu.add_pool(pool, packing, (daemons, &drivers), now, lost);
        }
        for family in &mut menu.families {
            // By price, then the larger one, so that the first that holds something is also the best.
            family.alternatives.sort_by(|one, other| {
                let key = |of: &Alternative| (of.price, std::cmp::Reverse(of.room.base));
                key(one).cmp(&key(other)).then_with(|| one.key.cmp(&other.key))
            });
            family.alternatives.dedup_by(|one, kept| {
                let same = one.left.is_none()
                    && kept.left.is_none()
                    && one.price == kept.price
                    && one.allocatable == kept.allocatable;
                kept.offerings += if same { one.offerings } else { 0 };
                same
            });
        }
        menu
    }

    fn add_pool(
        &mut self,
        pool: &Pool,
        packing: &mut Packing,
        (daemons, drivers): (&[ClassId], &BTreeSet<Name>),
        now: Timestamp,
        lost: Option<&str>,
    ) {
        let mut families: BTreeMap<Alike, usize> = BTreeMap::new();
        let is_there = |offering: &&Offering| lost.is_none_or(|lost| *offering.key.zone != *lost);
        let mut offerings: Vec<&Offering> = pool.offerings.iter().filter(is_there).collect();
        offerings.sort_by(|one, other| one.key.cmp(&other.key));
        offerings.dedup_by(|one, other| one.key == other.key);
        for offering in offerings {
            let mut pass_over = |why| {
                self.passed_over.push(PassedOver {
                    pool: pool.name.clone(),
                    offering: offering.key.clone(),
                    why,
                });
            };
            let left = match offering.capacity {
                Capacity::Left(left) => Some(left),
                Capacity::AvoidedUntil(until) if until > now => {
                    pass_over(WhyPassedOver::AvoidedUntil(until));
                    continue;
                }
                Capacity::Unknown | Capacity::AvoidedUntil(_) => None,
            };
            if left == Some(0) {
                pass_over(WhyPassedOver::NoneLeft);
                continue;
            }
            if offering.price < 0 {
                pass_over(WhyPassedOver::NoPrice);
                continue;
            }
            let (mut state, daemons) = new_node(packing, pool, offering, daemons, true);
            if state.attach_limits.iter().any(|(driver, _)| !drivers.contains(driver)) {
                Arc::make_mut(&mut state.attach_limits).retain(|(driver, _)| drivers.contains(driver));
            }
            let gross = state.free.clone();
            let mut room = gross.clone();
            for class in &daemons {
                room.add(&packing.class(*class).ask, -1);
            }
            if room.base[3] <= 0 || room.base[..3].iter().any(|free| *free < 0) {
                pass_over(WhyPassedOver::DaemonsFillIt);
                continue;
            }
            let alternative = Alternative {
                key: offering.key.clone(),
                price: offering.price,
                allocatable: offering.allocatable.clone(),
                gross,
                room,
                left,
                offerings: 1,
            };
            let mut same = vec![state.kind];
            same.extend(state.domains.iter().copied());
            same.extend(&daemons);
            let limits = state.attach_limits.to_vec();
            let at = *families.entry((offering.key.zone.clone(), same, limits)).or_insert_with(|| {
                let family = Family {
                    pool: pool.name.clone(),
                    weight: pool.weight,
                    cut_off: pool.priority_cutoff,
                    zone: offering.key.zone.clone(),
                    state,
                    daemons,
                    alternatives: Vec::new(),
                    stand_in: NodeIx::MAX,
                };
                self.families.push(family);
                self.families.len() - 1
            });
            self.families[at].alternatives.push(alternative);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Daemon, PodShape, PodState};
    use crate::nodes::add::{Settings, plan};
    use crate::nodes::fixtures::{offering, pod, pool};
    use crate::nodes::{NodePlan, reason::WhyPassedOver};
    use crate::placement::Change;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    /// What is planned for a pod of so many thousandths of a core where this is offered.
    fn planned(pool: Pool, cpu: i64, change: impl FnOnce(&mut View)) -> NodePlan {
        let mut view = View::default();
        view.apply(Change::Pool(pool));
        let mut web = pod("web", "");
        web.state = PodState::Unschedulable { since: NOW };
        Arc::make_mut(&mut web.shape).requests = Resources { cpu, pods: 1, ..Resources::default() };
        view.apply(Change::Pod(web));
        change(&mut view);
        plan(&view, &Settings::default(), NOW)
    }

    fn only(change: impl FnOnce(&mut Offering)) -> Pool {
        let mut pool = pool();
        pool.offerings.truncate(1);
        change(&mut pool.offerings[0]);
        pool
    }

    fn agent(cpu: i64) -> Change {
        let requests = Resources { cpu, pods: 1, ..Resources::default() };
        let shape = PodShape { namespace: "shop".into(), requests, ..PodShape::default() };
        Change::Daemon(Daemon { uid: "agent".into(), name: "agent".into(), shape: shape.into() })
    }

    #[test]
    fn what_cannot_be_had_is_passed_over() {
        type Make = fn(&mut Offering);
        let later = Timestamp::from_millis(NOW.as_millis() + 1);
        let offerings: [(Make, Option<WhyPassedOver>); 7] = [
            (|_| (), None),
            (|of| of.price = 0, None),
            (|of| of.price = -1, Some(WhyPassedOver::NoPrice)),
            (|of| of.capacity = Capacity::Left(1), None),
            (|of| of.capacity = Capacity::Left(0), Some(WhyPassedOver::NoneLeft)),
            (|of| of.capacity = Capacity::AvoidedUntil(NOW), None),
            (
                |of| of.capacity = Capacity::AvoidedUntil(Timestamp::from_millis(NOW.as_millis() + 1)),
                Some(WhyPassedOver::AvoidedUntil(later)),
            ),
        ];
        for (at, (make, why)) in offerings.into_iter().enumerate() {
            let plan = planned(only(make), 100, |_| ());
            assert_eq!(plan.passed_over.first().map(|of| of.why.clone()), why, "{at}");
            assert_eq!(plan.add.is_empty(), why.is_some(), "{at}");
        }
    }

    #[test]
    fn what_daemons_fill_is_passed_over() {
        for (pods, cpu, fills) in [(110, 3900, false), (110, 4001, true), (1, 100, true), (2, 100, false)] {
            let plan = planned(only(|of| of.allocatable.pods = pods), 100, |view| view.apply(agent(cpu)));
            let why = plan.passed_over.first().map(|of| of.why.clone());
            assert_eq!(why, fills.then_some(WhyPassedOver::DaemonsFillIt), "{cpu} and {pods} pods");
        }
    }

    #[test]
    fn equal_offerings_are_counted_each() {
        let mut pool = pool();
        pool.offerings = ["one", "two", "three"].map(|name| offering(name, "a", 4, 200_000)).to_vec();
        pool.offerings.push(pool.offerings[0].clone());
        let why: Vec<u32> = planned(pool, 5000, |_| ()).refused[0].why.iter().map(|why| why.count).collect();
        assert_eq!(why, [3], "the last is the first once more");
    }

    #[test]
    fn the_smaller_of_two_at_one_price_is_taken_where_a_limit_forbids_the_larger() {
        let mut pool = pool();
        pool.offerings = vec![offering("large", "a", 8, 200_000), offering("small", "a", 4, 200_000)];
        for (limit, name) in [(8000, "large"), (7999, "small")] {
            pool.limits.resources.insert("cpu".into(), limit);
            let plan = planned(pool.clone(), 100, |_| ());
            assert_eq!(&*plan.add[0].offering.instance_type, name);
        }
    }
}
