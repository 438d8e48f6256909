/** Printing a configuration, and what random configurations and random texts do to reading one. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { PLACEMENTS } from "../../../src/cpu/placement.ts";
import { formatConfig } from "../../../src/config/format.ts";
import { checkedLayer, flatLayer, type Mapping, resolve } from "../../../src/config/layers.ts";
import { parseYaml } from "../../../src/config/parse.ts";
import { type Config, DEFAULTS } from "../../../src/config/schema.ts";

const PLACE = { source: "file", file: "/etc/c.yaml", nameOf: (path: string) => path } as const;

Deno.test("the configuration is printed with the source of each value", () => {
  const { config, origins } = resolve([
    flatLayer({ source: "environment", nameOf: String }, [["pluginIndex", "05"], ["log.level", "debug"]]),
    flatLayer({ source: "flag", nameOf: String }, [["systemReserved", "3,1,2"], ["criSockets", [
      "/a b",
      "/c",
    ]]]),
  ]);
  assert.equal(
    formatConfig(config, origins),
    `socket: /var/run/nri/nri.sock  # default
pluginName: weka-cpuset  # default
pluginIndex: "05"  # environment
dryRun: false  # default
systemReserved: "1-3"  # flag
strictReserved: false  # default
reservedNamespaces:  # default
  - kube-system
minShared: 1  # default
placement: packed  # default
exclusiveMems: unset  # default
pinnedMems: "local+cpuless"  # default
correctMems: young  # default
isolatedCpus: ignore  # default
pinnedNamespaces:  # default
  - "*"
pinnedCpu0: warn  # default
unmanagedNamespaces: []  # default
isolationNamespaces: []  # default
sandboxedRuntimes:  # default
  - runsc
  - gvisor
vmRuntimes:  # default
  - kata
growDelayMs: 500  # default
apply: auto  # default
fence: auto  # default
hostFence: "off"  # default
exclusiveQuota: keep  # default
reconcileSeconds: 10  # default
http: ""  # default
httpAll: false  # default
probeSocket: ""  # default
onKubeletStatic: warn  # default
log:
  level: debug  # environment
  format: text  # default
  file: ""  # default
  maxSizeMiB: 10  # default
  keep: 3  # default
criSockets:  # flag
  - "/a b"
  - /c
systemBus: /run/dbus/system_bus_socket  # default
runDir: /run/weka-cpuset  # default
sysfsRoot: /sys  # default
cgroupRoot: /sys/fs/cgroup  # default
procRoot: /proc  # default
kubeletRoot: /var/lib/kubelet  # default
`,
  );
});

Deno.test("words that YAML readers take for something else are quoted", () => {
  for (const pluginName of ["true", "No", "null", "y", "1.5", "-", "...", "_"]) {
    assert(formatConfig({ ...DEFAULTS, pluginName }, new Map()).includes(`pluginName: "${pluginName}"  #`));
  }
});

const path = fc.oneof(
  fc.constantFrom("/", "/run/a.sock", "/a: b", "/a #b", "/'\"\\", "/é\u2028😀"),
  fc.stringMatching(/^\/[^\p{Cc}]{0,40}$/u),
);

const namespaces = fc.array(
  fc.oneof(
    fc.constantFrom("*", "null", "no", "0"),
    fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/),
  ),
  { maxLength: 5 },
);

const handlers = fc.array(fc.stringMatching(/^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$/), { maxLength: 5 });

const config: fc.Arbitrary<Config> = fc.record({
  socket: path,
  pluginName: fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/),
    fc.constantFrom("null", "no", "...", "-"),
  ),
  pluginIndex: fc.stringMatching(/^[0-9]{2}$/),
  dryRun: fc.boolean(),
  systemReserved: fc.array(fc.nat(16383), { maxLength: 20 }).map((ids) => CpuSet.from(ids)),
  strictReserved: fc.boolean(),
  reservedNamespaces: namespaces,
  minShared: fc.integer({ min: 1, max: 8192 }),
  placement: fc.constantFrom(...PLACEMENTS),
  exclusiveMems: fc.constantFrom("unset", "local", "local+cpuless"),
  pinnedMems: fc.constantFrom("local", "local+cpuless", "off"),
  correctMems: fc.constantFrom("never", "young", "always"),
  isolatedCpus: fc.constantFrom("avoid", "prefer", "exclusive", "ignore"),
  pinnedNamespaces: namespaces,
  pinnedCpu0: fc.constantFrom("allow", "warn", "refuse"),
  unmanagedNamespaces: namespaces,
  isolationNamespaces: namespaces,
  sandboxedRuntimes: handlers,
  vmRuntimes: handlers,
  growDelayMs: fc.integer({ min: 0, max: 60_000 }),
  apply: fc.constantFrom("auto", "runtime", "kernel-first"),
  fence: fc.constantFrom("auto", "on", "off"),
  hostFence: fc.constantFrom("off", "reserved", "pool"),
  exclusiveQuota: fc.constantFrom("keep", "off"),
  reconcileSeconds: fc.integer({ min: 0, max: 3600 }),
  http: fc.oneof(
    fc.constant(""),
    fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65535 })).map((at) => at.join(":")),
  ),
  httpAll: fc.boolean(),
  probeSocket: fc.oneof(path, fc.constant("")),
  onKubeletStatic: fc.constantFrom("warn", "refuse"),
  log: fc.record({
    level: fc.constantFrom("debug", "info", "warn", "error"),
    format: fc.constantFrom("text", "json"),
    file: fc.oneof(path, fc.constant("")),
    maxSizeMiB: fc.integer({ min: 1, max: 1024 }),
    keep: fc.integer({ min: 0, max: 20 }),
  }, { noNullPrototype: true }),
  criSockets: fc.array(path, { minLength: 1, maxLength: 16 }),
  systemBus: path,
  runDir: path,
  sysfsRoot: path,
  cgroupRoot: path,
  procRoot: path,
  kubeletRoot: path,
}, { noNullPrototype: true });

Deno.test("a printed configuration is read back as the same one", () => {
  fc.assert(fc.property(config, (config) => {
    const parsed = parseYaml(formatConfig(config, new Map()));
    assert(parsed.kind === "parsed", JSON.stringify(parsed));
    const again = resolve([checkedLayer(PLACE, parsed.tree)]);
    assert.deepEqual(again.problems, []);
    assert.deepEqual(again.config, config);
    assert.deepEqual(new Set(again.origins.values()), new Set(["file"]));
  }));
});

/** Reads a text as a file; whatever it is, there is a configuration, and every problem is one printable sentence. */
function survives(text: string): void {
  const parsed = parseYaml(text);
  if (parsed.kind === "invalid") return assert.match(parsed.reason, /^[^\n]{10,400}$/);
  survivesTree(parsed.tree);
}

