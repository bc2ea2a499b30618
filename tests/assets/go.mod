module plimsoll.dev/tests/assets

go 1.26.4

// Only files are taken from it: the definitions of ServiceMonitor and PrometheusRule.
require github.com/prometheus-operator/prometheus-operator v0.85.0
