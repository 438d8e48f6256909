#!/bin/bash
# get-spdx.sh DIR: the validator of spdx-requirements.txt, unpacked under DIR with DIR/pyspdxtools to run it; nothing is installed.
# Run again, it only looks. Exit status 2 and one sentence: it can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"
requirements=$hack/spdx-requirements.txt
enter .lock "$@"

if cmp -s "$requirements" "$dir/complete"; then exit; fi
python3 -m pip --version >/dev/null 2>&1 || cannot "python3 has no pip."
rm -rf "$dir/packages" "$dir/complete"
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
  --target "$dir/packages" --requirement "$requirements" 2>"$dir/log" || cannot "pip can't fetch it: $(tail -n 1 "$dir/log")"
cat >"$dir/pyspdxtools" <<'P'
#!/bin/bash
packages=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/packages
PYTHONPATH=$packages exec python3 -m spdx_tools.spdx.clitools.pyspdxtools "$@"
P
chmod +x "$dir/pyspdxtools"
"$dir/pyspdxtools" --help >"$dir/log" 2>&1 || cannot "it doesn't run here: $(tail -n 1 "$dir/log")"
cp "$requirements" "$dir/complete"
