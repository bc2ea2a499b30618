//! What another policy would have decided on the same inputs.

use std::collections::BTreeSet;

use anyhow::Result;
use plimsoll_core::{
    replicas::{Asked, Decision, Input, Memory, Outcome, Policy, Reading, ReadingError, decide},
    time::Timestamp,
};

use super::{size, why};
use crate::{
    End,
    explain::moment,
    history::{History, Kept},
    output::{Output, Table},
};

/// One moment under both policies.
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) old: Decision,
    /// None where something stood in the way of both.
    pub(super) new: Option<Decision>,
}

/// Shows both side by side.
pub(super) fn show(history: &History, policy: &Policy, output: &mut impl Output) -> Result<End> {
    let records: Vec<&Kept> = history.decisions.iter().rev().collect();
    for metric in unread(&records, policy) {
        output.note(&format!(
            "note: {metric} was not read when these decisions were taken, so under the new policy it counts as failed"
        ));
    }
    let paint = output.paint();
    let mut table = Table::new(&["DECIDED", "OLD", "NEW", "WHY, BY THE NEW POLICY"], paint);
    let mut differ = 0;
    let moments = replay(&records, policy)?;
    for Moment { at, old, new } in &moments {
        let Some(new) = new else {
            table.row([moment(*at), size(old), "-".to_owned(), why(old, &Outcome::Nothing)]);
            continue;
        };
        let differs = new.desired != old.desired;
        differ += usize::from(differs);
        let shown = if differs { paint.strong(&size(new)) } else { size(new) };
        table.row([moment(*at), size(old), shown, why(new, &Outcome::Nothing)]);
    }
    output.print(&table.render())?;
    output.note(&format!(
        "{differ} of {} decisions differ. Each starts from the size and the load that were found at the time; what the new \
         policy recommended before is remembered from one to the next.",
        moments.len()
    ));
    Ok(End::Well)
}

/// Decides each again under `policy`, oldest first.
///
/// The sizes that were found are those that the old policy led to, so budgets of rate policies count what was really
/// changed; windows hold what the new policy recommended.
pub(super) fn replay(records: &[&Kept], policy: &Policy) -> Result<Vec<Moment>> {
    let mut memory: Option<Memory> = None;
    let mut moments = Vec::new();
    for record in records {
        let old: Decision = serde_json::from_str(record.decision.get())?;
        let at = record.asked.now();
        let Asked::Decide { input, memory: before } = &record.asked else {
            moments.push(Moment { at, old, new: None });
            continue;
        };
        let input = under(input, policy);
        let before = memory.as_ref().unwrap_or(before);
        let (new, after) = decide(&input, before);
        memory = Some(if record.outcome == Outcome::Written { after.rescaled(&input, &old) } else { after });
        moments.push(Moment { at, old, new: Some(new) });
    }
    Ok(moments)
}

/// The same moment for another policy: each of its metrics gets the reading of what measures the same.
fn under(input: &Input, policy: &Policy) -> Input {
    let reading = |index: usize| {
        let wanted = &policy.metrics[index];
        let found = input.policy.metrics.iter().position(|metric| metric.measures_as(wanted));
        found.and_then(|found| input.readings.get(found)).cloned().unwrap_or_else(|| {
            Reading::Failed(ReadingError::Fetch("it was not read when this decision was taken".to_owned()))
        })
    };
    let readings = (0..policy.metrics.len()).map(reading).collect();
    Input { policy: policy.clone(), readings, ..input.clone() }
}

/// The metrics of `policy` that some decision has no reading of, by the names they have in conditions.
fn unread(records: &[&Kept], policy: &Policy) -> BTreeSet<String> {
    let inputs: Vec<&Input> = records.iter().filter_map(|record| record.asked.input()).collect();
    let lacks = |index: usize| {
        let wanted = &policy.metrics[index];
        inputs.iter().any(|input| !input.policy.metrics.iter().any(|metric| metric.measures_as(wanted)))
    };
    (0..policy.metrics.len())
        .filter(|index| lacks(*index))
        .map(|index| policy.metrics[index].to_string())
        .collect()
}
