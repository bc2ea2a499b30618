//! The figures as a picture: a bar for each contestant.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::figures::{Cost, Figures};
use crate::{
    demo::theme::{GRID, INK, MUTED, PAPER, READY, USAGE, text},
    save,
};

const WIDTH: u32 = 900;
const HEAD: i32 = 84;
const ROW: i32 = 76;
const LEFT: i32 = 190;
const RIGHT: i32 = 210;
const BAR: i32 = 20;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

pub(super) fn draw(figures: &Figures, path: &Path) -> Result<()> {
    let mut svg = String::new();
    render(figures, &mut svg)?;
    save::picture(path, &svg)
}

fn render(figures: &Figures, svg: &mut String) -> Result<()> {
    let rows = i32::try_from(figures.contestants.len())?;
    let height = u32::try_from(HEAD + rows * ROW + 30)?;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&PAPER).map_err(failed)?;
    let head = format!("CPU time per decision, {} workloads of {} pods", figures.size, figures.pods_of_each);
    write(&root, &head, (30, 16), &text(20.0, INK).bold())?;
    write(&root, "of the controller", (30, 50), &text(14.0, USAGE))?;
    write(&root, "of kube-apiserver on its behalf", (180, 50), &text(14.0, READY))?;
    let most = figures
        .contestants
        .iter()
        .map(|cost| cost.cpu_ms_per_decision.max(cost.apiserver_cpu_ms_per_decision));
    let most = most.fold(0.001, f64::max);
    for (at, cost) in (0..).zip(&figures.contestants) {
        row(&root, cost, HEAD + at * ROW, most)?;
    }
    let date = figures.date.split('T').next().unwrap_or_default();
    let ran_on = format!(
        "make bench: Kubernetes {}, Plimsoll {} ({}), {date}; {} cores shared with the bed; pods are played",
        figures.kubernetes, figures.plimsoll, figures.commit, figures.cores
    );
    write(&root, &ran_on, (30, HEAD + rows * ROW + 6), &text(12.0, MUTED))?;
    root.present().map_err(failed)
}

fn row(area: &Area<'_>, cost: &Cost, top: i32, most: f64) -> Result<()> {
    write(area, &cost.name, (30, top + 4), &text(15.0, INK).bold())?;
    let due = format!("{:.0} % of those due", cost.of_those_due * 100.0);
    write(area, &due, (30, top + 26), &text(13.0, MUTED))?;
    let room = f64::from(i32::try_from(WIDTH)? - LEFT - RIGHT);
    let bars = [(cost.cpu_ms_per_decision, USAGE), (cost.apiserver_cpu_ms_per_decision, READY)];
    for (at, (milliseconds, color)) in (0..).zip(bars) {
        #[allow(clippy::cast_possible_truncation, reason = "at most the width of the picture")]
        let end = LEFT + (milliseconds / most * room).round().max(1.0) as i32;
        let y = top + at * (BAR + 4);
        let bar = Rectangle::new([(LEFT, y), (end, y + BAR)], color.filled());
        area.draw(&bar).map_err(failed)?;
        let label = format!("{milliseconds:.3} ms");
        write(area, &label, (end + 8, y + 3), &text(13.0, INK))?;
    }
    let line = PathElement::new([(30, top + ROW - 12), (i32::try_from(WIDTH)? - 30, top + ROW - 12)], GRID);
    area.draw(&line).map_err(failed)
}

fn write(area: &Area<'_>, line: &str, at: (i32, i32), style: &TextStyle<'_>) -> Result<()> {
    area.draw(&Text::new(line, at, style.clone())).map_err(failed)
}

/// plotters' errors borrow the drawing.
fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}
