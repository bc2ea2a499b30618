//! A node group belongs to one pool: of several that name it the oldest has it.

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt as _;
use plimsoll_api::CapacityPool;
use plimsoll_providers::{NodeGroupRule, OfferingId};

use super::provider::rules_of_groups;

/// Pools as they are known, by name.
type Pools = BTreeMap<String, Arc<Result<CapacityPool, String>>>;

/// The older pools of one server, each with the node groups that it means.
pub(super) struct Older(Vec<(String, Vec<NodeGroupRule>)>);

impl Older {
    /// The pools that are older than this one and name the same address, the oldest first. Two addresses of one server
    /// cannot be told from two servers.
    pub(super) fn than(pool: &CapacityPool, pools: &Pools) -> Self {
        let age = |pool: &CapacityPool| (pool.creation_timestamp(), pool.name_any());
        let server = |pool: &CapacityPool| pool.spec.provider.external_grpc.clone();
        let Some(grpc) = server(pool) else { return Self(Vec::new()) };
        let mut older: Vec<&CapacityPool> = pools
            .values()
            .filter_map(|other| other.as_ref().as_ref().ok())
            .filter(|other| age(other) < age(pool))
            .filter(|other| server(other).is_some_and(|other| other.address == grpc.address))
            .collect();
        older.sort_by_key(|pool| age(pool));
        let rules = |pool: &CapacityPool| server(pool).and_then(|grpc| rules_of_groups(&grpc).ok());
        Self(older.into_iter().filter_map(|pool| Some((pool.name_any(), rules(pool)?))).collect())
    }

    /// The pool that a group belongs to already.
    pub(super) fn owner(&self, group: &OfferingId) -> Option<&str> {
        let owner = self.0.iter().find(|(_, rules)| NodeGroupRule::mean(rules, group));
        owner.map(|(name, _)| name.as_str())
    }

    /// What a pool is told of the groups that it names and does not have; None when it has all.
    pub(super) fn told<'g>(&self, groups: impl Iterator<Item = &'g OfferingId>) -> Option<String> {
        let taken: Vec<_> = groups.filter_map(|group| Some((group, self.owner(group)?))).collect();
        let (group, owner) = taken.first()?;
        let others = match taken.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!(
            "the node group {group}{others} belongs to the older pool {owner}: name others in \
             spec.provider.externalGrpc.nodeGroups"
        ))
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn pool(name: &str, created: u32, address: &str, groups: &[&str]) -> CapacityPool {
        let groups: Vec<_> = groups.iter().map(|name| json!({ "name": name })).collect();
        serde_json::from_value(json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "CapacityPool",
            "metadata": { "name": name, "creationTimestamp": format!("2026-01-01T00:00:0{created}Z") },
            "spec": { "provider": { "externalGrpc": { "address": address, "nodeGroups": groups } } },
        }))
        .unwrap()
    }

    #[test]
    fn a_node_group_belongs_to_the_oldest_pool_that_names_it() {
        let all = [
            pool("young", 2, "cloud:1", &[]),
            pool("old", 1, "cloud:1", &["web-*"]),
            pool("same-age", 2, "cloud:1", &["batch"]),
            pool("elsewhere", 0, "other:1", &[]),
        ];
        let pools: Pools = all.iter().map(|pool| (pool.name_any(), Arc::new(Ok(pool.clone())))).collect();
        let groups: Vec<OfferingId> = ["web-a", "web-b", "batch", "rest"].map(OfferingId::from).to_vec();
        let owners = |of: &CapacityPool| {
            let older = Older::than(of, &pools);
            groups.iter().map(|group| older.owner(group).unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(owners(&all[0]), ["old", "old", "same-age", "-"]);
        assert_eq!(owners(&all[1]), ["-", "-", "-", "-"]);
        assert_eq!(
            Older::than(&all[0], &pools).told(groups.iter()).unwrap(),
            "the node group web-a (and 2 more) belongs to the older pool old: name others in \
             spec.provider.externalGrpc.nodeGroups"
        );
    }
}
