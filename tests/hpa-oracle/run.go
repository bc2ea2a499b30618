package main

import (
	"context"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	autoscaling "k8s.io/api/autoscaling/v2"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// never is longer than any case lasts: the controller syncs only when it is told that a spec has changed.
const never = 20 * 365 * 24 * time.Hour

// world is one controller and the API it sees.
type world struct {
	controller *podautoscaler.HorizontalController
	hpas       *informer
	pods       *pods
	scales     *scales
	written    *hpas
	metrics    *queue
	log        *log
	generation int64
}

func run(c *Case) (answers []Answer) {
	w := &world{hpas: newInformer(), pods: &pods{}, scales: &scales{}, written: &hpas{}, metrics: &queue{}, log: &log{}}
	if c.Scaled_to_zero {
		w.written.status = &autoscaling.HorizontalPodAutoscalerStatus{Conditions: []autoscaling.HorizontalPodAutoscalerCondition{
			{Type: autoscaling.ScaledToZero, Status: "True", Reason: "ScaledToZero", Message: "before the case"},
		}}
	}
	ctx, stop := context.WithCancel(klog.NewContext(context.Background(), logr.New(w.log)))
	defer stop()
	w.log.catchErrors()
	s := c.Settings
	w.controller = podautoscaler.NewHorizontalController(
		ctx, nowhere{}, w.scales, w.written, mapper(),
		metricsclient.NewRESTMetricsClient(resourceAPI{queue: w.metrics}, customAPI{w.metrics}, externalAPI{w.metrics}),
		w.hpas, w.pods, never,
		length(s.Downscale_stabilization), s.Tolerance, length(s.Cpu_initialization_period), length(s.Initial_readiness_delay),
	)
	go w.controller.Run(ctx, 1)
	synctest.Wait()
	for i := range c.Steps {
		answers = append(answers, w.sync(&c.Steps[i]))
	}
	return answers
}

// mapper knows Deployments in two versions.
func mapper() apimeta.RESTMapper {
	versions := []schema.GroupVersion{{Group: "apps", Version: "v1"}, {Group: "apps", Version: "v1beta2"}}
	mapper := apimeta.NewDefaultRESTMapper(versions)
	for _, version := range versions {
		mapper.Add(version.WithKind("Deployment"), apimeta.RESTScopeNamespace)
	}
	return mapper
}

// sync lets time pass until the step, changes the world to what the step says, and has the controller sync once.
func (w *world) sync(step *Step) Answer {
	w.scales.start(step)
	w.written.start(step)
	w.pods.start(step)
	w.metrics.start(step)
	sleepUntil(moment(step.Now).Add(-2 * maxRetries))
	w.settleRival(step)
	sleepUntil(moment(step.Now))
	before := w.find(name)
	if before != nil && step.Recreated {
		w.forget(before)
		before = nil
		w.written.status = nil
	}
	w.log.clear()
	w.scales.start(step)
	hpa := w.hpa(name, specOf(&step.Policy, step.Scale))
	if w.written.status != nil {
		hpa.Status = *w.written.status.DeepCopy()
	}
	w.tell(before, hpa)
	if left := len(w.metrics.observed); left > 0 && w.log.proposal != nil {
		panic(fmt.Sprintf("%d metrics were not asked for", left))
	}
	return w.answer()
}

func sleepUntil(moment time.Time) {
	if moment.Before(time.Now()) {
		panic(fmt.Sprintf("%v is past", moment))
	}
	time.Sleep(time.Until(moment))
}

func (w *world) hpa(name string, spec autoscaling.HorizontalPodAutoscalerSpec) *autoscaling.HorizontalPodAutoscaler {
	w.generation++
	return &autoscaling.HorizontalPodAutoscaler{
		TypeMeta:   meta.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: namespace, Generation: w.generation},
		Spec:       spec,
	}
}

func (w *world) find(name string) *autoscaling.HorizontalPodAutoscaler {
	hpa, err := w.hpas.Lister().HorizontalPodAutoscalers(namespace).Get(name)
	if err != nil {
		return nil
	}
	return hpa
}

// tell is what the informer does when it sees a new HPA, or a changed spec. Then the controller syncs.
func (w *world) tell(before, after *autoscaling.HorizontalPodAutoscaler) {
	if err := w.hpas.indexer.Update(after); err != nil {
		panic(err)
	}
	if before == nil {
		w.hpas.handler.OnAdd(after, false)
	} else {
		w.hpas.handler.OnUpdate(before, after)
	}
	// Retries after a conflict take some milliseconds.
	time.Sleep(maxRetries)
	synctest.Wait()
}

// forget deletes an HPA and waits until the controller, at its next sync, has noticed that it is gone.
func (w *world) forget(hpa *autoscaling.HorizontalPodAutoscaler) {
	if err := w.hpas.indexer.Delete(hpa); err != nil {
		panic(err)
	}
	w.generation++
	after := hpa.DeepCopy()
	after.Generation = w.generation
	w.hpas.handler.OnUpdate(hpa, after)
	synctest.Wait()
	w.hpas.handler.OnDelete(hpa)
	synctest.Wait()
}

// settleRival has the controller know, or not know, another HPA in the namespace and its selector.
func (w *world) settleRival(step *Step) {
	if found := w.find(rival); found != nil {
		w.forget(found)
	}
	if step.Rival == "None" {
		return
	}
	one := int32(1)
	spec := autoscaling.HorizontalPodAutoscalerSpec{MinReplicas: &one, MaxReplicas: 2}
	spec.ScaleTargetRef = autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: rival}
	spec.Metrics = []autoscaling.MetricSpec{{Type: "None"}}
	w.tell(nil, w.hpa(rival, spec))
}
