package main

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
)

// world is one kube-scheduler and the cluster it sees.
type world struct {
	informers *factory
	nominated nominated
	snapshot  *cache.Snapshot
	objects   []runtime.Object
	framework framework.Framework
	// The filters, in the order in which the framework asks them.
	filters []fwk.FilterPlugin
}

// start builds the framework as kube-scheduler does, and lets the informers tell of the case.
func (w *world) start(ctx context.Context, c *Case) error {
	config, err := latest.Default()
	if err != nil {
		return err
	}
	made := map[string]fwk.Plugin{}
	registry := frameworkruntime.Registry{}
	for name, factory := range plugins.NewInTreeRegistry() {
		registry[name] = func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
			plugin, err := factory(ctx, args, handle)
			made[name] = plugin
			return plugin, err
		}
	}
	claims := assumecache.NewAssumeCache(klog.FromContext(ctx), w.informers.Resource().V1().ResourceClaims().Informer(), "ResourceClaim", "", nil)
	slices, err := tracker.StartTracker(ctx, tracker.Options{SliceInformer: w.informers.Resource().V1().ResourceSlices()})
	if err != nil {
		return err
	}
	w.framework, err = frameworkruntime.NewFramework(ctx, registry, &config.Profiles[0],
		frameworkruntime.WithInformerFactory(w.informers),
		frameworkruntime.WithSnapshotSharedLister(w.snapshot),
		frameworkruntime.WithMutableSnapshotLister(w.snapshot),
		frameworkruntime.WithPodNominator(w.nominated),
		frameworkruntime.WithSharedDRAManager(dynamicresources.NewDRAManager(ctx, claims, slices, w.informers)),
		frameworkruntime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(w.informers.Storage().V1().CSINodes().Lister())),
	)
	if err != nil {
		return err
	}
	for _, enabled := range w.framework.ListPlugins().Filter.Enabled {
		w.filters = append(w.filters, made[enabled.Name].(fwk.FilterPlugin))
	}
	return w.tell(c)
}

func (w *world) tell(c *Case) error {
	objects := w.objects
	objects = appendAll(objects, c.Nodes)
	objects = appendAll(objects, c.Namespaces)
	objects = appendAll(objects, c.PersistentVolumes)
	objects = appendAll(objects, c.PersistentVolumeClaims)
	objects = appendAll(objects, c.StorageClasses)
	objects = appendAll(objects, c.CSINodes)
	objects = appendAll(objects, c.CSIDrivers)
	for _, object := range objects {
		if err := w.informers.add(object); err != nil {
			return err
		}
	}
	return nil
}

func appendAll[T any, P interface {
	*T
	runtime.Object
}](objects []runtime.Object, list []T) []runtime.Object {
	for i := range list {
		objects = append(objects, P(&list[i]))
	}
	return objects
}
