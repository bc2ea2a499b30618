package main

import (
	"context"
	"errors"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/scale"
)

// scales is the scale subresource of the target, and of the rival's.
type scales struct {
	step    *Step
	gets    int
	updates int
	written *int32
}

func (s *scales) start(step *Step) { *s = scales{step: step} }

func (s *scales) Scales(string) scale.ScaleInterface { return s }

func (s *scales) Get(_ context.Context, _ schema.GroupResource, of string, _ meta.GetOptions) (*autoscalingv1.Scale, error) {
	answer := &autoscalingv1.Scale{ObjectMeta: meta.ObjectMeta{Name: of, Namespace: namespace}}
	answer.Spec.Replicas, answer.Status.Replicas = s.step.Target.Spec_replicas, s.step.Target.Status_replicas
	answer.Status.Selector = s.step.Selector
	if of == rival {
		answer.Spec.Replicas = 1
		switch s.step.Rival {
		case "Waiting":
			return nil, errors.New("not yet")
		case "Apart":
			answer.Status.Selector = "app=other"
		case "Overlapping":
			answer.Status.Selector = "app in (web, other)"
		}
		return answer, nil
	}
	s.gets++
	switch s.step.Scale.Name {
	case "Fails":
		if s.gets == 1 {
			return nil, errors.New(get[string](s.step.Scale))
		}
		return nil, errors.New("an error that nobody hears of")
	case "FallsBack":
		if s.gets == 1 {
			return nil, errors.New("the first version is not served")
		}
	}
	return answer, nil
}

func (s *scales) Update(_ context.Context, of schema.GroupResource, to *autoscalingv1.Scale, _ meta.UpdateOptions) (*autoscalingv1.Scale, error) {
	s.updates++
	switch s.step.Write.Name {
	case "Fails":
		return nil, errors.New(get[string](s.step.Write))
	case "Conflicts":
		if s.updates <= get[int](s.step.Write) {
			return nil, apierrors.NewConflict(of, to.Name, errors.New("changed meanwhile"))
		}
	}
	replicas := to.Spec.Replicas
	s.written = &replicas
	return to, nil
}

func (s *scales) Patch(context.Context, schema.GroupVersionResource, string, types.PatchType, []byte, meta.PatchOptions) (*autoscalingv1.Scale, error) {
	panic("HPA does not patch")
}

// hpas takes the status that the controller writes.
type hpas struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	step   *Step
	status *autoscaling.HorizontalPodAutoscalerStatus
}

func (h *hpas) start(step *Step) { h.step = step }

func (h *hpas) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return h
}

func (h *hpas) UpdateStatus(_ context.Context, hpa *autoscaling.HorizontalPodAutoscaler, _ meta.UpdateOptions) (*autoscaling.HorizontalPodAutoscaler, error) {
	if hpa.Name == name {
		if h.step.Status_fails != nil {
			return nil, errors.New(*h.step.Status_fails)
		}
		h.status = hpa.Status.DeepCopy()
	}
	return hpa, nil
}

// nowhere is where events go; they are read from the log, where no correlator has dropped or merged any.
type nowhere struct{ coreclient.EventInterface }

func (n nowhere) Events(string) coreclient.EventInterface { return n }

func (nowhere) CreateWithEventNamespace(e *core.Event) (*core.Event, error) { return e, nil }

func (nowhere) UpdateWithEventNamespace(e *core.Event) (*core.Event, error) { return e, nil }

func (nowhere) PatchWithEventNamespace(e *core.Event, _ []byte) (*core.Event, error) { return e, nil }
