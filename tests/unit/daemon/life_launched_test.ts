/** Launched mode: over a socket pair, as the runtime starts its plugins, bridged to the embedded runtime. */
import assert from "node:assert/strict";
import { registrationNote } from "../../../src/daemon/registration_note.ts";
import { run } from "../../../src/daemon/run.ts";
import { type Config, DEFAULTS } from "../../../src/config/schema.ts";
import { isRegistered } from "../../../src/platform/launched_note.ts";
import { LeaderLock } from "../../../src/platform/lock.ts";
import { openInherited } from "../../../src/platform/inherited_fd.ts";
import { type ByteStream, connectUnix } from "../../../src/platform/socket.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";
import { socketPair } from "../../kit/socket_pair.ts";
import { EmbeddedRuntime } from "../../kit/runtime/runtime.ts";
import { effective, EXCLUSIVE, PINNED, Records, SHARED, SYSFS } from "../../kit/daemon_stage.ts";

/** Copies bytes both ways until one end closes. */
async function bridge(a: ByteStream, b: ByteStream): Promise<void> {
  const pump = async (from: ByteStream, to: ByteStream) => {
    for (let bytes = await from.read(); bytes !== undefined; bytes = await from.read()) await to.write(bytes);
  };
  await Promise.race([pump(a, b), pump(b, a)].map((pumping) => pumping.catch(() => {})));
  a.close();
  b.close();
}

interface Stage {
  readonly runtime: EmbeddedRuntime;
  readonly log: Records;
  readonly dir: string;
  /** Starts the agent; resolves when it has ended. */
  launch(overrides?: Partial<Config>, problems?: readonly string[]): Promise<void>;
}

