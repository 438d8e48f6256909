/** A log that can't be written keeps the agent from nothing: it goes on answering, and logs that once it can. */
import assert from "node:assert/strict";
import { manifest } from "../kit/daemon_stage.ts";
import type { EmbeddedRuntime } from "../kit/runtime/runtime.ts";
import { type AgentProcess, holds, MODES, type ProcessOptions } from "../kit/agent_process.ts";
import { onStage, type Stage } from "./stage.ts";

/** CPUs that pods can be pinned to, one each. */
const PINS = 60;

/** Runs a pod that is pinned, and sees that it is. */
async function isPlaced(runtime: EmbeddedRuntime, at: number): Promise<void> {
  const cpu = `${at % PINS + 1}`;
  const { id, containers } = await runtime.runPod(
    manifest(`pod-${at}-${LONG}`, { "weka.io/cores-ids": cpu }, {}),
  );
  assert.equal(runtime.cpusOf(containers.get("c") ?? "").toString(), cpu);
  await runtime.removePod(id);
}

async function arePlaced(runtime: EmbeddedRuntime, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at++) await isPlaced(runtime, at);
}

async function leaves(agent: AgentProcess): Promise<void> {
  agent.signal("SIGTERM");
  assert.deepEqual((await agent.ended()).code, 0);
}

/** What breaks the log while the agent runs, and what mends it. */
interface Fault {
  readonly name: string;
  readonly breaks: (folder: string, agent: AgentProcess) => Promise<void> | void;
  readonly mends: (folder: string, agent: AgentProcess) => Promise<void> | void;
  /** In a mount namespace of its own, with a small disk as the log's folder. */
  readonly onDisk?: boolean;
}

const DISK = 128 * 1024;
/** Of a pod's name: a few dozen pods fill a pipe with lines about them. */
const LONG = "x".repeat(400);

const FAULTS: readonly Fault[] = [
  {
    name: "its folder is removed",
    breaks: (folder) => Deno.rename(folder, `${folder}.away`),
    mends: (folder) => Deno.rename(`${folder}.away`, folder),
  },
  {
    name: "a folder is in its place",
    breaks: (folder) => putFolder(`${folder}/agent.log`),
    mends: (folder) => Deno.remove(`${folder}/agent.log`),
  },
  {
    name: "the disk is full",
    breaks: (folder) => fill(`${folder}/other`),
    mends: (folder) => Deno.remove(`${folder}/other`),
    onDisk: true,
  },
  {
    name: "the disk becomes read-only",
    breaks: (folder, agent) => inNamespace(agent, "mount", "-o", "remount,ro", seenInside(folder, agent)),
    mends: (folder, agent) => inNamespace(agent, "mount", "-o", "remount,rw", seenInside(folder, agent)),
    onDisk: true,
  },
];

/** The agent may be quicker to make its file anew. */
async function putFolder(path: string): Promise<void> {
  for (let put = false; !put;) {
    await Deno.rename(path, `${path}.old`);
    put = await Deno.mkdir(path).then(() => true, () => false);
  }
}

/** Writes until nothing more goes in. */
function fill(path: string): void {
  using file = Deno.openSync(path, { create: true, write: true });
  assert.throws(() => {
    for (;;) file.writeSync(new Uint8Array(4096));
  }, /No space left/);
}

function seenInside(folder: string, { pid }: AgentProcess): string {
  return folder.slice(`/proc/${pid}/root`.length);
}

