import assert from "node:assert/strict";
import { discover } from "../../../src/cpu/discover.ts";
import { bigNode, reader, sysfsTree, twoCpuVm } from "../../kit/sysfs.ts";

Deno.test("distances are missed only where there is more than one node", () => {
  const omit = (path: string) => path.endsWith("/distance");
  assert.deepEqual(discover(reader(sysfsTree({ ...twoCpuVm, omit }))).warnings, []);
  assert.match(
    discover(reader(sysfsTree({ ...bigNode, omit }))).warnings.join(),
    /^NUMA distances are unknown/,
  );
});
