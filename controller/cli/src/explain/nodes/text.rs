//! What is said of a pod, a node or a pool, for people.

use plimsoll_core::{
    nodes::explain::{
        NodeExplained, NodeRow, Outlook, PassedRow, PlaceRow, Planned, PodExplained, PoolExplained,
    },
    time::{Span, Timestamp},
};

use super::super::moment;
use crate::output::{Paint, Table};

/// So many nodes of a pool are listed.
const MOST_NODES: usize = 40;
/// So many orders of a pool are listed.
const MOST_ORDERS: usize = 10;

pub(super) fn pod(told: &PodExplained, now: Timestamp, paint: Paint) -> String {
    let head = paint.strong(&format!("Pod {}/{} ({})", told.namespace, told.name, told.asks));
    let outlook = match told.outlook {
        Outlook::Bound => paint.good("BOUND"),
        Outlook::Moves => paint.strong("MOVES"),
        Outlook::Ends => paint.strong("ENDS"),
        Outlook::HasPlace => paint.good("HAS A PLACE"),
        Outlook::NoPlace => paint.bad("NO NODE FOR IT"),
        Outlook::NotPlanned => paint.strong("NOT PLANNED YET"),
    };
    let mut text = format!("{head}  {outlook}\n{}", planned(&told.planned, now, paint));
    text += &format!("\n{}\n", told.sentences.join("\n"));
    let mut refusals = Table::new(&["REFUSED BY", "HOW MANY", "WHY"], paint);
    for row in &told.refusals {
        let count = if row.count == 0 { "-".to_owned() } else { row.count.to_string() };
        refusals.row([row.what.clone(), count, paint.bad(&row.why)]);
    }
    with(
        &mut text,
        [place_table(told.place.as_ref(), paint), refusals, passed_table(&told.passed_over, paint)],
    );
    text
}

pub(super) fn node(told: &NodeExplained, now: Timestamp, paint: Paint) -> String {
    let of = match (&told.pool, &told.order) {
        (Some(pool), Some(order)) => format!("pool {pool}, order {order}"),
        (Some(pool), None) => format!("pool {pool}, not ordered by Plimsoll"),
        (None, _) => "of no pool".to_owned(),
    };
    let offering = told.offering.as_ref().map(|offering| format!(", {offering}")).unwrap_or_default();
    let head = paint.strong(&format!("Node {} ({of}{offering})", told.name));
    let fate = if told.goes { paint.bad("GOES") } else { paint.good("STAYS") };
    let mut text = format!("{head}  {fate}\n{}", planned(&told.planned, now, paint));
    text += &format!("\n{}\n", told.sentences.join("\n"));
    text += &format!("It has {}; its pods ask for {}.\n", told.has, told.asked);
    let mut stays = Table::new(&["IT STAYS, SINCE", "UNTIL"], paint);
    for row in &told.stays {
        stays.row([row.why.clone(), row.until.map_or_else(|| "-".to_owned(), moment)]);
    }
    let mut moves = Table::new(&["POD", "WILL FIT ON"], paint);
    for row in &told.moves {
        moves.row([row.pod.clone(), row.to.clone()]);
    }
    let mut pods = Table::new(&["POD", "ASKS FOR", "WHEN THE NODE GOES IT"], paint);
    for row in &told.pods {
        let verdict = if row.keeps { paint.bad(&row.verdict) } else { row.verdict.clone() };
        pods.row([row.pod.clone(), row.asks.clone(), verdict]);
    }
    with(&mut text, [stays, moves, pods]);
    text
}

