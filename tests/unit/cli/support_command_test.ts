/** The command, and what its archive holds, read back by tar. */
import assert from "node:assert/strict";
import { ran, withStatus } from "../../kit/command.ts";
import { Player } from "../../scenarios/play.ts";
import { parseScript } from "../../scenarios/script.ts";

const SCRIPT = `# Something to support.
machine cores=8 threads=2

run db cpus=2
----
`;

interface Made {
  readonly out: string;
  readonly path: string;
  readonly runDir: string;
  /** The files of the archive, by their names below its folder. */
  readonly files: ReadonlyMap<string, string>;
  readonly modes: readonly string[];
}

/** The bundle of a node with an agent, whose log and configuration hold secrets. */
async function made(body: (bundle: Made) => Promise<void>): Promise<void> {
  const script = parseScript(SCRIPT, "support");
  const player = new Player(script);
  for (const { events } of script.blocks) for (const { event } of events) player.event(event);
  await withStatus(player.link, async ({ runDir, journal }) => {
    journal.add({ level: "warn", message: "odd", fields: { reason: "token=abc123" } }, 0);
    await Deno.writeTextFile(`${runDir}/agent.log`, "level=info msg=hello password=hunter2\n");
    const path = `${runDir}/bundle.tar.gz`;
    const flags = [
      "--run-dir",
      runDir,
      "--log-file",
      `${runDir}/agent.log`,
      "--cri-socket",
      `${runDir}/none`,
    ];
    const { out, error, status } = await ran(...flags, "support-bundle", "--file", path);
    assert.deepEqual([error, status], ["", 0]);
    await body({ out, path, runDir, ...await unpacked(path) });
  });
}

async function unpacked(path: string): Promise<Pick<Made, "files" | "modes">> {
  const folder = await Deno.makeTempDir();
  try {
    const { success } = await new Deno.Command("tar", { args: ["xzf", path, "-C", folder] }).output();
    assert(success, "tar unpacks it");
    const { stdout } = await new Deno.Command("tar", { args: ["tzvf", path] }).output();
    const modes = new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("-"));
    const [top] = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assert.match(`${top}`, /^weka-cpuset-support-\d{8}T\d{6}Z$/);
    const files = new Map<string, string>();
    for (const { name, isDirectory } of Deno.readDirSync(`${folder}/${top}`)) {
      if (!isDirectory) files.set(name, await Deno.readTextFile(`${folder}/${top}/${name}`));
    }
    files.set("log/agent.log", await Deno.readTextFile(`${folder}/${top}/log/agent.log`));
    return { files, modes };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("everything that it lists is in the archive, and nothing secret", async () => {
  await made(async ({ out, path, files, modes }) => {
    const listed = out.split("\n").map((line) => /^(\S+) +\d+ {2}/.exec(line)?.[1]).filter((name) =>
      name !== undefined
    );
    assert.deepEqual([...files.keys()].sort(), [...listed, "contents.txt"].sort());
    assert.deepEqual(listed, [
      "versions.txt",
      "config.yaml",
      "status.json",
      "journal.json",
      "topology.txt",
      "topology.json",
      "preflight.txt",
      "preflight.json",
      "nri.json",
      "log/agent.log",
    ]);
    assert.equal(JSON.parse(files.get("status.json") ?? "").containers[0].pod, "db");
    assert.equal(JSON.parse(files.get("preflight.json") ?? "").version, 1);
    assert.equal(files.get("log/agent.log"), "level=info msg=hello password=[redacted]\n");
    assert.equal(JSON.parse(files.get("journal.json") ?? "").events.at(-1).fields.reason, "token=[redacted]");
    assert(out.includes("its latest decisions; 1 redacted"), out);
    assert(out.startsWith(files.get("contents.txt")?.trimEnd() ?? "?"), "the listing comes first");
    assert.match(out, /\nwritten: .*bundle\.tar\.gz, \d+ bytes$/);
    assert(modes.every((line) => line.startsWith("-rw-------")), modes.join("\n"));
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("it isn't written a second time, and --list writes nothing", async () => {
  await made(async ({ path, runDir, out }) => {
    const before = await Deno.readFile(path);
    const { error, status } = await ran("support-bundle", "--file", path);
    assert.deepEqual([error, status], [`${path} is there already; name another file: --file PATH`, 2]);
    assert.deepEqual(await Deno.readFile(path), before);
    const list = await ran("--run-dir", runDir, "support-bundle", "--list", "--file", `${path}.2`);
    assert.equal(list.status, 0);
    assert(list.out.includes("status.json") && !list.out.includes("written:"), list.out);
    assert(out.includes("status.json"));
    await assert.rejects(Deno.stat(`${path}.2`), Deno.errors.NotFound);
  });
});

Deno.test("without an agent the archive says why its parts are missing", async () => {
  const runDir = await Deno.makeTempDir();
  try {
    const { out, status } = await ran("--run-dir", runDir, "support-bundle", "--list");
    assert.equal(status, 0);
    assert.match(out, /^status\.json +\d+ +the agent's view.*: missing, no active agent on this node/m);
  } finally {
    await Deno.remove(runDir, { recursive: true });
  }
});
