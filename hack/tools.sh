#!/usr/bin/env bash
# Builds the test bed and its tools, unless they are built. The first time takes minutes, and says so.
# With --tests also what only tests need.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

[[ -z ${PLIMSOLL_TOOLS:-} ]] || exit 0
say "compiling the test bed (a few minutes the first time)"
cargo build --locked --bin testbed >&2
"$target_dir/debug/testbed" tools "$@"
