//! New nodes in the place of old ones, chosen by the same code that chooses nodes for pods that wait.

use std::collections::BTreeMap;

use super::planner::Planner;
use super::room::{Group, Left, Moved};
use crate::cluster::{Name, Offering, OfferingKey, Pool};
use crate::nodes::add::demand::Demand;
use crate::nodes::add::limits::{Bounds, find};
use crate::nodes::add::menu::{self, Menu};
use crate::nodes::add::solve::Solver;
use crate::nodes::{NewNodes, Place};
use crate::placement::{NodeIx, Placed};

/// What may be bought.
pub(super) struct Wish<'w> {
    /// Of this pool.
    pub(super) pool: &'w Pool,
    /// These offerings.
    pub(super) allows: &'w dyn Fn(&Offering) -> bool,
    /// At least one node in this zone, whether there are pods for it or not.
    pub(super) one_in: Option<Name>,
}

/// Why nothing that may be bought would do.
#[derive(Debug)]
pub(super) enum Lacks<'a> {
    /// These pods fit on none of it.
    Room(Group<'a>),
    /// Nothing can be had in the zone that needs a node.
    Offering,
}

/// Nodes that would do.
#[derive(Debug)]
pub(super) struct Bought<'a> {
    pool: Name,
    nodes: Vec<(NodeIx, OfferingKey, i64)>,
    pub(super) moved: Vec<Moved<'a>>,
    /// What they cost together per hour.
    pub(super) price: i64,
    bounds: Bounds,
}

impl Bought<'_> {
    /// How many nodes they are, by zone.
    pub(super) fn zones(&self) -> BTreeMap<&Name, u32> {
        let mut zones = BTreeMap::new();
        for (_, key, _) in &self.nodes {
            *zones.entry(&key.zone).or_default() += 1;
        }
        zones
    }

    /// How many nodes they are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }
}

/// Everything that can be ordered, and the number of classes for which it was looked up.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    menu: Menu,
    classes: usize,
    pub(super) bounds: Bounds,
}

impl<'a> Planner<'a> {
    /// Finds new nodes for pods that have no place elsewhere. Nothing is ordered yet: [`Planner::order`] does that, and
    /// undoing the room forgets it.
    pub(super) fn buy(&mut self, left: Left<'a>, wish: &Wish<'_>) -> Result<Bought<'a>, Lacks<'a>> {
        let shop = self.shop();
        let mut bought = Bought {
            pool: wish.pool.name.clone(),
            nodes: Vec::new(),
            moved: Vec::new(),
            price: 0,
            bounds: shop.bounds,
        };
        if left.groups.is_empty() && wish.one_in.is_none() {
            return Ok(bought);
        }
        let menu = self.filtered(shop.menu, wish);
        let stand_ins;
        let mut lacks = None;
        {
            let view = self.input.view;
            let targets = self.room.targets.clone();
            let mut solver = Solver::new(view, &mut self.room.packing, menu, bought.bounds);
            for mut group in left.groups {
                let count = u32::try_from(group.pods.len()).unwrap_or(u32::MAX);
                let demand = Demand { class: group.class, count, may_order: true };
                let mut placed = Placed::new();
                let rest = solver.serve(&demand, count, &targets, &mut placed);
                let mut pods = group.pods.drain(..);
                for (node, count) in placed {
                    bought.moved.extend(pods.by_ref().take(count as usize).map(|pod| (pod, node)));
                }
                group.pods = pods.collect();
                if rest > 0 {
                    lacks = Some(Lacks::Room(group));
                    break;
                }
            }
            let used: std::collections::BTreeSet<NodeIx> =
                bought.moved.iter().map(|(_, node)| *node).collect();
            solver.shrink(&used);
            if let Some(zone) = &wish.one_in {
                let zone_of = |at: usize| &solver.menu.families[at].zone;
                if !solver.new.iter().any(|new| !new.gone && zone_of(new.family) == zone) {
                    match cheapest(&solver, wish.pool, zone) {
                        Some((family, alternative)) => {
                            solver.open(family, alternative);
                        }
                        None => lacks = lacks.or(Some(Lacks::Offering)),
                    }
                }
            }
            for new in solver.new.iter().filter(|new| !new.gone) {
                let offered = &solver.menu.families[new.family].alternatives[new.alternative];
                bought.nodes.push((new.node, offered.key.clone(), offered.price));
                bought.price = bought.price.saturating_add(offered.price);
            }
            stand_ins = solver.menu.families.iter().map(|family| family.stand_in).collect::<Vec<_>>();
            bought.bounds = solver.bounds;
        }
        for node in stand_ins {
            self.room.packing.remove_node(node);
        }
        if let Some(lacks) = lacks {
            return Err(lacks);
        }
        if wish.one_in.is_none() {
            self.thin(&mut bought, wish.pool);
        }
        Ok(bought)
    }

