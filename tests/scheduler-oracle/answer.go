package main

import fwk "k8s.io/kube-scheduler/framework"

// Answer is what kube-scheduler makes of a case.
type Answer struct {
	// Why kube-apiserver would not have stored the case's pods. Then nothing else is said.
	Invalid []string `json:"invalid,omitempty"`
	// One for each node, in the order of the case.
	Nodes []Verdict `json:"nodes"`
}

// Verdict says whether the pod may go to a node.
type Verdict struct {
	Node string `json:"node"`
	Fits bool   `json:"fits"`
	// What forbids it: first the plugin that the framework names, then the other filters, each asked alone.
	Refusals []Refusal `json:"refusals"`
}

// Refusal is the no of one plugin.
type Refusal struct {
	Plugin  string   `json:"plugin"`
	Code    string   `json:"code"`
	Reasons []string `json:"reasons"`
}

func refusalOf(status *fwk.Status) Refusal {
	return Refusal{status.Plugin(), status.Code().String(), status.Reasons()}
}
