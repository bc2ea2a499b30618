//! `docs/conformance/bound.md` and `bound.json`: what the last full run came to.

use std::{fmt::Write as _, fs, process::Command};

use anyhow::Result;
use serde_json::{Value, json};
use testbed::tools::{Tools, repository};

use crate::{
    campaign::{Campaign, say},
    outcome::{Tally, percent},
};

/// Writes both.
pub(crate) fn write(campaign: &Campaign, told: &Tally, alone: &Tally) -> Result<()> {
    let date = output("date", &["-u", "+%Y-%m-%d"]);
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    let changed = if output("git", &["status", "--porcelain"]).is_empty() { "" } else { " with changes" };
    let figures = json!({
        "date": date,
        "commit": format!("{commit}{changed}"),
        "kubernetes": Tools::ensure()?.kubernetes_version(),
        "seed": campaign.seed,
        "nominated": figures(told),
        "alone": figures(alone),
    });
    let folder = repository().join("docs/conformance");
    fs::write(folder.join("bound.json"), serde_json::to_string_pretty(&figures)? + "\n")?;
    fs::write(folder.join("bound.md"), page(&figures, told))?;
    say(&format!("written to {}", folder.join("bound.md").display()));
    Ok(())
}

fn figures(tally: &Tally) -> Value {
    let of = &tally.sum;
    let rounded = |number: f64| (number * 100.0).round() / 100.0;
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    json!({
        "cases": tally.cases,
        "nodesThere": tally.nodes_there,
        "pods": of.pods,
        "promised": of.promised,
        "promisedOnNodesThere": of.on_free_room,
        "unbound": of.unbound.len(),
        "unboundPercent": rounded(percent(count(of.unbound.len()), count(of.promised))),
        "elsewhere": of.elsewhere,
        "nodesOrdered": of.nodes,
        "nodesEmpty": of.empty.len(),
        "plansRefused": of.refused.len(),
        "whyRefused": of.refused,
        "differences": tally.wrong,
        "nodesAtLeast": of.nodes_at_least,
        "pricePerHour": rounded(of.price),
        "priceAtLeast": rounded(of.price_at_least),
        "priceOverBoundPercent": rounded(percent(of.price, of.price_at_least) - 100.0),
    })
}

fn page(figures: &Value, told: &Tally) -> String {
    let mut rows = String::new();
    let lines = [
        ("cases", "cases"),
        ("plans that the audit refused", "plansRefused"),
        ("nodes that were there", "nodesThere"),
        ("pods that waited", "pods"),
        ("promised a place", "promised"),
        ("of these on nodes that were there", "promisedOnNodesThere"),
        ("**promised and not bound**", "unbound"),
        ("that is, in percent", "unboundPercent"),
        ("bound on another node than planned", "elsewhere"),
        ("nodes ordered", "nodesOrdered"),
        ("**of these empty at the end**", "nodesEmpty"),
        ("nodes that no plan can do without", "nodesAtLeast"),
        ("price per hour of what was ordered", "pricePerHour"),
        ("that no plan can do without", "priceAtLeast"),
        ("over it, in percent", "priceOverBoundPercent"),
    ];
    for (what, field) in lines {
        let _ = writeln!(rows, "| {what} | {} | {} |", figures["nominated"][field], figures["alone"][field]);
    }
    let mut wishes = String::new();
    for (wish, groups) in &told.wishes {
        let _ = writeln!(wishes, "| {wish} | {groups} |");
    }
    let text = |field: &str| figures[field].as_str().unwrap_or_default().to_owned();
    format!(
        "# What was planned, and what kube-scheduler binds\n\n\
         Written by `make conformance`; do not edit. How it works: `tests/tests/scheduler_binds`.\n\n\
         For generated pools, nodes and pods the core plans what the operator would, from what the API server shows; the\n\
         provider `kwok` makes the nodes. The real kube-scheduler has the pods in the order of the plan: those for nodes that are\n\
         there before another comes, as pods that fit are bound within milliseconds and a node takes a minute, and the others\n\
         when all nodes are ready. A pod that was promised a place has to be bound, and a node that was ordered has to be used.\n\n\
         | | |\n| --- | --- |\n\
         | date | {date} |\n| commit | {commit} |\n| Kubernetes | {kubernetes} |\n| seed | {seed} |\n\n\
         «Nominated»: pods are told their node in `status.nominatedNodeName`, as by the operator. «Alone»: the scheduler goes by\n\
         its own scores; pods that it has scattered so that others fit nowhere are what a next plan would order for.\n\n\
         | | nominated | alone |\n| --- | ---: | ---: |\n{rows}\n\
         What no plan can do without: let weights over cpu, memory, the number of pods, and the number of nodes that pods which\n\
         keep apart need, sum to 1, and take what the promised pods need of each beyond what is free. The cheapest price per\n\
         weighted share of that is a price that no plan is below; the highest over many weights is told. It knows nothing of\n\
         zones, affinity, or that machines come whole, so a plan at the bound is rarely possible.\n\n\
         A plan that the audit refuses is not carried out and promises nothing.\n\n\
         Why nominated pods may be scattered all the same: kube-scheduler counts all pods that are nominated to a node when it\n\
         asks whether one more may go there, also for a spread constraint. So no more of a spread are nominated for a node than\n\
         it may be uneven, and the others go to any node that takes them, perhaps to room that was meant for another.\n\n\
         ## What groups of pods asked for\n\n| | groups |\n| --- | ---: |\n{wishes}",
        date = text("date"),
        commit = text("commit"),
        kubernetes = text("kubernetes"),
        seed = figures["seed"],
    )
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(repository()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
