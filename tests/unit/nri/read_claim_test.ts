import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import {
  type Annotation,
  CORES_IDS,
  CPUSET,
  FORBID_CORE_IDS,
  ISOLATION,
  MOVABLE,
  PLACEMENT,
} from "../../../src/nri/annotations.ts";
import { readClaim, recordOf } from "../../../src/nri/read_claim.ts";
import type { Rules } from "../../../src/nri/rules.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { containerOf, podOf, type Wanted } from "../../kit/messages.ts";

type Some = Partial<Rules>;

function read(wanted: Wanted, rules: Some = {}) {
  return readClaim(podOf(wanted), containerOf(wanted), { ...DEFAULT_SETTINGS.rules, ...rules });
}

/** The claim as words; what is as usual isn't said. */
function claimOf(wanted: Wanted, rules: Some = {}): string {
  const told = read(wanted, rules);
  if (told.kind === "refusal") return `refused: ${told.message}`;
  if (told.kind === "unmanaged") return "unmanaged";
  const { claim, degraded } = told;
  if (claim.kind === "pinned") return `pinned ${claim.cpus}`;
  const words: string[] = [claim.kind];
  if (claim.kind === "exclusive") {
    words.push(`${claim.count}`);
    if (claim.placement !== "packed") words.push(claim.placement);
    if (claim.movable !== undefined) words.push(claim.movable ? "movable" : "fixed");
    if (claim.podLimit !== undefined) words.push(`of ${claim.podLimit}`);
  } else if (claim.system) words.push("system");
  if (claim.ofPod) words.push("shared in its pod");
  if (!claim.forbidden.isEmpty) words.push(`without ${claim.forbidden}`);
  if (degraded !== undefined) words.push(`degraded: ${degraded}`);
  return words.join(" ");
}

function warningsOf(wanted: Wanted, rules: Some = {}): readonly string[] {
  const told = read(wanted, rules);
  assert(told.kind !== "refusal", told.kind === "refusal" ? told.message : "");
  return told.warnings;
}

/** The key for the container `c` alone, as users write it. */
function own(annotation: Annotation): string {
  return `${annotation.slice("weka.io/".length)}.weka.io/container.c`;
}

const KINDS: readonly [why: string, wanted: Wanted, expected: string][] = [
  ["a Guaranteed container with a whole limit is exclusive", { cpus: 4 }, "exclusive 4"],
  ["a Burstable one isn't", { cpus: 4, cgroupParent: "/kubepods/burstable/pod1" }, "shared"],
  ["1.5 CPUs are shared", { cpus: 1, shares: 1536n, quota: 150_000n }, "shared"],
  ["no limit is shared", { cgroupParent: "/kubepods/pod1", shares: 2048n, period: 100_000n }, "shared"],
  ["with CFS quota off the shares count", { cpus: 2, quota: -1n }, "exclusive 2"],
  ["an ephemeral container (2 shares) in a Guaranteed pod is shared", {
    cgroupParent: "/kubepods/pod1",
    shares: 2n,
  }, "shared"],
  ["16384 CPUs can be asked for", { cpus: 16384 }, "exclusive 16384"],
  ["where the pod has figures of its own, they are the limit of all its containers", {
    cpus: 4,
    podQuota: 650_000n,
  }, "exclusive 4 of 6"],
  [
    "figures that are the pod's are shared with others that have them",
    { cpus: 4, podQuota: 400_000n },
    "exclusive 4 of 4 shared in its pod",
  ],
  ["half a CPU more of the pod's isn't the container's", { cpus: 4, podQuota: 450_000n }, "exclusive 4 of 4"],
  ["a limit of its own that isn't whole goes with what its pod shares", {
    cpus: 1,
    shares: 512n,
    quota: 50_000n,
    podQuota: 400_000n,
  }, "shared shared in its pod"],
  ["one without a limit, as an ephemeral one, doesn't", {
    cgroupParent: "/kubepods/pod1",
    shares: 2n,
    podQuota: 400_000n,
  }, "shared"],
  ["a pod's figures below its container's are out of date", { cpus: 4, podQuota: 200_000n }, "exclusive 4"],
  ["a pod without a quota sets no limit", { cpus: 4, podQuota: 0n }, "exclusive 4"],
  ["a pod with quotas off sets no limit", { cpus: 4, podQuota: -1n }, "exclusive 4"],
  ["a pod's quota without a period sets no limit", { cpus: 4, podQuota: 1n, podPeriod: 0n }, "exclusive 4"],
  ["cores-ids wins over everything else", {
    cpus: 2,
    annotations: { [CORES_IDS]: " 1, 3-4 ,8", [FORBID_CORE_IDS]: "0-3", [PLACEMENT]: "spread" },
  }, "pinned 1,3-4,8"],
  ["forbid-core-ids applies to exclusive containers", {
    cpus: 2,
    annotations: { [FORBID_CORE_IDS]: "1,3-4" },
  }, "exclusive 2 without 1,3-4"],
  ["forbid-core-ids applies to shared containers", {
    annotations: { [FORBID_CORE_IDS]: "1,3-4" },
  }, "shared without 1,3-4"],
  ["an empty forbid-core-ids forbids nothing", { annotations: { [FORBID_CORE_IDS]: "" } }, "shared"],
  ["placement and movable are the pod's to say", {
    cpus: 2,
    annotations: { [PLACEMENT]: " full-cores ", [MOVABLE]: " false " },
  }, "exclusive 2 full-cores fixed"],
  ["movable may be said as it is", { cpus: 2, annotations: { [MOVABLE]: "true" } }, "exclusive 2 movable"],
];

