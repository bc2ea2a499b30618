package main

import (
	core "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// nominated are the pods that preemption has promised a node, by the name of the node.
type nominated map[string][]fwk.PodInfo

func (n nominated) NominatedPodsForNode(node string) []fwk.PodInfo { return n[node] }

func (nominated) AddNominatedPod(klog.Logger, fwk.PodInfo, *fwk.NominatingInfo) {
	panic("a filter nominates nobody")
}

func (nominated) DeleteNominatedPodIfExists(*core.Pod) { panic("a filter withdraws no nomination") }

func (nominated) UpdateNominatedPod(klog.Logger, *core.Pod, fwk.PodInfo) {
	panic("a filter changes no nomination")
}
