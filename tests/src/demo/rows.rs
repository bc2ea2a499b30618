//! The model as lines of text: the table, the history of the wave, one line for each thing that happened.

use std::time::Duration;

use console::{Style, measure_text_width, style, truncate_str};

use super::{
    model::{Entry, EntryKind, Model, Service},
    shop::WAVE,
    verdict::TOLERANCE,
};

const HEAD: [&str; 7] = ["SERVICE", "LOAD", "PER POD", "TARGET", "REPLICAS", "ZONES", "LAST DECISION"];
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of the history; each is at least a second.
const MOST_COLUMNS: usize = 90;

/// Head and one row for each service, cut to `width`.
pub(super) fn table(model: &Model, width: usize) -> Vec<String> {
    let head = HEAD.map(|title| style(title).dim().to_string());
    let mut rows = vec![head];
    rows.extend(model.services.iter().map(cells));
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = measure_text_width(cell).max(*width);
        }
    }
    let line = |row: &[String; HEAD.len()]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| pad(cell, width)).collect();
        fit(cells.join("  ").trim_end(), width)
    };
    rows.iter().map(line).collect()
}

/// One line for each thing that happened.
pub(super) fn entry(entry: &Entry) -> String {
    let text = match entry.kind {
        EntryKind::Step => style(entry.text.as_str()),
        EntryKind::Load => style(entry.text.as_str()).yellow(),
        EntryKind::Change => style(entry.text.as_str()).bold(),
    };
    format!("{} {text}", style(format!("[{}]", clock(entry.at))).dim())
}

/// The wave over time, if it is long enough to be seen.
pub(super) fn history(model: &Model, width: usize) -> Vec<String> {
    let Some(service) = model.service(WAVE).filter(|service| service.samples.len() > 2) else {
        return Vec::new();
    };
    let from = service.samples.iter().position(|sample| sample.ready > 0).unwrap_or_default();
    let samples = &service.samples[from..];
    let target = service.target_milli().unwrap_or(1);
    // On one scale: the load as the pods it takes at their target.
    let needed: Vec<_> = samples.iter().map(|sample| as_f64(sample.load_milli) / as_f64(target)).collect();
    let wanted: Vec<_> = samples.iter().map(|sample| f64::from(sample.wanted)).collect();
    let ready: Vec<_> = samples.iter().map(|sample| f64::from(sample.ready)).collect();
    let top = needed.iter().chain(&wanted).chain(&ready).fold(0.0_f64, |top, value| top.max(*value));
    let columns = width.saturating_sub(20).min(MOST_COLUMNS);
    let last = |values: &[f64]| values.last().copied().unwrap_or_default();
    let row = |name: &str, values: &[f64], color: Style, now: String| {
        let line = color.apply_to(sparkline(values, top, columns));
        fit(&format!("  {name:<7} {line} {now}"), width)
    };
    vec![
        fit(&style(format!("{WAVE}: load, and the pods wanted and ready for it")).dim().to_string(), width),
        row("load", &needed, Style::new().yellow(), format!("{:.1} pods", last(&needed))),
        row("wanted", &wanted, Style::new().cyan(), format!("{}", last(&wanted))),
        row("ready", &ready, Style::new().green(), format!("{}", last(&ready))),
    ]
}

/// Minutes and seconds.
pub(super) fn clock(at: Duration) -> String {
    format!("{:>2}:{:04.1}", at.as_secs() / 60, at.as_secs_f64() % 60.0)
}

/// Cuts a line with colours to `width`.
pub(super) fn fit(line: &str, width: usize) -> String {
    truncate_str(line, width, "…").into_owned()
}

fn cells(service: &Service) -> [String; HEAD.len()] {
    let target = service.target_milli();
    let per_pod = match (service.usage, target) {
        (Some(usage), Some(target)) => {
            let ratio = as_f64(usage.per_pod_milli) / as_f64(target);
            let text = format!("{}m", usage.per_pod_milli);
            let text = if ratio > 2.0 {
                style(text).red().bold()
            } else if ratio > 1.0 + TOLERANCE {
                style(text).yellow()
            } else {
                style(text).green()
            };
            text.to_string()
        }
        _ => style("-").dim().to_string(),
    };
    let wanted = service.wanted.unwrap_or_default();
    let replicas = if service.ready == wanted {
        format!("{} ready", service.ready)
    } else {
        style(format!("{} ready of {wanted}", service.ready)).yellow().to_string()
    };
    let short = |zone: &str| zone.strip_prefix("zone-").unwrap_or(zone).to_owned();
    let zones: Vec<_> = service.zones.iter().map(|(zone, pods)| format!("{}:{pods}", short(zone))).collect();
    let why = service.scaler.as_ref().map(|scaler| scaler.why.to_string()).unwrap_or_default();
    [
        style(&service.name).bold().to_string(),
        load(service),
        per_pod,
        target.map_or_else(|| "-".to_owned(), |target| format!("{target}m")),
        replicas,
        zones.join(" "),
        why,
    ]
}