async function inNamespace(
  { pid }: AgentProcess,
  ...[command, ...args]: [string, ...string[]]
): Promise<void> {
  const all = ["-t", `${pid}`, "-m", command, ...args];
  const { success, stderr } = await new Deno.Command("nsenter", { args: all }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** Whether this test may mount a disk that nobody else sees. */
const CAN_MOUNT = await (async () => {
  try {
    const args = ["-m", "sh", "-c", "mount -t tmpfs -o size=4k none /tmp && nsenter -t $$ -m true"];
    return (await new Deno.Command("unshare", { args, stderr: "null" }).output()).success;
  } catch {
    return false;
  }
})();

/** The log's folder as this process sees it, and the agent. */
async function startWithLog(
  { start, dir, runtime }: Stage,
  { onDisk = false }: Fault,
): Promise<{ agent: AgentProcess; folder: string }> {
  const folder = `${dir}/log`;
  await Deno.mkdir(folder);
  const mount = `mount -t tmpfs -o mode=700,size=${DISK} none ${folder}`;
  const shell = `exec unshare -m sh -c '${mount} && exec "$0" "$@"' "$0" "$@"`;
  const flags = { "--log-file": `${folder}/agent.log` };
  const agent = start({ flags, ...(onDisk ? { shell } : {}) });
  await runtime.pluginReady();
  return { agent, folder: onDisk ? `/proc/${agent.pid}/root${folder}` : folder };
}

for (const mode of MODES) {
  for (const fault of FAULTS) {
    const name =
      `while ${fault.name} the agent places containers; the log has how many lines it lost: ${mode}`;
    Deno.test({ name, ignore: fault.onDisk === true && !CAN_MOUNT }, async () => {
      await onStage(mode, async (stage) => {
        const { runtime } = stage;
        const { agent, folder } = await startWithLog(stage, fault);
        const has = (text: string | RegExp) => () => (logIn(folder).search(text) >= 0);
        await isPlaced(runtime, 0);
        assert(await holds(has("pod-0")));
        await fault.breaks(folder, agent);
        await arePlaced(runtime, 1, 20);
        await fault.mends(folder, agent);
        await arePlaced(runtime, 20, 25);
        assert(await holds(has(/dropped \d+ log lines/)), logIn(folder));
        assert(await holds(has("pod-24-")));
        assert(!has("pod-10-")());
        await leaves(agent);
      });
    });
  }
}

function logIn(folder: string): string {
  try {
    return Deno.readTextFileSync(`${folder}/agent.log`);
  } catch {
    return "";
  }
}

Deno.test("at a file size limit the agent isn't ended by the kernel's signal: it is as if the disk were full", async () => {
  await onStage("external", async ({ runtime, start, dir }) => {
    // Blocks of 512 bytes, in some shells of 1024.
    const agent = start({ shell: "ulimit -f 64" });
    await runtime.pluginReady();
    await arePlaced(runtime, 0, 60);
    const reader = agent.stderr.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    assert.match(new TextDecoder().decode(value), /^weka-cpuset: failed to log to .* File too large/);
    // Truncated it could grow again: after a failed write the agent sets the length that the file had before.
    await Deno.remove(`${dir}/agent.log`);
    await arePlaced(runtime, 60, 70); // one of them is written after what was dropped
    await agent.logged("dropped");
    await leaves(agent);
  });
});

const ON_STDERR: Partial<ProcessOptions> = { flags: { "--log-file": "", "--log-level": "debug" } };

Deno.test("an stderr that isn't read keeps the agent from nothing, not even from its end", async () => {
  await onStage("external", async ({ runtime, start }) => {
    const agent = start(ON_STDERR);
    await runtime.pluginReady();
    await arePlaced(runtime, 0, 80); // more lines than the pipe takes
    const pipe = await pending(agent);
    assert(pipe.waits, `${pipe.syscall}: the pipe isn't full`);
    agent.signal("SIGTERM");
    const { code } = await agent.ended();
    assert.equal(code, 0);
  });
});

/** Whether one of its threads hangs in a write(2), and in what they hang. */
async function pending({ pid }: AgentProcess): Promise<{ waits: boolean; syscall: string }> {
  let syscall = "";
  const waits = await holds(() => {
    const threads = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
    syscall = threads.map((thread) => wchan(pid, thread)).join();
    return syscall.includes("pipe");
  });
  return { waits, syscall };
}

function wchan(pid: number, thread: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/task/${thread}/wchan`);
  } catch {
    return ""; // it has ended
  }
}

Deno.test("once stderr is read again, all that the pipe and the log have kept comes out", async () => {
  await onStage("external", async ({ runtime, start }) => {
    const agent = start(ON_STDERR);
    await runtime.pluginReady();
    await arePlaced(runtime, 0, 80);
    const reading = new Response(agent.stderr).text();
    await arePlaced(runtime, 80, 85);
    agent.signal("SIGTERM");
    assert.equal((await agent.ended()).code, 0);
    const text = await reading;
    for (const at of [0, 40, 79, 84]) assert(text.includes(`pod-${at}-`), `nothing of pod ${at}`);
    assert.match(text, /stopped; containers keep their CPUs/);
  });
});

Deno.test("an stderr that is closed, from the start or later, keeps the agent from nothing", async () => {
  for (const closes of ["from the start", "later"]) {
    await onStage("external", async ({ runtime, start }) => {
      const agent = start({ ...ON_STDERR, shell: closes === "later" ? ":" : "exec 2>&-" });
      await runtime.pluginReady();
      await agent.stderr.cancel();
      await arePlaced(runtime, 0, 20);
      await leaves(agent);
    });
  }
});

Deno.test("a start that fails ends also where its message can't be written", async () => {
  const shells = [
    () => "exec 2>&-",
    () => "exec 2>/dev/full",
    // A pipe that is full, and that nobody reads.
    (dir: string) => `mkfifo ${dir}/p; exec 3<>${dir}/p 2>${dir}/p; timeout 0.3 cat /dev/zero >${dir}/p`,
  ];
  for (const shellIn of shells) {
    await onStage("external", async ({ start, dir }) => {
      const shell = shellIn(dir);
      const agent = start({ shell, flags: { "--sysfs-root": "/nonexistent", "--log-file": "" } });
      assert.equal((await agent.ended()).code, 1, shell);
    });
  }
});
