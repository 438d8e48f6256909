import assert from "node:assert/strict";
import * as fc from "fast-check";
import { figuresOf, wholeCpus, wholeLimit } from "../../../src/nri/whole_cpus.ts";

type Case = readonly [
  why: string,
  shares: bigint,
  quota: bigint,
  period: bigint,
  expected: bigint | "ambiguous" | undefined,
];

const LARGEST = 2n ** 63n - 1n;

const CASES: readonly Case[] = [
  ["4 CPUs", 4096n, 400_000n, 100_000n, 4n],
  ["1 CPU", 1024n, 100_000n, 100_000n, 1n],
  ["2 CPUs of another period", 2048n, 100_000n, 50_000n, 2n],
  ["1.5 CPUs", 1536n, 150_000n, 100_000n, undefined],
  ["half a CPU", 512n, 50_000n, 100_000n, undefined],
  ["a whole limit above the request", 1024n, 200_000n, 100_000n, undefined],
  ["a whole limit below the request", 3072n, 200_000n, 100_000n, undefined],
  ["a quota without a period", 2048n, 200_000n, 0n, undefined],
  ["a whole limit without shares", 0n, 200_000n, 100_000n, undefined],
  ["255 CPUs, the last below the cap", 261_120n, 25_500_000n, 100_000n, 255n],
  ["256 CPUs, at the cap", 262_144n, 25_600_000n, 100_000n, 256n],
  ["300 CPUs, above the cap", 262_144n, 30_000_000n, 100_000n, 300n],
  ["300 CPUs with shares that kubelet would have capped", 307_200n, 30_000_000n, 100_000n, undefined],
  ["no limit: kubelet gives a period alone", 2048n, 0n, 100_000n, undefined],
  ["no quota at all", 2048n, 0n, 0n, 2n],
  ["no quota at all, not whole", 2000n, 0n, 0n, undefined],
  ["quota switched off", 3072n, -1n, 100_000n, 3n],
  ["quota switched off, without a period", 3072n, -1n, 0n, 3n],
  ["quota switched off, less than a CPU", 1023n, -1n, 0n, undefined],
  ["an ephemeral container", 2n, 0n, 0n, undefined],
  ["an ephemeral container with quotas on", 2n, 0n, 100_000n, undefined],
  ["nothing", 0n, 0n, 0n, undefined],
  ["quota switched off, one below the cap", 261_120n, -1n, 0n, 255n],
  ["quota switched off, at the cap", 262_144n, -1n, 0n, "ambiguous"],
  ["no quota at all, at the cap", 262_144n, 0n, 0n, "ambiguous"],
  ["no quota at all, absurdly many shares", 2n ** 64n - 1n, 0n, 0n, "ambiguous"],
  ["the largest quota of the shortest period", 262_144n, LARGEST, 1n, LARGEST],
  ["the smallest quota", 1024n, -LARGEST - 1n, 2n ** 64n - 1n, 1n],
  ["the longest period", 1024n, LARGEST, 2n ** 64n - 1n, undefined],
];

for (const [why, shares, quota, period, expected] of CASES) {
  const told = expected === undefined
    ? "no whole number of CPUs"
    : expected === "ambiguous"
    ? expected
    : `${expected}`;
  Deno.test(`${why}: ${told}`, () => assert.equal(wholeCpus({ shares, quota, period }), expected));
}

Deno.test("what kubelet makes of a whole number of CPUs is read back, whatever the period", () => {
  const period = fc.bigInt({ min: 1000n, max: 1_000_000n });
  fc.assert(fc.property(fc.bigInt({ min: 1n, max: 16384n }), period, (count, period) => {
    const shares = count < 256n ? count * 1024n : 262_144n;
    assert.equal(wholeCpus({ shares, quota: count * period, period }), count);
    assert.equal(wholeCpus({ shares, quota: count * period + 1n, period }), undefined);
    assert.equal(wholeCpus({ shares: shares - 1n, quota: count * period, period }), undefined);
    assert.equal(wholeCpus({ shares, quota: -1n, period }), count < 256n ? count : "ambiguous");
  }));
});

Deno.test("a limit is rounded down; no quota and one that no node can use up are none", () => {
  const limit = (quota: bigint, period: bigint) => wholeLimit({ shares: 0n, quota, period });
  assert.equal(limit(400_000n, 100_000n), 4);
  assert.equal(limit(450_000n, 100_000n), 4);
  assert.equal(limit(50_000n, 100_000n), 0);
  assert.equal(limit(0n, 100_000n), undefined);
  assert.equal(limit(-1n, 100_000n), undefined);
  assert.equal(limit(400_000n, 0n), undefined);
  assert.equal(limit(16_384n, 1n), 16_384);
  assert.equal(limit(LARGEST, 1n), undefined);
});

Deno.test("what isn't given is 0", () => {
  assert.deepEqual(figuresOf(undefined), { shares: 0n, quota: 0n, period: 0n });
});
