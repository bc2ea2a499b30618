//! The wave of load: up in one step, held until all is calm, and down again.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{
    Options, Stage,
    model::{EntryKind, Model, Service},
    set_up::Step,
    shop::{Loads, TIMES, WAVE, quiet_milli},
    verdict::{is_back, is_calm, is_enough},
};

/// How long each part may take.
struct Patience {
    settle: Duration,
    up: Duration,
    calm: Duration,
    down: Duration,
}

/// A decision comes within 25 s: 10 s until metrics-server looks, 15 s until the operator looks.
const PATIENCE: Patience = Patience {
    settle: Duration::from_secs(90),
    up: Duration::from_secs(90),
    calm: Duration::from_secs(90),
    down: Duration::from_secs(150),
};
/// Long enough to see that nothing happens.
const UP_WITHOUT_OPERATOR: Duration = Duration::from_secs(40);

/// When the parts of the wave began, since the start. A part that never began has no time.
#[derive(Clone, Debug, Default)]
pub(super) struct Acts {
    /// All services had what they needed, and nothing was to change from now on but the one.
    pub(super) settled: Duration,
    /// Then the Deployments' generations were these, in the order of the services.
    pub(super) generations: Vec<i64>,
    /// The load went up.
    pub(super) up: Duration,
    /// To this, in thousandths of a core.
    pub(super) wave_milli: u64,
    /// The load went down.
    pub(super) down: Option<Duration>,
    /// The zones of the ready pods when the wave was carried.
    pub(super) zones: Vec<(String, u32)>,
}

/// Drives the wave. An error when it could not even begin.
pub(super) async fn drive(stage: &Stage, loads: &Loads<'_>, options: &Options) -> Result<Acts> {
    let step =
        Step::start(stage, "waiting until metrics-server has seen all pods and the operator their metrics");
    // Without an operator nobody looks.
    let settled = |model: &Model| {
        model.services.iter().all(|service| {
            service.is_settled()
                || options.without_operator && service.usage.is_some_and(|usage| usage.pods == 2)
        })
    };
    let in_time = stage.until(PATIENCE.settle, settled).await;
    ensure!(in_time, "the quiet shop did not settle within {:?}: {}", PATIENCE.settle, stage.see(unsettled));
    step.done("all three services are steady at their quiet load");
    let mut acts = Acts { settled: stage.now(), ..Acts::default() };
    acts.generations = stage.see(|model| model.services.iter().map(|service| service.generation).collect());

    acts.wave_milli = quiet_milli(WAVE) * TIMES;
    acts.up = set_load(stage, loads, WAVE, acts.wave_milli).await?;
    if let Some(other) = &options.disturb {
        set_load(stage, loads, other, quiet_milli(other) * TIMES).await?;
    }
    stage.doing("waiting for enough ready pods");
    let patience = if options.without_operator { UP_WITHOUT_OPERATOR } else { PATIENCE.up };
    if !stage.until(patience, |model| model.service(WAVE).is_some_and(is_enough)).await {
        return Ok(acts);
    }
    stage.doing("enough pods are ready; waiting until metrics-server has seen them all");
    if !stage.until(PATIENCE.calm, |model| model.service(WAVE).is_some_and(is_calm)).await {
        return Ok(acts);
    }
    acts.zones = stage.see(|model| {
        let zones = model.service(WAVE).map(|service| service.zones.clone());
        zones.into_iter().flatten().collect()
    });

    acts.down = Some(set_load(stage, loads, WAVE, quiet_milli(WAVE)).await?);
    stage.doing("the wave is over; waiting for the way down");
    let is_over = |service: &Service| is_back(service) && service.is_explained();
    stage.until(PATIENCE.down, |model| model.service(WAVE).is_some_and(is_over)).await;
    stage.tell(Model::sample);
    Ok(acts)
}

async fn set_load(stage: &Stage, loads: &Loads<'_>, name: &str, milli: u64) -> Result<Duration> {
    let at = stage.now();
    stage.tell(|model, at| {
        let before = model.service(name).map_or(0, |service| service.load_milli);
        #[allow(clippy::cast_precision_loss)]
        let cores = [before, milli].map(|milli| milli as f64 / 1000.0);
        let text =
            format!("the load on {name} goes from {:.2} to {:.2} cores in one step", cores[0], cores[1]);
        model.note(at, EntryKind::Load, text);
        if let Some(service) = model.service_mut(name) {
            service.load_milli = milli;
        }
    });
    loads.set(name, milli).await?;
    Ok(at)
}

/// Why the shop is not steady yet.
fn unsettled(model: &Model) -> String {
    let waiting = model.services.iter().filter(|service| !service.is_settled());
    let say = |service: &Service| {
        let why = service.scaler.as_ref().map(|scaler| scaler.why.to_string()).unwrap_or_default();
        let seen = service.usage.map_or(0, |usage| usage.pods);
        format!(
            "{} wants {:?}, {} are ready, metrics of {seen} are known, its PodScaler says {why:?}",
            service.name, service.wanted, service.ready
        )
    };
    waiting.map(say).collect::<Vec<_>>().join("; ")
}
