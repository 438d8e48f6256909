/** Whatever is wrong with the input of a command: one sentence, exit code 2, and nothing is done. */
import assert from "node:assert/strict";
import { commandLine } from "../../../src/cli/command_line.ts";
import { STATUS_SOCKET } from "../../../src/daemon/status_server.ts";
import { ran } from "../../kit/command.ts";

const COMMANDS = commandLine("test", () => Promise.resolve()).commands;
const NAMES = COMMANDS.map((command) => command.name());

/** Commands with what they need besides. */
function whole(name: string): string[] {
  const values: Record<string, string[]> = {
    explain: ["db"],
    plan: ["-"],
    completion: ["bash"],
    release: ["--yes"],
  };
  return [name, ...values[name] ?? []];
}

async function assertBad(args: readonly string[], sentence: RegExp): Promise<void> {
  const { out, error, status } = await ran(...args);
  assert.match(error.trim(), sentence, args.join(" "));
  assert.deepEqual([status, error.trim().split("\n").length, out], [2, 1, ""], args.join(" "));
}

Deno.test("every command refuses an unknown flag and a value that isn't one of a few", async () => {
  for (const command of COMMANDS) {
    await assertBad([...whole(command.name()), "--frobnicate"], /^error: unknown option '--frobnicate'$/);
    const chosen = command.options.find(({ argChoices }) => argChoices !== undefined);
    if (chosen?.long) await assertBad([...whole(command.name()), chosen.long, "xml"], /Allowed choices are/);
  }
});

Deno.test("every command refuses arguments that it doesn't take, and misses those that it needs", async () => {
  for (const { registeredArguments } of COMMANDS) assert(registeredArguments.length <= 1);
  for (const name of NAMES.filter((name) => name !== "plan")) {
    await assertBad([...whole(name), "one", "more"], /too many arguments/);
  }
  for (const name of ["explain", "plan", "completion"]) await assertBad([name], /missing required argument/);
});

/** These go by what there is of a broken configuration. */
const UNPERTURBED = ["release", "resume", "completion", "run", "config", "support-bundle"];

Deno.test("a configuration that can't be read, or is none, is named", async () => {
  await inFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/bad.yaml`, "minShared: none\n");
    for (const name of NAMES.filter((name) => !UNPERTURBED.includes(name))) {
      await assertBad(["--config", `${dir}/none.yaml`, ...whole(name)], /none.yaml: there is no such file$/);
      await assertBad(["--config", `${dir}/bad.yaml`, ...whole(name)], /bad.yaml: .*minShared must be/);
      await assertBad(["--run-dir", "here", ...whole(name)], /^--run-dir must be an absolute path/);
    }
  });
});

const POD = "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: main}]}\n";

Deno.test("plan names the manifest that it can't read, and what is wrong in it", async () => {
  await inFolder(async (dir) => {
    const cases: readonly [name: string, text: string | undefined, sentence: RegExp][] = [
      ["none.yaml", undefined, /none.yaml can't be read: there is no such file$/],
      [".", undefined, /can't be read: it is a directory; name files$/],
      ["words.yaml", "just words", /words.yaml: a manifest must be a mapping/],
      ["list.yaml", "[1, 2]", /list.yaml: a manifest must be a mapping/],
      ["broken.yaml", `${POD}---\n{`, /broken.yaml: .*not valid YAML/],
      [
        "second.yaml",
        `${POD}---\nkind: Pod\nmetadata: {name: b}\nspec: {containers: 3}\n`,
        /second.yaml: .*of Pod b must be a list/,
      ],
      ["binary.yaml", "\u0000\u0001\u0002", /binary.yaml: /],
    ];
    for (const [name, text, sentence] of cases) {
      if (text !== undefined) await Deno.writeTextFile(`${dir}/${name}`, text);
      await Deno.writeTextFile(`${dir}/good.yaml`, POD);
      // One that is good before it changes nothing.
      await assertBad(["plan", "--machine", "1s1n4c2t", `${dir}/good.yaml`, `${dir}/${name}`], sentence);
    }
    await assertBad(["plan", "--machine", "4x4", `${dir}/good.yaml`], /^--machine: /);
  });
});

const ASKING = ["status", "explain", "release", "resume"];
const OWN_FORM = { service: "weka-cpuset", version: 2, agent: {}, containers: [], explanations: [] };

/** Who may sit behind the socket, and what is said of that. */
const OTHERS: readonly [what: string, answer: () => Response, sentence: RegExp][] = [
  [
    "another program",
    () => new Response("hello"),
    /status.sock is not the socket of a weka-cpuset agent; set runDir/,
  ],
  [
    "one that speaks JSON too",
    () => Response.json({ service: "other" }),
    /is not the socket of a weka-cpuset agent/,
  ],
  [
    "an agent of a later version",
    () => Response.json(OWN_FORM),
    /speaks version 2 of the status API, not 1; use its own executable/,
  ],
  [
    "an agent of an earlier version",
    () => Response.json({ service: "weka-cpuset", error: "no such path" }, { status: 404 }),
    /it is of another version than this command, use its own executable/,
  ],
];

for (const [what, answer, sentence] of OTHERS) {
  Deno.test(`behind the socket is ${what}: that is said, and nothing is released instead`, async () => {
    await inFolder(async (dir) => {
      const path = `${dir}/${STATUS_SOCKET}`;
      await using other = Deno.serve({ path, onListen() {} }, answer);
      for (const name of ASKING) {
        await assertBad(["--run-dir", dir, "--cgroup-root", dir, ...whole(name)], sentence);
      }
      await other.shutdown();
    });
  });
}

Deno.test("behind the socket is no HTTP at all: that is said", async () => {
  await inFolder(async (dir) => {
    using listener = Deno.listen({ transport: "unix", path: `${dir}/${STATUS_SOCKET}` });
    const answers = (async () => {
      for await (const connection of listener) {
        await connection.read(new Uint8Array(4096));
        await connection.write(new TextEncoder().encode("220 mail ready\r\n"));
        connection.close();
      }
    })();
    for (const name of ASKING) {
      await assertBad(
        ["--run-dir", dir, "--cgroup-root", dir, ...whole(name)],
        /is not the socket of a weka-cpuset agent/,
      );
    }
    listener.close();
    await answers.catch(() => {});
  });
});

async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
