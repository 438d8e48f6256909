#!/bin/bash
# cluster-down.sh: ends the cluster that cluster-up.sh started, and nothing else; see tests/e2e/cluster/down.ts.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
exec "$root/hack/deno.sh" run --quiet --allow-all "$root/tests/e2e/cluster/down.ts"
