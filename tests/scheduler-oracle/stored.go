package main

import (
	"context"
	"fmt"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	internal "k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	"k8s.io/kubernetes/pkg/registry/core/pod"
)

// stored is the pod as kube-apiserver stores it: defaulted, with the keys of matchLabelKeys merged into the selectors, and
// what it would be refused for.
func stored(from *core.Pod) (*core.Pod, []string, error) {
	legacyscheme.Scheme.Default(from)
	var inside internal.Pod
	if err := legacyscheme.Scheme.Convert(from, &inside, nil); err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	pod.Strategy.PrepareForCreate(ctx, &inside)
	// Some filters tell pods apart by it alone.
	if inside.UID == "" {
		inside.UID = types.UID(inside.Namespace + "/" + inside.Name)
	}
	var invalid []string
	for _, err := range pod.Strategy.Validate(ctx, &inside) {
		invalid = append(invalid, fmt.Sprintf("%s: %v", from.Name, err))
	}
	to := &core.Pod{}
	if err := legacyscheme.Scheme.Convert(&inside, to, nil); err != nil {
		return nil, nil, err
	}
	// What kubelet and scheduler have written since.
	to.Status = from.Status
	return to, invalid, nil
}

// defaulted fills in what a user may leave out.
func defaulted(c *Case) {
	for i := range c.PersistentVolumes {
		legacyscheme.Scheme.Default(&c.PersistentVolumes[i])
	}
	for i := range c.PersistentVolumeClaims {
		legacyscheme.Scheme.Default(&c.PersistentVolumeClaims[i])
	}
	for i := range c.StorageClasses {
		legacyscheme.Scheme.Default(&c.StorageClasses[i])
	}
	for i := range c.CSIDrivers {
		legacyscheme.Scheme.Default(&c.CSIDrivers[i])
	}
	for i := range c.Nodes {
		legacyscheme.Scheme.Default(&c.Nodes[i])
	}
}
