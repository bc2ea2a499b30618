//! The two charts of the picture, over the same time.

use std::ops::Range;

use anyhow::Result;
use plotters::{
    coord::types::RangedCoordf64,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    Area, failed,
    theme::{GRID, INK, LOAD, MUTED, PAPER, READY, USAGE, WANTED, text},
};
use crate::demo::{
    figures::{Decision, Figures},
    model::Sample,
};

/// Seconds that are shown before the step in load.
const BEFORE: f64 = 12.0;
/// Seconds that the last state is drawn on.
const AFTER: f64 = 3.0;
const MARGIN: i32 = 24;
const Y_LABELS: i32 = 46;
const DASH: (i32, i32) = (5, 4);

const TRANSPARENT: RGBAColor = RGBAColor(0, 0, 0, 0.0);

type Points = Vec<(f64, f64)>;

/// What the load needs, and the pods wanted and ready.
pub(super) fn pods(figures: &Figures, area: &Area<'_>) -> Result<()> {
    let samples = shown(figures);
    let target = as_f64(figures.target_milli.max(1));
    let needed = |sample: &Sample| as_f64(sample.load_milli) / target;
    let most = samples.iter().map(|sample| needed(sample).max(f64::from(sample.wanted))).fold(1.0, f64::max);
    let frame = Frame { top: 34, y_labels: 7, shows_time: false };
    let mut chart = chart(area, &samples, most, &frame, |pods| format!("{pods:.0}"))?;

    let load = load_steps(figures, &samples);
    let load: Points = load.into_iter().map(|(at, milli)| (at, milli / target)).collect();
    chart.draw_series(AreaSeries::new(load.clone(), 0.0, LOAD.mix(0.10))).map_err(failed)?;
    chart.draw_series(LineSeries::new(load, LOAD.stroke_width(2))).map_err(failed)?;
    let ready = samples.iter().map(|sample| (sample.at, f64::from(sample.ready)));
    let ready = steps(until(ready, &samples));
    chart.draw_series(LineSeries::new(ready, READY.stroke_width(3))).map_err(failed)?;
    let decisions = figures.wave().map(|service| service.changes.as_slice()).unwrap_or_default();
    let wanted = wanted_steps(decisions, &samples);
    chart
        .draw_series(DashedLineSeries::new(wanted, DASH.0, DASH.1, WANTED.stroke_width(2)))
        .map_err(failed)?;
    for (index, decision) in decisions.iter().enumerate() {
        let middle = f64::from(decision.from + decision.to) / 2.0;
        let (x, y) = chart.backend_coord(&(decision.at, middle));
        let (left, top) = area.get_base_pixel();
        badge(area, index + 1, (x - left, y - top))?;
    }
    let [quiet, high] = [figures.quiet_milli, figures.wave_milli].map(|milli| as_f64(milli) / 1000.0);
    let load = format!("load, as pods at their target ({quiet:.2} → {high:.2} cores)");
    legend(area, 0, &load, LOAD)?;
    legend(area, 420, "replicas wanted", WANTED)?;
    legend(area, 575, "pods ready", READY)
}

/// Whether real clients came.
pub(super) fn has_clients(figures: &Figures) -> bool {
    shown(figures).iter().any(|sample| sample.p95_millis.is_some())
}

/// What the clients of the service wait.
pub(super) fn clients(figures: &Figures, area: &Area<'_>) -> Result<()> {
    let samples = shown(figures);
    let waited: Points = samples.iter().filter_map(|sample| Some((sample.at, sample.p95_millis?))).collect();
    let most = waited.iter().map(|(_, millis)| *millis).fold(1.0, f64::max);
    let frame = Frame { top: 30, y_labels: 4, shows_time: false };
    let mut chart = chart(area, &samples, most, &frame, |millis| format!("{:.1} s", millis / 1000.0))?;
    let waited = steps(until(waited.into_iter(), &samples));
    chart.draw_series(LineSeries::new(waited, LOAD.stroke_width(2))).map_err(failed)?;
    let requests = figures.wave().and_then(|service| service.requests);
    let lost = requests
        .map_or_else(String::new, |(asked, lost)| format!("; of {asked} requests {lost} were not answered"));
    legend(area, 0, &format!("what the slowest 5 % of its clients wait{lost}"), LOAD)
}

/// What a pod uses on average, against its target.
pub(super) fn usage(figures: &Figures, area: &Area<'_>) -> Result<()> {
    let samples = shown(figures);
    let target = as_f64(figures.target_milli);
    let used: Points =
        samples.iter().filter_map(|sample| Some((sample.at, as_f64(sample.per_pod_milli?)))).collect();
    let most = used.iter().map(|(_, used)| *used).fold(target, f64::max);
    let used = steps(until(used.into_iter(), &samples));
    let time = seconds(&samples);
    let frame = Frame { top: 30, y_labels: 4, shows_time: true };
    let mut chart = chart(area, &samples, most, &frame, |milli| format!("{milli:.0}m"))?;
    let band = figures.tolerance * target;
    let corners = [(time.start, target - band), (time.end, target + band)];
    chart.draw_series([Rectangle::new(corners, READY.mix(0.15).filled())]).map_err(failed)?;
    let line = [(time.start, target), (time.end, target)];
    chart.draw_series(DashedLineSeries::new(line, DASH.0, DASH.1, READY.stroke_width(1))).map_err(failed)?;
    chart.draw_series(LineSeries::new(used, USAGE.stroke_width(2))).map_err(failed)?;
    legend(area, 0, "cpu of a pod on average, as metrics.k8s.io says", USAGE)?;
    legend(area, 420, &format!("target {}m, and its tolerance", figures.target_milli), READY)
}

