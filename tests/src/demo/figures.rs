//! The raw figures of a run, as they are written to a file and drawn.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{
    model::{Change, Model, Sample, Service, Why},
    plot,
    shop::{TIMES, WAVE, quiet_milli},
    verdict::{TOLERANCE, Verdict},
    wave::Acts,
};
use crate::tools::repository;

/// Everything that is known of a run. Times are seconds since the step in load, unless they say otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// When it was, in UTC.
    pub(super) date: String,
    /// Of the work tree, with `-dirty` when it had changes.
    pub(super) commit: String,
    pub(super) versions: Versions,
    /// What a person types to see the same.
    #[serde(default = "demo")]
    pub(super) command: String,
    /// The service with the wave.
    pub(super) wave: String,
    /// What a pod of it should use, in thousandths of a core.
    pub(super) target_milli: u64,
    /// The share above the target that is still on target.
    pub(super) tolerance: f64,
    /// Before and after the wave, in thousandths of a core.
    pub(super) quiet_milli: u64,
    /// During the wave, in thousandths of a core.
    pub(super) wave_milli: u64,
    /// When the wave ended.
    pub(super) step_down: Option<f64>,
    /// When the replicas were first changed.
    pub(super) first_decision: Option<f64>,
    /// When the ready pods first carried the load at their target.
    pub(super) enough_ready: Option<f64>,
    /// From the end of the wave to the minimum, in seconds.
    pub(super) back_after: Option<f64>,
    /// Ready pods of each zone when the wave was carried.
    pub(super) zones: Vec<(String, u32)>,
    pub(super) services: Vec<ServiceFigures>,
    /// What should not have been; empty when all is well.
    pub(super) failures: Vec<String>,
}

/// What it ran on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Versions {
    pub(super) kubernetes: String,
    pub(super) plimsoll: String,
}

/// One service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ServiceFigures {
    pub(super) name: String,
    /// Changes of the replicas since all services were steady.
    pub(super) changes: Vec<Decision>,
    /// The fewest and the most ready pods since then.
    pub(super) ready_least_most: (u32, u32),
    pub(super) samples: Vec<Sample>,
    /// Requests of its clients, if they are real: all, and those that were not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) requests: Option<(u64, u64)>,
}

/// One change of the replicas.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Decision {
    pub(super) at: f64,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) why: Option<Why>,
}

impl Figures {
    pub(super) fn new(
        model: &Model,
        acts: &Acts,
        verdict: &Verdict,
        versions: Versions,
        command: &str,
    ) -> Self {
        let seconds = |time: std::time::Duration| round(time.as_secs_f64());
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            commit: commit(),
            versions,
            command: command.to_owned(),
            wave: WAVE.to_owned(),
            target_milli: model.service(WAVE).and_then(Service::target_milli).unwrap_or_default(),
            tolerance: TOLERANCE,
            quiet_milli: quiet_milli(WAVE),
            wave_milli: quiet_milli(WAVE) * TIMES,
            step_down: acts.down.map(|down| seconds(down) - seconds(acts.up)),
            first_decision: verdict.first_decision.map(seconds),
            enough_ready: verdict.enough.map(seconds),
            back_after: verdict.back.map(seconds),
            zones: acts.zones.clone(),
            services: model.services.iter().map(|service| service_figures(service, acts)).collect(),
            failures: verdict.failures.clone(),
        }
    }

    /// The service with the wave.
    pub(super) fn wave(&self) -> Option<&ServiceFigures> {
        self.services.iter().find(|service| service.name == self.wave)
    }

    /// Writes them as JSON.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // One sample in a line, so that a person can read the rest.
        let mut text = serde_json::to_string_pretty(self)?;
        for service in &self.services {
            for sample in &service.samples {
                let indented = indent(&serde_json::to_string_pretty(sample)?, 8);
                text = text.replacen(&indented, &serde_json::to_string(sample)?, 1);
            }
        }
        fs::write(path, text + "\n").with_context(|| path.display().to_string())
    }
}

/// Draws a run again from its figures.
pub fn redraw(figures: &Path, svg: &Path) -> Result<()> {
    let text = fs::read_to_string(figures).with_context(|| figures.display().to_string())?;
    let figures: Figures = serde_json::from_str(&text).with_context(|| figures.display().to_string())?;
    plot::draw(&figures, svg)
}

fn service_figures(service: &Service, acts: &Acts) -> ServiceFigures {
    let up = acts.up.as_secs_f64();
    let decision = |change: &Change| Decision {
        at: round(change.at.as_secs_f64() - up),
        from: change.from,
        to: change.to,
        why: change.why.clone(),
    };
    let before = service.ready_since.iter().rfind(|(at, _)| *at <= acts.settled);
    let since = service.ready_since.iter().filter(|(at, _)| *at > acts.settled);
    let ready = || before.into_iter().chain(since.clone()).map(|(_, ready)| *ready);
    let samples = service.samples.iter().filter(|sample| sample.wanted > 0);
    ServiceFigures {
        name: service.name.clone(),
        changes: service.changes.iter().filter(|change| change.at >= acts.settled).map(decision).collect(),
        ready_least_most: (ready().min().unwrap_or_default(), ready().max().unwrap_or_default()),
        requests: service.seen.map(|seen| (seen.asked, seen.lost)),
        samples: samples.map(|sample| Sample { at: round(sample.at - up), ..*sample }).collect(),
    }
}

/// Of the work tree, with `-dirty` when it has changes.
pub(crate) fn commit() -> String {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .current_dir(repository())
        .output();
    let text =
        git.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "unknown".to_owned() } else { text }
}

/// Before there was another.
fn demo() -> String {
    "make demo".to_owned()
}

/// To hundredths of a second.
fn round(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

fn indent(text: &str, spaces: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(spaces)))
}
