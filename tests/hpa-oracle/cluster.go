package main

import (
	"cmp"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apilabels "k8s.io/apimachinery/pkg/labels"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// informer is the shared informer of the HPAs, of which the controller needs the store and the three handlers.
type informer struct {
	cache.SharedIndexInformer
	indexer cache.Indexer
	handler cache.ResourceEventHandler
}

func newInformer() *informer {
	indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	return &informer{indexer: cache.NewIndexer(cache.MetaNamespaceKeyFunc, indexers)}
}

func (i *informer) Informer() cache.SharedIndexInformer { return i }

func (i *informer) Lister() autoscalinglisters.HorizontalPodAutoscalerLister {
	return autoscalinglisters.NewHorizontalPodAutoscalerLister(i.indexer)
}

func (i *informer) AddEventHandlerWithResyncPeriod(handler cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	i.handler = handler
	return nil, nil
}

func (i *informer) HasSynced() bool { return true }

func (i *informer) GetStore() cache.Store { return i.indexer }

// pods lists the pods of the target, ordered by name. The real lister has no order, and then chance decides which one of
// several pods without a request is named in an error.
type pods struct {
	cache.SharedIndexInformer
	corelisters.PodListerExpansion
	list []*core.Pod
}

func (p *pods) start(step *Step) {
	p.list = nil
	for i := range step.Pods {
		p.list = append(p.list, podOf(&step.Pods[i]))
	}
	slices.SortFunc(p.list, func(a, b *core.Pod) int { return cmp.Compare(a.Name, b.Name) })
}

func (p *pods) Informer() cache.SharedIndexInformer { return p }

func (p *pods) HasSynced() bool { return true }

func (p *pods) Lister() corelisters.PodLister { return podLister{pods: p} }

type podLister struct {
	corelisters.PodListerExpansion
	corelisters.PodNamespaceListerExpansion
	pods *pods
}

func (l podLister) Pods(string) corelisters.PodNamespaceLister { return l }

func (l podLister) List(selector apilabels.Selector) (found []*core.Pod, _ error) {
	for _, pod := range l.pods.list {
		if selector.Matches(apilabels.Set(pod.Labels)) {
			found = append(found, pod)
		}
	}
	return found, nil
}

func (l podLister) Get(name string) (*core.Pod, error) {
	return nil, apierrors.NewNotFound(core.Resource("pods"), name)
}
