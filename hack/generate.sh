#!/bin/bash
# Makes the TypeScript of proto/*.proto anew, byte for byte: protoc from the registry package grpcio-tools, the
# plugin from deno.lock. Afterwards `git diff --exit-code` shows whether the checked-in files were up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

package=grpcio-tools==1.76.0
protoc=$PWD/.tools/protoc-${package##*=}
if ! [ -d "$protoc" ]; then
  echo "generate: fetching the registry package $package" >&2
  rm -rf "$protoc.partly"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target "$protoc.partly" "$package"
  mv "$protoc.partly" "$protoc"
fi

# protoc wants the plugin as a program. The frozen lock knows it by the specifier that deno.json has.
plugin=$protoc/protoc-gen-es
specifier=$(grep -o 'npm:@bufbuild/protoc-gen-es@[0-9.]*' deno.json)
printf '#!/bin/bash\nexec "%s/hack/deno.sh" run --quiet --allow-all %s "$@"\n' "$PWD" "$specifier" >"$plugin"
chmod +x "$plugin"

generate() {
  mkdir -p "$1"
  PYTHONPATH=$protoc python3 -m grpc_tools.protoc --proto_path=proto "--plugin=$plugin" \
    --es_out="$1" --es_opt=target=ts,import_extension=ts "${@:2}"
}

generate src/nri/gen nri.proto
generate src/wire/gen ttrpc.proto
generate src/cri/gen cri.proto introspection.proto
generate src/peers/gen podresources.proto