for (const [why, wanted, expected] of KINDS) {
  Deno.test(why, () => {
    assert.equal(claimOf(wanted), expected);
    assert.deepEqual(warningsOf(wanted), []);
  });
}

Deno.test("shares at kubelet's cap without a quota are shared, with the reason", () => {
  const wanted = { cpus: 300, quota: -1n };
  assert.equal(
    claimOf(wanted),
    "shared degraded: without a CFS quota, kubelet's cap of 262144 CPU shares doesn't show how many CPUs are requested",
  );
  assert.equal(claimOf({ ...wanted, cgroupParent: "/kubepods/burstable/pod1" }), "shared");
});

Deno.test("more CPUs than any node has are refused, not counted", () => {
  const shares = 262_144n;
  for (const [quota, count] of [[16_385n, "16385"], [2n ** 63n - 1n, "9223372036854775807"]] as const) {
    assert.equal(
      claimOf({ cpus: 1, shares, quota, period: 1n }),
      `refused: cpuset: pod ns/p container c: needs ${count} exclusive CPUs, but a node has 16384 at most; ` +
        "lower its CPU limit",
    );
  }
});

Deno.test("the node's placement holds for pods without the annotation", () => {
  const rules = { placement: "spread" } as const;
  assert.equal(claimOf({ cpus: 2 }, rules), "exclusive 2 spread");
  assert.equal(claimOf({ cpus: 2, annotations: { [PLACEMENT]: "packed" } }, rules), "exclusive 2");
  assert.equal(claimOf({ cpus: 2, annotations: { [PLACEMENT]: "tight" } }, rules), "exclusive 2 spread");
});

for (const bad of ["0-", "a,b,c", "0,,2", "5-2", "-1", ",", "1.5", "0x1", "2;3"]) {
  Deno.test(`cores-ids ${JSON.stringify(bad)} is refused with pod, container, annotation and what is wrong`, () => {
    const said = claimOf({ name: "web", annotations: { [CORES_IDS]: bad } });
    assert.match(said, /^refused: cpuset: pod ns\/web container c: weka\.io\/cores-ids is not a CPU list: ./);
    const ownSaid = claimOf({ annotations: { [CORES_IDS]: "1", [own(CORES_IDS)]: bad } });
    assert.match(ownSaid, /container c: cores-ids\.weka\.io\/container\.c is not a CPU list: ./);
  });
}

for (const empty of ["", "  ", "\n"]) {
  Deno.test(`cores-ids ${JSON.stringify(empty)} is refused as empty, never taken as "anywhere"`, () => {
    const why = /weka\.io\/cores-ids is empty; name the CPUs as in "0,2-3"/;
    assert.match(claimOf({ annotations: { [CORES_IDS]: empty } }), why);
    assert.match(
      claimOf({ annotations: { [CORES_IDS]: "1", [own(CORES_IDS)]: empty } }),
      /cores-ids\.weka\.io\/container\.c is empty/,
    );
  });
}

