/** The keys that say how CPUs are placed, who may claim what, and how that reaches containers, from each source that can give them. */
import assert from "node:assert/strict";
import { environmentLayer } from "../../../src/config/environment.ts";
import { KEYS, valueAt } from "../../../src/config/keys.ts";
import { checkedLayer, flatLayer, type Layer, type Mapping, resolve } from "../../../src/config/layers.ts";
import { parseYaml } from "../../../src/config/parse.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";

/** What each source makes of `text` for the key `path`. */
function layersOf(path: string, text: string): readonly Layer[] {
  const parsed = parseYaml(`${path}: ${JSON.stringify(text)}\n`);
  assert(parsed.kind === "parsed", JSON.stringify(parsed));
  const variable = KEYS.find((key) => key.path === path)?.variable ?? "";
  return [
    checkedLayer({ source: "file", file: "/etc/c.yaml", nameOf: (path) => path }, parsed.tree),
    environmentLayer({ [variable]: text }),
    flatLayer({ source: "flag", nameOf: (path) => `--${path}` }, [[path, text]]),
  ];
}

function yaml(text: string): Layer {
  const parsed = parseYaml(text);
  assert(parsed.kind === "parsed", JSON.stringify(parsed));
  return checkedLayer({ source: "file", nameOf: (path) => path }, parsed.tree);
}

const GOOD: readonly [path: string, text: string, value: unknown][] = [
  ["strictReserved", "true", true],
  ["reservedNamespaces", "kube-system,monitoring", ["kube-system", "monitoring"]],
  ["reservedNamespaces", "", []],
  ["placement", "packed", "packed"],
  ["placement", "spread", "spread"],
  ["placement", "full-cores", "full-cores"],
  ["placement", "single-thread", "single-thread"],
  ["exclusiveMems", "unset", "unset"],
  ["exclusiveMems", "local", "local"],
  ["exclusiveMems", "local+cpuless", "local+cpuless"],
  ["pinnedMems", "off", "off"],
  ["correctMems", "always", "always"],
  ["isolatedCpus", "avoid", "avoid"],
  ["isolatedCpus", "prefer", "prefer"],
  ["isolatedCpus", "ignore", "ignore"],
  ["isolatedCpus", "exclusive", "exclusive"],
  ["pinnedNamespaces", "*", ["*"]],
  ["pinnedNamespaces", "prod, weka-1 ", ["prod", "weka-1"]],
  ["pinnedNamespaces", " ", []],
  ["pinnedCpu0", "refuse", "refuse"],
  ["unmanagedNamespaces", "a", ["a"]],
  ["unmanagedNamespaces", "x".repeat(63), ["x".repeat(63)]],
  ["growDelayMs", "0", 0],
  ["growDelayMs", "60000", 60_000],
  ["apply", "auto", "auto"],
  ["apply", "runtime", "runtime"],
  ["apply", "kernel-first", "kernel-first"],
  ["reconcileSeconds", "0", 0],
  ["reconcileSeconds", "3600", 3600],
];

for (const [path, text, value] of GOOD) {
  Deno.test(`${path} takes ${JSON.stringify(text)} from every source`, () => {
    for (const layer of layersOf(path, text)) {
      const { config, origins, problems } = resolve([layer]);
      assert.deepEqual(problems, []);
      assert.deepEqual(valueAt(config, path), value);
      assert.equal(origins.get(path), layer.place.source);
    }
  });
}

const LIST = 'must be a list of namespaces, as in kube-system, or "*" for all';
const DELAY = "must be a whole number from 0 to 60000";
const PERIOD = "must be a whole number from 0 to 3600";
const APPLY = "must be auto, runtime or kernel-first";
const PLACEMENT = "must be packed, spread, full-cores or single-thread";

const BAD: readonly [path: string, text: string, must: string][] = [
  ["strictReserved", "yes", "must be true or false"],
  ["reservedNamespaces", "Kube-System", LIST],
  ["reservedNamespaces", "a,,b", LIST],
  ["placement", "tight", PLACEMENT],
  ["placement", "Packed", PLACEMENT],
  ["placement", "", PLACEMENT],
  ["exclusiveMems", "0", "must be unset, local or local+cpuless"],
  ["pinnedMems", "unset", "must be local, local+cpuless or off"],
  ["correctMems", "old", "must be never, young or always"],
  ["isolatedCpus", "true", "must be avoid, prefer, exclusive or ignore"],
  ["pinnedCpu0", "no", "must be allow, warn or refuse"],
  ["pinnedNamespaces", "prod-*", LIST],
  ["pinnedNamespaces", "-a", LIST],
  ["pinnedNamespaces", "a-", LIST],
  ["pinnedNamespaces", "a b", LIST],
  ["unmanagedNamespaces", "x".repeat(64), LIST],
  ["growDelayMs", "60001", DELAY],
  ["growDelayMs", "-1", DELAY],
  ["growDelayMs", "0.5", DELAY],
  ["growDelayMs", "500ms", DELAY],
  ["apply", "kernelFirst", APPLY],
  ["apply", "", APPLY],
  ["apply", "true", APPLY],
  ["reconcileSeconds", "3601", PERIOD],
  ["reconcileSeconds", "-1", PERIOD],
  ["reconcileSeconds", "10s", PERIOD],
];

