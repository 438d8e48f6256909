# Everything runs through hack/deno.sh, which fetches the pinned Deno when it isn't there yet.
deno := hack/deno.sh
sources := main.ts src tests hack
build_permissions := --allow-read --allow-write --allow-env --allow-run

.PHONY: help build demo test test-unit test-node lint fmt fmt-check verify generate clean distclean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

build: ## dist/weka-cpuset, the executable
	$(deno) run --quiet $(build_permissions) hack/build.ts

demo: build ## plays the samples against an embedded runtime and draws who owns which CPU
	$(deno) run --quiet --allow-all hack/demo.ts

test: ## all tests; the second kind also runs when the first has failures
	$(MAKE) --no-print-directory --keep-going test-unit test-node

test-unit: ## tests that need nothing but this checkout
	mkdir -p .test-reports
	$(deno) test --quiet --allow-all --junit-path=.test-reports/unit.xml --ignore=tests/node tests hack

test-node: build ## the executable on real containerds, as root
	mkdir -p .test-reports
	hack/get-containerd.sh .tools/node || test $$? -eq 2 # can't be had: the tests say what that means
	$(deno) test --quiet --allow-all --junit-path=.test-reports/node.xml tests/node

lint: ## lint, types, shell scripts
	$(deno) lint
	$(deno) check --quiet $(sources)
	@if command -v shellcheck >/dev/null; then set -x; shellcheck hack/*.sh .ci/run; \
	else echo "lint: shellcheck isn't installed, so the shell scripts were not checked" >&2; fi

fmt: ## formats all sources
	$(deno) fmt

fmt-check: ## says whether all sources are formatted
	$(deno) fmt --check

verify: test-unit lint fmt-check ## what a change has to pass: unit tests, lint, formatting

generate: ## makes the code in src/nri/gen and tests/node/gen from proto/ anew
	hack/generate.sh

clean: ## removes what was built and the test reports
	rm -rf dist .test-reports

distclean: clean ## removes the fetched tools and packages as well
	rm -rf .tools