    /// Does without new nodes whose pods fit on the others after all, the dearest first: each was chosen for pods of one
    /// class, and not for all.
    fn thin(&mut self, bought: &mut Bought<'a>, pool: &Pool) {
        if bought.nodes.len() < 2 {
            return;
        }
        let mut dearest: Vec<usize> = (0..bought.nodes.len()).collect();
        dearest.sort_by_key(|at| (std::cmp::Reverse(bought.nodes[*at].2), *at));
        let mut gone: Vec<NodeIx> = Vec::new();
        for at in dearest {
            let (node, key, price) = bought.nodes[at].clone();
            let mark = self.room.mark();
            let own: Vec<_> =
                bought.moved.iter().filter(|(_, on)| *on == node).map(|(pod, _)| *pod).collect();
            let left = self.room.take_from(node, &own);
            let others: Vec<NodeIx> = bought
                .nodes
                .iter()
                .map(|(other, ..)| *other)
                .filter(|other| *other != node && !gone.contains(other))
                .collect();
            let mut moved = Vec::new();
            if !self.room.place_all_on(left, &others, &mut moved) {
                self.room.undo(mark);
                continue;
            }
            bought.moved.retain(|(_, on)| *on != node);
            bought.moved.extend(moved);
            bought.price = bought.price.saturating_sub(price);
            if let Some(offering) = find(pool, &key) {
                bought.bounds.remove(&pool.name, &key.zone, &offering.allocatable);
            }
            gone.push(node);
        }
        bought.nodes.retain(|(node, ..)| !gone.contains(node));
    }

    /// Orders what was bought; says under which entries of the plan.
    pub(super) fn order(&mut self, bought: Bought<'a>) -> Vec<u32> {
        let mut pods: BTreeMap<NodeIx, u32> = BTreeMap::new();
        for (_, node) in &bought.moved {
            *pods.entry(*node).or_default() += 1;
        }
        let mut entries: BTreeMap<&OfferingKey, u32> = BTreeMap::new();
        let from = u32::try_from(self.plan.add.len()).unwrap_or(u32::MAX);
        for (node, key, price) in &bought.nodes {
            let add = &mut self.plan.add;
            let entry = *entries.entry(key).or_insert_with(|| {
                let (pool, offering) = (bought.pool.clone(), key.clone());
                add.push(NewNodes { pool, offering, count: 0, price: *price, pods: 0 });
                u32::try_from(add.len() - 1).unwrap_or(u32::MAX)
            });
            let new = &mut self.plan.add[entry as usize];
            let number = new.count;
            new.count += 1;
            new.pods += pods.get(node).copied().unwrap_or(0);
            self.name_new(*node, Place::New(entry, number));
            let cut_off = self.input.view.pool(&bought.pool).map_or(i32::MIN, |pool| pool.priority_cutoff);
            self.room.comes(*node, cut_off);
            if let Some(pool) = self.pools.get_mut(&bought.pool) {
                pool.join(&key.zone);
            }
        }
        if let Some(shop) = &mut self.shop {
            shop.bounds = bought.bounds;
        }
        (from..u32::try_from(self.plan.add.len()).unwrap_or(u32::MAX)).collect()
    }

    /// What can be ordered, with numbers of the packing as it is now.
    fn shop(&mut self) -> Shop {
        let classes = self.room.packing.tables.classes.len();
        if let Some(shop) = self.shop.as_ref().filter(|shop| shop.classes == classes) {
            return shop.clone();
        }
        let view = self.input.view;
        let daemons = menu::daemons(view, &mut self.room.packing);
        let all = 0..u32::try_from(self.room.packing.tables.classes.len()).unwrap_or(u32::MAX);
        let menu = Menu::of(view, &mut self.room.packing, &daemons, all, self.now, None);
        let bounds = self.shop.take().map_or_else(|| self.bounds(), |shop| shop.bounds);
        let classes = self.room.packing.tables.classes.len();
        let shop = Shop { menu, classes, bounds };
        self.shop = Some(shop.clone());
        shop
    }

    /// What is there, ordered, or about to be.
    fn bounds(&self) -> Bounds {
        let mut bounds = Bounds::of(self.input.view, self.input.settings.most_nodes, self.now);
        for new in &self.input.adding.add {
            let pool = self.input.view.pool(&new.pool);
            if let Some(offering) = pool.and_then(|pool| find(pool, &new.offering)) {
                for _ in 0..new.count {
                    bounds.add(&new.pool, &new.offering.zone, &offering.allocatable);
                }
            }
        }
        bounds
    }

    /// What the wish allows, without what this plan and that for new nodes have ordered already.
    fn filtered(&self, mut menu: Menu, wish: &Wish<'_>) -> Menu {
        menu.families.retain(|family| family.pool == wish.pool.name);
        for family in &mut menu.families {
            family.alternatives.retain_mut(|of| {
                let ordered = self.input.adding.add.iter().chain(&self.plan.add);
                let same = ordered.filter(|new| new.pool == wish.pool.name && new.offering == of.key);
                of.left = of.left.map(|left| same.fold(left, |left, new| left.saturating_sub(new.count)));
                of.left != Some(0) && find(wish.pool, &of.key).is_some_and(|offering| (wish.allows)(offering))
            });
        }
        menu.families.retain(|family| !family.alternatives.is_empty());
        menu
    }
}

fn cheapest(solver: &Solver<'_>, pool: &Pool, zone: &Name) -> Option<(usize, usize)> {
    let families = solver.menu.families.iter().enumerate().filter(|(_, family)| family.zone == *zone);
    let offered = families.flat_map(|(at, family)| {
        family.alternatives.iter().enumerate().map(move |(alternative, of)| (at, alternative, of))
    });
    let can = offered.filter(|(.., of)| {
        of.left != Some(0) && solver.bounds.forbids(&pool.name, zone, &of.allocatable).is_none()
    });
    let best = can.min_by(|(.., one), (.., other)| (one.price, &one.key).cmp(&(other.price, &other.key)));
    best.map(|(family, alternative, _)| (family, alternative))
}
