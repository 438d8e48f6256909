#!/bin/bash
# get-helm.sh DIR: what the chart is checked with, from the Go module proxy that this machine's own Go settings name, into DIR:
#   helm    built with Go
#   crds    Prometheus Operator's kinds, for an API server
# The sums are those of the two modules; helm's own go.sum has those of all that it needs. Nothing is installed. Run again, it only
# looks, unless this file has changed. Exit status 2 and one sentence: they can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"
# shellcheck source=hack/kubernetes_build.sh
. "$hack/kubernetes_build.sh"

helm=v3.22.0
helm_sum=h1:n1if5iQgHYsujPAcO5oonH/KiSNUmqmUF0iGVjSF3AU=
operator=v0.85.0
operator_sum=h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=

# module PATH VERSION SUM: sets "source" to its folder.
module() {
  (cd / && go mod download -json "$1@$2") >"$work/module" 2>"$work/log" ||
    cannot "$1 $2 can't be fetched: $(tail -n 1 "$work/log")"
  grep -qF "\"Sum\": \"$3\"" "$work/module" || cannot "$1 $2 has another sum than it had, $3."
  source=$(sed -n 's/.*"Dir": "\(.*\)",/\1/p' "$work/module")
}

enter .lock "$@"
unless_complete "$hack/get-helm.sh"
command -v go >/dev/null || cannot "helm is built from source, and this machine has no go."
work=$(mktemp -d "$dir/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT

module github.com/prometheus-operator/prometheus-operator "$operator" "$operator_sum"
mkdir "$work/crds"
for kind in podmonitors servicemonitors prometheusrules; do
  install -m 644 "$source/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$work/crds/$kind.yaml"
done

module helm.sh/helm/v3 "$helm" "$helm_sum"
# The version of Kubernetes that it renders and lints for where no cluster is asked.
minor=${kubernetes_version#1.}
flags="-s -w -X helm.sh/helm/v3/internal/version.version=$helm"
for package in pkg/chartutil pkg/lint/rules; do
  flags+=" -X helm.sh/helm/v3/$package.k8sVersionMajor=1 -X helm.sh/helm/v3/$package.k8sVersionMinor=${minor%.*}"
done
# In the module's folder its go.sum counts. nice: it takes minutes. Without cgo it needs no C library.
(cd "$source" && GOFLAGS=-mod=readonly CGO_ENABLED=0 nice go build -trimpath -buildvcs=false -ldflags "$flags" \
  -o "$work/helm" ./cmd/helm) >"$work/log" 2>&1 || cannot "helm $helm can't be built: $(tail -n 1 "$work/log")"
"$work/helm" version --short >"$work/version" 2>"$work/log" ||
  cannot "helm $helm was built but doesn't run here: $(tail -n 1 "$work/log")"

rm -rf "$dir/crds" "$dir"/complete*
mv "$work/helm" "$work/crds" "$dir/"
mv "$work/version" "$complete"
cat "$complete"
