//! The lists of values with which custom and external metrics are answered.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use kube::Client;
use plimsoll_core::{
    quantity::Quantity,
    replicas::Sample,
    time::{Span, Timestamp},
};
use serde::Deserialize;

use crate::{SignalError, api_server::MetricsApi};

/// The interval that was measured, if the answer does not say. As for the HPA.
const DEFAULT_WINDOW: i64 = 60;

/// More seconds than any honest window has.
const LONGEST_WINDOW: i64 = 366 * 24 * 60 * 60;

/// A value of a custom metric, or a series of an external one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricValue {
    /// Name of the object that the metric describes. Empty for an external metric.
    pub object: String,
    /// The value and its moment.
    pub sample: Sample,
}

#[derive(Deserialize)]
struct List {
    kind: String,
    // Go writes an empty list as null.
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(default)]
    described_object: Described,
    timestamp: Option<jiff::Timestamp>,
    /// Only custom.metrics.k8s.io/v1beta2 has the longer name.
    #[serde(alias = "windowSeconds")]
    window: Option<i64>,
    value: ApiQuantity,
}

#[derive(Deserialize, Default)]
struct Described {
    #[serde(default)]
    name: String,
}

/// GETs a list of the given kind.
pub(crate) async fn list(
    api: MetricsApi,
    client: &Client,
    kind: &str,
    path: &str,
    most: usize,
) -> Result<Vec<MetricValue>, SignalError> {
    let list: List = api.get(client, path, most).await?;
    if list.kind != kind {
        return Err(api.failed(format!("the answer is a {:?} and not a {kind}", list.kind)));
    }
    list.items.into_iter().flatten().map(|item| value(api, item)).collect()
}

fn value(api: MetricsApi, item: Item) -> Result<MetricValue, SignalError> {
    let object = item.described_object.name;
    let quantity = Quantity::parse(&item.value.0).map_err(|error| {
        let of = if object.is_empty() { String::new() } else { format!(" of {object}") };
        api.failed(format!("the value {:?}{of} is not a quantity: {error}", item.value.0))
    })?;
    // Who does not say when he measured is taken to have measured when he was asked.
    let timestamp = item.timestamp.unwrap_or_else(jiff::Timestamp::now);
    let window = item.window.unwrap_or(DEFAULT_WINDOW).clamp(0, LONGEST_WINDOW);
    let sample = Sample {
        value: quantity.milli(),
        timestamp: Timestamp::from_millis(timestamp.as_millisecond()),
        window: Span::from_secs(window),
    };
    Ok(MetricValue { object, sample })
}
