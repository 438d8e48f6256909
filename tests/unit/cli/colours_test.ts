import assert from "node:assert/strict";
import { ROOT } from "../../kit/spawn.ts";

const ARGS = [
  "run",
  "--quiet",
  "--no-check",
  "--allow-all",
  `${ROOT}main.ts`,
  "plan",
  "--machine",
  "1s1n2c1t",
];
const MANIFEST = `${ROOT}deploy/samples/shared-deployment.yaml`;

/** What the command prints: to a terminal of its own, by script(1), or to a pipe. */
async function printed(on: "terminal" | "pipe", added: Record<string, string> = {}): Promise<string> {
  // CI sets it for the tests themselves.
  const { NO_COLOR: _, ...env } = { ...Deno.env.toObject() };
  const all = [Deno.execPath(), ...ARGS, MANIFEST];
  const [program = "", ...args] = on === "pipe" ? all : ["script", "-qec", all.join(" "), "/dev/null"];
  const { code, stdout } = await new Deno.Command(program, {
    args,
    env: { ...env, ...added },
    clearEnv: true,
    cwd: ROOT,
    stdin: "null",
  }).output();
  assert.equal(code, 0);
  return new TextDecoder().decode(stdout);
}

const hasScript = await new Deno.Command("script", { args: ["--version"] }).output().then(
  ({ success }) => success,
  () => false,
);

Deno.test({
  name: "there are colours on a terminal only, and none with NO_COLOR",
  ignore: !hasScript,
  fn: async () => {
    const texts = await Promise.all([
      printed("terminal"),
      printed("terminal", { NO_COLOR: "1" }),
      printed("pipe"),
    ]);
    assert.deepEqual(texts.map((text) => text.includes("\x1b[")), [true, false, false]);
    // One that has no columns is taken to be as wide as none.
    assert.match(texts[1] ?? "", /NUMA node 0: CPUs 0-1/);
  },
});