/// What the charts do not have in common.
struct Frame {
    /// Room for the legend.
    top: i32,
    y_labels: usize,
    /// Whether the seconds are written below.
    shows_time: bool,
}

type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A chart over the time that is shown, from 0 to a little more than `most`.
fn chart<'a>(
    area: &Area<'a>,
    samples: &[Sample],
    most: f64,
    frame: &Frame,
    in_words: impl Fn(&f64) -> String,
) -> Result<Chart<'a>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .margin_left(MARGIN - 14)
        .margin_right(MARGIN)
        .margin_top(frame.top)
        .set_label_area_size(LabelAreaPosition::Left, Y_LABELS);
    if frame.shows_time {
        builder.set_label_area_size(LabelAreaPosition::Bottom, 30);
    }
    let mut chart = builder.build_cartesian_2d(seconds(samples), 0.0..most * 1.15).map_err(failed)?;
    let (in_seconds, label) = (|at: &f64| format!("{at:.0} s"), text(12.0, MUTED).clone());
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .y_labels(frame.y_labels)
        .y_label_formatter(&in_words)
        .label_style(label);
    if frame.shows_time {
        mesh.x_labels(12).x_label_formatter(&in_seconds);
    }
    mesh.draw().map_err(failed)?;
    Ok(chart)
}

/// A number in a disc.
pub(super) fn badge(area: &Area<'_>, number: usize, at: (i32, i32)) -> Result<()> {
    area.draw(&Circle::new(at, 9, INK.filled())).map_err(failed)?;
    let style = text(11.0, PAPER).bold().pos(Pos::new(HPos::Center, VPos::Center));
    super::write(area, &number.to_string(), at, &style)
}

/// A line of a chart and its name, above the chart.
fn legend(area: &Area<'_>, x: i32, name: &str, color: RGBColor) -> Result<()> {
    let left = MARGIN - 14 + Y_LABELS + x;
    area.draw(&PathElement::new([(left, 18), (left + 20, 18)], color.stroke_width(3))).map_err(failed)?;
    super::write(area, name, (left + 27, 12), &text(13.0, color))
}

/// What is drawn of the run.
fn shown(figures: &Figures) -> Vec<Sample> {
    let samples = figures.wave().map(|service| service.samples.as_slice()).unwrap_or_default();
    samples.iter().filter(|sample| sample.at >= -BEFORE).copied().collect()
}

fn seconds(samples: &[Sample]) -> Range<f64> {
    let start = samples.first().map_or(-BEFORE, |sample| sample.at);
    start..samples.last().map_or(1.0, |sample| sample.at).max(1.0) + AFTER
}

/// Keeps the last value until the end of the picture.
fn until(values: impl Iterator<Item = (f64, f64)>, samples: &[Sample]) -> impl Iterator<Item = (f64, f64)> {
    let values: Points = values.collect();
    let last = values.last().map(|(_, value)| (seconds(samples).end, *value));
    values.into_iter().chain(last)
}

/// Each value until the next one.
fn steps(values: impl Iterator<Item = (f64, f64)>) -> Points {
    let mut points = Points::new();
    for (at, value) in values {
        if let Some((_, before)) = points.last().copied()
            && (before - value).abs() > f64::EPSILON
        {
            points.push((at, before));
        }
        points.push((at, value));
    }
    points
}

fn load_steps(figures: &Figures, samples: &[Sample]) -> Points {
    let Range { start, end } = seconds(samples);
    let [quiet, high] = [figures.quiet_milli, figures.wave_milli].map(as_f64);
    let down = figures.step_down.map_or_else(Vec::new, |down| vec![(down, quiet), (end, quiet)]);
    let up = [(start, quiet), (0.0, high)].into_iter();
    steps(up.chain(if down.is_empty() { vec![(end, high)] } else { down }))
}

/// Exactly when they were decided.
fn wanted_steps(decisions: &[Decision], samples: &[Sample]) -> Points {
    let Range { start, end } = seconds(samples);
    let first = decisions.first().map(|decision| decision.from);
    let first = first.or_else(|| samples.first().map(|sample| sample.wanted)).unwrap_or_default();
    let last = decisions.last().map_or(first, |decision| decision.to);
    let decided = decisions.iter().map(|decision| (decision.at, f64::from(decision.to)));
    let ends = [(start, f64::from(first)), (end, f64::from(last))];
    steps(ends[..1].iter().copied().chain(decided).chain(ends[1..].iter().copied()))
}

#[allow(clippy::cast_precision_loss)]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_until_the_next() {
        let points = steps([(0.0, 2.0), (1.0, 2.0), (3.0, 5.0)].into_iter());
        assert_eq!(points, [(0.0, 2.0), (1.0, 2.0), (3.0, 2.0), (3.0, 5.0)]);
    }
}