pub(super) fn pool(told: &PoolExplained, now: Timestamp, paint: Paint) -> String {
    let head = paint.strong(&format!("CapacityPool {}", told.name));
    let mut text = format!("{head}\n{}", planned(&told.planned, now, paint));
    if !told.sentences.is_empty() {
        text += &format!("\n{}\n", told.sentences.join("\n"));
    }
    let mut zones = Table::new(&["ZONE", "WANTED", "ORDERED", "READY", "DRAINING", "MIN", "MAX"], paint);
    for row in &told.zones {
        let counts =
            [row.wanted, row.ordered, row.ready, row.draining, row.min].map(|count| count.to_string());
        let max = row.max.map_or_else(|| "-".to_owned(), |max| max.to_string());
        zones.row([row.zone.to_string()].into_iter().chain(counts).chain([max]));
    }
    let mut limits = Table::new(&["LIMIT OF", "USED", "OF"], paint);
    for row in &told.limits {
        limits.row([row.what.clone(), row.used.clone(), row.limit.clone()]);
    }
    let mut refused = Table::new(&["PODS WITHOUT A NODE", "HOW MANY", "WHY NOT FROM HERE"], paint);
    for row in &told.refused {
        refused.row([row.owner.clone(), row.count.to_string(), paint.bad(&row.why)]);
    }
    let mut orders = Table::new(&["ORDER", "NODES", "OF", "PHASE", "MESSAGE"], paint);
    for row in told.orders.iter().take(MOST_ORDERS) {
        let phase = if row.phase == "Failed" { paint.bad(&row.phase) } else { row.phase.clone() };
        let message = row.message.clone().unwrap_or_else(|| "-".to_owned());
        orders.row([row.order.to_string(), row.count.to_string(), row.offering.clone(), phase, message]);
    }
    let mut conditions = Table::new(&["CONDITION", "WHY"], paint);
    for condition in &told.conditions {
        let (kind, why) = condition.split_once(' ').unwrap_or((condition, ""));
        conditions.row([kind.to_owned(), why.to_owned()]);
    }
    with(
        &mut text,
        [zones, limits, offering_table(told, paint), refused, orders, node_table(&told.nodes, paint)],
    );
    if told.nodes.len() > MOST_NODES {
        text += &format!("… and {} more nodes (-o json has them all)\n", told.nodes.len() - MOST_NODES);
    }
    with(&mut text, [conditions]);
    text
}

fn planned(planned: &Planned, now: Timestamp, paint: Paint) -> String {
    let ago = Span::from_secs(now.since(planned.at).as_secs().max(0));
    let line = format!("Planned at {}, {ago} ago.\n", moment(planned.at));
    if planned.refused.is_some() { paint.bad(&line) } else { line }
}

fn with(text: &mut String, tables: impl IntoIterator<Item = Table>) {
    for table in tables.into_iter().filter(|table| !table.is_empty()) {
        *text += &format!("\n{}", table.render());
    }
}

fn place_table(place: Option<&PlaceRow>, paint: Paint) -> Table {
    let mut table = Table::new(&["WILL FIT ON", "WHICH IS", "OF POOL", "PER HOUR"], paint);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    if let Some(place) = place {
        let pool = place.pool.as_ref().map(ToString::to_string);
        let cells = [place.offering.clone(), pool, place.price_per_hour.clone()].map(or_dash);
        table.row([paint.good(&place.place)].into_iter().chain(cells));
    }
    table
}

fn passed_table(passed: &[PassedRow], paint: Paint) -> Table {
    let mut table = Table::new(&["NOT CONSIDERED", "OF POOL", "WHY", "ERROR"], paint);
    for row in passed {
        let error = row.error.clone().unwrap_or_else(|| "-".to_owned());
        table.row([row.offering.clone(), row.pool.to_string(), paint.bad(&row.why), error]);
    }
    table
}

fn offering_table(told: &PoolExplained, paint: Paint) -> Table {
    let mut table = Table::new(&["OFFERING", "PER HOUR", "STATE", "ERRORS", "LAST ERROR"], paint);
    for row in &told.offerings {
        let state = if row.considered { row.state.clone() } else { paint.bad(&row.state) };
        let error = row.error.clone().unwrap_or_else(|| "-".to_owned());
        let (offering, price) = (row.offering.clone(), row.price_per_hour.clone());
        table.row([offering, price, state, row.failures.to_string(), error]);
    }
    table
}

fn node_table(nodes: &[NodeRow], paint: Paint) -> Table {
    let mut table = Table::new(&["NODE", "ZONE", "FATE", "WHY"], paint);
    for row in nodes.iter().take(MOST_NODES) {
        let fate = if row.goes { paint.bad("goes") } else { paint.good("stays") };
        table.row([row.node.to_string(), row.zone.to_string(), fate, row.why.clone()]);
    }
    table
}
