#!/bin/bash
# e2e-live.sh [OPTION…] [SUITE…]: the end-to-end suites on the cluster of KUBECONFIG, whichever it is; options as in
# "make test-e2e E2E=--help". The agent is installed unless it is there:
#   PLUGIN_IMAGE     its image; default: PLUGIN_REGISTRY/weka-cpuset:VERSION
#   PLUGIN_REGISTRY  where the image is pushed to, and pulled from
#   SKIP_BUILD=1     the image is there already
#   FORCE_DEPLOY=1   it is installed also where one is there
#   PLUGIN_MANIFESTS its manifests, as --overlay of build-and-deploy.sh
#   TEST_IMAGE       of the tests' pods, any with a busybox; default: busybox:1.37
#   E2E_NODE         the nodes that are tested, with commas between them; default: those with a running agent;
#                    with it, the agent may be installed in any way
set -euo pipefail

cd "$(dirname "$0")/.."
fail() {
  echo "e2e-live: $*" >&2
  exit 64
}

[ -n "${KUBECONFIG:-}" ] || fail "KUBECONFIG isn't set; it must name the configuration file of the cluster to test on."
[ -r "$KUBECONFIG" ] || fail "KUBECONFIG is $KUBECONFIG, which can't be read."
PATH=$PATH:$PWD/.tools/kubernetes
command -v kubectl >/dev/null || fail "there is no kubectl on this machine; install it, or run hack/get-kubernetes.sh .tools/kubernetes."

deploy() {
  local version image
  version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' deno.json)
  [ -n "${PLUGIN_IMAGE:-}${PLUGIN_REGISTRY:-}" ] ||
    fail "the cluster has no agent; set PLUGIN_IMAGE to its image, or PLUGIN_REGISTRY to where it is pushed."
  image=${PLUGIN_IMAGE:-$PLUGIN_REGISTRY/weka-cpuset:$version}
  hack/build-and-deploy.sh --registry "${image%/*}" --image-name "$(basename "${image%:*}")" --image-tag "${image##*:}" \
    --overlay "${PLUGIN_MANIFESTS:-manifests}" ${SKIP_BUILD:+--skip-build}
}

has_agent() {
  [ -n "${E2E_NODE:-}" ] || kubectl --namespace kube-system get daemonset weka-nri-cpuset >/dev/null 2>&1
}

if [ -n "${FORCE_DEPLOY:-}" ] || ! has_agent; then deploy; fi
exec hack/deno.sh run --quiet --allow-all tests/e2e/main.ts --live "$@"
