import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet, MAX_CPU_ID } from "../../../src/cpu/cpu_set.ts";
import { listed } from "./oracle.ts";

function refused(text: string): { readonly item: string; readonly problem: string } {
  const { kind, ...invalid } = CpuSet.parse(text) as Exclude<ReturnType<typeof CpuSet.parse>, CpuSet>;
  assert.equal(kind, "invalid CPU list", text.slice(0, 20));
  return invalid;
}

Deno.test("lists in every form that cpuset(7) and people write are read", () => {
  const cases: [text: string, ids: number[]][] = [
    ["", []],
    ["\n", []],
    ["  ", []],
    ["0", [0]],
    ["0,2-3,8\n", [0, 2, 3, 8]],
    [" 0 , 2-3 ,\t8 ", [0, 2, 3, 8]],
    ["8,3,2,0", [0, 2, 3, 8]],
    ["1,1,0-2", [0, 1, 2]],
    ["5-5", [5]],
    ["007", [7]],
    ["30-33,63-64", [30, 31, 32, 33, 63, 64]],
    [`${MAX_CPU_ID}`, [MAX_CPU_ID]],
  ];
  for (const [text, ids] of cases) assert.deepEqual(listed(text).toArray(), ids, text);
});

Deno.test("the same text again gives the same set, also where another one was refused in between", () => {
  const set = CpuSet.parse("2-3,8");
  assert.equal(CpuSet.parse("2-3,8"), set);
  refused("2-");
  assert.equal(CpuSet.parse("2-3,8"), set);
  assert.deepEqual([listed("1").toArray(), listed("2-3,8").toArray(), listed("").toArray()], [
    [1],
    [2, 3, 8],
    [],
  ]);
});

Deno.test("so do two texts in turns, as of containers that are read, written and read back", () => {
  const [before, after] = [CpuSet.parse("0-63"), CpuSet.parse("0-62")];
  for (let n = 0; n < 3; n++) {
    assert.equal(CpuSet.parse("0-63"), before);
    assert.equal(CpuSet.parse("0-62"), after);
  }
});

Deno.test("a bad list is refused with the item that is wrong and what would be right", () => {
  const cases: [text: string, item: string, problem: string][] = [
    [",", "", "empty item: there is a comma too many"],
    ["0,,2", "", "empty item: there is a comma too many"],
    ["0, ", "", "empty item: there is a comma too many"],
    [",0", "", "empty item: there is a comma too many"],
    ["1,5-2", "5-2", '"5-2" is a reversed range; write "2-5"'],
    ["a", "a", '"a" is not a CPU id'],
    ["0,0x1", "0x1", '"0x1" is not a CPU id'],
    ["1.5", "1.5", '"1.5" is not a CPU id'],
    ["+1", "+1", '"+1" is not a CPU id'],
    ["1 2", "1 2", '"1 2" is not a CPU id'],
    ["٣", "٣", '"٣" is not a CPU id'],
    ["3, 0- ", "0-", '"0-" is a range without an end; write it as first-last'],
    ["-1", "-1", '"-1" is a range without a beginning, or a negative number; write it as first-last'],
    ["1-2-3", "1-2-3", '"1-2-3" is not a range of CPU ids; write it as first-last'],
    ["1 - 2", "1 - 2", '"1 - 2" is not a range of CPU ids; write it as first-last'],
    ["0-10:2/4", "0-10:2/4", '"0-10:2/4" is not a range of CPU ids; write it as first-last'],
    ["16384", "16384", '"16384" is too large: CPU ids end at 16383'],
    [
      "0-99999999999999999999",
      "0-99999999999999999999",
      '"0-99999999999999999999" is too large: CPU ids end at 16383',
    ],
  ];
  for (const [text, item, problem] of cases) {
    assert.deepEqual(refused(text), { item, problem });
  }
});

Deno.test("what is quoted from a bad list is short and has no control characters", () => {
  assert.equal(refused("\x1b[31m\n2").problem, '"\\u001b[31m\\n2" is not a CPU id');
  assert.equal(refused("z".repeat(1000)).problem, `"${"z".repeat(40)}…" is not a CPU id`);
});

Deno.test("a text longer than any list of all CPUs is refused unread", () => {
  assert.equal(
    refused("0,".repeat(40_000)).problem,
    "a CPU list of 80000 characters is too long; 65536 are read",
  );
  // Of all sets, this one has the longest canonical list: pairs with one CPU missing between them.
  const longest = CpuSet.from(CpuSet.range(0, MAX_CPU_ID).toArray().filter((id) => id % 3 !== 2));
  assert.deepEqual(listed(`${longest}\n`), longest);
});

Deno.test("ids that can't be CPU ids are a bug where code gives them, and in no set where it asks", () => {
  for (const id of [-1, 1.5, NaN, Infinity, MAX_CPU_ID + 1]) {
    assert.throws(() => CpuSet.of(0, id), /is not a CPU id/);
    assert.throws(() => CpuSet.range(0, id), /is not a range of CPU ids/);
  }
  assert.throws(() => CpuSet.range(3, 2), /3-2 is not a range/);
  const all = CpuSet.range(0, MAX_CPU_ID);
  for (const id of [-1, 1.5, NaN, Infinity, MAX_CPU_ID + 1, 2 ** 32, 2 ** 32 + 1]) {
    assert(!all.has(id), `${id}`);
  }
});

