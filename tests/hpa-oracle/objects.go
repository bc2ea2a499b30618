package main

import (
	"math"

	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	namespace = "shop"
	name      = "x"
	target    = "web"
	rival     = "rival"
)

var labels = map[string]string{"app": "web"}

func milli(n int64) *resource.Quantity { return resource.NewMilliQuantity(n, resource.DecimalSI) }

func amounts(of map[string]int64) core.ResourceList {
	list := core.ResourceList{}
	for name, n := range of {
		list[core.ResourceName(name)] = *milli(n)
	}
	return list
}

// specOf is the spec as the API server's defaulting leaves it.
func specOf(p *Policy, scale Choice) autoscaling.HorizontalPodAutoscalerSpec {
	spec := autoscaling.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: target},
		MinReplicas:    &p.Min_replicas,
		MaxReplicas:    p.Max_replicas,
	}
	switch scale.Name {
	case "BadVersion":
		spec.ScaleTargetRef.APIVersion = get[string](scale)
	case "Unmapped":
		spec.ScaleTargetRef.Kind = get[string](scale)
	}
	if b := p.Behavior; b != nil {
		spec.Behavior = &autoscaling.HorizontalPodAutoscalerBehavior{ScaleUp: rulesOf(b.Scale_up), ScaleDown: rulesOf(b.Scale_down)}
		if up := spec.Behavior.ScaleUp; up.StabilizationWindowSeconds == nil {
			up.StabilizationWindowSeconds = new(int32)
		}
	}
	for i := range p.Metrics {
		spec.Metrics = append(spec.Metrics, metricOf(&p.Metrics[i]))
	}
	return spec
}

func rulesOf(r Rules) *autoscaling.HPAScalingRules {
	selectPolicy := autoscaling.ScalingPolicySelect(r.Select_policy)
	rules := &autoscaling.HPAScalingRules{StabilizationWindowSeconds: r.Stabilization_window_seconds, SelectPolicy: &selectPolicy}
	for _, p := range r.Policies {
		rules.Policies = append(rules.Policies, autoscaling.HPAScalingPolicy{
			Type: autoscaling.HPAScalingPolicyType(p.Kind), Value: p.Value, PeriodSeconds: p.Period_seconds,
		})
	}
	if r.Tolerance != nil {
		// The cases have whole thousandths.
		rules.Tolerance = milli(int64(math.Round(*r.Tolerance * 1000)))
	}
	return rules
}

func metricOf(m *Metric) autoscaling.MetricSpec {
	metric := autoscaling.MetricIdentifier{Name: m.Metric, Selector: selectorOf(m.Selector)}
	spec := autoscaling.MetricSpec{Type: autoscaling.MetricSourceType(m.Type)}
	switch m.Type {
	case "Resource":
		spec.Resource = &autoscaling.ResourceMetricSource{Name: core.ResourceName(m.Name), Target: targetOf(m.Target)}
	case "ContainerResource":
		spec.ContainerResource = &autoscaling.ContainerResourceMetricSource{
			Name: core.ResourceName(m.Name), Container: m.Container, Target: targetOf(m.Target),
		}
	case "Pods":
		spec.Pods = &autoscaling.PodsMetricSource{
			Metric: metric,
			Target: autoscaling.MetricTarget{Type: autoscaling.AverageValueMetricType, AverageValue: milli(m.Average)},
		}
	case "Object":
		described := autoscaling.CrossVersionObjectReference{Kind: m.Kind, Name: m.Name, APIVersion: "networking.k8s.io/v1"}
		if m.Kind == "Namespace" {
			described.APIVersion = "v1"
		}
		spec.Object = &autoscaling.ObjectMetricSource{DescribedObject: described, Metric: metric, Target: targetOf(m.Target)}
	case "External":
		spec.External = &autoscaling.ExternalMetricSource{Metric: metric, Target: targetOf(m.Target)}
	case "Unknown":
		spec.Type = autoscaling.MetricSourceType(m.Kind)
	}
	return spec
}

func selectorOf(s *Selector) *meta.LabelSelector {
	if s == nil {
		return nil
	}
	selector := &meta.LabelSelector{MatchLabels: s.Match_labels}
	for _, e := range s.Match_expressions {
		selector.MatchExpressions = append(selector.MatchExpressions, meta.LabelSelectorRequirement{
			Key: e.Key, Operator: meta.LabelSelectorOperator(e.Operator), Values: e.Values,
		})
	}
	return selector
}

func targetOf(c Choice) (t autoscaling.MetricTarget) {
	t.Type = autoscaling.MetricTargetType(c.Name)
	switch c.Name {
	case "Utilization":
		percent := get[int32](c)
		t.AverageUtilization = &percent
	case "AverageValue":
		t.AverageValue = milli(get[int64](c))
	case "Value":
		t.Value = milli(get[int64](c))
	}
	return t
}

func podOf(p *Pod) *core.Pod {
	pod := &core.Pod{ObjectMeta: meta.ObjectMeta{Name: p.Name, Namespace: namespace, Labels: labels}}
	if p.Deleting {
		now := meta.Now()
		pod.DeletionTimestamp = &now
	}
	pod.Status.Phase = core.PodPhase(p.Phase)
	if p.Start_time != nil {
		start := meta.NewTime(moment(*p.Start_time))
		pod.Status.StartTime = &start
	}
	if r := p.Ready; r != nil {
		pod.Status.Conditions = []core.PodCondition{{
			Type: core.PodReady, Status: core.ConditionStatus(r.Status), LastTransitionTime: meta.NewTime(moment(r.Last_transition)),
		}}
	}
	for _, c := range p.Containers {
		pod.Spec.Containers = append(pod.Spec.Containers, containerOf(c))
	}
	for _, c := range p.Init_containers {
		init := containerOf(c.Container)
		if c.Restartable {
			always := core.ContainerRestartPolicyAlways
			init.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, init)
	}
	if len(p.Pod_requests) > 0 {
		pod.Spec.Resources = &core.ResourceRequirements{Requests: amounts(p.Pod_requests)}
	}
	if len(p.Overhead) > 0 {
		pod.Spec.Overhead = amounts(p.Overhead)
	}
	return pod
}

func containerOf(c Container) core.Container {
	return core.Container{Name: c.Name, Resources: core.ResourceRequirements{Requests: amounts(c.Requests)}}
}
