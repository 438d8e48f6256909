#!/bin/bash
# kind.sh up|test|down: a cluster in Docker containers (https://kind.sigs.k8s.io) with the agent of this checkout, the
# end-to-end suites on it, and its end. Needs docker (or podman), kind and kubectl; up also dist/weka-cpuset-image.tar.
set -euo pipefail

cd "$(dirname "$0")/../.."
name=weka-cpuset
kubeconfig=$PWD/dist/kind.kubeconfig

cannot() {
  echo "kind: there is no $1 on this machine; install it first." >&2
  exit 2
}
command -v docker >/dev/null || command -v podman >/dev/null || cannot "docker and no podman"
for program in kind kubectl; do command -v "$program" >/dev/null || cannot "$program"; done

case ${1:-} in
  up)
    [ -n "$(kind get clusters | sed -n "/^$name\$/p")" ] || kind create cluster --config hack/kind/cluster.yaml --kubeconfig "$kubeconfig"
    kind load image-archive dist/weka-cpuset-image.tar --name "$name"
    kubectl --kubeconfig "$kubeconfig" apply --kustomize deploy/overlays/kind
    kubectl --kubeconfig "$kubeconfig" --namespace kube-system rollout status daemonset weka-nri-cpuset --timeout=300s
    ;;
  test) KUBECONFIG=$kubeconfig SKIP_BUILD=1 hack/e2e-live.sh "${@:2}" ;;
  down) kind delete cluster --name "$name" --kubeconfig "$kubeconfig" ;;
  *) echo "usage: kind.sh up|test|down" >&2; exit 64 ;;
esac
