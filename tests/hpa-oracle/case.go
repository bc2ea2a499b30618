package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// The fields below are spelled as serde spells those of plimsoll_core and of tests/hpa_differential/case.rs, where they
// are explained. Amounts are thousandths, moments are milliseconds since 1970, lengths of time are milliseconds.

// Case is a sequence of syncs.
type Case struct {
	Settings struct {
		Tolerance                                                                   float64
		Downscale_stabilization, Cpu_initialization_period, Initial_readiness_delay int64
	}
	Scaled_to_zero bool
	Steps          []Step
}

// Step is what one sync finds, and what becomes of what it writes.
type Step struct {
	Now          int64
	Policy       Policy
	Target       struct{ Spec_replicas, Status_replicas int32 }
	Pods         []Pod
	Observed     []Observed
	Selector     string
	Rival        string
	Scale        Choice
	Write        Choice
	Status_fails *string
	Recreated    bool
}

// Policy is the spec of the HPA.
type Policy struct {
	Min_replicas, Max_replicas int32
	Metrics                    []Metric
	Behavior                   *struct{ Scale_up, Scale_down Rules }
}

// Rules are those of one direction.
type Rules struct {
	Stabilization_window_seconds *int32
	Select_policy                string
	Policies                     []struct {
		Kind                  string
		Value, Period_seconds int32
	}
	Tolerance *float64
}

// Metric is an entry of spec.metrics: its type and what belongs to it.
type Metric struct {
	Type                          string
	Name, Container, Metric, Kind string
	Average                       int64
	Selector                      *Selector
	Target                        Choice
}

// UnmarshalJSON reads {"Type": {...}}.
func (m *Metric) UnmarshalJSON(text []byte) error {
	var c Choice
	if err := c.UnmarshalJSON(text); err != nil {
		return err
	}
	type fields Metric
	if err := json.Unmarshal(c.Value, (*fields)(m)); err != nil {
		return err
	}
	m.Type = c.Name
	return nil
}

// Selector is a metav1.LabelSelector.
type Selector struct {
	Match_labels      map[string]string
	Match_expressions []struct {
		Key, Operator string
		Values        []string
	}
}

// Pod is a pod of the target.
type Pod struct {
	Name, Phase string
	Deleting    bool
	Start_time  *int64
	Ready       *struct {
		Status          string
		Last_transition int64
	}
	Containers      []Container
	Init_containers []struct {
		Container
		Restartable bool
	}
	Pod_requests, Overhead map[string]int64
}

// Container is a container and what it requests.
type Container struct {
	Name     string
	Requests map[string]int64
}

// Observed is what the metrics API answers for one metric.
type Observed struct{ Choice }

// PodUsage is an item of the resource metrics API.
type PodUsage struct {
	Pod               string
	Timestamp, Window int64
	Containers        []struct {
		Name  string
		Usage map[string]int64
	}
}

// Sample is an item of the custom metrics API.
type Sample struct{ Value, Timestamp, Window int64 }

// Choice is a variant of an enum: "Name", or {"Name": value}.
type Choice struct {
	Name  string
	Value json.RawMessage
}

// UnmarshalJSON reads both forms.
func (c *Choice) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, &c.Name)
	}
	var variants map[string]json.RawMessage
	if err := json.Unmarshal(text, &variants); err != nil {
		return err
	}
	if len(variants) != 1 {
		return fmt.Errorf("not one variant: %s", text)
	}
	for c.Name, c.Value = range variants {
	}
	return nil
}

// get is the value of a variant.
func get[T any](c Choice) T {
	var value T
	if err := json.Unmarshal(c.Value, &value); err != nil {
		panic(fmt.Sprintf("%s: %v", c.Name, err))
	}
	return value
}

func moment(millis int64) time.Time { return time.UnixMilli(millis).UTC() }

func length(millis int64) time.Duration { return time.Duration(millis) * time.Millisecond }
