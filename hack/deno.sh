#!/bin/bash
# hack/deno.sh ARGUMENTS…: the pinned Deno, fetched first where it is missing, with this checkout's own cache.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/hack/toolchain.sh"
tools=$root/.tools/deno-$(awk '$1 == "version" { print $2 }' "$root/hack/toolchain.sums")

export DENO_DIR=$root/.tools/deno-dir
# The machine's own certificates too: packages may come through a proxy that inspects TLS.
export DENO_TLS_CA_STORE=system,mozilla
export DENO_NO_UPDATE_CHECK=1
# The runtime base for `deno compile`, which would otherwise download it.
export DENORT_BIN=$tools/denort
exec "$tools/deno" "$@"
