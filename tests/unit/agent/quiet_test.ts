/** Containers at rest are looked at in one go; whatever changes of one is seen by the same comparison as before. */
import assert from "node:assert/strict";
import type { Glance, GlancedContainer } from "../../../src/cgroup/port.ts";
import type { ContainerRef } from "../../../src/ledger/claim.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { bigNode } from "../../kit/sysfs.ts";

const web: Wanted = { name: "web" };
const api: Wanted = { name: "api" };
const db: Wanted = { name: "db", cpus: 2 };

/** So many comparisons in a minute, in each of which it is the turn of some threads. */
const TURNS = 6;

/** Notes what is read of containers one by one. */
class NotingKernel extends FakeKernel {
  /** Ids, and those that a glance couldn't tell. */
  readonly asked = new Set<string>();
  canTell = true;
  #isGlance = false;

  override read(container: ContainerRef): ReturnType<FakeKernel["read"]> {
    this.#note(container);
    return super.read(container);
  }

  override population(container: ContainerRef): ReturnType<FakeKernel["population"]> {
    this.#note(container);
    return super.population(container);
  }

  override glance(known: readonly GlancedContainer[]): Glance {
    const within = <T>(body: () => T): T => {
      this.#isGlance = true;
      const done = body();
      this.#isGlance = false;
      return done;
    };
    const glance = within(() => super.glance(known));
    return {
      ids: glance.ids,
      changed: (turn) => this.canTell ? within(() => glance.changed(turn)) : undefined,
    };
  }

  #note({ id }: ContainerRef): void {
    if (!this.#isGlance) this.asked.add(id);
  }
}

interface Rig {
  readonly link: Link;
  readonly kernel: NotingKernel;
}

/** Two shared containers and an exclusive one, all of which are at rest, and have been for more than a minute. */
function rig(): Rig {
  const kernel = new NotingKernel();
  kernel.isPopulated = true;
  kernel.appear("id-web", "0,2-32,34-63");
  kernel.appear("id-api", "0,2-32,34-63");
  kernel.appear("id-db", "1,33");
  for (const id of ["id-web", "id-api", "id-db"]) kernel.masks.set(id, ["0-63"]);
  const running = [web, api, { ...db, record: "1,33" }];
  const it = { kernel, link: Link.serving(running, bigNode, { cpusets: kernel, reconcileMs: 10_000 }) };
  compare(it, 2 * TURNS);
  return it;
}

/** So many comparisons; gives whose cgroups were asked for one by one. */
function compare({ link, kernel }: Rig, count = 1): string[] {
  kernel.asked.clear();
  for (let n = 0; n < count; n++) {
    link.tick(link.now + 11_000);
    link.tick(link.now);
  }
  return [...kernel.asked].sort();
}

Deno.test("of shared containers at rest none is read by itself, in no turn; one with CPUs of its own is", () => {
  const it = rig();
  for (let turn = 0; turn < TURNS; turn++) assert.deepEqual(compare(it), ["id-db"]);
});

Deno.test("a set that another program has written is repaired by the next comparison, of that container alone", () => {
  const it = rig();
  it.kernel.appear("id-web", "3");
  assert.deepEqual(compare(it), ["id-db", "id-web"]);
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0,2-32,34-63");
  assert.deepEqual(it.link.logged("warn"), [
    "cpuset changed by another program; repairing: found on CPUs 3 instead of 0,2-32,34-63",
  ]);
  compare(it, TURNS);
  assert.deepEqual(compare(it), ["id-db"], "and they are at rest again");
});

for (
  const [how, why] of [["empty", "no process is in its cgroup"], ["absent", "it has no cgroup"]] as const
) {
  Deno.test(`one whose cgroup is ${how} has ended at two looks`, () => {
    const it = rig();
    if (how === "empty") it.kernel.empty.add("id-web");
    else it.kernel.sets.delete("id-web");
    compare(it);
    assert.deepEqual(it.link.logged("warn"), []);
    compare(it);
    assert.deepEqual(it.link.logged("warn"), [
      `container ended, which the runtime hasn't reported; its CPUs are released: ${why}`,
    ]);
  });
}

Deno.test("one that can't be read any more is left to the runtime's record", () => {
  const it = rig();
  it.kernel.unreadable.add("id-web");
  compare(it);
  assert.deepEqual(it.link.logged("warn"), ["cpuset not readable: the cgroup of id-web can't be opened"]);
});

const NARROWER: readonly [what: string, narrow: (kernel: FakeKernel) => void][] = [
  ["a mask of a thread's own", (kernel) => void kernel.masks.set("id-web", ["0-63", "5"])],
  ["the set of a cgroup inside", (kernel) => void kernel.inside.set("id-web", ["5"])],
];

for (const [what, narrow] of NARROWER) {
  Deno.test(`${what} is seen within a minute`, () => {
    const it = rig();
    narrow(it.kernel);
    compare(it, TURNS);
    assert.equal(it.link.logged("debug").at(-1), "container pins its own threads");
  });
}

Deno.test("with another ledger all are compared once, and where the port can't tell any more", () => {
  const it = rig();
  it.link.create({ name: "own", cpus: 2 }, { runs: false });
  assert.deepEqual(compare(it).filter((id) => id !== "id-own"), ["id-api", "id-db", "id-web"]);
  compare(it, TURNS);
  it.kernel.canTell = false;
  assert.deepEqual(compare(it).filter((id) => id !== "id-own"), ["id-api", "id-db", "id-web"]);
  it.kernel.canTell = true;
  assert.deepEqual(compare(it).filter((id) => id !== "id-own"), ["id-db"]);
});
