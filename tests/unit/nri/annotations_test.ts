/** How annotations are found, and what random ones do to reading a claim. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import {
  type Annotation,
  ANNOTATIONS,
  containerKeys,
  CORES_IDS,
  cpuList,
  firstValid,
  InvalidValue,
  MOVABLE,
  movable,
  placement,
  unmanaged,
  valuesOf,
} from "../../../src/nri/annotations.ts";
import { readClaim } from "../../../src/nri/read_claim.ts";
import type { Rules } from "../../../src/nri/rules.ts";
import { containerOf, podOf } from "../../kit/messages.ts";

const ALL_FORMS = ["movable.weka.io/container.app", "weka.io/movable/container.app", "weka.io/movable"];

Deno.test("an annotation has three forms, and the weightiest comes first", () => {
  const annotations = Object.fromEntries(ALL_FORMS.map((key, i) => [key, `${i}`]));
  assert.deepEqual(valuesOf(podOf({ annotations }), MOVABLE, "app"), [
    { key: "movable.weka.io/container.app", text: "0", own: true },
    { key: "weka.io/movable/container.app", text: "1", own: true },
    { key: "weka.io/movable", text: "2", own: false },
  ]);
  assert.deepEqual(valuesOf(podOf({ annotations }), MOVABLE, "sidecar").map(({ text }) => text), ["2"]);
  assert.deepEqual(valuesOf(podOf({ annotations }), CORES_IDS, "app"), []);
});

Deno.test("the form that users write is a key that Kubernetes takes", () => {
  for (const annotation of ANNOTATIONS) {
    const [usable] = containerKeys(annotation, "my-app");
    assert.match(usable, /^[a-z]([-a-z]*[a-z])?\.weka\.io\/container\.my-app$/);
  }
});

Deno.test("the first valid text counts, and the invalid ones before it are warned of", () => {
  const all = ["no", "false", "maybe"].map((text, i) => ({ key: `k${i}`, text, own: true }));
  const heard = firstValid(all, movable);
  assert.equal(heard.value, false);
  assert.equal(heard.from?.key, "k1");
  assert.deepEqual(heard.warnings, ['k0 is ignored, it must be "true" or "false", not "no"']);
  assert.deepEqual(firstValid([], movable), { value: undefined, from: undefined, warnings: [] });
});

Deno.test("a text that goes back to its author is short and has no control characters", () => {
  const misfit = movable("\u001b\u0085\n" + "😀".repeat(1000));
  assert(misfit instanceof InvalidValue);
  assert.match(misfit.why, /^must be "true" or "false", not "\\u001b\\u0085\\n[^\p{Cc}]{1,60}"$/u);
});

Deno.test("spaces around a value are no part of it", () => {
  assert.equal(String(cpuList(" 0 , 2-3\n")), "0,2-3");
  assert.equal(placement(" spread\n"), "spread");
  assert.equal(movable("\ttrue "), true);
  assert.equal(unmanaged(" unmanaged "), true);
  assert(placement("full cores") instanceof InvalidValue);
  assert(unmanaged("Unmanaged") instanceof InvalidValue);
});

const word = fc.oneof(
  fc.constantFrom(
    "0,2-3",
    "5-2",
    "",
    "spread",
    "false",
    "unmanaged",
    "managed",
    "partition",
    "0-16383",
    "16384",
  ),
  fc.string({ unit: "binary", maxLength: 100 }),
);

const key = fc.oneof(
  fc.constantFrom(...ANNOTATIONS),
  fc.constantFrom(...ANNOTATIONS.flatMap((annotation: Annotation) => [...containerKeys(annotation, "c")])),
  fc.string(),
);

const whole = (min: bigint, max: bigint) =>
  fc.oneof(
    fc.bigInt({ min, max }),
    fc.bigInt({ min: min < 0n ? -2n : 0n, max: 600_000n }),
    fc.constantFrom(min, max, 0n, 1024n, 262_144n, 100_000n, 200_000n),
  );

const wanted = fc.record({
  annotations: fc.dictionary(key, word, { maxKeys: 6 }),
  namespace: fc.constantFrom("ns", "kube-system", ""),
  cgroupParent: fc.oneof(fc.constantFrom("/kubepods/pod1", "/kubepods/burstable/pod1", "/bare"), fc.string()),
  shares: whole(0n, 2n ** 64n - 1n),
  quota: whole(-(2n ** 63n), 2n ** 63n - 1n),
  period: whole(0n, 2n ** 64n - 1n),
  memory: whole(-(2n ** 63n), 2n ** 63n - 1n),
  podQuota: whole(-(2n ** 63n), 2n ** 63n - 1n),
  podPeriod: whole(0n, 2n ** 64n - 1n),
}, { requiredKeys: [] });

const namespaces = fc.constantFrom([], ["*"], ["ns"]);
const rules: fc.Arbitrary<Rules> = fc.record({
  placement: fc.constant("packed"),
  pinnedNamespaces: namespaces,
  pinnedCpu0: fc.constantFrom("allow", "warn", "refuse"),
  unmanagedNamespaces: namespaces,
  isolationNamespaces: namespaces,
  reservedNamespaces: namespaces,
  sandboxedRuntimes: fc.constantFrom([], ["runsc"]),
  vmRuntimes: fc.constantFrom([], ["kata"]),
});

Deno.test("any annotations and any figures give a claim within bounds or printable sentences, always the same", () => {
  fc.assert(
    fc.property(wanted, rules, (wanted, rules) => {
      const read = readClaim(podOf(wanted), containerOf(wanted), rules);
      assert.deepEqual(readClaim(podOf(wanted), containerOf(wanted), rules), read);
      if (read.kind === "refusal") {
        return assert.match(read.message, /^cpuset: pod \S*\/p container c: [^\p{Cc}]{10,400}$/u);
      }
      assert(read.warnings.length <= 3 * ANNOTATIONS.length);
      for (const warning of read.warnings) {
        assert.match(warning, /^\S+ (is ignored,|names CPU 0,) [^\p{Cc}]{10,300}$/u);
      }
      if (read.kind === "unmanaged" || read.claim.kind === "shared") return;
      const { claim, degraded } = read;
      assert.equal(degraded, undefined);
      if (claim.kind === "pinned") return assert(!claim.cpus.isEmpty);
      assert(Number.isInteger(claim.count) && claim.count >= 1 && claim.count <= 16384);
      assert(claim.podLimit === undefined || (claim.podLimit >= claim.count && claim.podLimit <= 16384));
    }),
    { numRuns: 2000 },
  );
});
