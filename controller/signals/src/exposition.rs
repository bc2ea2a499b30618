//! The text formats of Prometheus and `OpenMetrics`, as far as one metric needs them.

use std::borrow::Cow;

/// One series of a page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line<'a> {
    pub(crate) labels: Vec<(&'a str, Cow<'a, str>)>,
    pub(crate) value: f64,
}

impl Line<'_> {
    /// The value of a label; empty when the series does not have it.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| *label == name).map_or("", |(_, value)| value)
    }
}

/// The series of `metric` on a page, in its order.
///
/// Of other metrics only the names are looked at, which is enough to tell a page of metrics from any other.
///
/// # Errors
/// Names the first line that is not in the format.
pub(crate) fn series<'a>(page: &'a str, metric: &str) -> Result<Vec<Line<'a>>, String> {
    let mut found = Vec::new();
    for (index, text) in page.lines().enumerate() {
        let line = text.trim_matches([' ', '\t', '\r']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |problem: &str| format!("line {} is not a metric: {problem}", index + 1);
        let end = line.find(|c: char| !is_of_name(c)).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(bad("it does not begin with a name"));
        }
        if !rest.starts_with(['{', ' ', '\t']) {
            return Err(bad("after the name, labels or a value are expected"));
        }
        if name == metric {
            found.push(line_after_name(rest).map_err(bad)?);
        }
    }
    Ok(found)
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn line_after_name(text: &str) -> Result<Line<'_>, &'static str> {
    let (labels, rest) = match text.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), text),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().ok_or("it has no value")?;
    let value = value.parse().map_err(|_| "its value is not a number")?;
    match words.next() {
        // What follows # is an exemplar.
        None | Some("#") => {}
        Some(timestamp) if timestamp.parse::<f64>().is_ok() => match words.next() {
            None | Some("#") => {}
            Some(_) => return Err("something follows its timestamp"),
        },
        Some(_) => return Err("its timestamp is not a number"),
    }
    Ok(Line { labels, value })
}

type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// The labels after the opening brace, and what follows the closing one.
fn labels(mut text: &str) -> Result<(Labels<'_>, &str), &'static str> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_ascii_start();
        if let Some(rest) = text.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, rest) = text.split_once('=').ok_or("its labels do not end")?;
        let name = name.trim_ascii_end();
        if name.is_empty() || !name.chars().all(is_of_name) {
            return Err("a label has no proper name");
        }
        let rest = rest.trim_ascii_start().strip_prefix('"').ok_or("a label's value is not in quotes")?;
        let (value, rest) = quoted(rest)?;
        labels.push((name, value));
        text = rest.trim_ascii_start();
        match text.strip_prefix(',') {
            Some(rest) => text = rest,
            None if text.starts_with('}') => {}
            None => return Err("a comma is missing between its labels"),
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let end = text.find(['"', '\\']).ok_or("a label's value does not end")?;
    if text[end..].starts_with('"') {
        return Ok((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((Cow::Owned(value), &text[at + 1..])),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                _ => return Err("a label's value has an unknown escape"),
            },
            other => value.push(other),
        }
    }
    Err("a label's value does not end")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = "# HELP hits_total Requests.\n# TYPE hits_total counter\n\
        hits_total{code=\"200\",path=\"/a \\\"b\\\" \\\\ c\"} 1027 1395066363000\n\
        hits_total{code=\"500\",} 3\n\
        hits_total_created 1.5e9\n\
        \n\
        hits  12.5\r\n\
        lag_seconds_bucket{le=\"+Inf\"} +Inf # {trace_id=\"x\"} 0.6\n\
        # EOF\n";

    fn values(metric: &str) -> Vec<f64> {
        series(PAGE, metric).unwrap().iter().map(|line| line.value).collect()
    }

    #[test]
    fn the_series_of_a_metric_are_found_by_its_whole_name() {
        assert_eq!(values("hits_total"), [1027.0, 3.0]);
        assert_eq!(values("hits"), [12.5]);
        assert_eq!(values("lag_seconds_bucket"), [f64::INFINITY]);
        assert_eq!(values("hit"), Vec::<f64>::new());
    }

    #[test]
    fn labels_are_unescaped() {
        let lines = series(PAGE, "hits_total").unwrap();
        assert_eq!((lines[0].label("code"), lines[0].label("path")), ("200", "/a \"b\" \\ c"));
        assert_eq!(lines[1].label("path"), "");
    }

    #[test]
    fn a_line_that_is_not_in_the_format_is_named() {
        for (line, problem) in [
            ("<html>", "it does not begin with a name"),
            ("{\"a.b\"} 1", "it does not begin with a name"),
            ("9hits 1", "it does not begin with a name"),
            ("hits", "after the name, labels or a value are expected"),
            ("Not found!", "its value is not a number"),
            ("hits{a=\"b\" 1", "a comma is missing between its labels"),
            ("hits{a=b} 1", "a label's value is not in quotes"),
            ("hits{a=\"b} 1", "a label's value does not end"),
            ("hits{a=\"\\x\"} 1", "a label's value has an unknown escape"),
            ("hits{=\"b\"} 1", "a label has no proper name"),
            ("hits{a", "its labels do not end"),
            ("hits{} ", "it has no value"),
            ("hits ten", "its value is not a number"),
            ("hits 1 now", "its timestamp is not a number"),
            ("hits 1 2 3", "something follows its timestamp"),
        ] {
            let metric = line.split([' ', '{']).next().unwrap();
            let error = series(&format!("up 1\n{line}\n"), metric).unwrap_err();
            assert_eq!(error, format!("line 2 is not a metric: {problem}"), "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(4), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_panics(page in "(hits|[ -~]{0,9}|é)([{} =\"\\\\,a1\n#+.eE]|é){0,40}") {
            let _ = series(&page, "hits");
        }

        #[test]
        fn what_is_written_is_read(
            labels in prop::collection::vec(("[a-z_]{1,8}", "[ -~é\n]{0,12}"), 0..4),
            value in any::<f64>().prop_filter("equal to itself", |value| !value.is_nan()),
        ) {
            let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let written: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escaped(v))).collect();
            let page = format!("hits{{{}}} {value}\n", written.join(","));
            let lines = series(&page, "hits").unwrap();
            prop_assert_eq!(lines.len(), 1);
            prop_assert_eq!(lines[0].value.to_bits(), value.to_bits());
            let read: Vec<_> = lines[0].labels.iter().map(|(k, v)| ((*k).to_owned(), v.to_string())).collect();
            prop_assert_eq!(read, labels);
        }
    }
}
