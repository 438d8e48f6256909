/** `weka-cpuset config`, run as its users run it. */
import assert from "node:assert/strict";
import { formatConfig } from "../../../src/config/format.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const DIR = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(DIR, { recursive: true }));

const GOOD = `${DIR}/good.yaml`;
const BAD = `${DIR}/bad.yaml`;
Deno.writeTextFileSync(GOOD, "minShared: 2\nlog:\n  level: debug\n");
Deno.writeTextFileSync(BAD, "minShared: 4\nlog:\n  level: loud\n");

/** The program with no more permissions than it needs for this, and no environment but the given one. */
async function config(args: string[], env: Record<string, string> = {}) {
  // What Deno itself needs to find its cache.
  const { HOME = "", DENO_DIR } = Deno.env.toObject();
  const own = DENO_DIR === undefined ? { HOME } : { HOME, DENO_DIR };
  const program = ["run", "--quiet", "--no-prompt", "--allow-read", "--allow-env", "--allow-ffi"];
  const command = new Deno.Command(Deno.execPath(), {
    args: [...program, `${ROOT}main.ts`, "config", ...args],
    clearEnv: true,
    env: { NO_COLOR: "1", ...own, ...env },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("config prints the effective configuration with the source of each value", async () => {
  const { code, out, err } = await config([
    "--config",
    GOOD,
    "--system-reserved",
    "0",
    "--placement",
    "spread",
  ], {
    WEKA_CPUSET_RUN_DIR: "/run/x",
  });
  assert.deepEqual([code, err], [0, ""]);
  for (
    const line of [
      'systemReserved: "0"  # flag',
      "minShared: 2  # file",
      "placement: spread  # flag",
      "unmanagedNamespaces: []  # default",
      "  level: debug  # file",
      "  format: text  # default",
      "runDir: /run/x  # environment",
    ]
  ) assert(out.split("\n").includes(line), `${line}\n${out}`);
});

Deno.test("config prints problems, then the configuration without their sources, and ends with 2", async () => {
  const { code, out, err } = await config(["--config", BAD], { WEKA_CPUSET_MIN_SHARED: "x" });
  assert.equal(code, 2);
  assert.equal(out, formatConfig(DEFAULTS, new Map()));
  assert.deepEqual(err.split("\n").slice(0, 2), [
    `${BAD}: log.level must be debug, info, warn or error, but it is "loud"`,
    'WEKA_CPUSET_MIN_SHARED must be a whole number from 1 to 8192, but it is "x"',
  ]);
  assert.match(
    err,
    /\nweka-cpuset: invalid configuration; the values above ignore the sources with problems/,
  );
});
