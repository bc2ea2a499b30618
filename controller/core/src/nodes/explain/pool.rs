//! What a pool has, may have, and cannot get.

use serde::{Deserialize, Serialize};

use super::place::passed_over;
use super::{Planned, Sight};
use crate::cluster::{BudgetReason, Capacity, Name, Node, Offering, OfferingKey, Pool, Readiness, Resources};
use crate::nodes::breaker::{pool_is_broken, zones_are_silent};
use crate::nodes::budget::Budgets;
use crate::nodes::reason::{Cause, WhyPassedOver};
use crate::nodes::render::Price;
use crate::nodes::words::quantity;
use crate::time::Timestamp;

/// All that is said about a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolExplained {
    /// Its name.
    pub name: Name,
    /// What is out of the ordinary, in words.
    pub sentences: Vec<String>,
    /// What its status says, as `Type=Status Reason: message`.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// Its zones.
    pub zones: Vec<ZoneRow>,
    /// What is limited, and how much of it is used, orders included.
    pub limits: Vec<LimitRow>,
    /// What can be ordered, and what cannot.
    pub offerings: Vec<OfferingRow>,
    /// Its orders, the newest first.
    pub orders: Vec<OrderRow>,
    /// Its nodes, and what becomes of each.
    pub nodes: Vec<NodeRow>,
    /// Pods that get no node, as far as this pool is part of why.
    pub refused: Vec<RefusedRow>,
    /// The plan that this is from.
    pub planned: Planned,
}

/// The nodes of a pool in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneRow {
    /// The zone.
    pub zone: Name,
    /// Nodes that there should be: those that are not on their way out, and those ordered.
    pub wanted: u32,
    /// Nodes that were ordered and have not joined.
    pub ordered: u32,
    /// Nodes that are ready.
    pub ready: u32,
    /// Nodes that are being drained.
    pub draining: u32,
    /// As few as there may be.
    pub min: u32,
    /// As many as there may be.
    pub max: Option<u32>,
}

/// A limit of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitRow {
    /// What is limited.
    pub what: String,
    /// How much there is.
    pub used: String,
    /// How much there may be.
    pub limit: String,
}

/// An offering of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferingRow {
    /// What it is, such as `on-demand c4.large in zone-a`.
    pub offering: String,
    /// What a node of it costs per hour.
    pub price_per_hour: String,
    /// Whether it is considered.
    pub considered: bool,
    /// How many more there are, or why it is not considered.
    pub state: String,
    /// Until when it is avoided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Errors in a row.
    pub failures: u32,
    /// The last error, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An order of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRow {
    /// Its name.
    pub order: Name,
    /// When it was recorded.
    pub created: Timestamp,
    /// What was ordered.
    pub offering: String,
    /// How many nodes.
    pub count: u32,
    /// Its phase.
    pub phase: String,
    /// What is to be said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A node of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRow {
    /// Its name.
    pub node: Name,
    /// Its zone.
    pub zone: Name,
    /// Whether it goes, or is being drained.
    pub goes: bool,
    /// Why it goes or stays.
    pub why: String,
}

/// Equal pods that get no node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedRow {
    /// Whose they are: namespace and name of their owner.
    pub owner: String,
    /// How many.
    pub count: u32,
    /// Why, as far as this pool goes.
    pub why: String,
}

/// Explains the pool of this name; None when there is none.
pub fn pool(sight: &Sight<'_>, name: &str) -> Option<PoolExplained> {
    let pool = sight.view.pool(name)?;
    let nodes: Vec<&Node> =
        sight.view.nodes().filter(|node| node.pool.as_ref() == Some(&pool.name)).collect();
    let mut sentences = Vec::new();
    let broken = pool_is_broken(pool, nodes.iter().copied()).or_else(|| zones_are_silent(sight.view.nodes()));
    sentences.extend(broken.map(|tripped| format!("Nothing is removed or replaced: {tripped}.")));
    sentences.extend(budgets(sight, pool, &nodes));
    for new in sight.plan.add.iter().chain(&sight.removal.add).filter(|new| new.pool == pool.name) {
        sentences
            .push(format!("The last plan orders {} × {} for {} pods.", new.count, new.offering, new.pods));
    }
    sentences.extend(sight.warning());
    Some(PoolExplained {
        name: pool.name.clone(),
        sentences,
        conditions: Vec::new(),
        zones: zones(sight, pool, &nodes),
        limits: limits(sight, pool, &nodes),
        offerings: pool.offerings.iter().map(|offering| offering_row(sight, pool, offering)).collect(),
        orders: orders(sight, pool),
        nodes: nodes.iter().map(|node| node_row(sight, node)).collect(),
        refused: refused(sight, pool),
        planned: sight.planned(),
    })
}

