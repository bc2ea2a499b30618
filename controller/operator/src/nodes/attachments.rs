//! How many volumes nodes to come may have attached. No provider says so; a node does, by its `CSINode`, once it is there. So
//! what is ordered is planned like the nodes of its pool and type that were there before.

use std::collections::BTreeMap;

use plimsoll_core::cluster::{Name, Node};

/// The most volumes of a node, by CSI driver.
type Limits = BTreeMap<Name, i64>;

/// What was seen on nodes, by pool and type of machine.
#[derive(Debug, Default)]
pub(super) struct Attachments(BTreeMap<(Name, Name), Limits>);

impl Attachments {
    /// Learns from the nodes that are there. What none of them says any more is remembered; where they differ, the least
    /// counts.
    pub(super) fn learn<'n>(&mut self, nodes: impl Iterator<Item = &'n Node>) {
        let mut seen: BTreeMap<(Name, Name), Limits> = BTreeMap::new();
        for node in nodes.filter(|node| !node.attach_limits.is_empty()) {
            let (Some(pool), Some(key)) = (&node.pool, node.offering()) else { continue };
            let limits = seen.entry((pool.clone(), key.instance_type)).or_default();
            for (driver, limit) in &node.attach_limits {
                let least = limits.entry(driver.clone()).or_insert(*limit);
                *least = (*least).min(*limit);
            }
        }
        for (of, limits) in seen {
            self.0.entry(of).or_default().extend(limits);
        }
    }

    /// What a node of a pool and type will say.
    pub(super) fn of(&self, pool: &str, instance_type: &Name) -> Limits {
        self.0.get(&(pool.into(), instance_type.clone())).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_observe::cluster::observe_node;
    use pretty_assertions::assert_eq;
    use serde_json::{from_value, json};

    use super::*;

    fn node(zone: &str, limits: &[(&str, i64)]) -> Node {
        let labels = json!({
            "plimsoll.dev/capacity-pool": "general",
            "plimsoll.dev/capacity-type": "on-demand",
            "node.kubernetes.io/instance-type": "m-4",
            "topology.kubernetes.io/zone": zone,
        });
        let mut node = observe_node(
            &from_value(json!({ "metadata": { "name": zone, "labels": labels } })).unwrap(),
            None,
        );
        node.attach_limits = limits.iter().map(|(driver, limit)| ((*driver).into(), *limit)).collect();
        node
    }

    #[test]
    fn a_type_has_the_least_limits_that_its_nodes_said_last_in_any_zone() {
        let mut seen = Attachments::default();
        let of = |seen: &Attachments| seen.of("general", &"m-4".into()).into_values().collect::<Vec<_>>();
        assert_eq!(of(&seen), [0; 0], "the first is planned blind");
        seen.learn([node("a", &[("disk", 25)]), node("b", &[("disk", 24), ("file", 8)])].iter());
        assert_eq!(of(&seen), [24, 8]);
        seen.learn([node("a", &[("disk", 25)])].iter());
        assert_eq!(of(&seen), [25, 8]);
        seen.learn([].iter());
        assert_eq!(of(&seen), [25, 8], "nobody says otherwise");
        assert_eq!(seen.of("other", &"m-4".into()), Limits::new());
        assert_eq!(seen.of("general", &"m-8".into()), Limits::new());
    }
}
