# shellcheck shell=bash
# kubernetes_build.sh, sourced after fetch.sh by the scripts that build programs of Kubernetes with Go.

kubernetes_version=1.34.4

# kubernetes_build WORK PROGRAM…: builds them into the folder WORK, from the Go module proxy that this machine's own Go
# settings name.
kubernetes_build() {
  local work=$1 module=k8s.io/kubernetes version=$kubernetes_version versions=k8s.io/component-base/version source program
  shift
  command -v go >/dev/null || cannot "Kubernetes $version is built from source, and this machine has no go."
  (cd / && go mod download -json "$module@v$version") >"$work/module" 2>"$work/log" ||
    cannot "Kubernetes $version can't be fetched: $(tail -n 1 "$work/log")"
  source=$(sed -n 's/.*"Dir": "\(.*\)",/\1/p' "$work/module")
  # Kubernetes replaces its own libraries by folders that its module leaves out, so "go install" refuses it. A module
  # with the same requirements replaces them by what is published of them: v1.34.4 is v0.34.4 there.
  mkdir "$work/build"
  { sed -e 's|^module .*|module programs|' -e "s|=> ./staging/src/\(k8s.io/[a-z-]*\)|=> \1 v0.${version#1.}|" "$source/go.mod"
    echo "require $module v$version"; } >"$work/build/go.mod"
  cat "$source/go.sum" >"$work/build/go.sum"
  for program in "$@"; do
    # nice: it takes minutes. Without cgo it needs no C library.
    (cd "$work/build" && GOFLAGS=-mod=mod CGO_ENABLED=0 nice go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X $versions.gitVersion=v$version -X $versions.gitMajor=1 -X $versions.gitMinor=34" \
      -o "$work/$program" "$module/cmd/$program") >"$work/log" 2>&1 ||
      cannot "$program $version can't be built: $(tail -n 1 "$work/log")"
    "$work/$program" --version >/dev/null || cannot "$program $version was built but doesn't run here."
  done
}
