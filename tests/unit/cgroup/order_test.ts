// The order of writes, against cgroup v1's own rule.
import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { type CpusetNode, type CpusetStep, stepsTo } from "../../../src/cgroup/order.ts";

function set(list: string): CpuSet {
  const parsed = CpuSet.parse(list);
  assert(parsed instanceof CpuSet);
  return parsed;
}

/** A cgroup with those below it. */
function node(path: string, cpus: string, ...children: CpusetNode[]): CpusetNode {
  return { path, cpus: set(cpus), children };
}

/** The steps as texts: `/c 0-3 → 0`. */
function steps(root: CpusetNode, target: string): string[] {
  return stepsTo(root, set(target)).map(({ path, before, after }) => `${path} ${before} → ${after}`);
}

Deno.test("a cgroup alone takes one write, whatever the change; none where there is no change", () => {
  assert.deepEqual(steps(node("/c", "0-3"), "0-1"), ["/c 0-3 → 0-1"]);
  assert.deepEqual(steps(node("/c", "0-1"), "0-3"), ["/c 0-1 → 0-3"]);
  assert.deepEqual(steps(node("/c", "0-1"), "2"), ["/c 0-1 → 2"]);
  assert.deepEqual(steps(node("/c", "0-1"), "0-1"), []);
});

Deno.test("shrinking: children first", () => {
  const root = node("/c", "0-3", node("/c/a", "0-3", node("/c/a/x", "2-3")), node("/c/b", "3"));
  assert.deepEqual(steps(root, "0,3"), [
    "/c/a/x 2-3 → 3",
    "/c/a 0-3 → 0,3",
    "/c 0-3 → 0,3",
  ]);
});

Deno.test("growing: parents first; a cgroup that had all has all again, one that had a part keeps the part", () => {
  const root = node("/c", "0-1", node("/c/a", "0-1", node("/c/a/x", "0-1")), node("/c/b", "1"));
  assert.deepEqual(steps(root, "0-3"), [
    "/c 0-1 → 0-3",
    "/c/a 0-1 → 0-3",
    "/c/a/x 0-1 → 0-3",
  ]);
});

Deno.test("moving to other CPUs: parents are widened, then children moved, then parents narrowed", () => {
  assert.deepEqual(steps(node("/c", "0-1", node("/c/a", "0-1"), node("/c/b", "1")), "2"), [
    "/c 0-1 → 0-2",
    "/c/a 0-1 → 2",
    "/c/b 1 → 2",
    "/c 0-2 → 2",
  ]);
});

Deno.test("a part that is lost wholly becomes all", () => {
  assert.deepEqual(steps(node("/c", "0-3", node("/c/a", "3", node("/c/a/x", "3"))), "0-1"), [
    "/c/a 3 → 0-1,3",
    "/c/a/x 3 → 0-1",
    "/c/a 0-1,3 → 0-1",
    "/c 0-3 → 0-1",
  ]);
});

/** The sets of cgroup v1, with its rule: a set is never empty, lies in its parent's, and has its children's in it. */
class Version1 {
  readonly sets = new Map<string, CpuSet>();

  constructor(root: CpusetNode) {
    this.sets.set(root.path, root.cpus);
    for (const child of root.children) {
      new Version1(child).sets.forEach((cpus, path) => this.sets.set(path, cpus));
    }
  }

  write({ path, before, after }: Pick<CpusetStep, "path" | "before" | "after">): void {
    assert(!after.isEmpty, "ENOSPC");
    assert.equal(`${this.sets.get(path)}`, `${before}`, `${path} has what the step says`);
    assert(after.isSubsetOf(this.sets.get(path.replace(/\/[^/]*$/, "")) ?? after), `EACCES ${path}`);
    for (const [other, cpus] of this.sets) {
      const isChild = other.startsWith(`${path}/`) && !other.slice(path.length + 1).includes("/");
      assert(!isChild || cpus.isSubsetOf(after), `EBUSY ${path}`);
    }
    this.sets.set(path, after);
  }
}

const NON_EMPTY = fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1 }).map((ids) =>
  CpuSet.from(ids)
);

/** A tree in which each set lies in its parent's; `draw` gives the sets, and how many children there are. */
function tree(draw: fc.GeneratorValue, path: string, within: CpuSet, depth: number): CpusetNode {
  const part = draw(() => NON_EMPTY).intersection(within);
  const cpus = part.isEmpty ? within : part;
  const width = depth === 0 ? 0 : draw(() => fc.integer({ min: 0, max: 3 }));
  const names = Array.from({ length: width }, (_, index) => `${path}/${index}`);
  return { path, cpus, children: names.map((name) => tree(draw, name, cpus, depth - 1)) };
}

Deno.test("no step of any change breaks the kernel's rule; in reverse they undo themselves", () => {
  fc.assert(
    fc.property(fc.gen(), NON_EMPTY, (draw, target) => {
      const root = tree(draw, "/c", CpuSet.range(0, 5), 3);
      const kernel = new Version1(root);
      const before = new Map(kernel.sets);
      const written = stepsTo(root, target);
      for (const step of written) kernel.write(step);
      assert.equal(`${kernel.sets.get("/c")}`, `${target}`);
      for (const { path, before, after } of written.toReversed()) {
        kernel.write({ path, before: after, after: before });
      }
      assert.deepEqual(kernel.sets, before);
    }),
    { numRuns: 1000 },
  );
});
