import assert from "node:assert/strict";
import { architectureOf, askedArchitectures, executableName } from "../../../hack/architectures.ts";
import { packagesOf } from "../../../hack/build.ts";

/** An ELF header as far as e_machine, which is `machine`. */
function header(machine: number): Uint8Array {
  const bytes = new Uint8Array(20);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  bytes[18] = machine;
  return bytes;
}

Deno.test("ARCH names processors, in any order and once each; none when it isn't set", () => {
  assert.deepEqual(askedArchitectures(undefined), []);
  assert.deepEqual(askedArchitectures(" arm64,amd64 arm64 "), ["amd64", "arm64"]);
  assert.deepEqual(["amd64", undefined].map(executableName), ["weka-cpuset-amd64", "weka-cpuset"]);
  assert.throws(
    () => askedArchitectures("amd64 riscv64"),
    /^Error: ARCH names "riscv64", and executables are made for amd64, arm64$/,
  );
});

Deno.test("an executable's header says which processor it is for", () => {
  assert.deepEqual([62, 183, 243].map((machine) => architectureOf(header(machine))), [
    "amd64",
    "arm64",
    undefined,
  ]);
  assert.equal(architectureOf(new TextEncoder().encode("#!/bin/sh\nexec true\n")), undefined);
  assert.equal(architectureOf(header(62).subarray(0, 19)), undefined);
});

Deno.test("packages are known by the sources in the bundle, each once", () => {
  const folder = "dist/packages/node_modules/.deno";
  const inputs = Object.fromEntries([
    "main.ts",
    `${folder}/@scope+a-b@1.2.3/node_modules/@scope/a-b/index.js`,
    `${folder}/@scope+a-b@1.2.3/node_modules/@scope/a-b/more.js`,
    `${folder}/plain@4.0.0-rc.1/node_modules/plain/index.js`,
  ].map((path) => [path, { bytes: 1, imports: [] }]));
  assert.deepEqual(packagesOf({ inputs }), ["@scope/a-b@1.2.3", "plain@4.0.0-rc.1"]);
});
