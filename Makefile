# Everything runs through hack/deno.sh, which fetches the pinned Deno if it is missing. deno.json has a task of the same
# name for each target.
deno := hack/deno.sh
sources := main.ts src tests tools hack deploy
explore := $(deno) run --quiet --allow-all --v8-flags=--max-old-space-size=4096 tools/explore/main.ts
e2e := $(deno) run --quiet --allow-all tests/e2e/main.ts
build_permissions := --allow-read --allow-write --allow-env --allow-run
# The image's name, REGISTRY/IMAGE_NAME:IMAGE_TAG; defaults in hack/image.ts.
export REGISTRY IMAGE_NAME IMAGE_TAG
# The processors to build for, as in "amd64 arm64"; default: this machine's.
export ARCH
# The version to release.
export VERSION
# The containerd version to test on, as in 2.4; default: Debian's versions.
export CONTAINERD
# The kernel and kubelet's cgroup driver for test-fence; default: all of them.
export KERNEL DRIVER
version := $(shell sed -n 's/^  "version": "\(.*\)",$$/\1/p' deno.json)

.PHONY: help build demo bench bench-charts bench-vm image image-with-timestamp image-push test test-unit test-slow test-node test-vm test-fence test-page page-pictures test-monitoring test-e2e collection ansible-check \
  test-e2e-vm test-e2e-live kind-up test-e2e-kind kind-down test-stress test-integration \
  rewrite-scripts simulate explore mutate fuzz soak lint fmt fmt-check verify verify-all generate clean distclean
.DEFAULT_GOAL := help

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' Makefile

build: ## build the executable, dist/weka-cpuset; ARCH="amd64 arm64": one for each of these, dist/weka-cpuset-ARCH
	$(deno) run --quiet $(build_permissions) hack/build.ts

.PHONY: deploy-linux install-tools
deploy-linux: ## build the image, push it to REGISTRY, and install it in the cluster of KUBECONFIG (DEPLOY= further options of hack/build-and-deploy.sh)
	hack/build-and-deploy.sh $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(IMAGE_NAME),--image-name $(IMAGE_NAME)) $(if $(IMAGE_TAG),--image-tag $(IMAGE_TAG)) $(DEPLOY)

install-tools: ## fetch the pinned toolchain, and what the tests on real containerds and in a cluster need
	hack/deno.sh --version
	hack/get-containerd.sh .tools/node || test $$? -eq 2 # each says what it lacks here
	hack/get-promtool.sh .tools/promtool || test $$? -eq 2
	hack/get-kubernetes.sh .tools/kubernetes || test $$? -eq 2
	hack/get-helm.sh .tools/helm || test $$? -eq 2

image: build ## build the container image, dist/weka-cpuset-image.tar; needs no container engine
	$(deno) run --quiet $(build_permissions) hack/image.ts

image-with-timestamp: ## build the image with the time in its tag
	$(MAKE) --no-print-directory image IMAGE_TAG="$(or $(IMAGE_TAG),$(version))-$$(date -u +%Y%m%d%H%M%S)"

image-push: image ## build the image and push it to REGISTRY with skopeo, crane, podman or docker
	hack/image-push.sh

.PHONY: release
release: ## make dist/release of a clean checkout: VERSION=1.2.3, that of deno.json; see CONTRIBUTING.md
	$(deno) run --quiet $(build_permissions) hack/release.ts

.PHONY: chart
chart: ## package the Helm chart, dist/weka-nri-cpuset-VERSION.tgz; needs no helm
	$(deno) run --quiet $(build_permissions) hack/chart.ts

demo: build ## run the samples on an embedded runtime and print the CPU maps
	$(deno) run --quiet --allow-all hack/demo.ts

bench: build ## measure start, requests, memory and size (ONLY=size|start|decide|create|memory|events|cpusets|admission|pool|http|peers BASE= CELLS= PEER=); see docs/benchmark.md
	$(deno) run --quiet --allow-all tools/bench/main.ts $(ONLY)

bench-charts: ## make the charts in docs/images anew from dist/bench.json; look at each before committing
	$(deno) run --quiet --allow-all tools/bench/charts.ts

rewrite-scripts: ## rewrite the expectations in tests/scenarios, docs/placement.md, docs/plan.md, docs/status.schema.json, the chart's schema, and terminal sessions in README.md and docs; review the difference before committing
	REWRITE=1 $(deno) test --quiet --allow-all tests/scenarios tests/unit/sessions_docs_test.ts tests/unit/cli/plan_docs_test.ts
	$(deno) run --quiet --allow-all hack/placement_docs.ts
	$(deno) run --quiet --allow-all hack/status_schema.ts
	$(deno) run --quiet --allow-all hack/chart.ts --rewrite

