/** Where the configuration is read from, and `weka-cpuset config`, run as its users run it. */
import assert from "node:assert/strict";
import { type Effective, type Flags, loadConfig, withRuntimeText } from "../../../src/daemon/load_config.ts";
import { formatConfig } from "../../../src/config/format.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const DIR = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(DIR, { recursive: true }));

/** Writes a configuration file and gives its path. */
function file(name: string, text: string): string {
  Deno.writeTextFileSync(`${DIR}/${name}`, text);
  return `${DIR}/${name}`;
}

const GOOD = file("good.yaml", "minShared: 2\nlog:\n  level: debug\n");
const OTHER = file("other.yaml", "minShared: 3\n");
const BAD = file("bad.yaml", "minShared: 4\nlog:\n  level: loud\n");
const NONE = `${DIR}/none.yaml`;

function load(
  flags: Record<string, string>,
  environment: Record<string, string>,
  defaultFile: string,
): Promise<Effective> {
  const { config, ...values } = flags;
  const given: Flags = { values: new Map(Object.entries(values)), ...(config ? { file: config } : {}) };
  return loadConfig(given, environment, defaultFile);
}

function sentences({ problems }: Effective): string[] {
  return problems.map(({ sentence }) => sentence);
}

Deno.test("the default file is read if it is there", async () => {
  assert.equal((await load({}, {}, GOOD)).config.minShared, 2);
  const without = await load({}, {}, NONE);
  assert.deepEqual([without.config, without.problems], [DEFAULTS, []]);
});

Deno.test("a file that is named takes its place: by the variable, or by the flag", async () => {
  assert.equal((await load({}, { WEKA_CPUSET_CONFIG: OTHER }, GOOD)).config.minShared, 3);
  assert.equal((await load({}, { WEKA_CPUSET_CONFIG: OTHER }, GOOD)).config.log.level, "info");
  assert.equal((await load({ config: GOOD }, { WEKA_CPUSET_CONFIG: OTHER }, NONE)).config.minShared, 2);
  assert.equal((await load({}, { WEKA_CPUSET_CONFIG: "" }, GOOD)).config.minShared, 2);
});

Deno.test("a file that is named has to be there", async () => {
  assert.deepEqual(sentences(await load({ config: NONE }, {}, GOOD)), [`${NONE}: there is no such file`]);
  assert.deepEqual(sentences(await load({}, { WEKA_CPUSET_CONFIG: NONE }, GOOD)), [
    `${NONE}: there is no such file`,
  ]);
});

Deno.test("a file with a problem is left out, the other sources hold", async () => {
  const effective = await load({ dryRun: "true" }, { WEKA_CPUSET_SYSTEM_RESERVED: "0" }, BAD);
  assert.deepEqual(sentences(effective), [
    `${BAD}: log.level must be debug, info, warn or error, but it is "loud"`,
  ]);
  const { minShared, dryRun, systemReserved } = effective.config;
  assert.deepEqual([minShared, dryRun, String(systemReserved)], [1, true, "0"]);
  const broken = file("broken.yaml", "a: [1\nb: 2");
  assert.match(sentences(await load({}, {}, broken))[0] ?? "", /broken\.yaml: line 2 is not valid YAML: /);
  Deno.chmodSync(file("open.yaml", ""), 0o666);
  assert.match(sentences(await load({}, {}, `${DIR}/open.yaml`))[0] ?? "", /open\.yaml: it is world-writable/);
});

Deno.test("what the runtime hands over weighs more than the file and less than the environment", async () => {
  const effective = await load({}, { WEKA_CPUSET_LOG_LEVEL: "error" }, GOOD);
  const after = await withRuntimeText(effective, "minShared: 5\nlog: {level: warn}\n");
  assert.deepEqual(after.problems, []);
  assert.deepEqual([after.config.minShared, after.config.log.level], [5, "error"]);
  const again = await withRuntimeText(after, "systemReserved: 0\n");
  assert.deepEqual([again.config.minShared, String(again.config.systemReserved)], [2, "0"]);
  assert.deepEqual((await withRuntimeText(again, " \n")).config, effective.config);
});

Deno.test("a bad text of the runtime is left out and told", async () => {
  const effective = await load({}, {}, GOOD);
  for (
    const text of ["minShared: many", "a: [", "- 1", "socket: /other.sock", "\0", "&a", "[".repeat(5000)]
  ) {
    const after = await withRuntimeText(effective, text);
    assert.deepEqual(after.config, effective.config);
    assert.equal(after.problems.length, 1, text);
    assert.match(after.problems[0]?.sentence ?? "", /^the runtime's configuration: ./);
  }
});

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

Deno.test("config prints what holds and where it comes from", async () => {
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

Deno.test("config tells problems and what holds without their sources, and ends with 2", async () => {
  const { code, out, err } = await config(["--config", BAD], { WEKA_CPUSET_MIN_SHARED: "x" });
  assert.equal(code, 2);
  assert.equal(out, formatConfig(DEFAULTS, new Map()));
  assert.deepEqual(err.split("\n").slice(0, 2), [
    `${BAD}: log.level must be debug, info, warn or error, but it is "loud"`,
    'WEKA_CPUSET_MIN_SHARED must be a whole number from 1 to 8192, but it is "x"',
  ]);
  assert.match(err, /\nweka-cpuset: the sources with problems were left out; /);
});
