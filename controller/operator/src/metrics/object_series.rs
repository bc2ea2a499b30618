//! Series that belong to an object and end with it.
//!
//! Ten thousand objects have a hundred thousand of them. The registry would keep the name, the help and the names of all
//! labels with each, and copy them at each scrape; here a series is its values, and is written as text at once.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// One series: the values of its labels after the namespace and the name of the object, and its value.
struct Series {
    labels: Box<[Box<str>]>,
    value: f64,
}

/// By namespace and name of their object.
type Known = HashMap<Box<str>, HashMap<Box<str>, Vec<Series>>>;

/// A gauge whose first two labels are the namespace and name of an object, and which knows the series of each
/// object. Without that knowledge a series would outlive its reason or its object. Clones share the same series.
#[derive(Clone)]
pub struct ObjectSeries {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    known: Arc<Mutex<Known>>,
}

impl ObjectSeries {
    /// A gauge with these labels, of which the first is the namespace and the second the name of an object.
    pub(super) fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, labels, known: Arc::default() }
    }

    /// Sets the one series of an object without further labels.
    pub fn set(&self, namespace: &str, name: &str, value: f64) {
        self.replace(namespace, name, [([], value)]);
    }

    /// Sets the series of an object, and ends those it had before and has no more.
    pub fn replace<'a, const LABELS: usize>(
        &self,
        namespace: &str,
        name: &str,
        series: impl IntoIterator<Item = ([&'a str; LABELS], f64)>,
    ) {
        let mut known = self.lock();
        let kept = known.get_mut(namespace).and_then(|objects| objects.get_mut(name));
        if let Some(kept) = kept {
            replace(kept, series);
            if kept.is_empty() {
                remove(&mut known, namespace, name);
            }
            return;
        }
        let mut new = Vec::new();
        replace(&mut new, series);
        if !new.is_empty() {
            known.entry(namespace.into()).or_default().insert(name.into(), new);
        }
    }

    /// Ends the series of all objects.
    pub fn forget_all(&self) {
        self.lock().clear();
    }

    /// Ends all series of an object.
    pub fn forget(&self, namespace: &str, name: &str) {
        remove(&mut self.lock(), namespace, name);
    }

    /// Appends them to `page` as Prometheus reads them.
    pub(super) fn render(&self, page: &mut String) {
        let known = self.lock();
        if known.is_empty() {
            return;
        }
        // Writing to a String does not fail.
        let _ = writeln!(page, "# HELP {} {}\n# TYPE {} gauge", self.name, self.help, self.name);
        let of_objects = known.iter().flat_map(|(namespace, objects)| {
            objects
                .iter()
                .flat_map(move |(name, series)| series.iter().map(move |one| (namespace, name, one)))
        });
        // As the registry writes the labels of the others.
        let mut order: Vec<_> = self.labels.iter().enumerate().collect();
        order.sort_unstable_by_key(|(_, label)| **label);
        for (namespace, name, Series { labels, value }) in of_objects {
            page.push_str(self.name);
            for (nth, (at, label)) in order.iter().enumerate() {
                page.push(if nth == 0 { '{' } else { ',' });
                page.push_str(label);
                page.push_str("=\"");
                let value: &str = match at {
                    0 => namespace,
                    1 => name,
                    at => labels.get(at - 2).map_or("", |label| label),
                };
                push_escaped(page, value);
                page.push('"');
            }
            let _ = writeln!(page, "}} {value}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series {
    fn new(labels: &[&str], value: f64) -> Self {
        Self { labels: labels.iter().map(|label| (*label).into()).collect(), value }
    }

    fn has(&self, labels: &[&str]) -> bool {
        self.labels.iter().map(|label| &**label).eq(labels.iter().copied())
    }
}

/// They seldom differ in more than their value. Of two with the same labels the last one counts.
fn replace<'a, const LABELS: usize>(
    kept: &mut Vec<Series>,
    series: impl IntoIterator<Item = ([&'a str; LABELS], f64)>,
) {
    let mut count = 0;
    for (labels, value) in series {
        let (done, rest) = kept.split_at_mut(count);
        if let Some(twin) = done.iter_mut().find(|one| one.has(&labels)) {
            twin.value = value;
            continue;
        }
        match rest.first_mut() {
            Some(same) if same.has(&labels) => same.value = value,
            Some(other) => *other = Series::new(&labels, value),
            None => kept.push(Series::new(&labels, value)),
        }
        count += 1;
    }
    kept.truncate(count);
}

fn remove(known: &mut Known, namespace: &str, name: &str) {
    if let Some(objects) = known.get_mut(namespace) {
        objects.remove(name);
        if objects.is_empty() {
            known.remove(namespace);
        }
    }
}

/// The value of a label, in which Prometheus' text format escapes three characters.
fn push_escaped(page: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => page.push_str("\\\\"),
            '"' => page.push_str("\\\""),
            '\n' => page.push_str("\\n"),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn series() -> ObjectSeries {
        ObjectSeries::new("condition", "Whether it holds.", &["namespace", "name", "reason"])
    }

    fn lines(series: &ObjectSeries) -> Vec<String> {
        let mut page = String::new();
        series.render(&mut page);
        page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn a_series_ends_when_its_reason_no_longer_holds() {
        let series = series();
        series.replace("shop", "web", [(["Good"], 1.0), (["Fair"], 1.0)]);
        series.replace("shop", "web", [(["Bad"], 0.0)]);
        assert_eq!(lines(&series), [r#"condition{name="web",namespace="shop",reason="Bad"} 0"#]);
    }

    #[test]
    fn a_new_value_takes_the_place_of_the_old_one() {
        let series = series();
        series.replace("shop", "web", [(["Good"], 1.0)]);
        series.replace("shop", "web", [(["Good"], 0.5)]);
        assert_eq!(lines(&series), [r#"condition{name="web",namespace="shop",reason="Good"} 0.5"#]);
    }

    #[test]
    fn of_two_series_with_the_same_labels_there_is_one() {
        let series = series();
        for value in [2.0, 3.0] {
            series.replace("shop", "web", [(["Good"], 1.0), (["Fair"], 5.0), (["Good"], value)]);
            let good = format!(r#"condition{{name="web",namespace="shop",reason="Good"}} {value}"#);
            assert_eq!(lines(&series), [&good, r#"condition{name="web",namespace="shop",reason="Fair"} 5"#]);
        }
    }

    #[test]
    fn the_series_of_an_object_end_with_it() {
        let series = series();
        series.replace("shop", "web", [(["Good"], 1.0)]);
        series.replace("shop", "api", [(["Fair"], 1.0)]);
        series.forget("shop", "web");
        assert_eq!(lines(&series), [r#"condition{name="api",namespace="shop",reason="Fair"} 1"#]);
        series.forget_all();
        assert_eq!(lines(&series), Vec::<String>::new());
    }

    #[test]
    fn an_object_without_series_is_not_known() {
        let series = series();
        series.replace("shop", "web", [(["Good"], 1.0)]);
        series.replace::<1>("shop", "web", []);
        assert!(series.lock().is_empty());
    }

    #[test]
    fn they_are_written_as_prometheus_reads_them() {
        let series = ObjectSeries::new("value", "What it is.", &["namespace", "name", "metric"]);
        series.replace("shop", "web", [(["sum(rate(hits{code=\"500\"}[1m]))\n\\"], f64::INFINITY)]);
        let mut page = String::new();
        series.render(&mut page);
        let expected = "# HELP value What it is.\n# TYPE value gauge\n\
            value{metric=\"sum(rate(hits{code=\\\"500\\\"}[1m]))\\n\\\\\",name=\"web\",namespace=\"shop\"} inf\n";
        assert_eq!(page, expected);
    }
}
