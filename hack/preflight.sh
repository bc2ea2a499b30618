#!/usr/bin/env bash
# Says in one line each what this machine lacks for `make demo`, `make test` and `make lint`, and how to get it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

missing=0
lack() { printf '%smissing:%s %s\n' "$red" "$plain" "$*" >&2; missing=1; }

# at_least 1.26 1.26.8
at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if ! command -v cargo >/dev/null; then
  lack "Rust $rust or newer: https://rustup.rs"
elif ! at_least "$rust" "$(rustc --version | cut -d' ' -f2)"; then
  lack "Rust $rust or newer (here: $(rustc --version | cut -d' ' -f2)): rustup update stable"
fi

go=1.26
if ! command -v go >/dev/null; then
  lack "Go $go or newer: https://go.dev/dl"
elif ! at_least "$go" "$(go env GOVERSION | sed 's/^go//; s/[- ].*//')"; then
  lack "Go $go or newer (here: $(go env GOVERSION)): https://go.dev/dl"
fi

command -v cc >/dev/null || lack "a C compiler as cc: apt-get install gcc libc6-dev, dnf install gcc, or apk add gcc musl-dev"
command -v git >/dev/null || lack "git: apt-get install git"
[[ $(uname -s) == Linux ]] || lack "Linux: the test bed runs etcd, the control plane and kwok as Linux processes (in Docker: docker run -it -v \"\$PWD:/src\" -w /src rust)"
tar --version 2>/dev/null | grep -q GNU || lack "GNU tar: apt-get install tar, or apk add tar"

# free_in FOLDER: GiB of its disk that are free, or nothing where that cannot be told.
free_in() { df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print int($4 / 1048576) }' || true; }
# roomy FOLDER GIB WHAT: whether there is room for what is not built yet.
roomy() {
  local free
  free=$(free_in "$1")
  [[ -z $free || $free -ge $2 ]] || lack "$2 GiB of free disk for $3 (here: $free GiB in $1)"
}

[[ -d $cache/tools ]] || roomy "$(dirname "$cache")" 12 "the first build of the test bed's tools"
target=${CARGO_TARGET_DIR:-$PWD/target}
[[ -d $target/debug/deps ]] || roomy "$(dirname "$target")" 8 "the first build and its tests"

exit $missing
