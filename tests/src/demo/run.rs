//! One run, from an empty machine to the verdict.

use std::{mem, path::PathBuf, pin::pin, process::ExitCode};

use anyhow::{Context, Result};
use console::Term;
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
};

use super::{
    Options, Stage,
    figures::Figures,
    keep::keep,
    model::Model,
    plot,
    screen::{Screen, is_colorful},
    set_up::{Step, set_up},
    shop::names,
    summary::summary,
    verdict::judge,
    wave,
};
use crate::{Cluster, ClusterSpec, tools, tools::Tools, traffic::Bed};

/// Where the demo plays.
pub(super) enum Ground {
    /// A cluster whose pods do nothing.
    Cluster(Cluster),
    /// One whose pods answer, with a front door.
    FrontDoor(Bed),
}

impl Ground {
    /// The cluster.
    pub(super) fn cluster(&self) -> &Cluster {
        match self {
            Self::Cluster(cluster) => cluster,
            Self::FrontDoor(bed) => &bed.cluster,
        }
    }

    /// Ends everything but the cluster.
    fn into_cluster(self) -> Cluster {
        match self {
            Self::Cluster(cluster) => cluster,
            Self::FrontDoor(bed) => bed.cluster,
        }
    }
}

/// What a shell expects of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Runs the demo. A failure when what should have happened did not.
///
/// All that it started ends with it, also on Ctrl-C and SIGTERM, unless it is to be kept.
pub async fn run(options: &Options) -> Result<ExitCode> {
    console::set_colors_enabled(is_colorful());
    // The first time it takes minutes and says how far it is.
    spawn_blocking(Tools::ensure).await??;
    let mut interrupted = pin!(interrupted());
    let stage = Stage::new(Model::new(&names()));
    let screen = Screen::start(stage.clone());
    let started = select! {
        started = start(&stage, options) => Some(started),
        _ = &mut interrupted => None,
    };
    let ground = match started {
        Some(Ok(ground)) => ground,
        not_started => {
            screen.end().await;
            return not_started.map_or_else(
                || Ok(ExitCode::from(INTERRUPTED)),
                |failed| Err(failed.err().context("no cluster")?),
            );
        }
    };
    let played = select! {
        played = play(&ground, &stage, options) => Some(played),
        _ = &mut interrupted => None,
    };
    screen.end().await;
    let cluster = ground.into_cluster();
    match played {
        Some(Ok(figures)) => finish(cluster, &figures, options).await,
        Some(Err(failure)) => {
            cluster.stop().await?;
            Err(failure)
        }
        None => {
            say(["", "Interrupted: ending the cluster."]);
            cluster.stop().await?;
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

async fn start(stage: &Stage, options: &Options) -> Result<Ground> {
    let spec = ClusterSpec::default();
    let what = format!("{} nodes in {} zones", spec.zones.len() * spec.nodes_per_zone, spec.zones.len());
    let step = Step::start(stage, &format!("starting a cluster with {what}"));
    let (ground, how) = if options.ingress {
        (Ground::FrontDoor(Bed::start().await?), ", whose pods answer, and with Traefik as its front door")
    } else {
        (Ground::Cluster(Cluster::start(spec).await?), "")
    };
    let version = ground.cluster().tools().kubernetes_version();
    step.done(&format!("Kubernetes {version} is up with {what}{how}"));
    Ok(ground)
}

async fn play(ground: &Ground, stage: &Stage, options: &Options) -> Result<Figures> {
    let shop = set_up(ground, stage, options).await?;
    let acts = wave::drive(stage, &shop.loads, options).await?;
    let verdict = stage.see(|model| judge(model, &acts));
    let figures = stage.see(|model| Figures::new(model, &acts, &verdict, shop.versions, options.command()));
    if options.keep {
        // Dropping it would end the load.
        mem::forget(shop.loads);
    }
    Ok(figures)
}

/// Tells what came out, and keeps or ends the cluster.
async fn finish(cluster: Cluster, figures: &Figures, options: &Options) -> Result<ExitCode> {
    say(summary(figures));
    let raw = target_dir().join("demo/summary.json");
    figures.write(&raw)?;
    say([format!("figures: {}", shown(&raw))]);
    if let Some(svg) = &options.svg {
        plot::draw(figures, svg)?;
        figures.write(&svg.with_extension("json"))?;
        say([format!("picture: {}", shown(svg))]);
    }
    if options.keep {
        say(keep(cluster)?);
    } else {
        cluster.stop().await?;
    }
    Ok(if figures.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ctrl-C or SIGTERM.
async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn say(lines: impl IntoIterator<Item = impl AsRef<str>>) {
    let term = Term::stdout();
    for line in lines {
        // Nobody reads it any more.
        let _ = term.write_line(line.as_ref());
    }
}

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tools::repository().join("target"), PathBuf::from)
}

/// A path as seen from the top of the work tree.
fn shown(path: &std::path::Path) -> String {
    path.strip_prefix(tools::repository()).unwrap_or(path).display().to_string()
}
