import assert from "node:assert/strict";
import { CONFIG_VARIABLE, environmentLayer, POD_VARIABLE } from "../../../src/config/environment.ts";
import { KEYS } from "../../../src/config/keys.ts";
import { resolve } from "../../../src/config/layers.ts";

function sentences(environment: Record<string, string>): string[] {
  return environmentLayer(environment).problems.map(({ sentence }) => sentence);
}

Deno.test("every key has a variable of its own, by one rule but for the three that plugins know", () => {
  assert.deepEqual(KEYS.map(({ variable }) => variable), [
    "NRI_SOCKET",
    "NRI_PLUGIN_NAME",
    "NRI_PLUGIN_IDX",
    "WEKA_CPUSET_DRY_RUN",
    "WEKA_CPUSET_SYSTEM_RESERVED",
    "WEKA_CPUSET_STRICT_RESERVED",
    "WEKA_CPUSET_RESERVED_NAMESPACES",
    "WEKA_CPUSET_MIN_SHARED",
    "WEKA_CPUSET_PLACEMENT",
    "WEKA_CPUSET_EXCLUSIVE_MEMS",
    "WEKA_CPUSET_PINNED_MEMS",
    "WEKA_CPUSET_CORRECT_MEMS",
    "WEKA_CPUSET_ISOLATED_CPUS",
    "WEKA_CPUSET_PINNED_NAMESPACES",
    "WEKA_CPUSET_PINNED_CPU0",
    "WEKA_CPUSET_UNMANAGED_NAMESPACES",
    "WEKA_CPUSET_ISOLATION_NAMESPACES",
    "WEKA_CPUSET_SANDBOXED_RUNTIMES",
    "WEKA_CPUSET_VM_RUNTIMES",
    "WEKA_CPUSET_GROW_DELAY_MS",
    "WEKA_CPUSET_APPLY",
    "WEKA_CPUSET_FENCE",
    "WEKA_CPUSET_HOST_FENCE",
    "WEKA_CPUSET_EXCLUSIVE_QUOTA",
    "WEKA_CPUSET_RECONCILE_SECONDS",
    "WEKA_CPUSET_HTTP",
    "WEKA_CPUSET_HTTP_ALL",
    "WEKA_CPUSET_PROBE_SOCKET",
    "WEKA_CPUSET_ON_KUBELET_STATIC",
    "WEKA_CPUSET_LOG_LEVEL",
    "WEKA_CPUSET_LOG_FORMAT",
    "WEKA_CPUSET_LOG_FILE",
    "WEKA_CPUSET_LOG_MAX_SIZE_MIB",
    "WEKA_CPUSET_LOG_KEEP",
    "WEKA_CPUSET_CRI_SOCKETS",
    "WEKA_CPUSET_SYSTEM_BUS",
    "WEKA_CPUSET_RUN_DIR",
    "WEKA_CPUSET_SYSFS_ROOT",
    "WEKA_CPUSET_CGROUP_ROOT",
    "WEKA_CPUSET_PROC_ROOT",
    "WEKA_CPUSET_KUBELET_ROOT",
  ]);
});

Deno.test("variables give values, lists with commas", () => {
  const { config, origins, problems } = resolve([environmentLayer({
    NRI_PLUGIN_IDX: "07",
    WEKA_CPUSET_CRI_SOCKETS: "/a.sock,/b.sock",
    WEKA_CPUSET_SYSTEM_RESERVED: "0,2-3",
    WEKA_CPUSET_DRY_RUN: "true",
    PATH: "/bin",
  })]);
  assert.deepEqual(problems, []);
  assert.equal(config.pluginIndex, "07");
  assert.deepEqual(config.criSockets, ["/a.sock", "/b.sock"]);
  assert.equal(String(config.systemReserved), "0,2-3");
  assert.equal(config.dryRun, true);
  assert.equal(origins.get("dryRun"), "environment");
  assert.equal(origins.get("minShared"), "default");
});

Deno.test("a variable that is set to nothing gives nothing, which not every key takes", () => {
  assert.deepEqual(sentences({ WEKA_CPUSET_SYSTEM_RESERVED: "", WEKA_CPUSET_LOG_FILE: "" }), []);
  assert.deepEqual(sentences({ NRI_SOCKET: "" }), [
    'NRI_SOCKET must be an absolute path, as in /sys, but it is ""',
  ]);
});

Deno.test("a bad value is named by its variable", () => {
  const { problems } = environmentLayer({ WEKA_CPUSET_LOG_MAX_SIZE_MIB: "big" });
  assert.deepEqual(problems, [{
    source: "environment",
    where: "WEKA_CPUSET_LOG_MAX_SIZE_MIB",
    path: "log.maxSizeMiB",
    sentence: 'WEKA_CPUSET_LOG_MAX_SIZE_MIB must be a whole number from 1 to 1024, but it is "big"',
  }]);
});

Deno.test("the name of the pod is no configuration", () => {
  assert.deepEqual(environmentLayer({ [POD_VARIABLE]: "agent-x7k2p" }).problems, []);
});

Deno.test("an unknown variable with our prefix is a problem", () => {
  const { problems } = environmentLayer({ WEKA_CPUSET_LOGLEVEL: "debug" });
  assert.deepEqual(problems, [{
    source: "environment",
    where: "WEKA_CPUSET_LOGLEVEL",
    path: "",
    sentence: "WEKA_CPUSET_LOGLEVEL is not a variable of this program; did you mean WEKA_CPUSET_LOG_LEVEL?",
  }]);
  assert.deepEqual(sentences({ WEKA_CPUSET_COLOUR: "red" }), [
    "WEKA_CPUSET_COLOUR is not a variable of this program",
  ]);
});

Deno.test("the variables that Kubernetes sets for services of a similar name are no concern of ours", () => {
  const links = {
    WEKA_CPUSET_SERVICE_HOST: "10.0.0.1",
    WEKA_CPUSET_SERVICE_PORT: "80",
    WEKA_CPUSET_SERVICE_PORT_METRICS: "80",
    WEKA_CPUSET_PORT: "tcp://10.0.0.1:80",
    WEKA_CPUSET_PORT_80_TCP: "tcp://10.0.0.1:80",
    WEKA_CPUSET_PORT_80_TCP_ADDR: "10.0.0.1",
    WEKA_CPUSET_METRICS_PORT_80_UDP_PROTO: "udp",
  };
  assert.deepEqual(sentences(links), []);
});

Deno.test("the variable that names the file is known, and is no key", () => {
  assert.equal(CONFIG_VARIABLE, "WEKA_CPUSET_CONFIG");
  assert.deepEqual(sentences({ WEKA_CPUSET_CONFIG: "/x.yaml" }), []);
});
