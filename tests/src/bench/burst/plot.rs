//! The largest burst as a picture: pods that are bound, and nodes, over the seconds since the burst.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::figures::{Figures, Point, Run};
use crate::{
    demo::theme::{GRID, INK, LOAD, MUTED, PAPER, WANTED, text},
    save,
};

const SIZE: (u32, u32) = (900, 560);

/// What of a look is drawn.
type Value = fn(&Point) -> u32;

pub(super) fn draw(figures: &Figures, path: &Path) -> Result<()> {
    let mut svg = String::new();
    render(figures, &mut svg).map_err(|error| anyhow!("cannot draw: {error}"))?;
    save::picture(path, &svg)
}

fn render(figures: &Figures, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let size = figures.runs.iter().map(|run| run.size).max().unwrap_or_default();
    let runs: Vec<_> = figures.runs.iter().filter(|run| run.size == size).collect();
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&PAPER)?;
    root.draw(&Text::new(format!("A burst of {size} pods"), (30, 16), text(20.0, INK).bold().clone()))?;
    let ran_on = format!(
        "make bench-burst: nodes boot for {} s; Karpenter {}, Plimsoll {}, Kubernetes {}, {}; {} cores",
        figures.boot_seconds,
        figures.karpenter,
        figures.commit,
        figures.kubernetes,
        figures.date.split('T').next().unwrap_or_default(),
        figures.cores
    );
    root.draw(&Text::new(ran_on, (30, 530), text(12.0, MUTED).clone()))?;
    let (upper, lower) = root.margin(50, 40, 20, 40).split_vertically(235);
    panel(&upper, "Pods that are bound", &runs, |point| point.bound)?;
    panel(&lower, "Nodes", &runs, |point| point.nodes)?;
    root.present()?;
    Ok(())
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    runs: &[&Run],
    value: Value,
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || runs.iter().flat_map(|run| &run.course);
    let end = points().map(|point| point.seconds).fold(1.0, f64::max);
    let top = points().map(value).max().unwrap_or(1).max(1);
    let mut chart = ChartBuilder::on(area)
        .margin_top(24)
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..end, 0.0..f64::from(top) * 1.1)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(text(13.0, MUTED).clone())
        .x_label_formatter(&|seconds| format!("{seconds:.0} s"))
        .y_label_formatter(&|count| format!("{count:.0}"))
        .draw()?;
    area.draw(&Text::new(title.to_owned(), (60, 4), text(14.0, INK).clone()))?;
    for (number, run) in (0..).zip(runs) {
        let color = if run.who == "Plimsoll" { WANTED } else { LOAD };
        let line = run.course.iter().map(|point| (point.seconds, f64::from(value(point))));
        chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
        let name = Text::new(run.who.clone(), (620 + 110 * number, 4), text(14.0, color).bold().clone());
        area.draw(&name)?;
    }
    Ok(())
}