Deno.test("a huge annotation is refused with a short message", () => {
  const said = claimOf({ annotations: { [CORES_IDS]: "9".repeat(200_000) } });
  assert.match(said, /^refused/);
  assert(said.length < 1000, `${said.length} characters`);
});

const BAD: readonly [annotation: Annotation, text: string, warning: string][] = [
  [FORBID_CORE_IDS, "1,x", 'is ignored, it is not a CPU list: "x" is not a CPU id'],
  [PLACEMENT, "tight", 'is ignored, it must be packed, spread, full-cores or single-thread, not "tight"'],
  [PLACEMENT, "", 'is ignored, it must be packed, spread, full-cores or single-thread, not ""'],
  [MOVABLE, "no", 'is ignored, it must be "true" or "false", not "no"'],
  [MOVABLE, "False", 'is ignored, it must be "true" or "false", not "False"'],
  [CPUSET, "managed", 'is ignored, it must be "unmanaged", not "managed"'],
];

for (const [annotation, text, warning] of BAD) {
  Deno.test(`${annotation}: ${JSON.stringify(text)} is ignored with one warning, as if it weren't there`, () => {
    const anywhere = { unmanagedNamespaces: ["*"] };
    assert.deepEqual(warningsOf({ annotations: { [annotation]: text } }), [`${annotation} ${warning}`]);
    assert.equal(claimOf({ cpus: 2, annotations: { [annotation]: text } }, anywhere), "exclusive 2");
    const pod: Record<string, string> = {
      [FORBID_CORE_IDS]: "1",
      [PLACEMENT]: "spread",
      [MOVABLE]: "false",
      [CPUSET]: "unmanaged",
    };
    const both = { cpus: 2, annotations: { [annotation]: pod[annotation] ?? "", [own(annotation)]: text } };
    assert.deepEqual(warningsOf(both, anywhere), [`${own(annotation)} ${warning}`]);
    const without = { cpus: 2, annotations: { [annotation]: pod[annotation] ?? "" } };
    assert.equal(claimOf(both, anywhere), claimOf(without, anywhere));
  });
}

Deno.test("pinned containers ignore the other annotations, invalid ones too", () => {
  const annotations = { [CORES_IDS]: "1", [FORBID_CORE_IDS]: "x", [PLACEMENT]: "y", [MOVABLE]: "z" };
  assert.deepEqual(warningsOf({ annotations }), []);
});

Deno.test("a container's annotation wins over the pod's, and concerns no other container", () => {
  const annotations = {
    [CORES_IDS]: "0",
    [own(CORES_IDS)]: "1",
    "cores-ids.weka.io/container.other": "2",
  };
  assert.equal(claimOf({ annotations }), "pinned 1");
  assert.equal(claimOf({ annotations, container: "other" }), "pinned 2");
  assert.equal(claimOf({ annotations, container: "third" }), "pinned 0");
});

Deno.test("one container can be pinned alone, and one can forbid nothing of what its pod does", () => {
  const pinned = { [own(CORES_IDS)]: "1" };
  assert.equal(claimOf({ annotations: pinned }), "pinned 1");
  assert.equal(claimOf({ annotations: pinned, container: "other" }), "shared");
  const forbidding = { [FORBID_CORE_IDS]: "0-3", [own(FORBID_CORE_IDS)]: "" };
  assert.equal(claimOf({ annotations: forbidding }), "shared");
  assert.equal(claimOf({ annotations: forbidding, container: "other" }), "shared without 0-3");
});

Deno.test("cores-ids is only for the namespaces that the node lists", () => {
  const rules = { pinnedNamespaces: ["prod", "weka"] };
  const annotations = { [CORES_IDS]: "1" };
  assert.equal(claimOf({ annotations, namespace: "weka" }, rules), "pinned 1");
  assert.equal(
    claimOf({ annotations, namespace: "dev" }, rules),
    "refused: cpuset: pod dev/p container c: namespace dev may not use weka.io/cores-ids: the node's " +
      "pinnedNamespaces doesn't list it; remove the annotation, or have the namespace added",
  );
  assert.match(claimOf({ annotations }, { pinnedNamespaces: [] }), /^refused/);
  assert.equal(claimOf({ namespace: "dev", cpus: 2 }, rules), "exclusive 2");
});