for (const [path, text, must] of BAD) {
  Deno.test(`${path} rejects ${JSON.stringify(text)} from any source, with what it must be`, () => {
    const variable = KEYS.find((key) => key.path === path)?.variable;
    const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
    assert.deepEqual(
      layersOf(path, text).map(({ problems }) => problems.map(({ sentence }) => sentence)),
      [`/etc/c.yaml: ${path}`, variable, `--${path}`].map((name) => [`${name} ${must}, but it is ${shown}`]),
    );
  });
}

Deno.test("namespaces can be a YAML list, also an empty one, but not a mapping or a list of lists", () => {
  const taken = resolve([
    yaml('pinnedNamespaces: [prod, "*"]\nreservedNamespaces: []\nunmanagedNamespaces:\n  - a\n'),
  ]);
  assert.deepEqual(taken.problems, []);
  assert.deepEqual(taken.config.pinnedNamespaces, ["prod", "*"]);
  assert.deepEqual(taken.config.reservedNamespaces, []);
  assert.deepEqual(taken.config.unmanagedNamespaces, ["a"]);
  for (
    const [text, shown] of [["{a: b}", "a mapping"], ["[[a]]", "a list of other things"], ['[""]', '""']]
  ) {
    const { problems } = yaml(`pinnedNamespaces: ${text}\n`);
    assert.deepEqual(problems.map(({ sentence }) => sentence), [
      `pinnedNamespaces ${LIST}, but it is ${shown}`,
    ]);
  }
});

Deno.test("very many namespaces are too many", () => {
  const names = Array.from({ length: 1001 }, (_, i) => `n${i}`);
  assert.deepEqual(
    layersOf("pinnedNamespaces", names.slice(1).join(",")).flatMap(({ problems }) => problems),
    [],
  );
  for (const { problems: [problem] } of layersOf("pinnedNamespaces", names.join(","))) {
    assert.match(problem?.sentence ?? "", /must be 1000 namespaces at most, but it is "n0,n1,.*…"$/);
  }
});

const SLIPS: readonly [given: string, meant: string][] = [
  ["strictreserved", "strictReserved"],
  ["reservedNamespace", "reservedNamespaces"],
  ["placements", "placement"],
  ["exclusiveMem", "exclusiveMems"],
  ["isolatedCPUs", "isolatedCpus"],
  ["pinnedNamespace", "pinnedNamespaces"],
  ["unmanagedNameSpaces", "unmanagedNamespaces"],
  ["growDelay", "growDelayMs"],
  ["aply", "apply"],
  ["reconcileSecond", "reconcileSeconds"],
];

for (const [given, meant] of SLIPS) {
  Deno.test(`the problem of ${given} suggests ${meant}`, () => {
    const [problem] = yaml(`${given}: x\n`).problems;
    assert.equal(problem?.sentence, `${given} is not a key of the configuration; did you mean ${meant}?`);
  });
}

Deno.test("what is placed and for whom can be changed while the agent runs", () => {
  const text = {
    strictReserved: "true",
    reservedNamespaces: "a",
    placement: "spread",
    exclusiveMems: "local",
    pinnedMems: "off",
    correctMems: "always",
    isolatedCpus: "avoid",
    pinnedNamespaces: "b",
    pinnedCpu0: "allow",
    unmanagedNamespaces: "c",
    isolationNamespaces: "d",
    growDelayMs: "1",
  };
  const { origins, problems } = resolve([checkedLayer({ source: "runtime", nameOf: String }, text)]);
  assert.deepEqual(problems, []);
  for (const path of Object.keys(text)) assert.equal(origins.get(path), "runtime");
});

Deno.test("apply and reconcileSeconds can't be changed while the agent runs, but may be repeated", () => {
  const runtime = (text: Mapping) => resolve([checkedLayer({ source: "runtime", nameOf: String }, text)]);
  for (const [path, text] of [["apply", "runtime"], ["reconcileSeconds", "0"]] as const) {
    const { config, problems } = runtime({ [path]: text });
    assert.match(problems[0]?.sentence ?? "", new RegExp(`${path} can't be changed while the agent runs`));
    assert.deepEqual(config, DEFAULTS);
  }
  assert.deepEqual(runtime({ apply: "auto", reconcileSeconds: "10" }).problems, []);
});