/// Budgets that let no node more go now, once each.
fn budgets(sight: &Sight<'_>, pool: &Pool, nodes: &[&Node]) -> Vec<String> {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let going = count(nodes.iter().filter(|node| node.is_draining()).count());
    let budgets = Budgets::of(&pool.name, &pool.scale_down.budgets, count(nodes.len()), going, sight.now);
    let reasons = [BudgetReason::Empty, BudgetReason::Underutilized, BudgetReason::Replaced];
    let mut said: Vec<String> = Vec::new();
    for used in reasons.into_iter().filter_map(|reason| budgets.allows(reason).err()) {
        let words = format!("No node more may go now: {used}.");
        if !said.contains(&words) {
            said.push(words);
        }
    }
    if nodes.is_empty() { Vec::new() } else { said }
}

fn zones(sight: &Sight<'_>, pool: &Pool, nodes: &[&Node]) -> Vec<ZoneRow> {
    let mut zones: std::collections::BTreeMap<Name, ZoneRow> = std::collections::BTreeMap::new();
    let mut of = |zone: &Name, change: &dyn Fn(&mut ZoneRow)| {
        let limits = &pool.limits;
        let row = zones.entry(zone.clone()).or_insert_with(|| ZoneRow {
            zone: zone.clone(),
            wanted: 0,
            ordered: 0,
            ready: 0,
            draining: 0,
            min: limits.min_per_zone.get(zone).copied().unwrap_or(0),
            max: limits.nodes_per_zone.get(zone).copied(),
        });
        change(row);
    };
    for offering in &pool.offerings {
        of(&offering.key.zone, &|_| ());
    }
    let none = Name::from("");
    for node in nodes {
        let (is_ready, drains) = (node.readiness == Readiness::Ready, node.is_draining());
        of(node.zone().unwrap_or(&none), &|row| {
            row.ready += u32::from(is_ready);
            row.draining += u32::from(drains);
            row.wanted += u32::from(!drains);
        });
    }
    for order in sight.view.orders().filter(|order| order.pool == pool.name) {
        of(&order.offering.zone, &|row| {
            row.ordered = row.ordered.saturating_add(order.missing);
            row.wanted = row.wanted.saturating_add(order.missing);
        });
    }
    zones.into_values().collect()
}

fn limits(sight: &Sight<'_>, pool: &Pool, nodes: &[&Node]) -> Vec<LimitRow> {
    let mut count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let mut used = Resources::default();
    for node in nodes {
        used.add(&sight.view.allocatable(node, sight.planned));
    }
    for order in sight.view.orders().filter(|order| order.pool == pool.name) {
        count = count.saturating_add(order.missing);
        let offering = pool.offerings.iter().find(|offering| offering.key == order.offering);
        if let Some(offering) = offering {
            used.add(&offering.allocatable.times(order.missing.into()));
        }
    }
    let nodes = pool.limits.nodes.map(|limit| LimitRow {
        what: "nodes".to_owned(),
        used: count.to_string(),
        limit: limit.to_string(),
    });
    let resources = pool.limits.resources.iter().map(|(resource, limit)| {
        let has = match &**resource {
            "cpu" => used.cpu,
            "memory" => used.memory,
            "ephemeral-storage" => used.ephemeral_storage,
            "pods" => used.pods,
            _ => used.extended.get(resource).copied().unwrap_or(0),
        };
        LimitRow {
            what: resource.to_string(),
            used: quantity(resource, has),
            limit: quantity(resource, *limit),
        }
    });
    nodes.into_iter().chain(resources).collect()
}

