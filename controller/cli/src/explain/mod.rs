//! `plimsoll explain`: why a workload has the size it has, and why pods and nodes are where they are.

mod nodes;
mod status;
mod text;

pub(crate) use text::moment;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp as Clock;
use kube::Api;
use plimsoll_api::PodScaler;
use plimsoll_core::{replicas::Explanation, time::Timestamp};
use serde::Serialize;

use crate::{
    End,
    args::{Connection, Explain, Format, Object},
    history::{History, Kept},
    output::Output,
};

/// A decision and all that is known around it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    namespace: String,
    name: String,
    /// `operator` when it is the operator's newest decision, `status` when only the PodScaler's status was found.
    source: &'static str,
    /// When it was decided, in milliseconds since 1970.
    at: Option<Timestamp>,
    /// When the operator will look again, if it is known.
    next_look: Option<Timestamp>,
    /// By which algorithm, and between which bounds.
    policy: Option<String>,
    explanation: Explanation,
    /// The conditions that were set, as `Type=Status Reason: message`.
    conditions: Vec<String>,
}

/// Explains an object.
pub(crate) async fn run(args: &Explain, connection: &Connection, output: &mut impl Output) -> Result<End> {
    match args.object()? {
        Object::PodScaler(name) => newest_decision(&name, args.output, connection, output).await,
        object => nodes::run(&object, args.output, connection, output).await,
    }
}

/// Explains the newest decision on a PodScaler.
async fn newest_decision(
    name: &str,
    format: Format,
    connection: &Connection,
    output: &mut impl Output,
) -> Result<End> {
    let namespace = connection.namespace().await;
    let told = match History::fetch(connection, &namespace, name).await {
        Ok(Some((history, _))) => newest(&history)?,
        found => {
            let why = match found {
                Err(error) => format!("{error:#}"),
                Ok(_) => "it keeps no decision on this PodScaler".to_owned(),
            };
            output.note(&format!("The operator's own decisions cannot be read ({why}); this is the status:"));
            from_status(connection, &namespace, name).await?
        }
    };
    match format {
        Format::Json => output.print(&format!("{}\n", serde_json::to_string_pretty(&told)?))?,
        Format::Text => {
            let now = Timestamp::from_millis(Clock::now().as_millisecond());
            output.print(&text::render(&told, now, output.paint()))?;
        }
    }
    Ok(End::Well)
}

fn newest(history: &History) -> Result<Told> {
    let Some(record) = history.decisions.first() else { bail!("there is no decision") };
    told(history, record)
}

fn told(history: &History, record: &Kept) -> Result<Told> {
    let decision: plimsoll_core::replicas::Decision = serde_json::from_str(record.decision.get())
        .with_context(|| format!("a decision of Plimsoll {}", history.version))?;
    let input = record.asked.input();
    let policy = input.map(|input| {
        let policy = &input.policy;
        format!("{}, {} to {} pods", policy.algorithm, policy.min_replicas, policy.max_replicas)
    });
    Ok(Told {
        namespace: history.namespace.clone(),
        name: history.name.clone(),
        source: "operator",
        at: Some(record.asked.now()),
        next_look: history.next_look,
        policy,
        explanation: decision.explain(input, &record.outcome),
        conditions: decision.conditions.iter().map(ToString::to_string).collect(),
    })
}

async fn from_status(connection: &Connection, namespace: &str, name: &str) -> Result<Told> {
    let cluster = connection.cluster().await?;
    let scalers: Api<PodScaler> = Api::namespaced(cluster.client, namespace);
    let scaler =
        scalers.get(name).await.with_context(|| format!("cannot read the PodScaler {namespace}/{name}"))?;
    status::told(namespace, name, &scaler)
}

#[cfg(test)]
mod tests;
