//! Series that belong to an object and end with it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::GaugeVec;

/// The labels of one series after `namespace` and `name`.
type Rest = Vec<String>;

/// The series of each object, by namespace and name.
type Known = HashMap<(String, String), Vec<Rest>>;

/// A gauge whose first two labels are the namespace and name of an object, and which knows the
/// series of each object. Without that knowledge a series would outlive its reason or its object.
#[derive(Clone)]
pub struct ObjectSeries {
    gauge: GaugeVec,
    known: Arc<Mutex<Known>>,
}

impl ObjectSeries {
    /// Wraps a gauge with the labels `namespace`, `name` and any more.
    pub(super) fn new(gauge: GaugeVec) -> Self {
        Self { gauge, known: Arc::default() }
    }

    /// Sets the one series of an object without further labels.
    pub fn set(&self, namespace: &str, name: &str, value: f64) {
        self.replace(namespace, name, [(Vec::new(), value)]);
    }

    /// Sets the series of an object, and ends those it had before and has no more.
    pub fn replace(&self, namespace: &str, name: &str, series: impl IntoIterator<Item = (Vec<String>, f64)>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.remove(&(namespace.to_owned(), name.to_owned())).unwrap_or_default();
        let mut now = Vec::new();
        for (rest, value) in series {
            self.gauge.with_label_values(&labels(namespace, name, &rest)).set(value);
            now.push(rest);
        }
        for gone in before.iter().filter(|rest| !now.contains(rest)) {
            // Not having been there is as good as having been removed.
            let _ = self.gauge.remove_label_values(&labels(namespace, name, gone));
        }
        if !now.is_empty() {
            known.insert((namespace.to_owned(), name.to_owned()), now);
        }
    }

    /// Ends the series of all objects.
    pub fn forget_all(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.gauge.reset();
    }

    /// Ends all series of an object.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.replace(namespace, name, []);
    }
}

fn labels<'a>(namespace: &'a str, name: &'a str, rest: &'a [String]) -> Vec<&'a str> {
    [namespace, name].into_iter().chain(rest.iter().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use prometheus::{Opts, core::Collector as _};

    use super::*;

    fn series() -> ObjectSeries {
        let options = Opts::new("condition", "help");
        ObjectSeries::new(GaugeVec::new(options, &["namespace", "name", "reason"]).unwrap())
    }

    fn reasons(series: &ObjectSeries) -> Vec<String> {
        let families = series.gauge.collect();
        let metrics = families.first().map(prometheus::proto::MetricFamily::get_metric).unwrap_or_default();
        let reason = |metric: &prometheus::proto::Metric| {
            metric
                .get_label()
                .iter()
                .find(|label| label.name() == "reason")
                .map(|label| label.value().to_owned())
        };
        metrics.iter().filter_map(reason).collect()
    }

    #[test]
    fn a_series_ends_when_its_reason_no_longer_holds() {
        let series = series();
        series.replace("shop", "web", [(vec!["Good".into()], 1.0)]);
        series.replace("shop", "web", [(vec!["Bad".into()], 0.0)]);
        assert_eq!(reasons(&series), ["Bad"]);
    }

    #[test]
    fn the_series_of_an_object_end_with_it() {
        let series = series();
        series.replace("shop", "web", [(vec!["Good".into()], 1.0)]);
        series.replace("shop", "api", [(vec!["Fair".into()], 1.0)]);
        series.forget("shop", "web");
        assert_eq!(reasons(&series), ["Fair"]);
    }
}
