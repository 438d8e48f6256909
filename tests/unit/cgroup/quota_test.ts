/** CFS quotas in the files of both cgroup versions: lifted, given back, read back; only a container's and its pod's. */
import assert from "node:assert/strict";
import { KernelQuotas } from "../../../src/cgroup/kernel_quotas.ts";
import { filesBelow } from "../../../src/cgroup/partition.ts";
import { setQuota, throttledIn } from "../../../src/cgroup/quota.ts";
import { libc } from "../../../src/platform/libc.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const FOUR = { quota: 400_000, period: 100_000 };
const POD = "/kubepods/pod1";
const OWN = `${POD}/c1`;

/** Directories with the files of each cgroup; of v1 in the hierarchies `cpuset` and `cpu,cpuacct`. */
class Tree implements Disposable {
  readonly top = Deno.makeTempDirSync();

  constructor(readonly version: 1 | 2, quota = "400000") {
    for (const path of ["", "/kubepods", POD, OWN, "/other", "/other/c1"]) {
      if (version === 1) Deno.mkdirSync(`${this.top}/cpuset${path}`, { recursive: true });
      Deno.mkdirSync(`${this.cpu}${path}`, { recursive: true });
      this.#write(path, quota);
    }
  }

  get cpu(): string {
    return this.version === 1 ? `${this.top}/cpu,cpuacct` : this.top;
  }

  get hierarchy() {
    const root = this.version === 1 ? `${this.top}/cpuset` : this.top;
    return { kind: "hierarchy", version: this.version, root, base: undefined, nestings: [] } as const;
  }

  /** `quota period` of a cgroup. */
  of(path: string): string {
    const read = (file: string) => Deno.readTextFileSync(`${this.cpu}${path}/${file}`).trim();
    return this.version === 2
      ? read("cpu.max")
      : `${read("cpu.cfs_quota_us").replace("-1", "max")} ${read("cpu.cfs_period_us")}`;
  }

  #write(path: string, quota: string): void {
    const files = this.version === 2
      ? { "cpu.max": `${quota} 100000` }
      : { "cpu.cfs_quota_us": quota, "cpu.cfs_period_us": "100000" };
    for (
      const [file, text] of Object.entries({
        ...files,
        "cpu.stat": "nr_periods 9\nnr_throttled 7\n",
        "cpu.pressure":
          "some avg10=0.12 avg60=0.00 avg300=0.00 total=4711\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n",
      })
    ) {
      Deno.writeTextFileSync(`${this.cpu}${path}/${file}`, `${text}\n`);
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.top, { recursive: true });
  }
}

const ref = (path: string) => ({
  ...{ id: "c1", name: "c", pod: "p", namespace: "ns", podUid: "1", sandboxId: "s" },
  cgroup: { path, parent: "", pid: 0 },
});

for (const version of [1, 2] as const) {
  Deno.test(`v${version}: a container's quota and its pod's are lifted and given back; no other's`, () => {
    using tree = new Tree(version);
    const port = KernelQuotas.beside(tree.hierarchy);
    assert(port !== undefined);
    const lifted = { kind: "done", isNew: true, before: FOUR };
    assert.deepEqual(port.ofContainer(ref(OWN), undefined), lifted);
    // A plain file doesn't keep its period as cpu.max does.
    if (version === 2) Deno.writeTextFileSync(`${tree.cpu}${OWN}/cpu.max`, "max 100000\n");
    assert.equal(tree.of(OWN), "max 100000");
    assert.deepEqual(port.ofContainer(ref(OWN), undefined), { kind: "done", isNew: false });
    assert.equal(tree.of(POD), "400000 100000");
    assert.deepEqual(port.ofPod(ref(OWN), undefined), lifted);
    assert.match(tree.of(POD), /^max/);
    assert.equal(tree.of("/kubepods"), "400000 100000", "what all pods may use is none of ours");
    assert.deepEqual(port.ofContainer(ref(OWN), FOUR), { kind: "done", isNew: true });
    assert.deepEqual(port.ofPod(ref(OWN), { quota: 50_000, period: 10_000 }), { kind: "done", isNew: true });
    assert.deepEqual([tree.of(OWN), tree.of(POD)], ["400000 100000", "50000 10000"]);
    assert.deepEqual(port.ofPod(ref("/other/c1"), undefined), { kind: "done", isNew: false });
    assert.equal(tree.of("/other"), "400000 100000", "the cgroup around one that isn't a pod's");
    assert.deepEqual([port.throttled(ref(OWN)), port.throttled(ref("/gone/c1"))], [7, undefined]);
    assert.deepEqual([port.pressure(ref(OWN)), port.pressure(ref("/gone/c1"))], [4711, undefined]);
    for (const gone of [port.ofContainer(ref("/gone/c1"), FOUR), port.ofPod(ref("/gone/c1"), FOUR)]) {
      assert.deepEqual(gone, { kind: "done", isNew: false });
    }
  });
}

Deno.test("v1 without the cpu controller has no quotas", () => {
  using tree = new Tree(1);
  Deno.removeSync(tree.cpu, { recursive: true });
  assert.equal(KernelQuotas.beside(tree.hierarchy), undefined);
});

Deno.test("a quota that can't be written, or is another one right after, is a sentence", () => {
  const files = { ...filesBelow("/nowhere"), read: () => ({ kind: "text", text: "400000 100000" }) as const };
  const refused = {
    ...files,
    write: () => ({ kind: "errno", errno: "EACCES", text: "Permission denied" }) as const,
  };
  assert.deepEqual(setQuota(refused, 2, OWN, undefined), {
    kind: "failed",
    reason: `the CFS quota of ${OWN} can't be changed: Permission denied (EACCES)`,
  });
  const overwritten = setQuota({ ...files, write: () => undefined }, 2, OWN, undefined);
  assert(overwritten.kind === "failed" && /another program has changed/.test(overwritten.reason));
  assert.equal(
    throttledIn({ ...files, read: () => ({ kind: "text", text: "nr_periods 1" }) }, OWN),
    undefined,
  );
});
