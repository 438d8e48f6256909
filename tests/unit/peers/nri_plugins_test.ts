import assert from "node:assert/strict";
import { cpusetPluginsIn } from "../../../src/peers/nri_plugins.ts";

/** What is found in a folder of these files, `own` being ours. */
function foundAmong(files: readonly string[], own = "weka-cpuset", mode = 0o755): string[] {
  const folder = Deno.makeTempDirSync();
  for (const file of files) {
    Deno.writeTextFileSync(`${folder}/${file}`, "");
    Deno.chmodSync(`${folder}/${file}`, mode);
  }
  try {
    return cpusetPluginsIn(folder, own);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

for (
  const name of [
    "balloons",
    "nri-resource-policy-balloons",
    "nri-resource-policy-topology-aware",
    "cri-resmgr",
    "dracpu",
    "dra-driver-cpu",
    "koordlet",
    "weka-nri-cpuset",
    "CPU-pin",
    "cpu-policy",
  ]
) {
  Deno.test(`a plugin called ${name} is detected as one that writes cpusets`, () => {
    assert.deepEqual(foundAmong([`10-${name}`]), [`10-${name}`]);
  });
}

Deno.test("other plugins aren't detected, nor is another instance of this agent", () => {
  const others = [
    "device-injector",
    "logger",
    "memory-qos",
    "memtierd",
    "sgx-epc",
    "rdt",
    "ulimit-adjuster",
    "hook-injector",
  ];
  assert.deepEqual(foundAmong(others.map((name) => `20-${name}`)), []);
  assert.deepEqual(foundAmong(["99-weka-cpuset", "05-weka-cpuset"]), []);
  assert.deepEqual(foundAmong(["99-weka-cpuset", "05-mine"], "mine"), ["99-weka-cpuset"]);
});

Deno.test("files that the runtime doesn't start aren't detected: not executable, a directory, no index, a link to nowhere", () => {
  assert.deepEqual(foundAmong(["10-balloons"], "weka-cpuset", 0o644), []);
  assert.deepEqual(foundAmong(["balloons", "1-balloons", "100-balloons", "ab-balloons", "10-"]), []);
  const folder = Deno.makeTempDirSync();
  Deno.mkdirSync(`${folder}/10-balloons`);
  Deno.symlinkSync("/nowhere", `${folder}/11-balloons`);
  Deno.symlinkSync("/bin/sh", `${folder}/12-balloons`);
  assert.deepEqual(cpusetPluginsIn(folder, ""), ["12-balloons"]);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("several are sorted, and control characters in their names are escaped", () => {
  assert.deepEqual(foundAmong(["90-cpuset", "10-balloons\u001b[2J\n"]), [
    "10-balloons\\u001b[2J\\u000a",
    "90-cpuset",
  ]);
});

Deno.test("an absent folder, or a file in its place, has no plugins", () => {
  assert.deepEqual(cpusetPluginsIn("/nonexistent", ""), []);
  assert.deepEqual(cpusetPluginsIn("/etc/hostname", ""), []);
});
