import assert from "node:assert/strict";
import { type ExplainDocument, explainSchema } from "../../../src/status/explain_document.ts";
import { ran, withStatus } from "../../kit/command.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { bigNode, type MachineSpec, topologyOf } from "../../kit/sysfs.ts";

interface Asked {
  /** What the command prints. */
  text(name: string): Promise<string>;
  document(name: string): Promise<ExplainDocument>;
}

/** With an agent that has served all that; what it has logged is in its journal. */
async function asked(link: Link, body: (asked: Asked) => Promise<void>): Promise<void> {
  await withStatus(link, async ({ runDir, journal }) => {
    for (const record of link.logs) journal.add(record, Date.now());
    const explain = async (...args: string[]) => {
      const { out, error } = await ran("--run-dir", runDir, "explain", ...args);
      assert.equal(error, "");
      return out;
    };
    await body({
      text: explain,
      document: async (name) => explainSchema.parse(JSON.parse(await explain(name, "--output", "json"))),
    });
  });
}

function played(wanted: readonly Wanted[], machine: MachineSpec = bigNode): Link {
  const link = Link.serving([], machine);
  for (const each of wanted) link.create(each);
  return link;
}

const pinned = (name: string, cpus: string): Wanted => ({ name, annotations: { "weka.io/cores-ids": cpus } });

const NODE = [
  { name: "db", cpus: 4 },
  { name: "big", cpus: 20 },
  pinned("pin", "1-2"),
  { name: "web", namespace: "shop" },
  { name: "small", cpus: 1 },
];

/** The rows of an explanation by their names, without those that have times. */
function rows(text: string): string[] {
  return text.split("\n").slice(1).map((line) => line.trim().replace(/ {2,}/g, ": "))
    .filter((line) => !/^(since|kept by|when)/.test(line));
}

Deno.test("an exclusive container is explained by its claim, what was free, the rung that decided, and its moves", async () => {
  await asked(played(NODE), async ({ text, document }) => {
    const db = await text("ns/db");
    assert.match(db, /^ns\/db\/c: exclusive, CPUs 5-6,37-38, NUMA node 0\n/);
    const [move, ...others] = rows(db).reverse();
    assert.deepEqual(others.reverse(), [
      "claim: 4 CPUs of its own, packed",
      "from: Guaranteed pod, and its CPU limit of 4 is whole and equals the request",
      "decided: 4 CPUs of 64 that were free, placement packed",
      "all in one last-level cache",
      "best fit: the place with the fewest CPUs to give (14; the next one 16); large ones stay free for large claims",
      "free then: 0-63",
      "it was given 1-2,33-34 then",
      "next choice: 8-9,40-41: a place with 16 CPUs to give would be broken into, instead of one with 14",
      "state: unverified: set by the runtime, which reports no failure; not read back",
    ]);
    assert.match(move ?? "", /^moves: \S+Z \(\d+s\): from 1-2,33-34 to 5-6,37-38 for ns\/pin\/c$/);
    const big = await text("big");
    assert.match(
      big,
      /no last-level cache had 20 CPUs free, at most 16; no NUMA node had 20 CPUs free, at most 16/,
    );
    assert.match(
      big,
      /fewest CPUs to give \(26; the next one 32\)/,
    );
    assert.match(
      big,
      /next choice +16-25,48-57: a place with 32 CPUs to give would be broken into, instead of one with 26/,
    );
    assert.match(
      await text("small/c"),
      /decided .*\n.*\n +it breaks no whole core\n/,
    );
    const { explanations: [small] } = await document("id-small");
    assert(small?.kind === "container");
    assert.deepEqual([small.choice?.rung, small.choice?.next?.cpus], ["broken", "16"]);
  });
});

Deno.test("a pinned and a shared container are explained by the annotation and by the class", async () => {
  await asked(played(NODE), async ({ text }) => {
    assert.match(
      await text("pin"),
      /claim +exactly CPUs 1-2 \(weka.io\/cores-ids\)\n +from +annotation weka.io\/cores-ids\n/,
    );
    assert.match(await text("shop/web/c"), /claim +shared pool\n +from +BestEffort pod\n/);
    assert.equal((await text("c")).match(/: (exclusive|pinned|shared), /g)?.length, 5);
  });
});

Deno.test("a refused container is explained by who is in the way, and who would have to go", async () => {
  const link = played(NODE);
  link.refusal({ name: "huge", cpus: 40 });
  link.refusal({ name: "huge", cpus: 40 });
  link.refusal(pinned("all", "0-60"));
  link.refusal({ ...pinned("typo", "1-"), namespace: "dev" });
  await asked(link, async ({ text, document }) => {
    const huge = await text("huge");
    assert.match(
      huge,
      /^ns\/huge\/c: refused\n +why +cpuset: pod ns\/huge container c: insufficient CPUs: needs 40 exclusive CPUs, 36 are free/,
    );
    assert.match(huge, /when +its creation, .*, 2 times\n/);
    assert.match(huge, /in the way +ns\/big\/c +exclusive +CPUs 3-4,8-15,35-36,40-47 +may be moved\n/);
    assert.match(huge, /ns\/pin\/c +pinned +CPUs 1-2 +may not be moved\n/);
    // Four CPUs are missing: of those who would do, the smallest.
    assert.match(huge, /to go +ns\/db\/c$/);
    assert.match(await text("all"), /to go +ns\/big\/c, ns\/db\/c$/);
    assert.match(await text("typo"), /why +.*weka.io\/cores-ids is not a CPU list[^\n]*\n +when [^\n]*$/);
    link.end({ name: "big" });
    const { explanations: [later] } = await document("huge");
    assert(later?.kind === "refused");
    assert.deepEqual(later.toGo, []);
    link.create({ name: "huge", cpus: 40 });
    link.start({ name: "huge", cpus: 40 });
    assert.deepEqual((await document("huge")).explanations.map(({ kind }) => kind), ["container"]);
  });
});

