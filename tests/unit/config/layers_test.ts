import assert from "node:assert/strict";
import {
  brokenLayer,
  checkedLayer,
  flatLayer,
  type Layer,
  type Mapping,
  type RawValue,
  resolve,
} from "../../../src/config/layers.ts";
import { valueAt } from "../../../src/config/keys.ts";
import type { Source } from "../../../src/config/problems.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";

function file(tree: Mapping): Layer {
  return checkedLayer({ source: "file", file: "/etc/c.yaml", nameOf: (path) => path }, tree);
}

function flat(source: Source, values: Record<string, RawValue>): Layer {
  return flatLayer({ source, nameOf: (path) => `--${path}` }, Object.entries(values));
}

function sentences(layer: Layer): string[] {
  return layer.problems.map(({ sentence }) => sentence);
}

Deno.test("without layers every key has its default, and `default` as its source", () => {
  const { config, origins, problems } = resolve([]);
  assert.deepEqual(config, DEFAULTS);
  assert.deepEqual(new Set(origins.values()), new Set(["default"]));
  assert.deepEqual(problems, []);
});

Deno.test("each key has the value of the weightiest layer that gives one, whatever the order", () => {
  const layers = [
    flat("flag", { "log.level": "error" }),
    flat("environment", { "log.level": "warn", minShared: "4" }),
    flat("runtime", { minShared: "3", systemReserved: "0-1" }),
    file({ minShared: "2", systemReserved: "7", dryRun: "true", log: { level: "debug", keep: "9" } }),
  ];
  for (const given of [layers, layers.toReversed()]) {
    const { config, origins, problems } = resolve(given);
    assert.deepEqual(problems, []);
    const found = ["log.level", "minShared", "systemReserved", "dryRun", "log.keep", "socket"].map((path) =>
      `${path} ${valueAt(config, path)} ${origins.get(path)}`
    );
    assert.deepEqual(found, [
      "log.level error flag",
      "minShared 4 environment",
      "systemReserved 0-1 runtime",
      "dryRun true file",
      "log.keep 9 file",
      "socket /var/run/nri/nri.sock default",
    ]);
  }
});

const GOOD: readonly [path: string, given: RawValue, value: unknown][] = [
  ["systemReserved", "0,2-3", "0,2-3"],
  ["systemReserved", ["0", "2-3", " 5 "], "0,2-3,5"],
  ["systemReserved", "", ""],
  ["systemReserved", [], ""],
  ["minShared", "8192", "8192"],
  ["log.keep", "0", "0"],
  ["log.file", "/var/log/a.log", "/var/log/a.log"],
  ["log.format", "json", "json"],
  ["criSockets", "/a.sock,/b.sock", "/a.sock,/b.sock"],
  ["criSockets", ["/a.sock"], "/a.sock"],
  ["pluginIndex", "05", "05"],
  ["dryRun", "true", "true"],
];

for (const [path, given, value] of GOOD) {
  Deno.test(`${path} takes ${JSON.stringify(given)}`, () => {
    const { config, problems } = resolve([flat("flag", { [path]: given })]);
    assert.deepEqual(problems, []);
    assert.equal(String(valueAt(config, path)), value);
  });
}

const BAD: readonly [tree: Mapping, ...sentences: string[]][] = [
  [{ log: { level: "loud" } }, 'log.level must be debug, info, warn or error, but it is "loud"'],
  [{ log: "debug" }, 'log must be a mapping, but it is "debug"'],
  [{ log: ["debug"] }, 'log must be a mapping, but it is "debug"'],
  [{ log: { maxSizeMiB: "0" } }, 'log.maxSizeMiB must be a whole number from 1 to 1024, but it is "0"'],
  [{ log: { keep: "21" } }, 'log.keep must be a whole number from 0 to 20, but it is "21"'],
  [{ minShared: "0" }, 'minShared must be a whole number from 1 to 8192, but it is "0"'],
  [{ minShared: "1.5" }, 'minShared must be a whole number from 1 to 8192, but it is "1.5"'],
  [{ minShared: ["1"] }, 'minShared must be a whole number from 1 to 8192, but it is "1"'],
  [{ dryRun: "yes" }, 'dryRun must be true or false, but it is "yes"'],
  [{ pluginIndex: "5" }, 'pluginIndex must be two digits, as in 99, but it is "5"'],
  [{ socket: "/a\u001bb" }, 'socket must be an absolute path, as in /sys, but it is "/a\\u001bb"'],
  [{ socket: { a: "1" } }, "socket must be an absolute path, as in /sys, but it is a mapping"],
  [
    { systemReserved: "0,5-2" },
    'systemReserved must be a CPU list, as in 0,2-3, but it is "0,5-2": "5-2" is a reversed range; write "2-5"',
  ],
  [
    { systemReserved: [["0"]] },
    "systemReserved must be a CPU list, as in 0,2-3, but it is a list of other things",
  ],
  [
    { criSockets: ["/a", "b", "c"] },
    'criSockets must be a list of absolute paths, as in /run/containerd/containerd.sock, but it is "/a,b,c"',
  ],
  [
    { criSockets: [] },
    'criSockets must be a list of absolute paths, as in /run/containerd/containerd.sock, but it is ""',
  ],
  [
    { criSockets: "/a,".repeat(30) + "/a" },
    `criSockets must be 16 paths at most, but it is "${"/a,".repeat(20)}…"`,
  ],
  [{ minshared: "1" }, "minshared is not a key of the configuration; did you mean minShared?"],
  [{ logs: {} }, "logs is not a key of the configuration; did you mean log?"],
  [{ level: "info" }, "level is not a key of the configuration; did you mean log.level?"],
  [
    { "log.level": "info" },
    "log.level is not a key of the configuration; write log: and, indented below it, level:",
  ],
  [
    { log: { colour: "red" } },
    "log.colour is not a key of the configuration; " +
    "there are log.level, log.format, log.file, log.maxSizeMiB, log.keep",
  ],
  [
    { minShared: "x", log: { level: "y", keepp: "1" } },
    'minShared must be a whole number from 1 to 8192, but it is "x"',
    'log.level must be debug, info, warn or error, but it is "y"',
    "log.keepp is not a key of the configuration; did you mean log.keep?",
  ],
];

