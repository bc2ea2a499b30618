#!/usr/bin/env bash
# All that can be said of the code without running a cluster. Each check is one line; the first that fails ends it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

cargo_deny_version=0.20.2

# check "what it is" command...
check() {
  local what=$1 start=$SECONDS
  shift
  "$@" || die "this does not hold: $what"
  good "$what $dim($((SECONDS - start)) s)$plain"
}

go_is_formatted() {
  local files
  files=$(gofmt -l tests)
  [[ -z $files ]] || { echo "run gofmt -w on: ${files//$'\n'/, }" >&2; return 1; }
}

# A dependency or a feature that a crate forgot to name must not hide behind another crate that names it. The other
# crates are built alone anyway: the core for wasm32 below, the operator for its image.
each_crate_alone() {
  local crate
  for crate in plimsoll-api plimsoll-cli plimsoll-observe plimsoll-providers plimsoll-signals; do
    cargo check --quiet --locked --package "$crate" || return
  done
}

# jiff computes with calendars and time zones; what of it reads a clock or the machine, clippy.toml bans.
# Everything the core is made of, on every machine and with every feature, tests aside.
core_is_pure() {
  local found
  found=$(cargo tree --package plimsoll-core --edges normal,build --target all --all-features --prefix none --format '{p}' |
    awk '{ print $1 }' | sort -u | grep -E '^(kube|kube-.*|k8s-openapi|tokio|tokio-.*|tracing|tracing-.*|rand|rand_.*|getrandom|chrono|plimsoll-(api|observe|providers|signals|operator))$' || true)
  [[ -z $found ]] || { echo "plimsoll-core depends on: ${found//$'\n'/, }" >&2; return 1; }
}

core_builds_for_wasm() {
  need_target wasm32-unknown-unknown
  cargo build --quiet --package plimsoll-core --lib --target wasm32-unknown-unknown
}

versions_agree() {
  local crate chart app
  crate=$(cargo pkgid --package plimsoll-operator | sed 's/.*[@#]//')
  chart=$(sed -n 's/^version: //p' charts/plimsoll/Chart.yaml)
  app=$(sed -n 's/^appVersion: //p' charts/plimsoll/Chart.yaml)
  [[ $crate == "$chart" && $crate == "$app" ]] ||
    { echo "Cargo.toml says $crate, Chart.yaml version $chart and appVersion $app" >&2; return 1; }
}

cargo_deny() {
  local program
  program=$(cargo_program cargo-deny "$cargo_deny_version") || return
  "$program" --log-level error "$@"
}

advisories() {
  # The database is a git repository; where it cannot be reached this check would say nothing about our dependencies.
  if ! timeout 60 git ls-remote --quiet https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
    skip "advisories: the RustSec database cannot be reached from here"
    return
  fi
  if ! cargo_deny fetch db >/dev/null 2>&1; then
    skip "advisories: the RustSec database cannot be fetched from here"
    return
  fi
  check "no dependency has a known vulnerability" cargo_deny check advisories
}

chart() {
  local helm
  helm=$(tool helm)
  "$helm" lint --quiet --strict charts/plimsoll
  "$helm" lint --quiet --strict charts/plimsoll --values charts/plimsoll/tests/everything.yaml
  "$helm" template plimsoll charts/plimsoll --values charts/plimsoll/tests/everything.yaml >/dev/null
}

# A check that runs only where its program is installed: not worth a build of its own.
optional() {
  local what=$1 program=$2
  shift
  if command -v "$program" >/dev/null; then
    check "$what" "$@"
  else
    skip "$what: $program is not installed"
  fi
}

say "lint"
check "formatted" cargo fmt --all --check
check "Go is formatted" go_is_formatted
check "clippy, warnings are errors" cargo clippy --quiet --workspace --all-targets --locked -- --deny warnings
check "each crate compiles on its own" each_crate_alone
check "the core is pure" core_is_pure
check "the core builds for wasm32" core_builds_for_wasm
check "one version everywhere" versions_agree
check "generated files are current" hack/generate.sh --check
check "the chart is well-formed" chart
check "licences, bans and sources of dependencies" cargo_deny check licenses bans sources
advisories
optional "shell scripts" shellcheck --external-sources hack/*.sh .ci/run
# The test bed builds promtool for the dashboard's test.
PATH=$PATH:$(find "$cache/tools" -path '*/bin/promtool' -printf '%h' -quit 2>/dev/null || true)
optional "alerts behave as their tests say" promtool test rules charts/plimsoll/tests/rules.yaml charts/plimsoll/tests/rules_nodes.yaml
