#!/usr/bin/env bash
# Makes the operator's image without Docker: one static binary on an empty base, as an OCI archive that
# `kind load image-archive`, `docker load`, `podman load` and `ctr images import` read.
# The same commit and tool versions give the same bytes.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

out=$target_dir/image/plimsoll-operator.tar
version=$(cargo pkgid --package plimsoll-operator | sed 's/.*[@#]//')
name=localhost/plimsoll-operator:$version
revision=$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
case $(uname -m) in x86_64) arch=amd64 ;; *) arch=arm64 ;; esac

binary=${PLIMSOLL_OPERATOR_BIN:-$("$root/hack/build-operator.sh")}
crane=$(tool crane)

work=$(mktemp -d)
registry=
trap '[[ -z $registry ]] || kill "$registry" 2>/dev/null; rm -rf "$work"' EXIT

# Equal input, equal bytes: sorted names, one time stamp, no owner's name.
pack() { tar --create --format=gnu --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner "$@"; }

say "packing $name for linux/$arch"
mkdir "$work/root"
install -m 0555 "$binary" "$work/root/plimsoll-operator"
pack --file="$work/layer.tar" --directory="$work/root" plimsoll-operator

# crane changes images in a registry only: one in memory, on a free port of this machine, gone at the end.
"$crane" registry serve --address=127.0.0.1:0 2>"$work/registry.log" &
registry=$!
port=
for _ in {1..1200}; do
  port=$(sed -n 's/.*serving on port //p' "$work/registry.log")
  [[ -z $port ]] || break
  kill -0 "$registry" 2>/dev/null || die "crane's registry did not start: $(cat "$work/registry.log")"
  sleep 0.05
done
[[ -n $port ]] || die "crane's registry did not say its port within a minute"

image=127.0.0.1:$port/plimsoll-operator:$version
quietly() { "$@" >"$work/out" 2>&1 || die "$(basename "$1") $2 failed: $(cat "$work/out")"; }
quietly "$crane" append --oci-empty-base --new_layer="$work/layer.tar" --new_tag="$image"
quietly "$crane" mutate "$image" --tag="$image" --set-platform="linux/$arch" \
  --user=65532:65532 --entrypoint=/plimsoll-operator --workdir=/ --exposed-ports=8080/tcp \
  --label=org.opencontainers.image.title=plimsoll-operator \
  --label=org.opencontainers.image.description="One autoscaler for a Kubernetes cluster" \
  --label=org.opencontainers.image.licenses=Apache-2.0 \
  --label=org.opencontainers.image.version="$version" \
  --label=org.opencontainers.image.revision="$revision" \
  --label=org.opencontainers.image.created="$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)"
quietly "$crane" pull --format=oci "$image" "$work/oci"

# The layout has no name yet, and older readers want manifest.json beside it (as `docker save` writes both).
manifest=$(grep -o 'sha256:[0-9a-f]*' "$work/oci/index.json")
blob() { echo "blobs/sha256/${1#sha256:}"; }
{ read -r config; read -r layer; } < <(grep -o 'sha256:[0-9a-f]*' "$work/oci/$(blob "$manifest")")
cat >"$work/oci/index.json" <<EOF
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":$(stat -c %s "$work/oci/$(blob "$manifest")"),"digest":"$manifest","annotations":{"io.containerd.image.name":"$name","org.opencontainers.image.ref.name":"$version"},"platform":{"architecture":"$arch","os":"linux"}}]}
EOF
echo "[{\"Config\":\"$(blob "$config")\",\"RepoTags\":[\"$name\"],\"Layers\":[\"$(blob "$layer")\"]}]" >"$work/oci/manifest.json"

mkdir -p "$(dirname "$out")"
pack --file="$work/image.tar" --directory="$work/oci" --mode=u=rwX,go=rX blobs index.json manifest.json oci-layout
mv "$work/image.tar" "$out"
good "${out#"$root"/}  $(du -h "$out" | cut -f1)  $manifest"
