/** How often the runtime is asked who lives: after each comparison that gives a reason for it, else once a minute. */
import assert from "node:assert/strict";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import { podOf, type Wanted } from "../../kit/messages.ts";
import { bigNode } from "../../kit/sysfs.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db" };
const late: Wanted = { name: "late" };
const RECONCILE_MS = 10_000;

/** A node at rest: its containers have been counted since they were known. */
class Rig {
  readonly kernel = new FakeKernel(2);
  readonly link: Link;
  #lives: readonly Wanted[] = [web, db];

  constructor() {
    this.kernel.isPopulated = true;
    for (const { name } of this.#lives) this.kernel.appear(`id-${name}`, "0-63");
    this.link = Link.serving(this.#lives, bigNode, { cpusets: this.kernel, reconcileMs: RECONCILE_MS });
    this.compare(2);
  }

  /** From now on the runtime counts these. */
  lives(...wanted: readonly Wanted[]): void {
    this.#lives = wanted;
  }

  /** So many comparisons; in which of them the runtime was asked. */
  compare(times: number): number[] {
    return Array.from({ length: times }, (_, at) => at).filter(() => {
      this.link.tick(this.link.now + 1.1 * RECONCILE_MS);
      const isAsked = this.link.asked.splice(0).some(({ kind }) => kind === "count");
      if (isAsked) this.#count();
      return isAsked;
    });
  }

  #count(): void {
    const containers = new Set(this.#lives.map(({ name }) => `id-${name}`));
    const sandboxes = new Set(this.#lives.map((each) => podOf(each).id));
    this.link.feed({ kind: "counted", living: { containers, sandboxes } });
  }
}

Deno.test("at rest it is asked once a minute", () => {
  const it = new Rig();
  it.compare(6);
  assert.deepEqual(it.compare(18), [5, 11, 17]);
});

Deno.test("it is asked after the next comparison when somebody has come or gone", () => {
  const [one, other] = [new Rig(), new Rig()];
  one.link.create(late);
  other.link.stop(db);
  other.lives(web);
  for (const it of [one, other]) assert.deepEqual(it.compare(1), [0]);
  assert.deepEqual(other.compare(3), []);
});

Deno.test("it is asked as long as nobody is seen in a container's cgroup", () => {
  const it = new Rig();
  it.kernel.empty.add("id-db");
  assert.deepEqual(it.compare(2), [0, 1]);
});

Deno.test("what an answer lacks, or has too much, is asked for again after the next comparison", () => {
  for (const living of [[web], [web, db, late]]) {
    const it = new Rig();
    it.lives(...living);
    while (it.compare(1).length === 0);
    assert.deepEqual(it.compare(1), [0], `${living.length}`);
  }
});
