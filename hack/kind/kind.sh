#!/bin/bash
# kind.sh up|test|down: a cluster in Docker containers (https://kind.sigs.k8s.io) with the agent of this checkout, the
# end-to-end suites on it, and its end. Needs docker (or podman), kind and kubectl; up also dist/weka-cpuset-image.tar.
set -euo pipefail

cd "$(dirname "$0")/../.."
name=weka-cpuset
kubeconfig=$PWD/dist/kind.kubeconfig

for program in kind kubectl; do
  command -v "$program" >/dev/null || { echo "kind: there is no $program on this machine; install it first." >&2; exit 2; }
done

case ${1:-} in
  up)
    kind get clusters | grep -qx "$name" || kind create cluster --config hack/kind/cluster.yaml --kubeconfig "$kubeconfig"
    kind load image-archive dist/weka-cpuset-image.tar --name "$name"
    kubectl --kubeconfig "$kubeconfig" apply --kustomize deploy/manifests
    kubectl --kubeconfig "$kubeconfig" --namespace kube-system rollout status daemonset weka-nri-cpuset --timeout=300s
    ;;
  test) KUBECONFIG=$kubeconfig SKIP_BUILD=1 hack/e2e-live.sh "${@:2}" ;;
  down) kind delete cluster --name "$name" --kubeconfig "$kubeconfig" ;;
  *) echo "usage: kind.sh up|test|down" >&2; exit 64 ;;
esac