for (const [tree, ...expected] of BAD) {
  Deno.test(`${JSON.stringify(tree).slice(0, 60)} is refused with what would be right`, () => {
    assert.deepEqual(sentences(file(tree)), expected.map((sentence) => `/etc/c.yaml: ${sentence}`));
  });
}

Deno.test("keys that can't be written plainly are quoted, and what there is is listed", () => {
  const tree = Object.fromEntries([["__proto__", "1"], ["a\nb", "2"], ["k".repeat(100), "3"]]);
  const found = sentences(file(tree)).map((sentence) => sentence.split("; there are socket, ")[0]);
  assert.deepEqual(found, [
    "/etc/c.yaml: __proto__ is not a key of the configuration",
    '/etc/c.yaml: "a\\nb" is not a key of the configuration',
    `/etc/c.yaml: "${"k".repeat(60)}…" is not a key of the configuration`,
  ]);
});

Deno.test("a problem names its source and its key", () => {
  assert.deepEqual(file({ log: { level: "loud" } }).problems, [{
    source: "file",
    where: "/etc/c.yaml",
    path: "log.level",
    sentence: '/etc/c.yaml: log.level must be debug, info, warn or error, but it is "loud"',
  }]);
  assert.deepEqual(flat("flag", { "log.level": "loud" }).problems, [{
    source: "flag",
    where: "--log.level",
    path: "log.level",
    sentence: '--log.level must be debug, info, warn or error, but it is "loud"',
  }]);
});

Deno.test("of many problems the first twenty are reported", () => {
  const unknown = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`key${i}`, "1"]));
  assert.equal(file(unknown).problems.length, 20);
  assert.equal(file({ ...unknown, minShared: "x" }).problems[0]?.path, "minShared");
});

Deno.test("a layer with a problem is left out as a whole, the others stay", () => {
  const { config, origins, problems } = resolve([
    file({ minShared: "2", log: { level: "debug" } }),
    flat("environment", { minShared: "x", systemReserved: "0" }),
    flat("flag", { dryRun: "true" }),
  ]);
  assert.equal(config.minShared, 2);
  assert.equal(config.log.level, "debug");
  assert(config.systemReserved.isEmpty);
  assert(config.dryRun);
  assert.equal(origins.get("systemReserved"), "default");
  assert.deepEqual(problems.map(({ where }) => where), ["--minShared"]);
});

Deno.test("a source that can't be read is a layer with that problem", () => {
  const place = { source: "file", file: "/etc/c.yaml", nameOf: (path: string) => path } as const;
  const { config, problems } = resolve([brokenLayer(place, "there is no such file")]);
  assert.deepEqual(config, DEFAULTS);
  assert.deepEqual(problems.map(({ sentence }) => sentence), ["/etc/c.yaml: there is no such file"]);
});

Deno.test("the runtime's text can't change a key that isn't live", () => {
  const late = flat("runtime", { socket: "/other.sock", minShared: "3" });
  const { config, origins, problems } = resolve([late]);
  assert.deepEqual(problems.map(({ path }) => path), ["socket"]);
  assert.match(
    problems[0]?.sentence ?? "",
    /^socket can't be changed while the agent runs; set it in the file/,
  );
  assert.equal(config.minShared, 1);
  assert.equal(origins.get("socket"), "default");
});

Deno.test("the runtime's text may repeat an effective value, or give one that another source overrides", () => {
  const text = flat("runtime", {
    socket: "/a.sock",
    criSockets: ["/b.sock", "/c.sock"],
    "log.level": "debug",
  });
  const { config, origins, problems } = resolve([
    file({ criSockets: "/b.sock,/c.sock" }),
    text,
    flat("flag", { socket: "/d.sock" }),
  ]);
  assert.deepEqual(problems, []);
  assert.equal(config.socket, "/d.sock");
  assert.equal(config.log.level, "debug");
  assert.equal(origins.get("log.level"), "runtime");
});

Deno.test("the runtime's text ends no dry run that the agent was started as, which has no leader lock", () => {
  const text = (tree: Mapping) => checkedLayer({ source: "runtime", nameOf: (path) => path }, tree);
  const dry = resolve([file({ dryRun: "true" }), text({ dryRun: "false" })]);
  assert(dry.config.dryRun);
  assert.match(dry.problems[0]?.sentence ?? "", /^dryRun can't be changed while the agent runs; set it in/);
  assert.deepEqual(resolve([file({ dryRun: "true" }), text({ dryRun: "true" })]).problems, []);
  assert(resolve([file({}), text({ dryRun: "true" })]).config.dryRun);
});
