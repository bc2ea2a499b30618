package main

import (
	"context"
	"errors"
	"fmt"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	apilabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	custom "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	external "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	resourceclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
)

// queue hands out what was observed, in the order in which the controller asks.
type queue struct{ observed []*Observed }

// start queues what the step observed, leaving out metrics for which the controller never asks an API.
func (q *queue) start(step *Step) {
	q.observed = nil
	for i := range step.Policy.Metrics {
		m := &step.Policy.Metrics[i]
		_, invalid := meta.LabelSelectorAsSelector(selectorOf(m.Selector))
		if m.Type == "Unknown" || m.Target.Name == "Unset" || invalid != nil {
			continue
		}
		q.observed = append(q.observed, &step.Observed[i])
	}
}

func (q *queue) next() (*Observed, error) {
	if len(q.observed) == 0 {
		panic("asked for more metrics than there are")
	}
	o := q.observed[0]
	q.observed = q.observed[1:]
	if o.Name == "Fails" {
		return nil, errors.New(get[string](o.Choice))
	}
	return o, nil
}

// resourceAPI is metrics.k8s.io.
type resourceAPI struct {
	resourceclient.PodMetricsInterface
	*queue
}

func (a resourceAPI) PodMetricses(string) resourceclient.PodMetricsInterface { return a }

func (a resourceAPI) List(context.Context, meta.ListOptions) (*metrics.PodMetricsList, error) {
	o, err := a.next()
	if err != nil {
		return nil, err
	}
	list := &metrics.PodMetricsList{}
	for _, usage := range get[[]PodUsage](o.Choice) {
		item := metrics.PodMetrics{
			ObjectMeta: meta.ObjectMeta{Name: usage.Pod, Namespace: namespace},
			Timestamp:  meta.NewTime(moment(usage.Timestamp)),
			Window:     meta.Duration{Duration: length(usage.Window)},
		}
		for _, c := range usage.Containers {
			item.Containers = append(item.Containers, metrics.ContainerMetrics{Name: c.Name, Usage: amounts(c.Usage)})
		}
		list.Items = append(list.Items, item)
	}
	return list, nil
}

// customAPI is custom.metrics.k8s.io.
type customAPI struct{ *queue }

func (a customAPI) RootScopedMetrics() customclient.MetricsInterface { return a }

func (a customAPI) NamespacedMetrics(string) customclient.MetricsInterface { return a }

func (a customAPI) GetForObject(schema.GroupKind, string, string, apilabels.Selector) (*custom.MetricValue, error) {
	o, err := a.next()
	if err != nil {
		return nil, err
	}
	return &custom.MetricValue{Value: *milli(get[int64](o.Choice))}, nil
}

func (a customAPI) GetForObjects(schema.GroupKind, apilabels.Selector, string, apilabels.Selector) (*custom.MetricValueList, error) {
	o, err := a.next()
	if err != nil {
		return nil, err
	}
	list := &custom.MetricValueList{}
	for pod, sample := range get[map[string]Sample](o.Choice) {
		list.Items = append(list.Items, custom.MetricValue{
			DescribedObject: core.ObjectReference{Kind: "Pod", Namespace: namespace, Name: pod},
			Timestamp:       meta.NewTime(moment(sample.Timestamp)),
			Value:           *milli(sample.Value),
		})
	}
	return list, nil
}

// externalAPI is external.metrics.k8s.io.
type externalAPI struct{ *queue }

func (a externalAPI) NamespacedMetrics(string) externalclient.MetricsInterface { return a }

func (a externalAPI) List(name string, _ apilabels.Selector) (*external.ExternalMetricValueList, error) {
	o, err := a.next()
	if err != nil {
		return nil, err
	}
	list := &external.ExternalMetricValueList{}
	for i, value := range get[[]int64](o.Choice) {
		labels := map[string]string{"series": fmt.Sprint(i)}
		list.Items = append(list.Items, external.ExternalMetricValue{MetricName: name, MetricLabels: labels, Value: *milli(value)})
	}
	return list, nil
}