fn offering_row(sight: &Sight<'_>, pool: &Pool, offering: &Offering) -> OfferingRow {
    let is_this = |of: &Name, key: &OfferingKey| *of == pool.name && *key == offering.key;
    let passed = sight.plan.passed_over.iter().find(|passed| is_this(&passed.pool, &passed.offering));
    // What has failed since the plan was made is avoided too.
    let avoided = match offering.capacity {
        Capacity::AvoidedUntil(until) if until > sight.now => Some(WhyPassedOver::AvoidedUntil(until)),
        _ => None,
    };
    let passed = passed.map(|passed| passed_over(sight, passed));
    let said = sight.errors.get(&(pool.name.clone(), offering.key.clone()));
    let until = match (&passed, &avoided) {
        (Some(passed), _) => passed.until,
        (None, Some(WhyPassedOver::AvoidedUntil(until))) => Some(*until),
        _ => None,
    };
    let left = || match offering.capacity {
        Capacity::Left(left) => format!("{left} more can be ordered"),
        Capacity::Unknown | Capacity::AvoidedUntil(_) => "can be ordered".to_owned(),
    };
    OfferingRow {
        offering: offering.key.to_string(),
        price_per_hour: Price(offering.price).to_string(),
        considered: passed.is_none() && avoided.is_none(),
        state: passed
            .map(|passed| passed.why)
            .or_else(|| avoided.map(|why| why.to_string()))
            .unwrap_or_else(left),
        until,
        failures: said.map_or(0, |said| said.failures),
        error: said.map(|said| said.error.clone()),
    }
}

fn orders(sight: &Sight<'_>, pool: &Pool) -> Vec<OrderRow> {
    let of_pool = sight.orders.iter().filter(|(_, order)| order.pool == pool.name);
    let mut rows: Vec<OrderRow> = of_pool
        .map(|(name, order)| OrderRow {
            order: name.clone(),
            created: order.created,
            offering: order.offering.to_string(),
            count: order.count,
            phase: order.phase.clone(),
            message: order.message.clone(),
        })
        .collect();
    rows.sort_by(|one, other| other.created.cmp(&one.created).then_with(|| one.order.cmp(&other.order)));
    rows
}

fn node_row(sight: &Sight<'_>, node: &Node) -> NodeRow {
    let removal = sight.removal.remove.iter().find(|removal| removal.node == node.name);
    let stays = || sight.removal.stays.iter().find(|stays| stays.node == node.name);
    let drained = sight.drains.contains_key(&node.name) || node.is_draining();
    let why = match (removal, sight.waits.get(&node.name)) {
        (_, Some(waits)) if drained => format!("it is being drained: {waits}"),
        (Some(removal), _) => removal.why.to_string(),
        (None, _) if drained => "it is being drained".to_owned(),
        (None, _) => {
            stays().map_or_else(|| "the last plan does not know it".to_owned(), |stays| stays.why.to_string())
        }
    };
    NodeRow {
        node: node.name.clone(),
        zone: node.zone().cloned().unwrap_or_else(|| "".into()),
        goes: removal.is_some() || drained,
        why,
    }
}

fn refused(sight: &Sight<'_>, pool: &Pool) -> Vec<RefusedRow> {
    let rows = sight.plan.refused.iter().filter_map(|refused| {
        let is_of_pool = |cause: &Cause| match cause {
            Cause::Offerings(of, _) | Cause::Limit(of, _) | Cause::PassedOver(of, _) => *of == pool.name,
            Cause::LeftAlone(_) | Cause::Nodes(_) | Cause::NoPool => false,
        };
        let why: Vec<String> =
            refused.why.iter().filter(|why| is_of_pool(&why.cause)).map(ToString::to_string).collect();
        (!why.is_empty()).then(|| RefusedRow {
            owner: format!("{}/{}", refused.namespace, refused.owner),
            count: refused.count,
            why: why.join("; "),
        })
    });
    rows.collect()
}
