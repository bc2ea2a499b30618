package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	core "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// ask has kube-scheduler look at every node once.
func ask(c *Case) (*Answer, error) {
	ctx, stop := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	defer stop()
	defaulted(c)
	known := map[string]bool{}
	for i := range c.Nodes {
		known[c.Nodes[i].Name] = true
	}
	w := &world{informers: newFactory(), nominated: nominated{}}
	answer := &Answer{}
	var bound []*core.Pod
	for i := range c.Pods {
		pod, invalid, err := stored(&c.Pods[i])
		if err != nil {
			return nil, err
		}
		answer.Invalid = append(answer.Invalid, invalid...)
		// kube-scheduler does not ask for pods that have ended.
		if pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed {
			continue
		}
		w.objects = append(w.objects, pod)
		if node := pod.Spec.NodeName; known[node] {
			bound = append(bound, pod)
		} else if nominee := pod.Status.NominatedNodeName; node == "" && nominee != "" {
			info, err := framework.NewPodInfo(pod)
			if err != nil {
				return nil, err
			}
			w.nominated[nominee] = append(w.nominated[nominee], info)
		}
	}
	pod, invalid, err := stored(&c.Pod)
	if err != nil {
		return nil, err
	}
	answer.Invalid = append(answer.Invalid, invalid...)
	if len(answer.Invalid) > 0 {
		return answer, nil
	}
	w.objects = append(w.objects, pod)
	var nodes []*core.Node
	for i := range c.Nodes {
		nodes = append(nodes, &c.Nodes[i])
	}
	w.snapshot = cache.NewSnapshot(bound, nodes)
	if err := w.start(ctx, c); err != nil {
		return nil, err
	}
	answer.Nodes, err = w.verdicts(ctx, pod, nodes)
	return answer, err
}

// verdicts takes the steps of kube-scheduler's own cycle, up to the filters.
func (w *world) verdicts(ctx context.Context, pod *core.Pod, nodes []*core.Node) ([]Verdict, error) {
	for _, plugin := range w.framework.PreEnqueuePlugins() {
		if status := plugin.PreEnqueue(ctx, pod); !status.IsSuccess() {
			status.SetPlugin(plugin.Name())
			return everywhere(nodes, refusalOf(status)), nil
		}
	}
	state := framework.NewCycleState()
	restricted, status, _ := w.framework.RunPreFilterPlugins(ctx, state, pod)
	if !status.IsSuccess() {
		return everywhere(nodes, refusalOf(status)), nil
	}
	var verdicts []Verdict
	for _, node := range nodes {
		info, err := w.snapshot.Get(node.Name)
		if err != nil {
			return nil, err
		}
		verdict := Verdict{Node: node.Name, Fits: true, Refusals: []Refusal{}}
		if !restricted.AllNodes() && !restricted.NodeNames.Has(node.Name) {
			verdict.Fits = false
		} else if status := w.framework.RunFilterPluginsWithNominatedPods(ctx, state, pod, info); !status.IsSuccess() {
			verdict.Fits = false
			verdict.Refusals = append(verdict.Refusals, refusalOf(status))
		}
		w.others(ctx, state, pod, info, &verdict)
		if verdict.Fits && len(verdict.Refusals) > 0 {
			return nil, fmt.Errorf("the framework lets the pod go to %s, and %v does not", node.Name, verdict.Refusals)
		}
		verdicts = append(verdicts, verdict)
	}
	return verdicts, nil
}

// others asks each filter alone, since the framework stops at the first that says no.
func (w *world) others(ctx context.Context, state fwk.CycleState, pod *core.Pod, info fwk.NodeInfo, verdict *Verdict) {
	for _, filter := range w.filters {
		name := filter.Name()
		if state.GetSkipFilterPlugins().Has(name) ||
			slices.ContainsFunc(verdict.Refusals, func(r Refusal) bool { return r.Plugin == name }) {
			continue
		}
		if status := filter.Filter(ctx, state, pod, info); !status.IsSuccess() {
			status.SetPlugin(name)
			verdict.Refusals = append(verdict.Refusals, refusalOf(status))
		}
	}
}

func everywhere(nodes []*core.Node, refusal Refusal) (verdicts []Verdict) {
	for _, node := range nodes {
		verdicts = append(verdicts, Verdict{Node: node.Name, Refusals: []Refusal{refusal}})
	}
	return verdicts
}
