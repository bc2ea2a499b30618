package main

import (
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
)

// Case is a cluster and a pod that wants to go somewhere in it.
//
// A pod of the cluster is bound if it has spec.nodeName, nominated if it has status.nominatedNodeName only, and otherwise
// of no consequence.
type Case struct {
	Nodes                  []core.Node                  `json:"nodes"`
	Pods                   []core.Pod                   `json:"pods"`
	Namespaces             []core.Namespace             `json:"namespaces"`
	PersistentVolumes      []core.PersistentVolume      `json:"persistentVolumes"`
	PersistentVolumeClaims []core.PersistentVolumeClaim `json:"persistentVolumeClaims"`
	StorageClasses         []storage.StorageClass       `json:"storageClasses"`
	CSINodes               []storage.CSINode            `json:"csiNodes"`
	CSIDrivers             []storage.CSIDriver          `json:"csiDrivers"`
	// The pod that is asked about.
	Pod core.Pod `json:"pod"`
}
