//! `plimsoll explain pod`, `node` and `pool`: what the leader of what scales nodes says of one object.

mod text;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp as Clock;
use plimsoll_core::{
    nodes::explain::{NodeExplained, PodExplained, PoolExplained},
    time::Timestamp,
};
use serde_json::Value;

use crate::{
    End,
    args::{Connection, Format, Object},
    output::Output,
};

/// Explains an object of the plan.
pub(super) async fn run(
    object: &Object,
    format: Format,
    connection: &Connection,
    output: &mut impl Output,
) -> Result<End> {
    let namespace = match object {
        Object::Pod(_) => connection.namespace().await,
        _ => String::new(),
    };
    let planner = connection
        .planner()
        .await
        .context("what scales nodes cannot be asked (the chart installs it with nodes.enabled=true)")?;
    let Some(answer) = planner.get(&path(object, &namespace)).await? else {
        bail!(unknown(object, &namespace));
    };
    let explained: Value = serde_json::from_str(&answer).context("the operator's answer is no JSON")?;
    match format {
        Format::Json => output.print(&format!("{}\n", serde_json::to_string_pretty(&explained)?))?,
        Format::Text => {
            let now = Timestamp::from_millis(Clock::now().as_millisecond());
            let text = match object {
                Object::Node(_) => text::node(&read::<NodeExplained>(explained)?, now, output.paint()),
                Object::Pool(_) => text::pool(&read::<PoolExplained>(explained)?, now, output.paint()),
                Object::Pod(_) | Object::PodScaler(_) => {
                    text::pod(&read::<PodExplained>(explained)?, now, output.paint())
                }
            };
            output.print(&text)?;
        }
    }
    Ok(End::Well)
}

fn path(object: &Object, namespace: &str) -> String {
    match object {
        Object::Pod(name) | Object::PodScaler(name) => format!("/plan/pods/{namespace}/{name}"),
        Object::Node(name) => format!("/plan/nodes/{name}"),
        Object::Pool(name) => format!("/plan/pools/{name}"),
    }
}

fn unknown(object: &Object, namespace: &str) -> String {
    match object {
        Object::Pod(name) | Object::PodScaler(name) => format!(
            "no pod {namespace}/{name} is planned with: there is none, or it has ended (another namespace? --namespace)"
        ),
        Object::Node(name) => format!("there is no node {name}"),
        Object::Pool(name) => format!(
            "pool {name} is not planned with: either there is no CapacityPool {name}, or it cannot be read \
             (`kubectl describe capacitypool {name}` shows it)"
        ),
    }
}

/// # Errors
/// When the operator is of a version that answers otherwise.
fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T> {
    serde_json::from_value(answer).with_context(|| {
        format!(
            "plimsoll {} does not understand the operator's answer: try -o json",
            env!("CARGO_PKG_VERSION")
        )
    })
}

#[cfg(test)]
mod tests;
