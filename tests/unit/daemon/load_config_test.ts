/** Where the configuration is read from, and which source takes precedence. */
import assert from "node:assert/strict";
import {
  type Effective,
  fileBeside,
  type Flags,
  loadConfig,
  withRuntimeText,
} from "../../../src/daemon/load_config.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";

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
  otherFile?: string,
): Promise<Effective> {
  const { config, ...values } = flags;
  const given: Flags = { values: new Map(Object.entries(values)), ...(config ? { file: config } : {}) };
  return loadConfig(given, environment, defaultFile, otherFile);
}

function sentences({ problems }: Effective): string[] {
  return problems.map(({ sentence }) => sentence);
}

Deno.test("the default file is read if it exists", async () => {
  assert.equal((await load({}, {}, GOOD)).config.minShared, 2);
  const without = await load({}, {}, NONE);
  assert.deepEqual([without.config, without.problems], [DEFAULTS, []]);
});

Deno.test("a named file replaces the default one: by the variable, or by the flag", async () => {
  assert.equal((await load({}, { WEKA_CPUSET_CONFIG: OTHER }, GOOD)).config.minShared, 3);
  assert.equal((await load({}, { WEKA_CPUSET_CONFIG: OTHER }, GOOD)).config.log.level, "info");
  assert.equal((await load({ config: GOOD }, { WEKA_CPUSET_CONFIG: OTHER }, NONE)).config.minShared, 2);
  assert.equal((await load({}, { WEKA_CPUSET_CONFIG: "" }, GOOD)).config.minShared, 2);
});

Deno.test("the file beside a plugin is read where there is no other", async () => {
  assert.equal(fileBeside("/opt/nri/plugins/99-weka-cpuset"), "/opt/nri/99-weka-cpuset.yaml");
  assert.equal((await load({}, {}, NONE, OTHER)).config.minShared, 3);
  assert.equal((await load({}, {}, GOOD, OTHER)).config.minShared, 2);
  assert.equal((await load({ config: GOOD }, {}, NONE, OTHER)).config.minShared, 2);
  assert.deepEqual(sentences(await load({}, {}, NONE, NONE)), []);
});

Deno.test("a named file must exist", async () => {
  assert.deepEqual(sentences(await load({ config: NONE }, {}, GOOD)), [`${NONE}: there is no such file`]);
  assert.deepEqual(sentences(await load({}, { WEKA_CPUSET_CONFIG: NONE }, GOOD)), [
    `${NONE}: there is no such file`,
  ]);
});

Deno.test("a file with a problem is ignored, the other sources apply", async () => {
  const effective = await load({ dryRun: "true" }, { WEKA_CPUSET_SYSTEM_RESERVED: "0" }, BAD);
  assert.deepEqual(sentences(effective), [
    `${BAD}: log.level must be debug, info, warn or error, but it is "loud"`,
  ]);
  const { minShared, dryRun, systemReserved } = effective.config;
  assert.deepEqual([minShared, dryRun, String(systemReserved)], [1, true, "0"]);
  const broken = file("broken.yaml", "a: [1\nb: 2");
  assert.match(sentences(await load({}, {}, broken))[0] ?? "", /broken\.yaml: line 2 is not valid YAML: /);
  Deno.chmodSync(file("open.yaml", ""), 0o666);
  assert.match(
    sentences(await load({}, {}, `${DIR}/open.yaml`))[0] ?? "",
    /open\.yaml: it is world-writable/,
  );
});

Deno.test("the runtime's text takes precedence over the file, the environment over both", async () => {
  const effective = await load({}, { WEKA_CPUSET_LOG_LEVEL: "error" }, GOOD);
  const after = await withRuntimeText(effective, "minShared: 5\nlog: {level: warn}\n");
  assert.deepEqual(after.problems, []);
  assert.deepEqual([after.config.minShared, after.config.log.level], [5, "error"]);
  const again = await withRuntimeText(after, "systemReserved: 0\n");
  assert.deepEqual([again.config.minShared, String(again.config.systemReserved)], [2, "0"]);
  assert.deepEqual((await withRuntimeText(again, " \n")).config, effective.config);
});

Deno.test("an invalid text of the runtime is ignored and reported", async () => {
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
