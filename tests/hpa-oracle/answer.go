package main

import (
	"reflect"
	"time"
	"unsafe"

	autoscaling "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Answer is what became of one sync.
type Answer struct {
	// The size that was written, if one was.
	Written *int32 `json:"written"`
	// The highest proposal of the metrics, if it was asked for and may be trusted.
	Proposal *Proposal `json:"proposal"`
	// The status as it is stored now.
	Status Status `json:"status"`
	// In the order in which they were published.
	Events []Event `json:"events"`
	// The errors that were logged, the one that ended the sync last.
	Errors []string `json:"errors"`
	Memory Memory   `json:"memory"`
}

// Proposal is a size before windows and limits, and the name of the metric that asks for it.
type Proposal struct {
	Replicas int32  `json:"replicas"`
	Metric   string `json:"metric"`
}

// Status is that of the HPA.
type Status struct {
	Current    int32       `json:"current"`
	Desired    int32       `json:"desired"`
	LastScale  *int64      `json:"last_scale"`
	Metrics    []Current   `json:"metrics"`
	Conditions []Condition `json:"conditions"`
}

// Current is an entry of status.currentMetrics. The type of a metric that failed is empty.
type Current struct {
	Type               string  `json:"type"`
	AverageUtilization *int32  `json:"average_utilization"`
	AverageValue       *string `json:"average_value"`
	Value              *string `json:"value"`
}

// Condition is a condition, and since when it has its status.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Since   int64  `json:"since"`
}

// Event is an event.
type Event struct {
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Memory is what the controller remembers: pairs of a number of pods and a moment.
type Memory struct {
	Recommendations [][2]int64 `json:"recs"`
	Ups             [][2]int64 `json:"ups"`
	Downs           [][2]int64 `json:"downs"`
}

func (w *world) answer() Answer {
	answer := Answer{
		Written:  w.scales.written,
		Proposal: w.log.proposal,
		Events:   w.log.events,
		Errors:   w.log.errors,
		Memory: Memory{
			Recommendations: w.remembered("recommendations", "recommendation"),
			Ups:             w.remembered("scaleUpEvents", "replicaChange"),
			Downs:           w.remembered("scaleDownEvents", "replicaChange"),
		},
	}
	if s := w.written.status; s != nil {
		answer.Status = Status{Current: s.CurrentReplicas, Desired: s.DesiredReplicas}
		if s.LastScaleTime != nil {
			millis := s.LastScaleTime.UnixMilli()
			answer.Status.LastScale = &millis
		}
		for _, m := range s.CurrentMetrics {
			answer.Status.Metrics = append(answer.Status.Metrics, current(m))
		}
		for _, c := range s.Conditions {
			answer.Status.Conditions = append(answer.Status.Conditions, Condition{
				string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime.UnixMilli(),
			})
		}
	}
	return answer
}

func current(m autoscaling.MetricStatus) Current {
	var value autoscaling.MetricValueStatus
	switch {
	case m.Resource != nil:
		value = m.Resource.Current
	case m.ContainerResource != nil:
		value = m.ContainerResource.Current
	case m.Pods != nil:
		value = m.Pods.Current
	case m.Object != nil:
		value = m.Object.Current
	case m.External != nil:
		value = m.External.Current
	}
	text := func(q *resource.Quantity) *string {
		if q == nil {
			return nil
		}
		s := q.String()
		return &s
	}
	return Current{string(m.Type), value.AverageUtilization, text(value.AverageValue), text(value.Value)}
}

// remembered reads one of the controller's private maps of timestamped numbers. Nothing is written.
func (w *world) remembered(field, number string) (entries [][2]int64) {
	of := reflect.ValueOf(w.controller).Elem().FieldByName(field)
	list := of.MapIndex(reflect.ValueOf(namespace + "/" + name))
	if !list.IsValid() {
		return nil
	}
	for i := range list.Len() {
		entry := list.Index(i)
		at := *(*time.Time)(unsafe.Pointer(entry.FieldByName("timestamp").UnsafeAddr()))
		entries = append(entries, [2]int64{entry.FieldByName(number).Int(), at.UnixMilli()})
	}
	return entries
}
