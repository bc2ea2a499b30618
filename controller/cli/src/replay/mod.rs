//! `plimsoll replay`: takes recent decisions again.

mod what_if;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use plimsoll_core::replicas::{Decision, Outcome, Policy};
use similar::{ChangeTag, TextDiff};

use crate::{
    End,
    args::{Connection, Replay},
    convert,
    explain::moment,
    history::{History, Kept, read},
    output::{Output, Paint, Table},
};

/// Replays what the operator keeps, or what was saved.
pub(crate) async fn run(args: &Replay, connection: &Connection, output: &mut impl Output) -> Result<End> {
    let (history, text) = match (&args.file, &args.name) {
        (Some(file), _) => History::read(file)?,
        (None, Some(name)) => {
            let namespace = connection.namespace().await;
            let found = History::fetch(connection, &namespace, name).await?;
            found.with_context(|| {
                format!("the operator keeps no decision on the PodScaler {namespace}/{name}")
            })?
        }
        (None, None) => bail!("name a PodScaler, or a file with --file"),
    };
    if let Some(file) = &args.save {
        fs::write(file, &text).with_context(|| format!("cannot write {}", file.display()))?;
        output.note(&format!("saved {} decisions to {}", history.decisions.len(), file.display()));
    }
    match &args.policy {
        None => again(&history, output),
        Some(file) => {
            let policy = policy(file)?;
            what_if::show(&history, &policy, output)
        }
    }
}

/// Decides again, and compares byte for byte.
fn again(history: &History, output: &mut impl Output) -> Result<End> {
    let paint = output.paint();
    let mut table = Table::new(&["DECIDED", "SIZE", "WHY", "REPLAYED"], paint);
    let mut differences = String::new();
    for record in history.decisions.iter().rev() {
        let answer = record.asked.answer();
        let replayed = serde_json::to_string(&answer)?;
        let same = replayed == record.decision.get();
        let verdict = if same { paint.good("the same") } else { paint.bad("DIFFERENT") };
        table.row([moment(record.asked.now()), size(&answer), why(&answer, &record.outcome), verdict]);
        if !same {
            differences += &format!("\nThe decision of {}:\n", moment(record.asked.now()));
            differences += &difference(record, &replayed, paint)?;
        }
    }
    output.print(&table.render())?;
    if differences.is_empty() {
        return Ok(End::Well);
    }
    output.print(&differences)?;
    let (theirs, ours) = (history.version.as_str(), env!("CARGO_PKG_VERSION"));
    output.note(&if theirs == ours {
        "error: a decision was not reproduced".to_owned()
    } else {
        format!("error: a decision was not reproduced; it was taken by Plimsoll {theirs}, and this is {ours}")
    });
    Ok(End::Amiss)
}

/// What was stored (-) against what was replayed (+), line by line.
fn difference(record: &Kept, replayed: &str, paint: Paint) -> Result<String> {
    let lines = |json: &str| -> Result<String> {
        Ok(serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(json)?)?)
    };
    let (stored, replayed) = (lines(record.decision.get())?, lines(replayed)?);
    let mut text = String::new();
    let diff = TextDiff::from_lines(&stored, &replayed);
    for change in diff.iter_all_changes() {
        let line = change.value().trim_end();
        match change.tag() {
            ChangeTag::Equal => {}
            ChangeTag::Delete => text += &format!("{}\n", paint.bad(&format!("- {line}"))),
            ChangeTag::Insert => text += &format!("{}\n", paint.good(&format!("+ {line}"))),
        }
    }
    if text.is_empty() {
        // The same values in other bytes: a number, or the order of fields.
        text = format!("- {stored}\n+ {replayed}\n");
    }
    Ok(text)
}

/// As in `3 -> 5`, or `3` when it stays.
fn size(decision: &Decision) -> String {
    if decision.is_rescale() {
        format!("{} -> {}", decision.current, decision.desired)
    } else {
        decision.current.to_string()
    }
}

/// Why the size is what it is, and what cut a change.
fn why(decision: &Decision, outcome: &Outcome) -> String {
    let mut words = vec![decision.why()];
    words
        .extend(decision.limits.last().filter(|_| decision.is_rescale()).map(|limit| limit.kind.to_string()));
    if let Outcome::Failed(error) = outcome {
        words.push(format!("could not be written: {error}"));
    }
    words.join("; ")
}

/// The policy of the only PodScaler or HorizontalPodAutoscaler in a file.
fn policy(file: &Path) -> Result<Policy> {
    let name = file.display().to_string();
    let policies = convert::policies(&name, &read(file)?)?;
    match <[Policy; 1]>::try_from(policies) {
        Ok([policy]) => Ok(policy),
        Err(policies) => bail!(
            "{name} has {} PodScalers and HorizontalPodAutoscalers: leave the one whose policy is to be tried",
            policies.len()
        ),
    }
}

#[cfg(test)]
mod tests;
