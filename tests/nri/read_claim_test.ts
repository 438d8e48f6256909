import assert from "node:assert/strict";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { CORES_IDS, FORBID_CORE_IDS, readClaim, recordOf } from "../../src/nri/read_claim.ts";
import { containerOf, podOf, type Wanted } from "./messages.ts";

function claimOf(wanted: Wanted): string {
  const read = readClaim(podOf(wanted), containerOf(wanted));
  if (read.kind === "refusal") return `refused: ${read.message}`;
  const { claim } = read;
  if (claim.kind === "pinned") return `pinned ${claim.cpus}`;
  const forbidden = claim.forbidden.isEmpty ? "" : ` without ${claim.forbidden}`;
  return (claim.kind === "exclusive" ? `exclusive ${claim.count}` : "shared") + forbidden;
}

const KINDS: readonly [why: string, wanted: Wanted, expected: string][] = [
  ["a Guaranteed container with a whole limit is exclusive", { cpus: 4 }, "exclusive 4"],
  ["one CPU is whole too", { cpus: 1 }, "exclusive 1"],
  ["another period counts by its quotient", { cpus: 2, quota: 100_000n, period: 50_000n }, "exclusive 2"],
  ["1.5 CPUs are shared", { cpus: 1, shares: 1536n, quota: 150_000n }, "shared"],
  ["a request below the limit is shared", { cpus: 2, shares: 1024n }, "shared"],
  ["no limit is shared", { cgroupParent: "/kubepods/pod1", shares: 2048n }, "shared"],
  ["a quota of 0 is shared", { cpus: 2, quota: 0n }, "shared"],
  ["CFS quota off (-1) is shared for now", { cpus: 2, quota: -1n }, "shared"],
  ["a period of 0 is shared, not a division by zero", { cpus: 2, period: 0n }, "shared"],
  ["a quota below one period is shared", { cpus: 1, shares: 512n, quota: 50_000n }, "shared"],
  ["256 CPUs reach kubelet's cap of shares exactly", { cpus: 256 }, "exclusive 256"],
  ["300 CPUs are above the cap, which their shares then show", { cpus: 300 }, "exclusive 300"],
  ["an ephemeral container (2 shares) in a Guaranteed pod is shared", {
    cgroupParent: "/kubepods/pod1",
    shares: 2n,
  }, "shared"],
];

for (const [why, wanted, expected] of KINDS) {
  Deno.test(why, () => assert.equal(claimOf(wanted), expected));
}

const PARENTS: readonly [parent: string, guaranteed: boolean][] = [
  ["/kubepods/pod1", true],
  ["/kubepods/burstable/pod1", false],
  ["/kubepods/besteffort/pod1", false],
  ["/kubepods.slice/kubepods-pod1.slice", true],
  ["/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice", false],
  ["kubepods-besteffort-pod1_2.slice", false],
  ["/node7/kubepods/pod1", true],
  ["/burstable-rack/kubepods/pod1", true],
  ["/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice", false],
  ["/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice", true],
];

for (const [cgroupParent, guaranteed] of PARENTS) {
  Deno.test(`the cgroup parent ${cgroupParent} ${guaranteed ? "is" : "isn't"} a Guaranteed pod's`, () => {
    assert.equal(claimOf({ cpus: 2, cgroupParent }), guaranteed ? "exclusive 2" : "shared");
  });
}

Deno.test("outside kubelet's tree a memory limit stands in for the QoS class", () => {
  assert.equal(claimOf({ cpus: 2, cgroupParent: "/bare", memory: 1n << 20n }), "exclusive 2");
  assert.equal(claimOf({ cpus: 2, cgroupParent: "/bare" }), "shared");
  assert.equal(claimOf({ cpus: 2, cgroupParent: "" }), "shared");
});

Deno.test("cores-ids wins over everything else the pod says", () => {
  const annotations = { [CORES_IDS]: " 0, 2-3 ,8", [FORBID_CORE_IDS]: "0-3" };
  assert.equal(claimOf({ cpus: 2, annotations }), "pinned 0,2-3,8");
});

for (const bad of ["0-", "a,b,c", "0,,2", "5-2", "-1", ",", "1.5", "0x1", "2;3"]) {
  Deno.test(`cores-ids ${JSON.stringify(bad)} is refused with pod, container, annotation and what is wrong`, () => {
    const said = claimOf({ name: "web", annotations: { [CORES_IDS]: bad } });
    assert.match(said, /^refused: cpuset: pod ns\/web container c: weka\.io\/cores-ids is not a CPU list: ./);
  });
}

for (const empty of ["", "  ", "\n"]) {
  Deno.test(`cores-ids ${JSON.stringify(empty)} is refused as empty, never taken as "anywhere"`, () => {
    assert.match(
      claimOf({ annotations: { [CORES_IDS]: empty } }),
      /weka\.io\/cores-ids is empty; name the CPUs as in "0,2-3"/,
    );
  });
}

Deno.test("forbid-core-ids applies to exclusive and shared containers", () => {
  const annotations = { [FORBID_CORE_IDS]: "1,3-4" };
  assert.equal(claimOf({ cpus: 2, annotations }), "exclusive 2 without 1,3-4");
  assert.equal(claimOf({ annotations }), "shared without 1,3-4");
});

Deno.test("a bad forbid-core-ids is ignored with a warning that names it", () => {
  const wanted = { annotations: { [FORBID_CORE_IDS]: "1,x" } };
  const read = readClaim(podOf(wanted), containerOf(wanted));
  assert(read.kind === "claim" && read.claim.kind === "shared");
  assert(read.claim.forbidden.isEmpty);
  assert.equal(read.warnings.length, 1);
  assert.match(read.warnings[0] ?? "", /^weka\.io\/forbid-core-ids is ignored, it is not a CPU list: .*x/);
});

Deno.test("a huge annotation is refused with a short message", () => {
  const said = claimOf({ annotations: { [CORES_IDS]: "9".repeat(200_000) } });
  assert.match(said, /^refused/);
  assert(said.length < 1000, `${said.length} characters`);
});

Deno.test("the record is what the runtime says; none, or one that can't be read, is no record", () => {
  assert.deepEqual(recordOf(containerOf({ record: "0-3" })), CpuSet.range(0, 3));
  assert.equal(recordOf(containerOf()), undefined);
  assert.equal(recordOf(containerOf({ record: "zero" })), undefined);
});
