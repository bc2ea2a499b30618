#!/usr/bin/env bash
# Builds the operator as one static binary and prints its path. The image carries it and the test bed runs it.
# Likewise another package: hack/build-operator.sh plimsoll-cli plimsoll
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

package=${1:-plimsoll-operator} binary=${2:-plimsoll-operator}
target=$(musl_target)
need_target "$target"

# TLS (ring) has parts in C and assembly. They need no libc, so the machine's own compiler will do for musl.
cc_var=CC_${target//-/_}
if [[ -z ${!cc_var:-} ]] && ! command -v musl-gcc >/dev/null && ! command -v "${target/-unknown/}-gcc" >/dev/null; then
  cc=$(command -v gcc || command -v clang) ||
    die "no C compiler for $target: apt-get install gcc (or musl-tools), or set $cc_var"
  export "$cc_var=$cc"
fi

say "building $binary ($target, release)"
# Where this machine keeps crates' sources does not belong in the binary: two machines then build the same bytes.
# (Our own are named relative to the workspace already.)
cargo fetch --quiet --locked --target "$target"
flags=
for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
  flags+="'--remap-path-prefix=${crates%/}=crates', "
done
cargo build --release --locked --target "$target" --package "$package" \
  --config "target.$target.rustflags = [$flags]" >&2
echo "$target_dir/$target/release/$binary"