simulate: ## random events on simulated nodes, drawn anew (EVENTS= JOBS= SEED= MODE= CGROUPS= DRIVER= FENCE= MACHINE= REPLAY=)
	$(deno) run --quiet --allow-all tools/simulate/main.ts $(if $(EVENTS),--events $(EVENTS)) $(if $(JOBS),--jobs $(JOBS)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(MODE),--mode $(MODE)) $(if $(CGROUPS),--cgroups $(CGROUPS)) \
	  $(if $(DRIVER),--driver $(DRIVER)) $(if $(FENCE),--fence $(FENCE)) $(if $(MACHINE),--machine $(MACHINE)) $(if $(REPLAY),--replay $(REPLAY))

explore: ## every sequence of events on a node with three CPUs and three pods, and planted faults (MINUTES= DEPTH= REPLAY=)
	$(if $(REPLAY),,$(explore) --planted)
	$(explore) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(DEPTH),--depth $(DEPTH)) $(if $(REPLAY),--replay "$(REPLAY)")

mutate: ## mutation testing: change the sources in small ways and check that a test fails; see docs/mutation.md
	$(deno) run --quiet --allow-all tools/mutate/main.ts $(MUTATE)

fuzz: ## fuzz every parser (INPUTS=); see docs/security.md
	$(deno) run --quiet --allow-all tools/fuzz/main.ts $(if $(INPUTS),--inputs $(INPUTS))

soak: ## simulate a week on a busy node, 1.68 million pods, and check for leaks (PODS= LIVE=)
	$(deno) run --quiet --allow-all --v8-flags=--expose-gc tools/soak/main.ts $(if $(PODS),--pods $(PODS)) $(if $(LIVE),--live $(LIVE))
	$(deno) run --quiet --allow-all --v8-flags=--expose-gc tools/soak/main.ts --apply runtime --pods $(or $(PODS),240000) \
	  $(if $(LIVE),--live $(LIVE))

test: ## run test-unit, test-slow and test-node; each also runs if another fails
	$(MAKE) --no-print-directory --keep-going test-unit test-slow test-node

test-unit: ## run the tests that need nothing but this checkout
	mkdir -p .test-reports
	$(deno) test --quiet --allow-all --parallel --junit-path=.test-reports/unit.xml tests/unit tests/scenarios

test-slow: build ## run the tests that start many processes or need real timeouts
	mkdir -p .test-reports
	$(deno) test --quiet --allow-all --junit-path=.test-reports/slow.xml tests/slow

test-node: image ## test the executable on real containerds, as root; CONTAINERD=2.4: on that version, built with Go
	mkdir -p .test-reports
	hack/get-containerd.sh .tools/node || test $$? -eq 2 # not available: the tests report it
	$(if $(filter 2.4,$(CONTAINERD)),hack/get-containerd-go.sh .tools/node || test $$? -eq 2)
	$(deno) test --quiet --allow-all --junit-path=.test-reports/node$(CONTAINERD:%=-%).xml tests/system/node

test-vm: build ## test the executable in a virtual machine: 16 CPUs, two NUMA nodes, cgroup v2, systemd; as root
	mkdir -p .test-reports
	$(deno) run --quiet --allow-all tests/system/vm/run.ts

bench-vm: build ## measure what an exclusive claim costs in a virtual machine with cgroup v2, as root (ONLY=admission|pool CELLS=)
	mkdir -p .test-reports
	$(deno) run --quiet --allow-all tests/system/vm/cost.ts $(ONLY)

test-fence: build ## test it under kubelet in virtual machines, as root (KERNEL=6.1|6.12 DRIVER=cgroupfs|systemd; default: all)
	mkdir -p .test-reports
	$(deno) run --quiet --allow-all tests/system/vm/fence.ts

test-monitoring: ## check metrics, alerts and dashboard with Prometheus' promtool
	mkdir -p .test-reports
	hack/get-promtool.sh .tools/promtool || test $$? -eq 2 # not available: the tests report it
	$(deno) test --quiet --allow-all --junit-path=.test-reports/monitoring.xml tests/unit/deploy/monitoring_test.ts

.PHONY: test-delivery
test-delivery: image chart ## test what is delivered, as root: a release made twice, its image, packages and executables; hand-over; the Helm chart on an API server
	mkdir -p .test-reports
	$(MAKE) --no-print-directory build ARCH="amd64 arm64"
	hack/get-kubernetes.sh .tools/kubernetes || test $$? -eq 2 # not available: the tests report it
	hack/get-containerd.sh .tools/node || test $$? -eq 2
	hack/get-helm.sh .tools/helm || test $$? -eq 2
	$(deno) test --quiet --allow-all --junit-path=.test-reports/delivery.xml tests/system/delivery

