package main

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/informers/apps"
	"k8s.io/client-go/informers/core"
	"k8s.io/client-go/informers/internalinterfaces"
	"k8s.io/client-go/informers/policy"
	"k8s.io/client-go/informers/resource"
	"k8s.io/client-go/informers/storage"
	"k8s.io/client-go/tools/cache"
)

// factory makes informers that know what they were given, and tell it at once. The groups of the API that no plugin of
// the default configuration reads are missing.
type factory struct {
	informers.SharedInformerFactory
	made map[reflect.Type]*informer
}

func newFactory() *factory { return &factory{made: map[reflect.Type]*informer{}} }

func (f *factory) Apps() apps.Interface         { return apps.New(f, "", nil) }
func (f *factory) Core() core.Interface         { return core.New(f, "", nil) }
func (f *factory) Policy() policy.Interface     { return policy.New(f, "", nil) }
func (f *factory) Resource() resource.Interface { return resource.New(f, "", nil) }
func (f *factory) Storage() storage.Interface   { return storage.New(f, "", nil) }

func (f *factory) InformerName() *cache.InformerName { return nil }

func (f *factory) InformerFor(of runtime.Object, _ internalinterfaces.NewInformerFunc) cache.SharedIndexInformer {
	return f.informerFor(of)
}

func (f *factory) informerFor(of runtime.Object) *informer {
	kind := reflect.TypeOf(of)
	if f.made[kind] == nil {
		indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
		f.made[kind] = &informer{indexer: cache.NewIndexer(cache.MetaNamespaceKeyFunc, indexers)}
	}
	return f.made[kind]
}

// add tells of an object.
func (f *factory) add(object runtime.Object) error {
	i := f.informerFor(object)
	if err := i.indexer.Add(object); err != nil {
		return fmt.Errorf("%T: %w", object, err)
	}
	for _, handler := range i.handlers {
		handler.OnAdd(object, true)
	}
	return nil
}

// informer is a store that has always been filled already.
type informer struct {
	cache.SharedIndexInformer
	indexer  cache.Indexer
	handlers []cache.ResourceEventHandler
}

func (i *informer) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, handler)
	return i, nil
}

func (i *informer) AddIndexers(indexers cache.Indexers) error { return i.indexer.AddIndexers(indexers) }

func (i *informer) GetIndexer() cache.Indexer { return i.indexer }

func (i *informer) GetStore() cache.Store { return i.indexer }

func (i *informer) HasSynced() bool { return true }
