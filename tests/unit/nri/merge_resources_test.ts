import assert from "node:assert/strict";
import { create, equals } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { ContainerSchema, type LinuxResources, LinuxResourcesSchema } from "../../../src/nri/gen/nri_pb.ts";
import { mergeResources, resized, withRequestOfLimit } from "../../../src/nri/merge_resources.ts";
import { figuresOf } from "../../../src/nri/whole_cpus.ts";
import { containerOf } from "../../kit/messages.ts";

type Given = { shares?: bigint; quota?: bigint; period?: bigint };

/** What an UpdateContainer brings; 0 and nothing at all both occur. */
function update({ shares, quota, period }: Given, memory?: bigint): LinuxResources {
  return create(LinuxResourcesSchema, {
    cpu: {
      ...(shares === undefined ? {} : { shares: { value: shares } }),
      ...(quota === undefined ? {} : { quota: { value: quota } }),
      ...(period === undefined ? {} : { period: { value: period } }),
    },
    ...(memory === undefined ? {} : { memory: { limit: { value: memory } } }),
  });
}

const TWO = containerOf({ cpus: 2, record: "4-5", mems: "0", memory: 1n << 30n });
const figures = { shares: 2048n, quota: 200_000n, period: 100_000n };

const MERGES: readonly [why: string, given: Given, expected: typeof figures][] = [
  ["a resize gives all three", { shares: 4096n, quota: 400_000n, period: 100_000n }, {
    shares: 4096n,
    quota: 400_000n,
    period: 100_000n,
  }],
  ["shares alone", { shares: 512n }, { ...figures, shares: 512n }],
  ["a quota alone", { quota: 300_000n }, { ...figures, quota: 300_000n }],
  ["a period alone", { period: 50_000n }, { ...figures, period: 50_000n }],
  ["a quota of -1 takes the limit away", { quota: -1n }, { ...figures, quota: -1n }],
  ["zeros change nothing", { shares: 0n, quota: 0n, period: 0n }, figures],
  ["one figure among zeros", { shares: 0n, quota: 300_000n, period: 0n }, { ...figures, quota: 300_000n }],
  ["nothing changes nothing", {}, figures],
];

for (const [why, given, expected] of MERGES) {
  Deno.test(`update: ${why}`, () => {
    const merged = mergeResources(TWO, update(given));
    assert.deepEqual(figuresOf(merged.linux?.resources?.cpu), expected);
    const isTold = (given.quota ?? 0n) > 0n;
    assert.equal(resized(TWO, update(given)) !== undefined, isTold);
  });
}

Deno.test("all else of the container stays, and the one that was given too", () => {
  const before = structuredClone(TWO);
  const merged = mergeResources(TWO, update({ quota: 300_000n }, 5n));
  assert(equals(ContainerSchema, TWO, before));
  assert.equal(merged.id, TWO.id);
  assert.equal(merged.linux?.resources?.cpu?.cpus, "4-5");
  assert.equal(merged.linux?.resources?.cpu?.mems, "0");
  assert.equal(merged.linux?.resources?.memory?.limit?.value, 1n << 30n);
});

Deno.test("an update of memory, of the CPU set or of nothing isn't a resize", () => {
  const others = create(LinuxResourcesSchema, { cpu: { cpus: "0-7", mems: "0" } });
  for (const given of [undefined, create(LinuxResourcesSchema), update({}, 1n << 31n), others]) {
    assert.equal(resized(TWO, given), undefined);
    assert.equal(mergeResources(TWO, given), TWO);
  }
});

Deno.test("shares tell something only beside a quota that takes the limit away", () => {
  assert.equal(resized(TWO, update({ shares: 2n, quota: 0n, period: 100_000n })), undefined);
  assert.equal(resized(TWO, update({ quota: -1n })), undefined);
  const merged = resized(TWO, update({ shares: 3072n, quota: -1n }));
  assert.deepEqual(figuresOf(merged?.linux?.resources?.cpu), { ...figures, shares: 3072n, quota: -1n });
});

Deno.test("a quota without any period tells nothing", () => {
  const bare = create(ContainerSchema, { id: "bare" });
  assert.equal(resized(bare, update({ quota: 200_000n })), undefined);
});

Deno.test("the request of a whole limit is that limit, and any other stays", () => {
  const shares = (given: Given) =>
    figuresOf(withRequestOfLimit(mergeResources(TWO, update(given))).linux?.resources?.cpu).shares;
  assert.equal(shares({ shares: 2n }), 2048n);
  assert.equal(shares({ quota: 300_000_000n }), 262_144n);
  assert.equal(shares({ shares: 2n, quota: 150_000n }), 2n);
  assert.equal(shares({ shares: 2n, quota: -1n }), 2n);
});

Deno.test("a container without any resources gets them from the update", () => {
  const merged = resized(create(ContainerSchema, { id: "bare" }), update(figures));
  assert.equal(merged?.id, "bare");
  assert.deepEqual(figuresOf(merged?.linux?.resources?.cpu), figures);
});

Deno.test("merging twice is merging once", () => {
  const shares = fc.option(fc.bigInt({ min: 0n, max: 4096n }), { nil: undefined });
  const quota = fc.option(fc.bigInt({ min: -1n, max: 4n }), { nil: undefined });
  fc.assert(fc.property(shares, quota, shares, (shares, quota, period) => {
    const given = update({
      ...(shares === undefined ? {} : { shares }),
      ...(quota === undefined ? {} : { quota }),
      ...(period === undefined ? {} : { period }),
    });
    const merged = mergeResources(TWO, given);
    assert.deepEqual(figuresOf(merged.linux?.resources?.cpu), {
      shares: shares || figures.shares,
      quota: quota || figures.quota,
      period: period || figures.period,
    });
    assert.deepEqual(mergeResources(merged, given), merged);
  }));
});
