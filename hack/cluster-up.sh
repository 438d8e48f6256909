#!/bin/bash
# cluster-up.sh [--help] …: starts a Kubernetes cluster on this machine, with the agent; see tests/e2e/cluster/up.ts.
# Needs dist/weka-cpuset ("make build"), and for --agent daemonset its image ("make image").
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
exec "$root/hack/deno.sh" run --quiet --allow-all "$root/tests/e2e/cluster/up.ts" "$@"
