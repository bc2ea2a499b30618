//! The figures as tables, in a page that says more.

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result};

use super::figures::{Alone, Figures, Row};
use super::solve::{Ours, Removal, Solution};

const BEGIN: &str = "<!-- plan: written by make bench -->\n";
const END: &str = "<!-- /plan -->\n";

/// Puts the tables between the marks of a page.
pub(super) fn write(figures: &Figures, path: &Path) -> Result<()> {
    let page = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let marks = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = marks.with_context(|| format!("{} lacks {BEGIN}{END}", path.display()))?;
    let tables = tables(figures).context("cannot be written down")?;
    fs::write(path, format!("{head}{BEGIN}{tables}{END}{tail}")).with_context(|| path.display().to_string())
}

fn tables(figures: &Figures) -> Result<String, std::fmt::Error> {
    let Figures { karpenter, karpenter_flags, seed, commit, cores, load_average: [first, last], .. } =
        figures;
    let day = figures.date.split('T').next().unwrap_or_default();
    let mut text = String::new();
    writeln!(
        text,
        "{day}, commit `{commit}`, Karpenter {karpenter} (`{}`), seed {seed}, {cores} cores with a load average of {first} at the\n\
         start and {last} at the end. Every plan of ours was audited, and that is part of its time.\n",
        karpenter_flags.join(" ")
    )?;
    writeln!(
        text,
        "| pods | Plimsoll | to take them in | Karpenter | times as fast | nodes | price per hour | at least |"
    )?;
    writeln!(text, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for row in &figures.rows {
        let Row {
            mix,
            pods,
            ours,
            auditing_seconds: _,
            taking_in_seconds,
            theirs,
            times_as_fast,
            nodes_at_least,
            price_at_least,
            breach,
        } = row;
        writeln!(
            text,
            "| {} {mix}{} | {} | {taking_in_seconds:.3} s | {} | {times_as_fast:.0} | {} and {} | {:.1} and {:.1} | {nodes_at_least}, {price_at_least:.1} |",
            thousands(*pods),
            if breach.is_some() { ", **refused by the audit**" } else { "" },
            speed(ours),
            speed(theirs),
            thousands(ours.nodes),
            thousands(theirs.nodes),
            ours.price,
            theirs.price,
        )?;
    }
    let Alone { two_classes, large, removal } = &figures.alone;
    let Ours { solution: two, auditing_seconds, taking_in_seconds, .. } = two_classes;
    let ms = |seconds: f64| format!("{:.1} ms", seconds * 1000.0);
    writeln!(text, "\n| by Plimsoll alone | |\n| --- | ---: |")?;
    let pods = format!("{} pods of two classes", thousands(two.pods));
    let estimate = ms(two.seconds - auditing_seconds);
    writeln!(text, "| {pods} onto {} nodes: the plan | {estimate} |", thousands(two.nodes))?;
    writeln!(text, "| its audit | {} |", ms(*auditing_seconds))?;
    writeln!(text, "| taking these pods in before | {} |", ms(*taking_in_seconds))?;
    let cluster = format!("{} nodes with {} pods", thousands(large.nodes), thousands(large.pods));
    writeln!(text, "| {cluster}, from scratch | {} |", ms(large.from_scratch_seconds))?;
    writeln!(text, "| {cluster}, after one change | {} |", ms(large.after_one_change_seconds))?;
    writeln!(text, "| peak memory of the process once it knows {cluster} | {} MiB |", large.view_mebibytes)?;
    let Removal { nodes, pods, removed, bought, seconds, auditing_seconds, breach } = removal;
    let fleet = format!("{} nodes with {} pods, a third in use", thousands(*nodes), thousands(*pods));
    let refused = if breach.is_some() { ", **refused by the audit**" } else { "" };
    let found = format!("{} go, {} are bought{refused}", thousands(*removed), thousands(*bought));
    writeln!(text, "| {fleet}: what can go ({found}) | {} |", ms(*seconds))?;
    writeln!(text, "| its audit | {} |", ms(*auditing_seconds))?;
    Ok(text)
}

fn speed(of: &Solution) -> String {
    let left = if of.unplaced > 0 { format!(", {} left", of.unplaced) } else { String::new() };
    let rate = f64::from(of.pods) / of.seconds;
    format!("{:.3} s, {rate:.0} pods/s{left}", of.seconds)
}

/// With commas between thousands.
fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        let told: Vec<String> = [0, 999, 1000, 51_000, 1_234_567].map(thousands).to_vec();
        assert_eq!(told, ["0", "999", "1,000", "51,000", "1,234,567"]);
    }
}