Deno.test("who could be moved needn't go", async () => {
  const fixed = { cpus: 2, annotations: { "weka.io/movable": "false" } };
  const link = played([{ name: "large", cpus: 10 }, { name: "one", ...fixed }, { name: "two", ...fixed }]);
  const cpus = ["large", "one", "two"].map((name) => link.container(`id-${name}`)?.grant.first());
  link.refusal(pinned("pin", cpus.sort((a = 0, b = 0) => a - b).join(",")));
  await asked(link, async ({ document }) => {
    const { explanations: [pin] } = await document("pin");
    assert(pin?.kind === "refused");
    assert.deepEqual(pin.inTheWay.map(({ name, isMovable }) => [name, isMovable]), [
      ["ns/large/c", true],
      ["ns/one/c", false],
      ["ns/two/c", false],
    ]);
    assert.deepEqual(pin.toGo, ["ns/one/c", "ns/two/c"]);
  });
});

Deno.test("a CPU is explained by its owner, by who may run there, and why nobody else", async () => {
  const link = played([...NODE, {
    name: "one",
    cpus: 1,
    annotations: { "weka.io/placement": "single-thread" },
  }], {
    ...bigNode,
    offline: "63",
    isolated: "30",
  });
  const sibling = (link.container("id-one")?.grant.first() ?? 0) + 32;
  await asked(link, async ({ text }) => {
    const cpu = async (id: number) => rows(await text(`${id}`));
    assert.deepEqual(await cpu(1), [
      "place: socket 0, NUMA node 0, last-level cache of 0-7,32-39, core 1,33",
      "owner: ns/pin/c",
      "may run: ns/pin/c",
      "why: it is pinned by ns/pin container c: only pinned containers may be there too",
    ]);
    assert.match(
      await text("9"),
      /^CPU 9: exclusive\n.*\n.*\n.*\n +why +it is exclusive to ns\/big container c/,
    );
    assert.match(
      await text("30"),
      /^CPU 30: in the shared pool\n(.*\n)* +may run +shop\/web\/c\n +why +it is isolated/,
    );
    assert.deepEqual(await cpu(63), ["owner: none", "may run: none", "why: it is offline"]);
    assert.deepEqual((await cpu(999)).at(-1), "why: this machine has no such CPU (online: 0-62)");
    assert.match(
      await text(`${sibling}`),
      /: idle\n(.*\n)* +why +it is left idle beside ns\/one container c/,
    );
  });
});

Deno.test("of a CPU it is said who keeps it: the reservation, another program, or a fence", async () => {
  const kernel = new FakeKernel(2);
  kernel.online = CpuSet.range(0, 63);
  for (const path of ["/kubepods/burstable", "/kubepods/besteffort"]) kernel.appear(path, "");
  const policy = { ...DEFAULT_POLICY, systemReserved: CpuSet.of(40), strictReserved: true };
  const link = Link.serving([], bigNode, { cpusets: kernel, policy });
  const [db, slow] = [{ name: "db", cpus: 2 }, { name: "slow", cgroupParent: "/kubepods/pod9" }];
  for (const each of [slow, db]) {
    kernel.appear(`id-${each.name}`, link.create(each, { runs: false }).cpus);
    link.start(each);
  }
  const withheld = [{ cpus: CpuSet.of(63), why: "held by the partition /dpdk.slice" }];
  const topology = topologyOf({ ...bigNode, offline: "63" }, withheld);
  link.feed({ kind: "topology", now: 0, topology, offlineRemoved: false });
  await asked(link, async ({ text }) => {
    assert.match(
      await text("40"),
      /^CPU 40: kept out of the shared pool\n(.*\n)+ +why +it is reserved \(systemReserved\): no claim gets it exclusively, and only containers of reservedNamespaces share it$/,
    );
    assert.match(
      await text("63"),
      /^CPU 63: not available\n(.*\n)+ +why +it is held by the partition \/dpdk.slice$/,
    );
    assert.match(
      await text("1"),
      /kept off it by the kernel, with all that is in them: \/kubepods\/besteffort \/kubepods\/burstable$/,
    );
  });
});

Deno.test("after a restart it is said that the decision was made before, and what it would be now", async () => {
  const link = Link.serving([{ name: "db", cpus: 2, record: "4-5" }], bigNode);
  await asked(link, async ({ text, document }) => {
    assert.match(await text("db"), /decided +before this agent started/);
    assert.match(await text("db"), /it would be given 1,33\n/);
    const { explanations: [db] } = await document("db");
    assert(db?.kind === "container");
    assert.deepEqual([db.choice?.of, db.choice?.cpus], ["now", "1,33"]);
    // The runtime has been restarted, this agent hasn't.
    link.create({ name: "new", cpus: 2 });
    link.feed({ kind: "disconnected" });
    link.register();
    link.configure();
    link.synchronize([{ name: "db", cpus: 2, record: "4-5" }, { name: "new", cpus: 2, record: "1,33" }]);
    assert.match(await text("new"), /decided +2 CPUs of 62 that were free/);
  });
});

Deno.test("who isn't known is answered with the nearest name, and exit code 2", async () => {
  await withStatus(played(NODE), async ({ runDir }) => {
    const explain = (name: string) => ran("--run-dir", runDir, "explain", name);
    const { error, status } = await explain("smal");
    assert.deepEqual([error, status], [
      "no pod or container smal is known to the agent; did you mean small?",
      2,
    ]);
    assert.match((await explain("nothing-like-it")).error, /; weka-cpuset status lists those that are$/);
  });
});
