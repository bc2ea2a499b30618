// Package scheduling_test is Karpenter's own scheduling benchmark and, in this file, a way to call it.
//
// The benchmark is a test of sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling and cannot be imported. Its file
// is put beside this one, unchanged, when this is built. Then makeDiversePods, makePreferencePods and setupScheduler are
// Karpenter's; what is here times Solve as the benchmark does, and says more about the result.
//
// Arguments: diverse or preferences, a number of pods, and where to write the input. The result goes to stdout as a line of
// JSON; the types are at the end.
package scheduling_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"

	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/test"
)

// What the benchmark shares with Karpenter's other tests.
var (
	ctx           context.Context
	cluster       *state.Cluster
	cloudProvider *fake.CloudProvider
)

func TestMain(*testing.M) {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("wanted: diverse or preferences, a number of pods, a file; got %q", args)
	}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	// As it is before the first benchmark.
	r = rand.New(rand.NewSource(42))
	var pods []*corev1.Pod
	switch args[0] {
	case "diverse":
		pods = makeDiversePods(count)
	case "preferences":
		pods = makePreferencePods(count)
	default:
		return fmt.Errorf("neither diverse nor preferences: %s", args[0])
	}
	if err := writeInput(args[2], pods); err != nil {
		return err
	}
	ctx = options.ToContext(injection.WithControllerName(context.Background(), "provisioner"), test.Options())
	scheduler, err := setupScheduler(ctx, pods, scheduling.NumConcurrentReconciles(5))
	if err != nil {
		return err
	}
	start := time.Now()
	results, err := scheduler.Solve(ctx, pods)
	seconds := time.Since(start).Seconds()
	if err != nil {
		return err
	}
	solution := Solution{Pods: count, Seconds: seconds, Unplaced: len(results.PodErrors), Nodes: len(results.NewNodeClaims)}
	for _, claim := range results.NewNodeClaims {
		price, err := cheapest(claim)
		if err != nil {
			return err
		}
		solution.Price += price
	}
	return json.NewEncoder(os.Stdout).Encode(solution)
}

// cheapest is what a node of a claim costs if the provider takes the cheapest of the offerings that Karpenter leaves it.
func cheapest(claim *scheduling.NodeClaim) (float64, error) {
	var prices []float64
	for _, kind := range claim.InstanceTypeOptions {
		for _, offering := range kind.Offerings.Available().Compatible(claim.Requirements) {
			prices = append(prices, offering.Price)
		}
	}
	if len(prices) == 0 {
		return 0, fmt.Errorf("nothing can be ordered for %v", claim.Requirements)
	}
	return slices.Min(prices), nil
}

func writeInput(path string, pods []*corev1.Pod) error {
	input := Input{Pods: pods}
	for _, kind := range fake.InstanceTypes(400) {
		input.InstanceTypes = append(input.InstanceTypes, InstanceType{
			Name:        kind.Name,
			Allocatable: kind.Allocatable(),
			Labels: map[string]string{
				corev1.LabelInstanceTypeStable: kind.Name,
				corev1.LabelArchStable:         kind.Requirements.Get(corev1.LabelArchStable).Any(),
				corev1.LabelOSStable:           string(corev1.Linux),
			},
			Offerings: lo.Map(kind.Offerings, func(o *cloudprovider.Offering, _ int) Offering {
				return Offering{
					Zone:         o.Requirements.Get(corev1.LabelTopologyZone).Any(),
					CapacityType: o.Requirements.Get(v1.CapacityTypeLabelKey).Any(),
					Price:        o.Price,
				}
			}),
		})
	}
	text, err := json.Marshal(input)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// Solution is what came of it.
type Solution struct {
	Pods     int     `json:"pods"`
	Seconds  float64 `json:"seconds"`
	Unplaced int     `json:"unplaced"`
	Nodes    int     `json:"nodes"`
	Price    float64 `json:"price"`
}

// Input is what Karpenter was given.
type Input struct {
	Pods          []*corev1.Pod  `json:"pods"`
	InstanceTypes []InstanceType `json:"instanceTypes"`
}

// InstanceType is a kind of machine, as its nodes would be.
type InstanceType struct {
	Name        string              `json:"name"`
	Allocatable corev1.ResourceList `json:"allocatable"`
	Labels      map[string]string   `json:"labels"`
	Offerings   []Offering          `json:"offerings"`
}

// Offering is where and how it can be ordered.
type Offering struct {
	Zone         string  `json:"zone"`
	CapacityType string  `json:"capacityType"`
	Price        float64 `json:"price"`
}
