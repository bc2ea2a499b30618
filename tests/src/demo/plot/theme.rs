//! Colours and letters, on light and on dark pages.

use std::fmt::Write;

use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle, text_anchor::Pos};

pub(crate) const PAPER: RGBColor = RGBColor(255, 255, 255);
pub(crate) const INK: RGBColor = RGBColor(31, 35, 40);
pub(crate) const MUTED: RGBColor = RGBColor(89, 99, 110);
pub(crate) const GRID: RGBColor = RGBColor(225, 228, 232);
pub(crate) const LOAD: RGBColor = RGBColor(188, 76, 0);
pub(crate) const WANTED: RGBColor = RGBColor(9, 105, 218);
pub(crate) const READY: RGBColor = RGBColor(26, 127, 55);
pub(crate) const USAGE: RGBColor = RGBColor(130, 80, 223);

/// What each colour is where the reader prefers dark pages.
const DARK: [(RGBColor, &str); 8] = [
    (PAPER, "#0d1117"),
    (INK, "#e6edf3"),
    (MUTED, "#9198a1"),
    (GRID, "#2a313c"),
    (LOAD, "#f0883e"),
    (WANTED, "#58a6ff"),
    (READY, "#3fb950"),
    (USAGE, "#bc8cff"),
];

/// Letters that any machine has.
const FONT: FontFamily<'_> =
    FontFamily::Name("system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif");

/// A style of text that is not yet placed or made bold.
pub(crate) fn text(size: f64, color: RGBColor) -> Letters {
    // plotters writes a smaller size than it is told.
    let font = FontDesc::new(FONT, size * 1.24, FontStyle::Normal);
    Letters(TextStyle { font, color: color.to_backend_color(), pos: Pos::default() })
}

/// A style of text.
pub(crate) struct Letters(TextStyle<'static>);

impl Letters {
    pub(crate) fn bold(self) -> Self {
        Self(TextStyle { font: self.0.font.style(FontStyle::Bold), ..self.0 })
    }

    pub(crate) fn pos(self, pos: Pos) -> Self {
        Self(self.0.pos(pos))
    }
}

impl std::ops::Deref for Letters {
    type Target = TextStyle<'static>;

    fn deref(&self) -> &TextStyle<'static> {
        &self.0
    }
}

/// Adds a style sheet that swaps the colours where the reader prefers dark pages.
pub(crate) fn with_dark_mode(svg: &str) -> String {
    let mut rules = String::new();
    for (light, dark) in DARK {
        let (r, g, b) = light.to_rgba().rgb();
        let light = format!("#{r:02X}{g:02X}{b:02X}");
        // Writing to a string cannot fail.
        let _ = write!(rules, "[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}");
    }
    let style = format!("<style>@media (prefers-color-scheme: dark){{{rules}}}</style>");
    let Some(end) = svg.find("<svg").and_then(|start| svg[start..].find('>').map(|end| start + end + 1))
    else {
        return svg.to_owned();
    };
    format!("{}\n{style}{}", &svg[..end], &svg[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_pages_get_their_colours_first_thing() {
        let svg = with_dark_mode("<svg width=\"1\">\n<rect fill=\"#FFFFFF\"/></svg>");
        assert!(svg.starts_with(
            "<svg width=\"1\">\n<style>@media (prefers-color-scheme: dark){[fill=\"#FFFFFF\"]{fill:#0d1117}"
        ));
        assert!(svg.ends_with("</style>\n<rect fill=\"#FFFFFF\"/></svg>"));
    }
}
