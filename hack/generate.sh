#!/usr/bin/env bash
# Writes what is made from something else: the CRDs (from controller/api), their copy in the chart, the chart's
# table of values, and manifests/install.yaml (the rendered chart). With --check it changes nothing and fails when
# one of them is stale.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

check=false
case ${1:-} in
  --check) check=true ;;
  '') ;;
  *) die "usage: hack/generate.sh [--check]" ;;
esac

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
helm=$(tool helm)

cargo run --quiet --locked --bin crdgen -- "$made/crds" "$made/charts/plimsoll/files/crds" \
  --upstream "$made/charts/plimsoll/files/upstream-crds"

awk '
  /^<!-- from values.yaml/ { print; print ""; while ((getline row < table) > 0) print row; print ""; inside = 1 }
  /^<!-- end -->/ { inside = 0 }
  !inside
' table=<(awk -f hack/values-table.awk charts/plimsoll/values.yaml) charts/plimsoll/README.md >"$made/charts/plimsoll/README.md"

# The chart as it will be, with the CRDs of a moment ago.
cp -r charts/plimsoll "$made/chart"
rm -rf "$made/chart/files"
cp -r "$made/charts/plimsoll/files" "$made/chart/files"
mkdir "$made/manifests"
{
  cat <<'EOF'
# Plimsoll for those who install with kubectl. Made from charts/plimsoll by `make generate`: change it there.
#
#   kubectl apply --server-side -f manifests/install.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: plimsoll-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
EOF
  "$helm" template plimsoll "$made/chart" --namespace plimsoll-system |
    sed -e '/^ *helm\.sh\/chart: /d' -e 's|app.kubernetes.io/managed-by: Helm|app.kubernetes.io/managed-by: kubectl|' -e '/^# Source: /d'
} >"$made/manifests/install.yaml"
rm -rf "$made/chart"

stale=()
while IFS= read -r file; do
  cmp --silent "$made/$file" "$file" || stale+=("$file")
done < <(cd "$made" && find . -type f -printf '%P\n' | sort)
# A kind that is no more leaves a file that is no longer made.
for folder in crds charts/plimsoll/files/crds charts/plimsoll/files/upstream-crds; do
  for file in "$folder"/*; do
    [[ -e $made/$file || ! -e $file ]] || stale+=("$file")
  done
done

if [[ ${#stale[@]} -eq 0 ]]; then
  $check || good "everything is current"
elif $check; then
  for file in "${stale[@]}"; do
    diff --unified "$file" "$made/$file" 2>/dev/null | head -n 20 >&2 || true
  done
  die "stale, run \`make generate\` and commit: ${stale[*]}"
else
  for file in "${stale[@]}"; do
    if [[ -e $made/$file ]]; then
      mkdir -p "$(dirname "$file")"
      cp "$made/$file" "$file"
      good "wrote $file"
    else
      rm "$file"
      good "removed $file"
    fi
  done
fi
