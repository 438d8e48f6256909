/**
 * What is read and evaluated before an agent registers, in launched mode as in the other: everything that main.ts imports
 * without `import()`. A runtime waits for its plugins when it starts, so nothing may get in there unseen.
 */
import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path";

const ROOT = new URL("../..", import.meta.url).pathname;

/** Some more than there are: who needs another one looks whether it can be imported later. */
const MOST = 240;

const PACKAGES = [
  "@bufbuild/protobuf",
  "@bufbuild/protobuf/codegenv2",
  "@bufbuild/protobuf/wire",
  "@logtape/logtape",
  "zod/mini",
];

/** By their folders below src; single files are named. */
const PARTS = [
  "agent",
  "assert.ts",
  "cgroup",
  "cgroup_names.ts",
  "config",
  "cpu",
  "cri",
  "daemon",
  "ledger",
  "main.ts",
  "metrics",
  "near_miss.ts",
  "nri",
  "peers",
  "platform",
  "quoted.ts",
  "systemd",
  "wire",
];

/** Evaluated when they are needed. */
const LATER = [
  "src/config/parse.ts",
  "src/cri/client.ts",
  "src/cri/listing.ts",
  "src/daemon/page.ts",
  "src/daemon/status_api.ts",
  "src/metrics/metrics.ts",
  "src/peers/pod_resources.ts",
  "src/platform/grpc_client.ts",
];

/** Types are gone by then. */
const IMPORT = /^(?:import|export) (?!type\b)(?:[^"';]*?from )?"([^"]+)"/gm;

/** Our own modules, and the packages that they import. */
function evaluated(
  entry: string,
): { readonly modules: readonly string[]; readonly packages: readonly string[] } {
  const modules = new Set([entry]);
  const packages = new Set<string>();
  for (const path of modules) {
    const text = Deno.readTextFileSync(join(ROOT, path));
    for (const [statement, to = ""] of text.matchAll(IMPORT)) {
      if (!to.startsWith(".")) packages.add(to);
      else if (!isOfTypes(statement)) modules.add(normalize(join(dirname(path), to)));
    }
  }
  return { modules: [...modules].sort(), packages: [...packages].sort() };
}

/** `import { type A, type B }`, which a bundler leaves out. */
function isOfTypes(statement: string): boolean {
  const names = /\{([^}]*)\}/.exec(statement)?.[1]?.split(",").map((name) => name.trim()).filter(Boolean) ??
    [];
  return names.length > 0 && names.every((name) => name.startsWith("type "));
}

const { modules, packages } = evaluated("main.ts");

Deno.test("what an agent evaluates at its start: only these packages", () => {
  assert.deepEqual(packages, PACKAGES);
});

Deno.test("what an agent evaluates at its start: only these parts of our own", () => {
  const parts = new Set(modules.map((path) => path.replace(/^src\//, "").split("/")[0]));
  assert.deepEqual([...parts].sort(), PARTS);
});

Deno.test("what an agent evaluates at its start: none of what only some runs need", () => {
  assert.deepEqual(modules.filter((path) => LATER.some((later) => path === later)), []);
  for (const path of LATER) assert(Deno.statSync(join(ROOT, path)).isFile, `${path} isn't there any more`);
});

Deno.test(`what an agent evaluates at its start: at most ${MOST} modules`, () => {
  assert(modules.length <= MOST, `${modules.length} modules:\n${modules.join("\n")}`);
});