test-page: ## test the page in Chromium without a window, as root
	mkdir -p .test-reports
	$(deno) test --quiet --allow-all --junit-path=.test-reports/page.xml tests/system/page

page-pictures: ## make the pictures of the page in docs/images anew; look at each before committing
	$(deno) run --quiet --allow-all hack/page_pictures.ts

test-e2e: image ## test it under Kubernetes on this machine, as root: a made-up node with 64 CPUs, and the real one; E2E= as in docs/e2e.md
	mkdir -p .test-reports
	$(e2e) $(E2E)
	$(e2e) --real --agent service $(E2E)

test-e2e-vm: build ## some tests of each suite on a whole cluster in a virtual machine with cgroup v2, as root; E2E= for others
	mkdir -p .test-reports
	$(deno) run --quiet --allow-all tests/system/vm/e2e.ts $(E2E)

test-e2e-live: ## run the end-to-end suites on the cluster of KUBECONFIG; hack/e2e-live.sh names the variables
	mkdir -p .test-reports
	hack/e2e-live.sh $(E2E)

kind-up: image ## start a cluster in Docker containers with kind, and install the agent
	hack/kind/kind.sh up

test-e2e-kind: ## run the end-to-end suites on it
	mkdir -p .test-reports
	hack/kind/kind.sh test $(E2E)

kind-down: ## end it
	hack/kind/kind.sh down

test-stress: image ## three minutes of pods of all kinds on the made-up node (E2E_STRESS_SECONDS= E2E_SEED=)
	mkdir -p .test-reports
	E2E_STRESS_SECONDS=$(or $(E2E_STRESS_SECONDS),180) $(e2e) stress $(E2E)

test-integration: test-node ## the same as test-node: the tests on real containerds, without Kubernetes

collection: ## build the Ansible collection, dist/weka-cpuset-VERSION.tar.gz
	hack/collection.sh

ansible-check: build ## test the Ansible role: ansible-lint, and real runs in a mount namespace, as root
	mkdir -p .test-reports
	hack/get-containerd.sh .tools/node || test $$? -eq 2
	hack/get-ansible.sh .tools/ansible || test $$? -eq 2
	$(deno) test --quiet --allow-all --junit-path=.test-reports/ansible.xml deploy/ansible

lint: ## lint, type check, shellcheck, hadolint
	$(deno) lint
	$(deno) check --quiet $(sources)
	@if command -v shellcheck >/dev/null; then set -x; shellcheck hack/*.sh hack/kind/*.sh deploy/packages/*.sh .ci/run; \
	else echo "lint: shellcheck isn't installed; shell scripts not checked" >&2; fi
	@if command -v hadolint >/dev/null; then set -x; hadolint Containerfile; \
	else echo "lint: hadolint isn't installed; Containerfile not checked" >&2; fi

fmt: ## format all sources
	$(deno) fmt

fmt-check: ## check that all sources are formatted
	$(deno) fmt --check

verify: test-unit test-slow lint fmt-check ## run the checks required for a change: test-unit, test-slow, lint, fmt-check

verify-all: verify ## run verify, test-node on all three containerds, test-vm, test-fence, test-monitoring, test-delivery, test-page, test-e2e, test-e2e-vm, ansible-check, simulate, explore, mutate, fuzz, soak
	$(MAKE) --no-print-directory test-node
	$(MAKE) --no-print-directory test-node CONTAINERD=2.4
	$(MAKE) --no-print-directory test-vm
	$(MAKE) --no-print-directory test-fence
	$(MAKE) --no-print-directory test-monitoring
	$(MAKE) --no-print-directory test-delivery
	$(MAKE) --no-print-directory test-page
	$(MAKE) --no-print-directory test-e2e
	$(MAKE) --no-print-directory test-e2e-vm
	$(MAKE) --no-print-directory ansible-check
	$(MAKE) --no-print-directory simulate EVENTS=10000000
	$(MAKE) --no-print-directory explore
	$(MAKE) --no-print-directory mutate
	$(MAKE) --no-print-directory fuzz INPUTS=1000000
	$(MAKE) --no-print-directory soak

generate: ## regenerate src/*/gen from proto/
	hack/generate.sh

clean: ## remove build output and test reports
	rm -rf dist .test-reports

distclean: clean ## also remove fetched tools and packages
	rm -rf .tools
