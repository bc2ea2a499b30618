// An adapter as a cluster has one: it serves custom.metrics.k8s.io (both versions) and external.metrics.k8s.io with
// the library that adapters are made of, and with values that a test sets. Custom metrics come from that library's
// own test provider; its external metrics are constants, so these are ours.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/emicklei/go-restful/v3"
	"k8s.io/component-base/logs"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"
	"sigs.k8s.io/custom-metrics-apiserver/test-adapter/provider"
)

func main() {
	logs.InitLogs()
	defer logs.FlushLogs()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	adapter := &cmd.AdapterBase{Name: "adapter"}
	address := adapter.Flags().String("write-address", "127.0.0.1:0", "where values are written")
	logs.AddFlags(adapter.Flags())
	if err := adapter.Flags().Parse(os.Args[1:]); err != nil {
		return err
	}
	client, err := adapter.DynamicClient()
	if err != nil {
		return err
	}
	mapper, err := adapter.RESTMapper()
	if err != nil {
		return err
	}
	custom, writeCustom := provider.NewFakeProvider(client, mapper)
	external := newExternal()
	adapter.WithCustomMetrics(custom)
	adapter.WithExternalMetrics(external)

	container := restful.NewContainer()
	container.Add(writeCustom)
	writes := http.NewServeMux()
	writes.Handle("/write-metrics/", container)
	writes.HandleFunc("PUT /external/{namespace}/{metric}", external.write)
	server := &http.Server{Addr: *address, Handler: writes, ReadHeaderTimeout: 3 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- server.ListenAndServe() }()
	go func() { failed <- adapter.Run(context.Background()) }()
	return <-failed
}
