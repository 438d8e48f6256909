import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { type Confined, likelyClaims } from "../../../src/cgroup/likely_claims.ts";

const ALL = CpuSet.range(0, 7);

function set(list: string): CpuSet {
  const cpus = CpuSet.parse(list);
  assert(cpus instanceof CpuSet);
  return cpus;
}

/** One container in each of `pods` Guaranteed pods, confined to `cpus`. */
function guaranteed(cpus: string, pods = 1): Confined[] {
  return Array.from(
    { length: pods },
    (_, i) => ({ cpus: set(cpus), pod: `g-${cpus}-${i}`, guaranteed: true }),
  );
}

/** The same in pods of another class. */
function other(cpus: string, pods = 1): Confined[] {
  return guaranteed(cpus, pods).map((confined) => ({
    ...confined,
    pod: `o${confined.pod}`,
    guaranteed: false,
  }));
}

const CASES: readonly [what: string, confined: Confined[], claims: string][] = [
  ["nobody is confined, so nothing is claimed", [], ""],
  ["as long as CPUs are left, whatever containers are confined to is claimed", [
    ...guaranteed("2-3"),
    ...other("5", 9),
    ...other("5-6"),
  ], "2-3,5-6"],
  ["where shared containers are confined to the rest, that is the pool", [
    ...guaranteed("4-7"),
    ...other("3"),
    ...other("0-2", 3),
  ], "3-7"],
  ["a pool narrower than an exclusive container's set is the pool all the same", [
    ...guaranteed("1-7"),
    ...other("0", 2),
  ], "1-7"],
  ["shared containers of Guaranteed pods show the pool when there are two", [
    ...guaranteed("6-7"),
    ...guaranteed("0-5", 2),
  ], "6-7"],
  ["a single Guaranteed pod doesn't show the pool, a single other pod does", [
    ...guaranteed("0-6"),
    ...other("7"),
  ], "0-6"],
  ["CPUs that a shared container forbids don't hide the pool", [
    ...guaranteed("6-7"),
    ...other("0-5", 3),
    ...other("0,2-5", 2),
  ], "6-7"],
  ["a set that reaches into a claim doesn't hide the pool either", [
    ...guaranteed("6-7"),
    ...other("0-5", 3),
    ...other("0-6"),
  ], "6-7"],
  ["of two sets as frequent, the larger one is the pool, then the lower one", [
    ...other("0-1", 2),
    ...other("2-4", 2),
    ...other("5-7", 2),
  ], "0-1,5-7"],
  [
    "where everything may be exclusive, the lowest CPU stays",
    [...guaranteed("0-3"), ...guaranteed("4-7")],
    "1-7",
  ],
];

for (const [what, confined, claims] of CASES) {
  Deno.test(`claims by sight: ${what}`, () => {
    assert.equal(likelyClaims(confined, ALL).toString(), claims);
    assert.equal(likelyClaims(confined.toReversed(), ALL).toString(), claims);
  });
}

Deno.test("claims by sight: one pod with many cgroups has no more weight than one with a single one", () => {
  const nested = [1, 2, 3].flatMap(() => guaranteed("1-7"));
  assert.equal(likelyClaims([...nested, ...other("0")], ALL).toString(), "1-7");
});

Deno.test("claims by sight: only usable CPUs count, and no usable ones means no claims", () => {
  assert.equal(likelyClaims(other("6-9"), ALL).toString(), "6-7");
  assert.equal(likelyClaims(other("6-9"), CpuSet.empty).toString(), "");
});

Deno.test("claims by sight: when not all was seen, everything but the pool is claimed", () => {
  assert.equal(likelyClaims([], ALL, false).toString(), "1-7");
  assert.equal(likelyClaims(other("2-3", 2), ALL, false).toString(), "0-1,4-7");
});

/** Who has each of eight CPUs: the pool (0, and always CPU 0), or one of the claims 1 to 4. */
const owners = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 7, maxLength: 7 }).map((
  rest,
) => [0, ...rest]);

function cpusOf(owners: readonly number[], owner: number): CpuSet {
  return CpuSet.from(owners.keys().filter((cpu) => owners[cpu] === owner));
}

Deno.test("claims by sight: on a node where each runs where it should, exactly the claims are found", () => {
  fc.assert(fc.property(owners, fc.boolean(), (owners, poolKnown) => {
    const claims = [1, 2, 3, 4].map((claim) => cpusOf(owners, claim)).filter((cpus) => !cpus.isEmpty);
    const pool = cpusOf(owners, 0);
    // Without claims shared containers aren't confined, nor were they if the agent never ran.
    const shared = poolKnown && claims.length > 0 ? other(pool.toString(), 2) : [];
    const confined = [...claims.flatMap((cpus) => guaranteed(cpus.toString())), ...shared];
    assert.equal(likelyClaims(confined, ALL).toString(), ALL.difference(pool).toString());
  }));
});

Deno.test("claims by sight: whatever runs wherever, a CPU stays", () => {
  const cpus = fc.uniqueArray(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 7 });
  const pod = fc.record({
    cpus: cpus.map(CpuSet.from),
    pod: fc.constantFrom("a", "b", "c"),
    guaranteed: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(pod), fc.boolean(), (confined, seen) => {
    const claims = likelyClaims(confined, ALL, seen);
    assert(claims.isSubsetOf(ALL) && claims.size < ALL.size);
  }));
});
