//! The figures as a picture: pods per second over the number of pods, both scales by powers of ten.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::figures::{Figures, Row};
use super::solve::Solution;
use crate::{
    demo::theme::{GRID, INK, LOAD, MUTED, PAPER, WANTED, text},
    save,
};

const SIZE: (u32, u32) = (900, 460);

/// The solution of one side.
type Side = fn(&Row) -> &Solution;

pub(super) fn draw(figures: &Figures, path: &Path) -> Result<()> {
    let mut svg = String::new();
    render(figures, &mut svg).map_err(|error| anyhow!("cannot draw: {error}"))?;
    save::picture(path, &svg)
}

fn render(figures: &Figures, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&PAPER)?;
    root.draw(&Text::new(
        "Pods placed per second, by pods to place",
        (30, 16),
        text(20.0, INK).bold().clone(),
    ))?;
    let ran_on = format!(
        "make bench: the mix and the 400 types of Karpenter's benchmark; Karpenter {}, Plimsoll {}, {}; {} cores",
        figures.karpenter,
        figures.commit,
        figures.date.split('T').next().unwrap_or_default(),
        figures.cores
    );
    root.draw(&Text::new(ran_on, (30, 430), text(12.0, MUTED).clone()))?;
    let area = root.margin(50, 40, 20, 40);
    let rate = |of: &Solution| f64::from(of.pods) / of.seconds;
    let rates = figures.rows.iter().flat_map(|row| [rate(&row.ours), rate(&row.theirs)]);
    let top = rates.fold(1000.0, f64::max) * 3.0;
    let most = figures.rows.iter().map(|row| row.pods).max().unwrap_or(1000);
    let mut chart = ChartBuilder::on(&area)
        .x_label_area_size(30)
        .y_label_area_size(80)
        .build_cartesian_2d((400.0..f64::from(most) * 1.3).log_scale(), (10.0..top).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(text(13.0, MUTED).clone())
        .x_label_formatter(&|pods| format!("{pods:.0}"))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .draw()?;
    let sides: [(&str, RGBColor, Side); 2] =
        [("Plimsoll", WANTED, |row| &row.ours), ("Karpenter", LOAD, |row| &row.theirs)];
    for (name, color, side) in sides {
        let of = |mix: &str| -> Vec<(f64, f64)> {
            let rows = figures.rows.iter().filter(|row| row.mix == mix).map(side);
            rows.map(|of| (f64::from(of.pods), rate(of))).collect()
        };
        let diverse = of("diverse");
        chart.draw_series(LineSeries::new(diverse.iter().copied(), color.stroke_width(2)))?;
        chart.draw_series(diverse.iter().map(|at| Circle::new(*at, 4, color.filled())))?;
        chart.draw_series(of("preferences").iter().map(|at| TriangleMarker::new(*at, 7, color.filled())))?;
        if let Some(first) = diverse.first() {
            let label =
                EmptyElement::at(*first) + Text::new(name, (0, -24), text(14.0, color).bold().clone());
            chart.draw_series([label])?;
        }
    }
    root.draw(&Text::new("triangles: pods with preferences", (660, 40), text(12.0, MUTED).clone()))?;
    root.present()?;
    Ok(())
}
