# What people do here. Each command does all of its own set-up; what a machine lacks is said in one line each.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

.PHONY: help cli demo demo-ingress picture picture-ingress test test-traffic conformance mutants lint generate image bench bench-burst clean preflight tools

help: ## This list
	@if [[ -t 1 && -z $${NO_COLOR:-} ]]; then on=$$'\e[1;36m'; off=$$'\e[0m'; else on=; off=; fi; \
	awk -v on="$$on" -v off="$$off" 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %smake %-15s%s %s\n", on, $$1, off, $$2 }' Makefile

demo: preflight tools ## A shop on a real cluster, a wave of load, and how it scales (KEEP=1 leaves the cluster up)
	@bin=$$(hack/build-operator.sh); \
	PLIMSOLL_OPERATOR_BIN=$$bin KEEP=$(KEEP) cargo run --quiet --locked --bin demo

demo-ingress: preflight tools ## The same shop with real clients: k6, through Traefik, to pods that answer; what they see of a wave
	@bin=$$(hack/build-operator.sh); \
	PLIMSOLL_OPERATOR_BIN=$$bin cargo run --quiet --locked --bin demo -- --ingress

picture-ingress: preflight tools ## Run the demo with real clients and draw it as docs/images/demo-ingress.svg
	@bin=$$(hack/build-operator.sh); \
	PLIMSOLL_OPERATOR_BIN=$$bin cargo run --quiet --locked --bin demo -- --ingress --svg docs/images/demo-ingress.svg

picture: preflight tools ## Run the demo and draw it as docs/images/demo.svg, the picture of the README
	@bin=$$(hack/build-operator.sh); \
	PLIMSOLL_OPERATOR_BIN=$$bin cargo run --quiet --locked --bin demo -- --svg docs/images/demo.svg

cli: preflight ## `plimsoll` and `kubectl-plimsoll`, each one static binary
	@bin=$$(hack/build-operator.sh plimsoll-cli plimsoll); \
	echo "$$bin (kubectl-plimsoll lies beside it: both may go into a folder of your PATH)"

# Tests on a cluster wait more than they compute, so more run at a time than there are cores. The command line is the one
# that cargo builds beside its tests.
test: preflight ## All tests, on real clusters
	@hack/tools.sh --tests
	@bin=$$(hack/build-operator.sh); \
	export PLIMSOLL_OPERATOR_BIN=$$bin PLIMSOLL_CLI_BIN=$${CARGO_TARGET_DIR:-$$PWD/target}/debug/plimsoll; \
	hack/image.sh; \
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))} cargo test --workspace --locked

# One after the other: each measures what clients see.
test-traffic: preflight tools ## What clients see through a real front door (Traefik and k6 are built once: 11 minutes)
	@bin=$$(hack/build-operator.sh); \
	PLIMSOLL_OPERATOR_BIN=$$bin cargo test --workspace --test traffic --locked -- --ignored --test-threads=1 --nocapture

# Compiled without optimization, as the tests are: most of the time is Go's.
conformance: preflight tools ## HPA-1.37 against the HPA: 100,000 calculations, 10,000 sequences of syncs, and both live; placement against kube-scheduler's filters: 100,000 questions, and what it binds of 2,000 plans
	@cargo test --package plimsoll-tests --test scheduler_differential --locked -- --ignored --exact conformance
	@cargo test --package plimsoll-tests --test scheduler_binds --locked -- --ignored --exact conformance
	@cargo test --package plimsoll-tests --test hpa_differential --locked -- --ignored --exact conformance
	@bin=$$(hack/build-operator.sh); \
	PLIMSOLL_OPERATOR_BIN=$$bin cargo run --quiet --locked --bin compare

mutants: preflight ## Change every rule of a folder, DIR=controller/core/src/replicas: some test must fail (hours, or SHARD=0/24)
	@SHARD=$(SHARD) hack/mutants.sh $(DIR)

lint: preflight tools ## Everything that can be said of the code without running it
	@hack/lint.sh

generate: preflight tools ## The CRDs, the chart's copy and table of values, manifests/install.yaml
	@hack/generate.sh

image: preflight tools ## The operator's image as target/image/plimsoll-operator.tar, without Docker
	@hack/image.sh

bench: preflight tools ## How fast nodes are planned for, beside Karpenter, and decisions, beside the HPA controller (SIZE=10000 for more than 1,000 objects)
	@cargo bench --package plimsoll-core --locked
	@cargo build --release --package plimsoll-observe --example plan_pods --locked
	@PLIMSOLL_PLAN_BIN=$${CARGO_TARGET_DIR:-target}/release/examples/plan_pods \
	cargo run --quiet --locked --bin bench_plan
	@bin=$$(hack/build-operator.sh); \
	PLIMSOLL_OPERATOR_BIN=$$bin cargo run --quiet --locked --bin bench

bench-burst: preflight tools ## A burst of 1,000 and of 5,000 pods, from nothing to all of them on new nodes, beside Karpenter
	@bin=$$(hack/build-operator.sh); \
	PLIMSOLL_OPERATOR_BIN=$$bin cargo run --quiet --locked --bin bench_burst

clean: ## Remove what was built here (the test bed's tools stay in ~/.cache/plimsoll)
	@cargo clean

preflight:
	@hack/preflight.sh

# Built once and kept outside the work tree.
tools:
	@hack/tools.sh