Deno.test("unmanaged is only for the namespaces that the node lists; elsewhere it is ignored", () => {
  const annotations = { [CPUSET]: " unmanaged\n", [FORBID_CORE_IDS]: "x" };
  const rules = { unmanagedNamespaces: ["ns"] };
  assert.equal(claimOf({ annotations, cpus: 2 }, rules), "unmanaged");
  assert.deepEqual(warningsOf({ annotations }, rules), []);
  assert.equal(claimOf({ annotations, cpus: 2 }), "exclusive 2");
  assert.deepEqual(warningsOf({ annotations: { [CPUSET]: "unmanaged" } }), [
    "weka.io/cpuset is ignored, namespace ns may not use it: the node's unmanagedNamespaces doesn't list it",
  ]);
});

Deno.test("isolation is only for the namespaces that the node lists; elsewhere it is ignored, and so it is without CPUs", () => {
  const rules = { isolationNamespaces: ["ns"] };
  const annotations = { [ISOLATION]: " partition\n", [MOVABLE]: "true" };
  const isolated = (wanted: Wanted, given: Some = rules) => {
    const told = read(wanted, given);
    assert(told.kind === "claim");
    return [told.claim.kind === "shared" ? undefined : told.claim.isolation, ...told.warnings];
  };
  assert.deepEqual(isolated({ annotations, cpus: 2 }), ["partition"]);
  assert.equal(claimOf({ annotations, cpus: 2 }, rules), "exclusive 2 fixed");
  assert.deepEqual(isolated({ annotations: { ...annotations, [CORES_IDS]: "1" } }), ["partition"]);
  assert.deepEqual(isolated({ annotations: { [own(ISOLATION)]: "partition" }, cpus: 1 }), ["partition"]);
  assert.deepEqual(isolated({ annotations, cpus: 2 }, {}), [
    undefined,
    "weka.io/isolation is ignored, namespace ns may not use it: the node's isolationNamespaces doesn't list it",
  ]);
  assert.deepEqual(isolated({ annotations }), [
    undefined,
    "weka.io/isolation is ignored, the container has no CPUs of its own",
  ]);
  assert.deepEqual(isolated({ annotations: { [ISOLATION]: "root" }, cpus: 1 }), [
    undefined,
    'weka.io/isolation is ignored, it must be "partition", not "root"',
  ]);
});

Deno.test("between unmanaged and pinned the container's own word decides; both of one level are refused", () => {
  const rules = { unmanagedNamespaces: ["*"] };
  const decided = (annotations: Record<string, string>) => claimOf({ annotations }, rules);
  assert.equal(decided({ [CPUSET]: "unmanaged", [own(CORES_IDS)]: "1" }), "pinned 1");
  assert.equal(decided({ [own(CPUSET)]: "unmanaged", [CORES_IDS]: "1" }), "unmanaged");
  assert.match(
    decided({ [CPUSET]: "unmanaged", [CORES_IDS]: "1" }),
    /: weka\.io\/cores-ids and weka\.io\/cpuset contradict each other; remove one of the two$/,
  );
  assert.match(decided({ [own(CPUSET)]: "unmanaged", [own(CORES_IDS)]: "1" }), /contradict each other/);
  const refused = { [CPUSET]: "unmanaged", [CORES_IDS]: "1" };
  assert.equal(claimOf({ annotations: refused }), "pinned 1");
  assert.equal(warningsOf({ annotations: refused }).length, 1);
});

Deno.test("shared containers of reserved namespaces are the system's", () => {
  assert.equal(claimOf({ namespace: "kube-system" }), "shared system");
  assert.equal(claimOf({ namespace: "kube-system", cpus: 2 }), "exclusive 2");
  assert.equal(claimOf({ namespace: "kube-system" }, { reservedNamespaces: [] }), "shared");
  assert.equal(claimOf({}, { reservedNamespaces: ["*"] }), "shared system");
});

Deno.test("the record is the runtime's; an invalid one is none", () => {
  assert.deepEqual(recordOf(containerOf({ record: "0-3" })), CpuSet.range(0, 3));
  assert.equal(recordOf(containerOf()), undefined);
  assert.equal(recordOf(containerOf({ record: "zero" })), undefined);
});