async function withRuntime(play: (stage: Stage) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const socketPath = `${dir}/nri.sock`;
  await Deno.mkdir(`${dir}/cgroup`);
  const runtime = EmbeddedRuntime.start({
    socketPath,
    cgroupRoot: `${dir}/cgroup`,
    online: topologyOf(bigNode).online,
  });
  const log = new Records();
  const running: Promise<void>[] = [];
  const config = {
    ...DEFAULTS,
    sysfsRoot: SYSFS,
    cgroupRoot: `${dir}/cgroup`,
    criSockets: [`${dir}/none.sock`],
    runDir: `${dir}/run`,
    kubeletRoot: `${dir}/kubelet`,
  };
  const launch = async (overrides: Partial<Config> = {}, sentences: readonly string[] = []) => {
    const [inherited, other] = socketPair();
    const bridged = bridge(openInherited(other), await connectUnix(socketPath));
    const problems = sentences.map((sentence) => ({ sentence })) as unknown as ReturnType<
      typeof effective
    >["problems"];
    const start = {
      effective: { ...effective({ ...config, ...overrides }), problems },
      version: "test",
      inherited,
      log,
    };
    const ended = run({ ...start, stop: new AbortController().signal });
    running.push(ended, bridged);
    await ended;
  };
  try {
    await play({ runtime, log, dir, launch });
  } finally {
    await runtime.close();
    await Promise.all(running);
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("launched by the runtime it registers, serves, and ends when the runtime closes the connection", async () => {
  await withRuntime(async ({ runtime, launch, log, dir }) => {
    const ended = launch();
    await runtime.pluginReady();
    assert(isRegistered(`${dir}/run`, Deno.execPath()));
    const shared = await runtime.runPod(SHARED);
    const pinned = await runtime.runPod(PINNED);
    assert.equal(runtime.cpusOf(pinned.containers.get("c") ?? "").toString(), "8-9,40");
    assert.equal(runtime.cpusOf(shared.containers.get("c") ?? "").size, 61);
    runtime.dropPlugin();
    await ended;
    assert(log.has("stopped; containers keep their CPUs"));
    assert.equal(runtime.cpusOf(pinned.containers.get("c") ?? "").toString(), "8-9,40");
  });
});

Deno.test("a registration that can't be noted is noted within a minute, or not at all; the log says so once", async () => {
  const dir = await Deno.makeTempDir();
  const blocked = `${dir}/run`;
  await Deno.writeTextFile(blocked, "");
  const log = new Records();
  let now = 0;
  const context = { effective: effective({ ...DEFAULTS, runDir: blocked }), log, version: "1.2.3" };
  const [first, second] = [0, 1].map(() => registrationNote(context, Deno.execPath(), () => now));
  const noted = () => isRegistered(blocked, Deno.execPath());
  first?.({ phase: "registering" });
  assert.equal(log.records.length, 0);
  for (; now < 61_000; now += 500) first?.({ phase: "serving" });
  assert.equal(log.records.filter(({ message }) => message === "registration not noted").length, 1);
  second?.({ phase: "serving" });
  await Deno.remove(blocked);
  second?.({ phase: "serving" }); // too early
  first?.({ phase: "serving" }); // too late
  assert(!noted());
  now += 5000;
  second?.({ phase: "serving" });
  assert(noted());
  await Deno.remove(dir, { recursive: true });
});

Deno.test("an invalid configuration doesn't prevent registration: its problems are logged as errors", async () => {
  await withRuntime(async ({ runtime, launch, log }) => {
    const problem = "/etc/weka-cpuset/config.yaml: minShared must be a whole number from 0 to 1024";
    launch({}, [problem]);
    await runtime.pluginReady();
    const errors = log.records.filter(({ level }) => level === "error");
    assert.deepEqual(errors.map(({ message }) => message), ["invalid configuration; its source is ignored"]);
    assert.equal(errors[0]?.fields?.["reason"], problem);
  });
});

Deno.test("an unreadable machine doesn't prevent registration: the CPUs that the process may use are assumed", async () => {
  await withRuntime(async ({ runtime, launch, log }) => {
    launch({ sysfsRoot: "/nonexistent" });
    await runtime.pluginReady();
    const warning = log.records.find(({ message }) => message === "CPU topology incomplete");
    assert.match(
      `${warning?.fields?.["reason"]}`,
      /^failed to read which CPUs are online.*; assuming CPUs 0/,
    );
  });
});

Deno.test("beside kubelet's static CPU manager claims are refused where that is configured", async () => {
  await withRuntime(async ({ runtime, launch, dir }) => {
    await Deno.mkdir(`${dir}/kubelet`);
    await Deno.writeTextFile(
      `${dir}/kubelet/cpu_manager_state`,
      '{"policyName":"static","defaultCpuSet":"0"}',
    );
    launch({ onKubeletStatic: "refuse" });
    await runtime.pluginReady();
    const { refused } = await runtime.runPod(EXCLUSIVE);
    assert.match(refused[0]?.message ?? "", /kubelet's static CPU manager also assigns CPUs on this node/);
  });
});

Deno.test("an unusable run directory doesn't prevent registration: the agent is active without the leader lock", async () => {
  await withRuntime(async ({ runtime, launch, log, dir }) => {
    await Deno.writeTextFile(`${dir}/file`, "");
    launch({ runDir: `${dir}/file/run` });
    await runtime.pluginReady();
    await log.until("leader lock unusable; active without it");
    const { containers } = await runtime.runPod(EXCLUSIVE);
    assert.equal(runtime.cpusOf(containers.get("c") ?? "").size, 4);
  });
});

/** Launches it beside another agent, whose lock it is. */
async function onStandby({ runtime, launch, dir }: Stage): Promise<LeaderLock> {
  const never = new AbortController().signal;
  const lock = await LeaderLock.acquire(`${dir}/run`, "another", never, () => {});
  launch();
  await runtime.pluginReady();
  return lock;
}

Deno.test("beside an active agent it registers on standby, and lists what runs once that agent has ended", async () => {
  await withRuntime(async (stage) => {
    const { runtime, log } = stage;
    const lock = await onStandby(stage);
    assert(log.has("standby: another agent is active"));
    const { containers } = await runtime.runPod(PINNED);
    assert.equal(
      runtime.cpusOf(containers.get("c") ?? "").toString(),
      "0-63",
      "placing it is up to the active agent",
    );
    lock.release();
    await log.until("this agent decides on the node from now on");
    await log.until("failed to list running containers; retrying");
    const { refused } = await runtime.runPod(EXCLUSIVE);
    assert.match(refused[0]?.message ?? "", /not synchronized with the runtime yet/);
  });
});

Deno.test("one that was registered on standby says in the lock file what it does, once it has the lock", async () => {
  await withRuntime(async (stage) => {
    const { log, dir } = stage;
    const lock = await onStandby(stage);
    lock.release();
    await log.until("this agent decides on the node from now on");
    const [, , activity] = (await Deno.readTextFile(`${dir}/run/owner.lock`)).split("\n");
    assert.equal(activity, "synchronizing with the runtime");
  });
});