function survivesTree(tree: Mapping): void {
  const { config, problems } = resolve([checkedLayer(PLACE, tree)]);
  if (problems.length > 0) assert.deepEqual(config, DEFAULTS);
  for (const { sentence } of problems) assert.match(sentence, /^\/etc\/c\.yaml: \P{Cc}{10,700}$/u);
}

const SAMPLE = formatConfig({ ...DEFAULTS, systemReserved: CpuSet.of(0, 2, 3) }, new Map());

Deno.test("any text is a configuration or a sentence", () => {
  const pieces = fc.constantFrom(
    ..." \n\t-?:,[]{}#&*!|>'\"%@`~<\0".split(""),
    "a",
    "0",
    "log",
    "level",
    "---",
    "\n  ",
  );
  fc.assert(fc.property(fc.array(pieces, { maxLength: 60 }).map((all) => all.join("")), survives), {
    numRuns: 300,
  });
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), survives), { numRuns: 200 });
});

Deno.test("a configuration with a piece cut out, doubled or replaced is a configuration or a sentence", () => {
  const spot = fc.nat(SAMPLE.length);
  fc.assert(
    fc.property(spot, spot, fc.string({ maxLength: 8 }), fc.boolean(), (a, b, other, doubled) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const piece = SAMPLE.slice(from, to);
      survives(SAMPLE.slice(0, from) + (doubled ? piece + other + piece : other) + SAMPLE.slice(to));
    }),
    { numRuns: 300 },
  );
});

Deno.test("any tree of texts under any keys is a configuration or sentences", () => {
  const key = fc.oneof(
    fc.constantFrom(
      "socket",
      "log",
      "level",
      "systemReserved",
      "criSockets",
      "minShared",
      "__proto__",
      "toString",
    ),
    fc.string(),
  );
  const { mapping } = fc.letrec<{ given: unknown; mapping: Mapping }>((tie) => ({
    given: fc.oneof({ maxDepth: 4 }, fc.string(), fc.array(tie("given"), { maxLength: 4 }), tie("mapping")),
    mapping: fc.array(fc.tuple(key, tie("given")), { maxLength: 6 }).map((all) =>
      Object.fromEntries(all) as Mapping
    ),
  }));
  fc.assert(fc.property(mapping, survivesTree), { numRuns: 300 });
});
