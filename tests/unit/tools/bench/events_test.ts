import assert from "node:assert/strict";
import { bigNode, huge } from "../../../kit/sysfs.ts";
import { cellsOf } from "../../../../tools/bench/events.ts";
import { peerOf } from "../../../../tools/bench/peers.ts";

const MACHINES = [{ cpus: 64, spec: bigNode, sysfs: "" }, { cpus: 512, spec: huge, sysfs: "" }];

Deno.test("all nodes are measured, or those that are asked for; one that isn't there is an error", () => {
  const names = (asked: string) =>
    cellsOf(MACHINES, asked).map(({ machine, live }) => `${machine.cpus}x${live}`);
  assert.deepEqual(names(""), [
    "64x10",
    "64x100",
    "64x1000",
    "64x4000",
    "512x10",
    "512x100",
    "512x1000",
    "512x4000",
  ]);
  assert.deepEqual(names("512x10,64x1000"), ["64x1000", "512x10"]);
  assert.throws(() => names("64x1000,8x10"), /^Error: CELLS names 8x10; there are 64x10, /);
});

Deno.test("another plugin is known by its file's name, and gets its own options", () => {
  const [plugin, ...more] = peerOf("/opt/nri/plugins/10-example  --level debug");
  assert.deepEqual([plugin?.name, plugin?.args, more], ["10-example", ["--level", "debug"], []]);
  assert.equal(plugin?.executable, "/opt/nri/plugins/10-example");
  assert.deepEqual(peerOf(""), []);
});
