//! The run as a picture: what the load needs, what was wanted and ready, and why.

mod panels;
pub(crate) mod theme;

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use self::theme::{INK, MUTED, PAPER, text};
use super::{
    figures::{Decision, Figures},
    set_up::WINDOW_SECONDS,
};
use crate::save;

const WIDTH: u32 = 960;
const TITLE_HEIGHT: u32 = 78;
const PODS_HEIGHT: u32 = 270;
const USAGE_HEIGHT: u32 = 150;
const CLIENTS_HEIGHT: u32 = 130;
const LINE_HEIGHT: u32 = 24;
const LEFT: i32 = 30;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws a run as an SVG.
pub(super) fn draw(figures: &Figures, path: &Path) -> Result<()> {
    let mut svg = String::new();
    render(figures, &mut svg)?;
    save::picture(path, &svg)
}

fn render(figures: &Figures, svg: &mut String) -> Result<()> {
    let decisions = figures.wave().map(|service| service.changes.as_slice()).unwrap_or_default();
    let lines = u32::try_from(decisions.len())?;
    let clients = if panels::has_clients(figures) { CLIENTS_HEIGHT } else { 0 };
    let top = TITLE_HEIGHT + PODS_HEIGHT + USAGE_HEIGHT + clients;
    let height = top + (lines + 1) * LINE_HEIGHT + 22;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&PAPER).map_err(failed)?;
    let (title, rest) = root.split_vertically(TITLE_HEIGHT);
    let (pods, rest) = rest.split_vertically(PODS_HEIGHT);
    let (seen, rest) = rest.split_vertically(clients);
    let (usage, list) = rest.split_vertically(USAGE_HEIGHT);
    draw_title(figures, &title)?;
    panels::pods(figures, &pods)?;
    if clients > 0 {
        panels::clients(figures, &seen)?;
    }
    panels::usage(figures, &usage)?;
    draw_decisions(figures, decisions, &list)?;
    root.present().map_err(failed)
}

fn draw_title(figures: &Figures, area: &Area<'_>) -> Result<()> {
    let times = figures.wave_milli / figures.quiet_milli.max(1);
    let head = format!("{times} times the load on one of three services");
    write(area, &head, (LEFT, 16), &text(21.0, INK).bold())?;
    let after = |what: &str, seconds: Option<f64>| match seconds {
        Some(seconds) => format!("{what} after {seconds:.1} s"),
        None => format!("no {what}"),
    };
    let first = after("first decision", figures.first_decision);
    let enough = after("enough ready pods", figures.enough_ready);
    let others = figures.services.iter().filter(|service| service.name != figures.wave);
    let moved = others.clone().any(|service| !service.changes.is_empty());
    let names: Vec<_> = others.map(|service| service.name.as_str()).collect();
    let others = format!("{} {}", names.join(" and "), if moved { "moved too" } else { "did not move" });
    write(area, &format!("{first}, {enough}; {others}"), (LEFT, 46), &text(15.0, MUTED))
}

/// What each number in the picture stands for.
fn draw_decisions(figures: &Figures, decisions: &[Decision], area: &Area<'_>) -> Result<()> {
    let mut y = 10;
    let step = i32::try_from(LINE_HEIGHT)?;
    for (index, decision) in decisions.iter().enumerate() {
        panels::badge(area, index + 1, (LEFT + 10, y + 7))?;
        write(area, &format!("+{:.1} s", decision.at), (LEFT + 90, y), &text(14.0, MUTED).pos(right()))?;
        let change = format!("{} → {}", decision.from, decision.to);
        write(area, &change, (LEFT + 100, y), &text(14.0, INK).bold())?;
        let why = decision.why.as_ref().map_or_else(|| "nobody said why".to_owned(), ToString::to_string);
        write(area, &why, (LEFT + 160, y), &text(14.0, INK))?;
        y += step;
    }
    let versions = &figures.versions;
    let date = figures.date.split('T').next().unwrap_or_default();
    let ran_on = format!(
        "{}: Kubernetes {}, Plimsoll {} ({}), {date}; pods by kwok; scale-down window {WINDOW_SECONDS} s instead of 5 min",
        figures.command, versions.kubernetes, versions.plimsoll, figures.commit
    );
    write(area, &ran_on, (LEFT, y + 6), &text(12.0, MUTED))
}

fn write(area: &Area<'_>, line: &str, at: (i32, i32), style: &TextStyle<'_>) -> Result<()> {
    area.draw(&Text::new(line, at, style.clone())).map_err(failed)
}

fn right() -> Pos {
    Pos::new(HPos::Right, VPos::Top)
}

/// plotters' errors borrow the drawing.
fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}
