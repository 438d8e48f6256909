import assert from "node:assert/strict";
import {
  pidOf,
  run,
  startDaemon,
  stopDaemon,
  untilServes,
  writeIdentity,
} from "../../../e2e/cluster/processes.ts";
import { parseOptions } from "../../../e2e/cluster/up.ts";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a process is started once, and ended by whoever finds its file", () =>
  inFolder(async (folder) => {
    startDaemon(folder, "sleeper", ["sleep", "600"]);
    const pid = pidOf(folder, "sleeper");
    assert(pid !== undefined);
    startDaemon(folder, "sleeper", ["sleep", "600"]);
    assert.equal(pidOf(folder, "sleeper"), pid);
    await stopDaemon(folder, "sleeper");
    assert.equal(pidOf(folder, "sleeper"), undefined);
    await stopDaemon(folder, "sleeper");
  }));

Deno.test("a process that got the id of one that has ended isn't touched", () =>
  inFolder(async (folder) => {
    writeIdentity(folder, "other", Deno.pid);
    const file = `${folder}/other.pid`;
    assert.equal(pidOf(folder, "other"), Deno.pid);
    Deno.writeTextFileSync(file, JSON.stringify({ pid: Deno.pid, started: "1" }));
    assert.equal(pidOf(folder, "other"), undefined);
    await stopDaemon(folder, "other", "SIGKILL");
  }));

Deno.test("one that ends while it is waited for is said with its last words", () =>
  inFolder(async (folder) => {
    startDaemon(folder, "short", ["sh", "-c", "echo gone"]);
    await assert.rejects(
      untilServes(folder, "short", () => Promise.reject(new Error("not yet"))),
      /short has ended:\ngone/,
    );
  }));

Deno.test("a program's failure is its words", async () => {
  assert.equal(await run("cat", [], { input: "text" }), "text");
  await assert.rejects(run("sh", ["-c", "echo why >&2; exit 3"]), /ended with status 3: why/);
});

Deno.test("options of a cluster", () => {
  assert.deepEqual(parseOptions(["--big", "a", "b"]).nodes, ["a", "b"]);
  assert.deepEqual(parseOptions([]).nodes, ["one"]);
  assert.throws(() => parseOptions(["--agent", "pod"]), /it may be plugin, service, daemonset, none/);
  assert.throws(() => parseOptions(["--agent"]), /--agent needs a value/);
  assert.throws(() => parseOptions(["No!"]), /neither an option nor a node's name/);
});