/// What it is, or what its clients make of it.
fn load(service: &Service) -> String {
    let Some(seen) = service.seen else {
        return format!("{:.2} cores", as_f64(service.load_milli) / 1000.0);
    };
    let p95 = seen.p95_millis.map_or_else(|| "-".to_owned(), |millis| format!("{millis:.0} ms"));
    let text = format!("{:.0}/s, p95 {p95}", seen.per_second);
    if seen.lost_lately == 0 {
        text
    } else {
        style(format!("{text}, {} lost", seen.lost_lately)).red().to_string()
    }
}

fn pad(cell: &str, width: usize) -> String {
    format!("{cell}{}", " ".repeat(width.saturating_sub(measure_text_width(cell))))
}

/// One character for each second, or for more of them when there are too many: then the highest counts.
fn sparkline(values: &[f64], top: f64, columns: usize) -> String {
    let per_column = values.len().div_ceil(columns.max(1)).max(1);
    let highest = values.chunks(per_column).map(|chunk| chunk.iter().copied().fold(0.0, f64::max));
    highest.map(|value| level(value, top)).collect()
}

fn level(value: f64, top: f64) -> char {
    let share = if top > 0.0 { value / top } else { 0.0 };
    let limits = (0..).map(|eighths| f64::from(eighths) / 8.0);
    let reached = LEVELS.iter().zip(limits).filter(|(_, limit)| share > *limit);
    reached.map(|(level, _)| *level).max().unwrap_or(LEVELS[0])
}

#[allow(clippy::cast_precision_loss)]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::model::{Sample, Scaler, Usage, Why};

    fn model() -> Model {
        console::set_colors_enabled(false);
        let mut model = Model::new(&[WAVE, "store-post"]);
        let service = &mut model.services[0];
        service.load_milli = 660;
        service.request_milli = 100;
        service.wanted = Some(11);
        service.ready = 2;
        service.zones = [("zone-a".to_owned(), 1), ("zone-b".to_owned(), 1)].into();
        service.usage = Some(Usage { per_pod_milli: 330, pods: 2 });
        let why = Why { reason: "cpu above target".to_owned(), ..Why::default() };
        service.scaler = Some(Scaler { target_percent: 60, why, ..Scaler::default() });
        model
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(
            table(&model(), 120),
            [
                "SERVICE     LOAD        PER POD  TARGET  REPLICAS       ZONES    LAST DECISION",
                "store-get   0.66 cores  330m     60m     2 ready of 11  a:1 b:1  cpu above target",
                "store-post  0.00 cores  -        -       0 ready",
            ]
        );
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let mut model = model();
        let sample =
            Sample { at: 0.0, load_milli: 660, wanted: 11, ready: 2, per_pod_milli: None, p95_millis: None };
        model.services[0].samples = vec![sample; 500];
        for width in [1, 20, 40, 80] {
            let lines = [table(&model, width), history(&model, width)].concat();
            assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{width}: {lines:#?}");
        }
    }

    #[test]
    fn a_sparkline_has_the_highest_of_each_column() {
        assert_eq!(sparkline(&[0.0, 1.0, 4.0, 8.0], 8.0, 10), "▁▁▄█");
        assert_eq!(sparkline(&[0.0, 8.0, 0.0, 1.0], 8.0, 2), "█▁");
        assert_eq!(sparkline(&[0.0], 0.0, 0), "▁");
    }

    #[test]
    fn what_happened_has_its_time() {
        console::set_colors_enabled(false);
        let at = Duration::from_millis(75_250);
        let line = entry(&Entry { at, kind: EntryKind::Step, text: "done".to_owned() });
        assert_eq!(line, "[ 1:15.2] done");
    }
}
