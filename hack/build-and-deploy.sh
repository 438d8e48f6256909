#!/bin/bash
# build-and-deploy.sh [OPTION…]: builds the image, pushes it, installs the DaemonSet in a cluster, and waits until it is ready.
#   --kubeconfig FILE   the cluster; default: KUBECONFIG, or kubectl's own
#   --registry NAME     where the image is pushed to and pulled from; without one each node must have imported it
#   --image-name NAME   default: weka-cpuset
#   --image-tag TAG     default: the version in deno.json
#   --overlay NAME      a folder of deploy/: manifests (default), http, host-plugin; or any other, by its absolute path
#   --dry-run           changes nothing: the API server checks the objects, and they are printed
#   --debug             the agent logs at level debug, and each command is printed
#   --skip-build        the image is there already
set -euo pipefail

cd "$(dirname "$0")/.."
fail() {
  echo "build-and-deploy: $*" >&2
  exit 64
}

registry='' name=weka-cpuset tag='' overlay=manifests dry_run='' debug='' skip_build=''
while [ $# -gt 0 ]; do
  case $1 in
    --kubeconfig | --registry | --image-name | --image-tag | --overlay)
      [ -n "${2:-}" ] || fail "$1 needs a value."
      case $1 in
        --kubeconfig) export KUBECONFIG=$2 ;;
        --registry) registry=$2 ;;
        --image-name) name=$2 ;;
        --image-tag) tag=$2 ;;
        --overlay) overlay=$2 ;;
      esac
      shift
      ;;
    --dry-run) dry_run=1 ;;
    --debug) debug=1 ;;
    --skip-build) skip_build=1 ;;
    --help) exec sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0" ;;
    *) fail "$1 is no option; --help lists them." ;;
  esac
  shift
done
[ "${overlay#/}" != "$overlay" ] || overlay=deploy/$overlay
[ -f "$overlay/kustomization.yaml" ] || fail "$overlay is no overlay; there are manifests, http and host-plugin."
[ -z "${KUBECONFIG:-}" ] || [ -r "$KUBECONFIG" ] || fail "the kubeconfig $KUBECONFIG can't be read."
PATH=$PATH:$PWD/.tools/kubernetes
command -v kubectl >/dev/null || fail "there is no kubectl on this machine; install it, or run hack/get-kubernetes.sh .tools/kubernetes."
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' deno.json)
image=${registry:-localhost}/$name:${tag:=$version}
[ -z "$debug" ] || set -x

if [ -z "$skip_build$dry_run" ]; then
  make "$([ -n "$registry" ] && echo image-push || echo image)" REGISTRY="$registry" IMAGE_NAME="$name" IMAGE_TAG="$tag"
fi
[ -n "$registry" ] ||
  echo "build-and-deploy: without --registry each node needs: ctr -n k8s.io images import dist/weka-cpuset-image.tar" >&2

objects=$(kubectl kustomize "$overlay" | sed "s|localhost/weka-cpuset:$version|$image|; ${debug:+s|level: info|level: debug|}")
if [ -n "$dry_run" ]; then
  echo "$objects"
  kubectl apply --dry-run=server --filename - <<<"$objects" >&2
  exit
fi
before=$(kubectl --namespace kube-system get daemonset weka-nri-cpuset --ignore-not-found --output 'jsonpath={.metadata.generation}')
kubectl apply --filename - <<<"$objects"
# A ConfigMap alone restarts nobody, nor does an image that was pushed again under its name.
after=$(kubectl --namespace kube-system get daemonset weka-nri-cpuset --output 'jsonpath={.metadata.generation}')
[ "$before" != "$after" ] || kubectl --namespace kube-system rollout restart daemonset/weka-nri-cpuset
if ! kubectl --namespace kube-system rollout status daemonset/weka-nri-cpuset --timeout="${ROLLOUT_TIMEOUT:-300s}"; then
  # Why: readiness says it in events, an image that isn't there too.
  kubectl --namespace kube-system get pods --selector app=weka-nri-cpuset --output wide >&2
  kubectl --namespace kube-system get events --field-selector type=Warning --sort-by lastTimestamp |
    grep weka-nri-cpuset | tail -n 10 >&2 || true
  echo "build-and-deploy: the DaemonSet isn't ready; the events above say why, and docs/troubleshooting.md what to do." >&2
  exit 1
fi
