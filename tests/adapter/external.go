package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/metrics/pkg/apis/external_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider/defaults"
)

// A series as a test writes it.
type series struct {
	Labels labels.Set        `json:"labels"`
	Value  resource.Quantity `json:"value"`
	// When it was measured. Left out: at the moment it is read.
	Timestamp *metav1.Time `json:"timestamp"`
}

// External metrics, by namespace and name.
type external struct {
	defaults.DefaultExternalMetricsProvider
	lock   sync.RWMutex
	values map[[2]string][]series
}

func newExternal() *external {
	return &external{values: map[[2]string][]series{}}
}

// Replaces the series of a metric.
func (e *external) write(answer http.ResponseWriter, request *http.Request) {
	var all []series
	if err := json.NewDecoder(request.Body).Decode(&all); err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	e.values[[2]string{request.PathValue("namespace"), request.PathValue("metric")}] = all
}

func (e *external) GetExternalMetric(
	_ context.Context, namespace string, selector labels.Selector, info provider.ExternalMetricInfo,
) (*external_metrics.ExternalMetricValueList, error) {
	e.lock.RLock()
	defer e.lock.RUnlock()
	list := &external_metrics.ExternalMetricValueList{}
	for _, one := range e.values[[2]string{namespace, info.Metric}] {
		if !selector.Matches(one.Labels) {
			continue
		}
		at := metav1.Now()
		if one.Timestamp != nil {
			at = *one.Timestamp
		}
		list.Items = append(list.Items, external_metrics.ExternalMetricValue{
			MetricName: info.Metric, MetricLabels: one.Labels, Timestamp: at, Value: one.Value,
		})
	}
	return list, nil
}
