module plimsoll.dev/tests/assets

go 1.26.4

// Only files are taken from them: the definitions of ServiceMonitor and PrometheusRule, and those of Gateway API.
require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
