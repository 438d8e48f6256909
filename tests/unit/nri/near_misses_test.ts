/** Which annotations count as slips of ours, and which are left to others. */
import assert from "node:assert/strict";
import { ANNOTATIONS, containerKeys } from "../../../src/nri/annotations.ts";
import { nearMisses } from "../../../src/nri/near_misses.ts";

const NAMES = ["main", "proxy"];

function meant(key: string, others: readonly string[] = []): string | undefined {
  const annotations = Object.fromEntries([key, ...others].map((each) => [each, "1"]));
  return nearMisses(annotations, NAMES).find((miss) => miss.key === key)?.meant;
}

const SLIPS: readonly [key: string, meant: string][] = [
  ["weka.io/core-ids", "weka.io/cores-ids"],
  ["weka.io/cores-id", "weka.io/cores-ids"],
  ["weka.io/forbid-cores-ids", "weka.io/forbid-core-ids"],
  ["Weka.io/Movable", "weka.io/movable"],
  ["weka.io.cores-ids", "weka.io/cores-ids"],
  ["weka.com/placement", "weka.io/placement"],
  ["weka/cores-ids", "weka.io/cores-ids"],
  ["cores-ids", "weka.io/cores-ids"],
  ["io.weka/forbid-core-ids", "weka.io/forbid-core-ids"],
  ["cores-ids.weka.io/container.mian", "cores-ids.weka.io/container.main"],
  ["core-ids.weka.io/container.main", "cores-ids.weka.io/container.main"],
  ["core-ids.weka.io/container.later", "cores-ids.weka.io/container.later"],
  ["cores-ids.weka.io/main", "cores-ids.weka.io/container.main"],
  ["cores-ids.weka.io/containers.main", "cores-ids.weka.io/container.main"],
  ["cores-ids.weka.io/all", "cores-ids.weka.io/container.NAME"],
  ["weka.io/movabel/container.main", "weka.io/movable/container.main"],
  ["placement.weka.io/container.porxy", "placement.weka.io/container.proxy"],
];

for (const [key, right] of SLIPS) {
  Deno.test(`${key} is a slip of ${right}`, () => assert.equal(meant(key), right));
}

Deno.test("what is ours, another container's or another project's is no slip", () => {
  const own = ANNOTATIONS.flatMap((key) => [key, ...NAMES.flatMap((name) => containerKeys(key, name))]);
  const others = [
    "weka.io/anything-else",
    "weka.io/drivers",
    "example.com/placement",
    "example.com/cores-ids",
  ];
  const more = ["csi.weka.io/placement", "placement", "cpuset.example.com/container.main", "a/b", "/", ""];
  const containers = ["cores-ids.weka.io/container.init", "cores-ids.weka.io/container.main2"];
  for (const key of [...own, ...others, ...more, ...containers]) assert.equal(meant(key), undefined, key);
  // One that isn't created yet, beside one that has a key of its own.
  assert.equal(meant("movable.weka.io/container.mine", ["movable.weka.io/container.main"]), undefined);
});

Deno.test("a warning is one short sentence, and a pod with hundreds of slips has few of them", () => {
  const many = Array.from(
    { length: 900 },
    (_, n) => [`core-ids.weka.io/container.x${n}\n${"y".repeat(300)}`, ""],
  );
  const misses = nearMisses(Object.fromEntries(many), NAMES);
  assert.equal(misses.length, 8);
  for (const { warning } of misses) {
    assert.match(warning, /^"[^\p{Cc}]{1,125}" is ignored, it .*; did you mean "[^\p{Cc}]{1,125}"\?$/u);
  }
});
