//! The metrics that are read directly, as the core wants to know them.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use plimsoll_api::v1alpha1::{ReadAs, ScrapeMetric, ScrapeScheme, SourceKind, SourceReference};
use plimsoll_core::replicas::{MetricSpec, PodPort, Scrape, ScrapeValue, SourceName};

use crate::policy::{InvalidField, label_selector, parse, positive_milli};

pub(crate) fn source_name(reference: &SourceReference) -> SourceName {
    let name = reference.name.clone();
    match reference.kind {
        SourceKind::Source => SourceName::Namespaced(name),
        SourceKind::ClusterSource => SourceName::Cluster(name),
    }
}

pub(crate) fn observe_scrape(metric: &ScrapeMetric, field: &str) -> Result<MetricSpec, InvalidField> {
    let average_field = format!("{field}.target.averageValue");
    let average = metric.target.average_value.as_ref();
    let average = average.ok_or_else(|| InvalidField::new(&average_field, "is required"))?;
    Ok(MetricSpec::Scrape {
        scrape: Scrape {
            port: port(&metric.port, &format!("{field}.port"))?,
            path: metric.path.clone(),
            tls: metric.scheme == ScrapeScheme::Https,
            metric: metric.metric.clone(),
            selector: metric.selector.as_ref().map(label_selector),
            value: match metric.read_as {
                ReadAs::Rate => ScrapeValue::Rate,
                ReadAs::Gauge => ScrapeValue::Gauge,
                ReadAs::Quantile => quantile(metric, &format!("{field}.quantile"))?,
            },
        },
        average: positive_milli(average, &average_field)?,
    })
}

fn port(port: &IntOrString, field: &str) -> Result<PodPort, InvalidField> {
    match port {
        IntOrString::Int(number) => match u16::try_from(*number) {
            Ok(number) if number > 0 => Ok(PodPort::Number(number)),
            _ => Err(InvalidField::new(field, "must be from 1 to 65535, or the name of a container's port")),
        },
        IntOrString::String(name) => Ok(PodPort::Name(name.clone())),
    }
}

fn quantile(metric: &ScrapeMetric, field: &str) -> Result<ScrapeValue, InvalidField> {
    let text = metric.quantile.as_ref();
    let text = text.ok_or_else(|| InvalidField::new(field, "is required when readAs is Quantile"))?;
    match u16::try_from(parse(text, field)?.milli()) {
        Ok(milli) if (1..1000).contains(&milli) => Ok(ScrapeValue::Quantile(milli)),
        _ => Err(InvalidField::new(field, "must be from 0.001 to 0.999")),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn observed(yaml: &str) -> Result<MetricSpec, InvalidField> {
        let metric = format!("{{metric: hits, target: {{type: AverageValue, averageValue: 5}}, {yaml}}}");
        observe_scrape(&serde_saphyr::from_str(&metric).unwrap(), "spec.metrics[0].scrape")
    }

    #[test]
    fn a_scrape_has_the_defaults_of_prometheus() {
        let scrape = Scrape {
            port: PodPort::Name("web".to_owned()),
            path: "/metrics".to_owned(),
            tls: false,
            metric: "hits".to_owned(),
            selector: None,
            value: ScrapeValue::Rate,
        };
        assert_eq!(observed("port: web, readAs: Rate"), Ok(MetricSpec::Scrape { scrape, average: 5000 }));
    }

    #[test]
    fn a_quantile_is_read_in_thousandths() {
        let Ok(MetricSpec::Scrape { scrape, .. }) = observed("port: 80, readAs: Quantile, quantile: '0.95'")
        else {
            panic!("is a scrape");
        };
        assert_eq!(scrape.value, ScrapeValue::Quantile(950));
    }

    #[test]
    fn what_the_schema_cannot_refuse_is_refused_with_its_field() {
        let refused = |yaml| observed(yaml).unwrap_err().to_string();
        assert!(refused("port: 0, readAs: Rate").starts_with("spec.metrics[0].scrape.port: must be from 1"));
        assert!(refused("port: 70000, readAs: Gauge").starts_with("spec.metrics[0].scrape.port: "));
        assert!(refused("port: 80, readAs: Quantile").ends_with("is required when readAs is Quantile"));
        assert!(refused("port: 80, readAs: Quantile, quantile: 2").ends_with("must be from 0.001 to 0.999"));
    }
}
