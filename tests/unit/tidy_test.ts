/** The house rules of ARCHITECTURE.md, checked from the sources themselves. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const ROOT = new URL("../..", import.meta.url).pathname;

/** Who may import whom, by the first folder below src (or the file itself); `*` is everything. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "assert.ts": [],
  "cgroup_names.ts": [],
  "log_record.ts": [],
  "quoted.ts": [],
  "near_miss.ts": [],
  "cpu": ["quoted.ts", "assert.ts"],
  "ledger": ["cpu", "assert.ts"],
  "wire": ["assert.ts"],
  "nri": ["cgroup_names.ts", "quoted.ts", "near_miss.ts", "ledger", "cpu", "wire/errors.ts", "assert.ts"],
  "agent": ["cgroup/port.ts", "nri", "ledger", "wire", "cpu", "log_record.ts", "assert.ts"],
  "config": ["quoted.ts", "near_miss.ts", "assert.ts", "log_record.ts", "cpu"],
  "platform": ["quoted.ts", "assert.ts", "log_record.ts"],
  "cgroup": [
    "cgroup_names.ts",
    "systemd/port.ts",
    "platform",
    "ledger/claim.ts",
    "cpu",
    "quoted.ts",
    "assert.ts",
    "log_record.ts",
  ],
  "cri": ["cgroup_names.ts", "platform", "nri/gen/nri_pb.ts", "agent/early.ts"],
  "peers": ["platform", "cpu", "quoted.ts", "log_record.ts"],
  "systemd": ["platform", "wire/errors.ts", "cpu", "quoted.ts", "assert.ts"],
  "metrics": [
    "agent/view.ts",
    "agent/decision.ts",
    "agent/logs.ts",
    "cgroup/port.ts",
    "ledger/claim.ts",
    "status",
    "cpu",
    "log_record.ts",
  ],
  "daemon": ["*"],
  "manifests": ["nri/gen/nri_pb.ts"],
  "plan": ["manifests", "nri", "status", "ledger", "cpu", "assert.ts"],
  "draw": ["cpu"],
  "support": ["platform", "cgroup/directory.ts"],
  "host_plugin": ["platform"],
  "status": ["agent/view.ts", "agent/explain.ts", "agent/explain_cpu.ts", "ledger", "cpu"],
  "preflight": [
    "cri",
    "peers",
    "cgroup",
    "systemd",
    "platform",
    "config/schema.ts",
    "manifests/quantity.ts",
    "ledger",
    "cpu",
  ],
  "cli": [
    "near_miss.ts",
    "daemon",
    "config",
    "plan",
    "manifests",
    "draw",
    "status",
    "preflight",
    "support",
    "host_plugin",
    "platform",
    "cpu",
  ],
  "main.ts": ["*"],
};

/** Packages that may be used by each part; who isn't listed uses none. */
const PACKAGES: Record<string, readonly string[]> = {
  "config": ["zod", "yaml"],
  "wire": ["@bufbuild/protobuf"],
  "nri": ["@bufbuild/protobuf"],
  "agent": ["@bufbuild/protobuf"],
  "platform": ["@logtape/logtape", "@grpc/grpc-js", "@bufbuild/protobuf", "node:buffer"],
  "cri": ["@bufbuild/protobuf", "@grpc/grpc-js"],
  "peers": ["@bufbuild/protobuf", "@grpc/grpc-js"],
  "cli": ["commander"],
  "preflight": ["yaml", "smol-toml"],
  "host_plugin": ["node:crypto"],
  "manifests": ["yaml", "@bufbuild/protobuf"],
  "status": ["zod"],
  "metrics": ["prom-client"],
};

const WORLD =
  /\b(Deno\.|Date\b|Math\.random|setTimeout|setInterval|performance\.|console\.|process\.|async |await )/;
const WORLDLY = new Set([
  "platform",
  "cgroup",
  "cri",
  "peers",
  "systemd",
  "preflight",
  "support",
  "host_plugin",
  "daemon",
  "cli",
  "main.ts",
]);

interface Source {
  /** Relative to the root of the repository. */
  path: string;
  text: string;
}

function sources(folder: string): Source[] {
  const found: Source[] = [];
  for (const entry of Deno.readDirSync(join(ROOT, folder))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory && entry.name !== "gen") found.push(...sources(path));
    if (entry.isFile && path.endsWith(".ts")) {
      found.push({ path, text: Deno.readTextFileSync(join(ROOT, path)) });
    }
  }
  return found;
}

const CODE: readonly Source[] = [
  ...sources("src"),
  { path: "main.ts", text: Deno.readTextFileSync(join(ROOT, "main.ts")) },
];

