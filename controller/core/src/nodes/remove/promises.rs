//! What the plan for new nodes has promised, and is not taken away again.

use std::collections::BTreeMap;

use super::planner::Planner;
use crate::nodes::Place;
use crate::nodes::add::limits::find;
use crate::nodes::add::menu;
use crate::placement::NodeIx;

impl Planner<'_> {
    /// Room that the plan for new nodes has promised to pods is taken, and the nodes that have it are needed. Nodes that are
    /// ordered take no pods of nodes that go, but make domains.
    pub(super) fn hold_promises(&mut self) {
        let view = self.input.view;
        let coming = self.expect_nodes();
        for placement in &self.input.adding.placements {
            if !matches!(placement.place, Place::New(..)) {
                self.promised.insert(placement.pod.clone(), placement.place.clone());
            }
            let announced = || view.announced.get(&placement.pod).map(|announced| &announced.shape);
            let shape = view.pod(&placement.pod).map(|pod| &pod.shape).or_else(announced);
            let node = match &placement.place {
                Place::Node(name) => self.room.node(name),
                place => coming.get(place).copied(),
            };
            if let (Some(shape), Some(node)) = (shape, node) {
                let class = self.room.hold(node, shape, placement.count);
                if self.room.depends_on_others(class) {
                    self.held.push((class, node));
                }
            }
            if let Place::Node(name) = &placement.place
                && let Some(index) = self.index(name)
            {
                self.nodes[index].promised = self.nodes[index].promised.saturating_add(placement.count);
            }
        }
        self.held.sort_unstable();
        self.held.dedup();
    }

    /// Nodes that were ordered, or are to be, as the plan for new nodes names them.
    fn expect_nodes(&mut self) -> BTreeMap<Place, NodeIx> {
        let view = self.input.view;
        let daemons = menu::daemons(view, &mut self.room.packing);
        let ordered = view.orders().flat_map(|order| {
            let place = |number| Place::Order(order.name.clone(), number);
            (0..order.missing).map(move |number| (place(number), &order.pool, &order.offering))
        });
        let new = (0..).zip(&self.input.adding.add).flat_map(|(entry, new)| {
            (0..new.count).map(move |number| (Place::New(entry, number), &new.pool, &new.offering))
        });
        let mut coming = BTreeMap::new();
        for (place, pool, offering) in ordered.chain(new) {
            let pool = view.pool(pool);
            let Some((pool, offering)) = pool.and_then(|pool| Some((pool, find(pool, offering)?))) else {
                continue;
            };
            let packing = &mut self.room.packing;
            let (state, daemons) = menu::new_node(packing, pool, offering, &daemons, false);
            let node = packing.come(state);
            for class in &daemons {
                packing.put(node, *class, 1);
            }
            coming.insert(place, node);
        }
        coming
    }
}
