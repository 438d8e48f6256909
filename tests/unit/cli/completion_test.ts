import assert from "node:assert/strict";
import { commandLine } from "../../../src/cli/command_line.ts";
import { completionScript } from "../../../src/cli/completion.ts";

const program = commandLine("test", () => Promise.resolve(), {
  environment: {},
  defaultFile: "/nonexistent",
});

/** Has a shell read a script from its standard input. */
async function shell(path: string, args: readonly string[], script: string): Promise<string> {
  const child = new Deno.Command(path, { args: [...args], stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  assert.deepEqual([code, decoder.decode(stderr)], [0, ""]);
  return decoder.decode(stdout).trim();
}

/** What bash offers for the last of these words. `compopt` works in a real completion only. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const line = words.map((word) => `'${word}'`).join(" ");
  const script = `compopt() { :; }\n${completionScript("bash", program)}
COMP_WORDS=(weka-cpuset ${line}); COMP_CWORD=${words.length}; _weka_cpuset; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return (await shell("bash", ["-s"], script)).split("\n");
}

Deno.test("bash completes commands, the flags of each, and values of which there are few", async () => {
  assert.deepEqual(await offered("st"), ["status"]);
  assert.deepEqual(await offered(""), program.commands.map((command) => command.name()));
  assert.deepEqual(await offered("status", "--w"), ["--watch"]);
  assert.deepEqual(await offered("topology", "--w"), [""]);
  assert.deepEqual(await offered("--run-dir", "/x", "status", "--output", ""), ["table", "json"]);
  assert.deepEqual(await offered("status", "--output", "=", "j"), ["json"]);
  assert.deepEqual(await offered("completion", ""), ["bash", "zsh"]);
  assert.deepEqual(await offered("status", ""), [""]);
  assert.deepEqual(await offered("config", "--log-l"), ["--log-level"]);
});

Deno.test("bash completes paths where one is meant", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/database.yaml`, "");
    for (const before of [["plan"], ["--config"], ["status", "--run-dir"]]) {
      assert.deepEqual(await offered(...before, `${dir}/d`), [`${dir}/database.yaml`]);
    }
    assert.deepEqual(await offered("status", `${dir}/d`), [""]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

const ZSH = ["/bin/zsh", "/usr/bin/zsh"].find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

Deno.test({
  name: "zsh can read its script",
  ignore: ZSH === undefined,
  fn: async () => {
    assert.equal(await shell(ZSH ?? "", ["-n"], completionScript("zsh", program)), "");
  },
});

Deno.test("the script for zsh has every command and flag, with quotes that end", () => {
  const script = completionScript("zsh", program);
  const flags = [program, ...program.commands].flatMap(({ options }) =>
    options.flatMap(({ long }) => long ?? [])
  );
  assert.deepEqual(flags.filter((flag) => !script.includes(`${flag}[`)), []);
  assert.deepEqual(
    program.commands.filter((command) => !script.includes(`        ${command.name()}) _arguments`)),
    [],
  );
  const unquoted = script.replaceAll("'\\''", "").split("\n").filter((line) =>
    line.split("'").length % 2 === 0
  );
  assert.deepEqual(unquoted, []);
});