/** `ledger` for src/ledger/plan.ts, `agent.ts` for src/agent/step.ts, `main.ts` for itself. */
function part(path: string): string {
  return path.replace(/^src\//, "").split("/")[0] ?? path;
}

function imports(source: Source): string[] {
  return [...source.text.matchAll(/^(?:import|export)\b[^"';]*?from\s+"([^"]+)"/gm)].map((m) => m[1] ?? "");
}

function localImports(source: Source): string[] {
  return imports(source).filter((to) => to.startsWith("."))
    .map((to) => normalize(join(dirname(source.path), to)));
}

/** Comments and strings don't count as code. */
function codeOnly(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, "")).replace(
    /(^|[^:"'`])\/\/.*$/gm,
    "$1",
  );
}

function linesOf(text: string): number {
  return text.split("\n").length - 1;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

Deno.test("every part imports only what the architecture allows", () => {
  const broken = CODE.flatMap((source) => {
    const from = part(source.path);
    const allowed = MAY_IMPORT[from];
    assert(
      allowed !== undefined,
      `${source.path} lies in no known part; name it in MAY_IMPORT and ARCHITECTURE.md`,
    );
    return localImports(source)
      .map((to) => to.replace(/^src\//, ""))
      .filter((to) => part(to) !== from)
      .filter((to) => !allowed.some((a) => a === "*" || to === a || to.startsWith(`${a}/`)))
      .map((to) => `${source.path} imports ${to}`);
  });
  assert.deepEqual(broken, []);
});

Deno.test("every part uses only the packages it needs", () => {
  const broken = CODE.flatMap((source) => {
    const allowed = PACKAGES[part(source.path)] ?? [];
    return imports(source).filter((to) => !to.startsWith("."))
      .filter((to) => !allowed.some((a) => to === a || to.startsWith(`${a}/`)))
      .map((to) => `${source.path} imports ${to}`);
  });
  assert.deepEqual(broken, []);
});

Deno.test("no file is in a cycle of imports", () => {
  const graph = new Map(CODE.map((source) => [source.path, localImports(source)]));
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    assert(!trail.includes(path), `cycle: ${[...trail, path].join(" → ")}`);
    if (done.has(path)) return;
    for (const to of graph.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
});

Deno.test("the world (files, sockets, clocks, timers, randomness) is only touched by those who may", () => {
  const broken = CODE.filter((source) => !WORLDLY.has(part(source.path))).flatMap((source) =>
    codeOnly(source.text).split("\n").filter((line) => WORLD.test(line)).map((line) =>
      `${source.path}: ${line.trim()}`
    )
  );
  assert.deepEqual(broken, []);
});

Deno.test("no two exported types have one name", () => {
  const places = Map.groupBy(
    CODE.flatMap(({ path, text }) =>
      [...text.matchAll(/^export (?:interface|type|class) (\w+)/gm)].map(([, name]) => ({ path, name }))
    ),
    ({ name }) => name,
  );
  assert.deepEqual([...places.values()].filter(({ length }) => length > 1), []);
});

Deno.test("files stay short", () => {
  const sizes = CODE.map((source) => ({ path: source.path, lines: linesOf(source.text) }));
  assert.deepEqual(sizes.filter(({ lines }) => lines > 300), []);
  assert(median(sizes.map((s) => s.lines)) <= 130);
});

/** Lines of each top-level function and each method: from its head to the bracket at the same indent. */
function functionLengths(text: string): { name: string; lines: number }[] {
  const lines = text.split("\n");
  const found: { name: string; lines: number }[] = [];
  for (const [at, line] of lines.entries()) {
    const head =
      /^( *)(?:export )?(?:default )?(?:static |private |override )*(?:async )?(?:function\*? )?(#?\w+)[<(].*$/
        .exec(line);
    if (head === null || /^\s*(if|for|while|switch|return|const|await|throw|new|else)\b/.test(line)) continue;
    const indent = head[1] ?? "";
    const isFunction = line.includes("function ") || indent === "  ";
    const end = lines.findIndex((l, i) => i > at && l === `${indent}}`);
    const opens = lines.slice(at, at + 8).some((l) => l.startsWith(indent) && l.endsWith(" {"));
    if (isFunction && opens && end > at) found.push({ name: head[2] ?? "", lines: end - at + 1 });
  }
  return found;
}

Deno.test("functions stay short", () => {
  const all = CODE.flatMap((source) =>
    functionLengths(source.text).map((f) => ({ ...f, path: source.path }))
  );
  assert(all.length > 100, `only ${all.length} functions recognised`);
  assert.deepEqual(all.filter(({ lines }) => lines > 60), []);
  assert(median(all.map((f) => f.lines)) <= 10);
});

/** All of it: tests and what supports them. */
const TESTS = sources("tests");
const SUPPORT = TESTS.filter(({ path }) => !path.endsWith("_test.ts"));

Deno.test("support code of the tests stays short, in files and functions", () => {
  const files = SUPPORT.map(({ path, text }) => ({ path, lines: linesOf(text) }));
  assert.deepEqual(files.filter(({ lines }) => lines > 300), []);
  const functions = SUPPORT.flatMap(({ path, text }) => functionLengths(text).map((f) => ({ ...f, path })));
  assert.deepEqual(functions.filter(({ lines }) => lines > 60), []);
});

Deno.test("all of the tests' code is 1.0 to 2.2 times as long as the code", () => {
  const total = (all: readonly Source[]) => all.reduce((sum, { text }) => sum + linesOf(text), 0);
  const ratio = total(TESTS) / total(CODE);
  assert(ratio >= 1.0 && ratio < 2.2, `the ratio is ${ratio.toFixed(2)}`);
});

/** Folders of tests/unit that test what lies beside src. */
const BESIDE_SRC = new Map([
  ["kit", "tests/kit"],
  ["e2e", "tests/e2e"],
  ["tools", "tools"],
  ["hack", "hack"],
  ["deploy", "deploy"],
]);

Deno.test("tests/unit mirrors src", () => {
  const folders = new Set(
    TESTS.map(({ path }) => dirname(path)).filter((path) => path.startsWith("tests/unit/")),
  );
  const broken = [...folders].filter((folder) => {
    const [first = "", ...rest] = folder.split("/").slice(2);
    const mirrored = join(BESIDE_SRC.get(first) ?? `src/${first}`, ...rest);
    return !existsSync(join(ROOT, mirrored));
  });
  assert.deepEqual(broken, []);
});