Deno.test("operations that change nothing return a set that they were given", () => {
  const [small, large] = [CpuSet.of(1, 40), CpuSet.of(1, 2, 40, 41)];
  assert.equal(small.union(large), large);
  assert.equal(large.union(small), large);
  assert.equal(small.intersection(large), small);
  assert.equal(large.intersection(small), small);
  assert.equal(small.difference(CpuSet.of(2, 41)), small);
  assert.equal(small.difference(CpuSet.empty), small);
  assert.equal(CpuSet.from(small), small);
  assert.equal(CpuSet.from([]), CpuSet.empty);
  assert(!small.equals(CpuSet.of(1, 41)) && !small.equals(CpuSet.of(1)) && small.equals(CpuSet.of(40, 1)));
});

Deno.test("equal sets are equal for a structural comparison too, whatever they were made of", () => {
  const shrunk = CpuSet.range(0, 200).intersection(CpuSet.of(3));
  assert.deepEqual(shrunk, CpuSet.of(3));
  assert.deepEqual(CpuSet.of(3).difference(CpuSet.of(3)), CpuSet.empty);
  assert.notDeepEqual(CpuSet.of(3), CpuSet.of(4));
  const printed = CpuSet.of(3, 64);
  assert.equal(`${printed}`, "3,64");
  assert.deepEqual(printed, CpuSet.of(64, 3), "that a text is remembered makes no difference");
  assert.deepEqual(CpuSet.range(0, 31).difference(CpuSet.range(0, 30)), CpuSet.of(31));
});

/** Ids where words begin and end are more likely than others. */
const id = fc.oneof(fc.nat(130), fc.constantFrom(0, 31, 32, 63, 64, 95, 96, 1023, 1024, MAX_CPU_ID));
const ids = fc.uniqueArray(id, { maxLength: 60 });

/** The list of a set of numbers, the slow and obvious way. */
function naiveList(oracle: ReadonlySet<number>): string {
  const items: string[] = [];
  for (const first of [...oracle].sort((a, b) => a - b)) {
    if (oracle.has(first - 1)) continue;
    let last = first;
    while (oracle.has(last + 1)) last++;
    items.push(first === last ? `${first}` : `${first}-${last}`);
  }
  return items.join(",");
}

Deno.test("a set answers as a Set of numbers does, and its list is the canonical one", () => {
  fc.assert(fc.property(ids, id, (members, probe) => {
    const oracle = new Set(members);
    const set = CpuSet.from(members);
    assert.equal(set.size, oracle.size);
    assert.equal(set.isEmpty, oracle.size === 0);
    assert.equal(set.has(probe), oracle.has(probe));
    assert.deepEqual([...set], [...oracle].sort((a, b) => a - b));
    assert.equal(set.first(), members.length === 0 ? undefined : Math.min(...members));
    assert.equal(`${set}`, naiveList(oracle));
    assert.deepEqual(listed(`${set}`), set);
  }));
});

Deno.test("the algebra of two sets is that of Sets of numbers", () => {
  fc.assert(fc.property(ids, ids, (left, right) => {
    const [a, b] = [CpuSet.from(left), CpuSet.from(right)];
    const [x, y] = [new Set(left), new Set(right)];
    const same = (set: CpuSet, oracle: ReadonlySet<number>) => assert.deepEqual(set, CpuSet.from(oracle));
    same(a.union(b), x.union(y));
    same(a.intersection(b), x.intersection(y));
    same(a.difference(b), x.difference(y));
    assert.equal(a.isSubsetOf(b), x.isSubsetOf(y));
    assert.equal(a.intersects(b), !x.isDisjointFrom(y));
    assert.equal(a.equals(b), x.symmetricDifference(y).size === 0);
    assert(a.equals(CpuSet.from(left.toReversed())));
  }));
});

Deno.test("union, intersection and difference keep the laws of sets", () => {
  fc.assert(fc.property(ids, ids, ids, (first, second, third) => {
    const [a, b, c] = [CpuSet.from(first), CpuSet.from(second), CpuSet.from(third)];
    assert.deepEqual(a.union(b), b.union(a));
    assert.deepEqual(a.union(b.intersection(c)), a.union(b).intersection(a.union(c)));
    assert.deepEqual(a.difference(b.union(c)), a.difference(b).difference(c));
    assert.deepEqual(a.difference(b).union(a.intersection(b)), a);
    assert.deepEqual(CpuSet.unionOf([a, b, c]), a.union(b).union(c));
    assert.deepEqual(a.union(CpuSet.empty), a);
  }));
  assert.deepEqual(CpuSet.unionOf([]), CpuSet.empty);
});

Deno.test("a range holds what lies between its ends, over any number of words", () => {
  fc.assert(fc.property(id, id, (a, b) => {
    const [first, last] = [Math.min(a, b), Math.max(a, b)];
    const range = CpuSet.range(first, last);
    assert.equal(range.size, last - first + 1);
    assert(range.has(first) && range.has(last) && !range.has(first - 1) && !range.has(last + 1));
    assert.deepEqual(range, listed(`${first}-${last}`));
  }));
});
