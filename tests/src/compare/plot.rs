//! Both series as a picture.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::{figures::Figures, record::Step};
use crate::{
    demo::theme::{GRID, INK, LOAD, MUTED, PAPER, WANTED, text},
    save,
};

const SIZE: (u32, u32) = (960, 420);
const LEFT: i32 = 30;

/// Draws a run as an SVG.
pub(super) fn draw(figures: &Figures, path: &Path) -> Result<()> {
    let mut svg = String::new();
    render(figures, &mut svg).map_err(|error| anyhow!("cannot draw: {error}"))?;
    save::picture(path, &svg)
}

fn render(figures: &Figures, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&PAPER)?;
    let write =
        |line: &str, at: (i32, i32), style: TextStyle<'_>| root.draw(&Text::new(line.to_owned(), at, style));
    write(
        "The same load, by the HPA and by Plimsoll under HPA-1.37",
        (LEFT, 14),
        text(19.0, INK).bold().clone(),
    )?;
    let (date, _) = figures.date.split_once('T').unwrap_or((&figures.date, ""));
    let ran_on = format!(
        "replicas asked for; Kubernetes {}, {} ({date}); pods by kwok",
        figures.kubernetes, figures.commit
    );
    write(&ran_on, (LEFT, 40), text(12.0, MUTED).clone())?;
    write("── HPA", (LEFT, 60), text(14.0, LOAD).bold().clone())?;
    write("╌╌ Plimsoll", (LEFT + 90, 60), text(14.0, WANTED).bold().clone())?;

    let most = figures.hpa.iter().chain(&figures.plimsoll).map(|step| step.replicas).max().unwrap_or(1);
    let mut chart = ChartBuilder::on(&root)
        .margin_left(16)
        .margin_right(24)
        .margin_top(84)
        .margin_bottom(8)
        .set_label_area_size(LabelAreaPosition::Left, 30)
        .set_label_area_size(LabelAreaPosition::Bottom, 24)
        .build_cartesian_2d(0.0..figures.lasted, 0.0..f64::from(most) * 1.6)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_label_formatter(&|seconds| format!("{seconds:.0} s"))
        .y_label_formatter(&|pods| format!("{pods:.0}"))
        .label_style(text(12.0, MUTED).clone())
        .draw()?;
    for (index, act) in figures.acts.iter().enumerate() {
        let line = [(act.at, 0.0), (act.at, f64::from(most) * 1.6)];
        chart.draw_series(LineSeries::new(line, GRID.stroke_width(1)))?;
        // Beneath each other in turn, so that neighbours can be read.
        let height = f64::from(most) * (1.58 - 0.085 * f64::from(u32::try_from(index % 6)?));
        let (x, y) = chart.backend_coord(&(act.at, height));
        root.draw(&Text::new(act.what.clone(), (x + 4, y), text(11.0, MUTED).clone()))?;
    }
    let lasted = figures.lasted;
    chart.draw_series(LineSeries::new(points(&figures.hpa, lasted), LOAD.stroke_width(3)))?;
    chart.draw_series(DashedLineSeries::new(
        points(&figures.plimsoll, lasted),
        6,
        4,
        WANTED.stroke_width(3),
    ))?;
    root.present()?;
    Ok(())
}

/// The corners of a line that stays until it jumps.
fn points(steps: &[Step], lasted: f64) -> Vec<(f64, f64)> {
    let ends = steps.iter().skip(1).map(|next| next.at).chain([lasted]);
    let corners =
        |(step, end): (&Step, f64)| [(step.at, f64::from(step.replicas)), (end, f64::from(step.replicas))];
    steps.iter().zip(ends).flat_map(corners).collect()
}
