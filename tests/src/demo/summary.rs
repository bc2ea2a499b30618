//! The figures in words.

use console::{Style, style};

use super::{
    figures::{Figures, ServiceFigures},
    model::Sample,
};

/// What a person reads at the end.
pub(super) fn summary(figures: &Figures) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(wave(figures));
    lines.extend(others(figures));
    let versions = &figures.versions;
    let ran_on =
        format!("Kubernetes {}, Plimsoll {} ({})", versions.kubernetes, versions.plimsoll, figures.commit);
    lines.push(style(ran_on).dim().to_string());
    for failure in &figures.failures {
        lines.push(format!("{} {failure}", style("FAILED:").red().bold()));
    }
    lines
}

fn wave(figures: &Figures) -> Vec<String> {
    let Some(service) = figures.wave() else { return Vec::new() };
    if service.changes.is_empty() {
        return vec![format!("{} did not scale", style(&service.name).bold())];
    }
    let mut lines = vec![format!("{} scaled {}", style(&service.name).bold(), sizes(service))];
    let after = |seconds: Option<f64>| {
        seconds.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds:.1} s"))
    };
    let peak = service.samples.iter().filter_map(|sample| sample.per_pod_milli).max().unwrap_or_default();
    let mut fact = |what: &str, value: String| lines.push(format!("  {what:<44} {value}"));
    let [quiet, high] = [figures.quiet_milli, figures.wave_milli].map(cores);
    fact("step in load", format!("{quiet} -> {high}; up to {peak}m a pod, target {}m", figures.target_milli));
    let first = Style::new().bold().apply_to(after(figures.first_decision));
    fact("from the step to the first decision", first.to_string());
    let enough = Style::new().bold().apply_to(after(figures.enough_ready));
    fact("from the step to enough ready pods", enough.to_string());
    fact("pods of the wave", zones(figures));
    if let Some((asked, lost)) = service.requests {
        let p95 = |sample: &Sample| sample.p95_millis;
        let before = service.samples.iter().filter(|sample| sample.at < 0.0).filter_map(p95).next_back();
        let worst = service.samples.iter().filter_map(p95).fold(0.0, f64::max);
        let carried = service.samples.iter().filter(|sample| Some(sample.at) < figures.step_down);
        let carried = carried.filter_map(p95).next_back();
        let millis =
            |millis: Option<f64>| millis.map_or_else(|| "-".to_owned(), |millis| format!("{millis:.0} ms"));
        let seen = format!("{} -> {} -> {}", millis(before), millis(Some(worst)), millis(carried));
        fact("p95 of its clients: before, at worst, carried", seen);
        fact("its requests", format!("{asked}, of which {lost} were not answered"));
    }
    fact("from the end of the wave to the minimum", after(figures.back_after));
    for change in &service.changes {
        let why = change.why.as_ref().map_or_else(|| "nobody said why".to_owned(), ToString::to_string);
        lines.push(format!("  {:>+7.1} s  {:>2} -> {:<2}  {why}", change.at, change.from, change.to));
    }
    lines
}

fn zones(figures: &Figures) -> String {
    let pods: Vec<_> = figures.zones.iter().map(|(_, pods)| pods.to_string()).collect();
    format!("{} over {} zones", pods.join(" + "), pods.len())
}

fn others(figures: &Figures) -> Vec<String> {
    let others = figures.services.iter().filter(|service| service.name != figures.wave);
    others.map(other).collect()
}

fn other(service: &ServiceFigures) -> String {
    let (least, most) = service.ready_least_most;
    let name = style(&service.name).bold();
    if service.changes.is_empty() && least == most {
        let requests = service.requests.map_or_else(String::new, |(asked, lost)| {
            format!("; of {asked} requests {lost} were not answered")
        });
        format!("{name} did not move: {least} wanted and {least} ready the whole time{requests}")
    } else {
        format!("{name} moved: {}; {least} to {most} ready", sizes(service))
    }
}

/// Where it was and where it went.
fn sizes(service: &ServiceFigures) -> String {
    let first = service.changes.first().map(|change| change.from);
    let sizes = first.into_iter().chain(service.changes.iter().map(|change| change.to));
    sizes.map(|size| size.to_string()).collect::<Vec<_>>().join(" -> ")
}

fn cores(milli: u64) -> String {
    format!("{}.{:02} cores", milli / 1000, milli % 1000 / 10)
}
