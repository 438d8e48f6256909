# Everything runs through hack/deno.sh, which fetches the pinned Deno when it isn't there yet.
deno := hack/deno.sh
sources := main.ts src tests tools hack deploy
build_permissions := --allow-read --allow-write --allow-env --allow-run
# The image's name, REGISTRY/IMAGE_NAME:IMAGE_TAG; hack/image.ts has the defaults.
export REGISTRY IMAGE_NAME IMAGE_TAG
# The containerd to test on, as in 2.4; those of Debian unless it is given.
export CONTAINERD
version := $(shell sed -n 's/^  "version": "\(.*\)",$$/\1/p' deno.json)

.PHONY: help build demo bench image image-with-timestamp image-push test test-unit test-slow test-node test-vm ansible-check \
  rewrite-scripts simulate mutate fuzz soak lint fmt fmt-check verify verify-all generate clean distclean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' Makefile

build: ## dist/weka-cpuset, the executable
	$(deno) run --quiet $(build_permissions) hack/build.ts

image: build ## dist/weka-cpuset-image.tar, the container image, made without a container engine
	$(deno) run --quiet $(build_permissions) hack/image.ts

image-with-timestamp: ## the same with the time in its tag
	$(MAKE) --no-print-directory image IMAGE_TAG="$(or $(IMAGE_TAG),$(version))-$$(date -u +%Y%m%d%H%M%S)"

image-push: image ## the same, pushed to REGISTRY with skopeo, crane, podman or docker
	hack/image-push.sh

demo: build ## plays the samples against an embedded runtime and draws who owns which CPU
	$(deno) run --quiet --allow-all hack/demo.ts

bench: build ## measures start, creation, memory and size (ONLY=size|start|decide|create|memory|pool); see docs/benchmark.md
	$(deno) run --quiet --allow-all tools/bench/main.ts $(ONLY)

rewrite-scripts: ## writes what the agent does now into tests/scenarios and docs/placement.md: read it before you commit it
	REWRITE=1 $(deno) test --quiet --allow-all tests/scenarios
	$(deno) run --quiet --allow-all hack/placement_docs.ts

simulate: ## random events on simulated nodes, drawn anew (EVENTS= JOBS= SEED= MODE= CGROUPS= DRIVER= MACHINE= REPLAY=); see docs/simulation.md
	$(deno) run --quiet --allow-all tools/simulate/main.ts $(if $(EVENTS),--events $(EVENTS)) $(if $(JOBS),--jobs $(JOBS)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(MODE),--mode $(MODE)) $(if $(CGROUPS),--cgroups $(CGROUPS)) \
	  $(if $(DRIVER),--driver $(DRIVER)) $(if $(MACHINE),--machine $(MACHINE)) $(if $(REPLAY),--replay $(REPLAY))

mutate: ## breaks the sources in many small ways and sees whether the tests notice; see docs/mutation.md
	$(deno) run --quiet --allow-all tools/mutate/main.ts $(MUTATE)

fuzz: ## throws made-up bytes and texts at every parser (INPUTS=); see docs/security.md
	$(deno) run --quiet --allow-all tools/fuzz/main.ts $(if $(INPUTS),--inputs $(INPUTS))

soak: ## a simulated week on a busy node: 1.68 million pods, and nothing may grow (PODS= LIVE=)
	$(deno) run --quiet --allow-all --v8-flags=--expose-gc tools/soak/main.ts $(if $(PODS),--pods $(PODS)) $(if $(LIVE),--live $(LIVE))
	$(deno) run --quiet --allow-all --v8-flags=--expose-gc tools/soak/main.ts --apply runtime --pods $(or $(PODS),240000) \
	  $(if $(LIVE),--live $(LIVE))

test: ## all tests; each kind also runs when another has failures
	$(MAKE) --no-print-directory --keep-going test-unit test-slow test-node

test-unit: ## tests that need nothing but this checkout
	mkdir -p .test-reports
	$(deno) test --quiet --allow-all --junit-path=.test-reports/unit.xml tests/unit tests/scenarios

test-slow: build ## tests that start many processes or wait for real time-outs
	mkdir -p .test-reports
	$(deno) test --quiet --allow-all --junit-path=.test-reports/slow.xml tests/slow

test-node: image ## the executable on real containerds, as root; CONTAINERD=2.4: on that one, built with Go
	mkdir -p .test-reports
	hack/get-containerd.sh .tools/node || test $$? -eq 2 # can't be had: the tests say what that means
	$(if $(filter 2.4,$(CONTAINERD)),hack/get-containerd-go.sh .tools/node || test $$? -eq 2)
	$(deno) test --quiet --allow-all --junit-path=.test-reports/node$(CONTAINERD:%=-%).xml tests/system/node

test-vm: build ## the executable in a virtual machine of 16 CPUs, two nodes and cgroup v2, with systemd, as root
	mkdir -p .test-reports
	$(deno) run --quiet --allow-all tests/system/vm/run.ts

ansible-check: build ## the Ansible role: ansible-lint, and real runs in a mount namespace, as root
	mkdir -p .test-reports
	hack/get-containerd.sh .tools/node || test $$? -eq 2
	hack/get-ansible.sh .tools/ansible || test $$? -eq 2
	$(deno) test --quiet --allow-all --junit-path=.test-reports/ansible.xml deploy/ansible

lint: ## lint, types, shell scripts
	$(deno) lint
	$(deno) check --quiet $(sources)
	@if command -v shellcheck >/dev/null; then set -x; shellcheck hack/*.sh .ci/run; \
	else echo "lint: shellcheck isn't installed, so the shell scripts were not checked" >&2; fi
	@if command -v hadolint >/dev/null; then set -x; hadolint Containerfile; \
	else echo "lint: hadolint isn't installed, so the Containerfile was not checked" >&2; fi

fmt: ## formats all sources
	$(deno) fmt

fmt-check: ## says whether all sources are formatted
	$(deno) fmt --check

verify: test-unit test-slow lint fmt-check ## what a change has to pass: unit tests, lint, formatting

verify-all: verify ## the same, the tests on all three containerds and in a virtual machine, the Ansible role, simulation, mutation, fuzzing, soak
	$(MAKE) --no-print-directory test-node
	$(MAKE) --no-print-directory test-node CONTAINERD=2.4
	$(MAKE) --no-print-directory test-vm
	$(MAKE) --no-print-directory ansible-check
	$(MAKE) --no-print-directory simulate EVENTS=1000000
	$(MAKE) --no-print-directory mutate
	$(MAKE) --no-print-directory fuzz INPUTS=1000000
	$(MAKE) --no-print-directory soak

generate: ## makes the code in the folders gen of src from proto/ anew
	hack/generate.sh

clean: ## removes what was built and the test reports
	rm -rf dist .test-reports

distclean: clean ## removes the fetched tools and packages as well
	rm -rf .tools
