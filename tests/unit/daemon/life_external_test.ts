/** External mode against the embedded runtime, over a real socket: connecting, serving, and coming back. */
import assert from "node:assert/strict";
import type { Effective } from "../../../src/daemon/load_config.ts";
import { ConfigError } from "../../../src/daemon/config_error.ts";
import { run } from "../../../src/daemon/run.ts";
import { type Config, DEFAULTS } from "../../../src/config/schema.ts";
import { bigNode, sysfsTree, topologyOf, twoCpuVm, writeTree } from "../../kit/sysfs.ts";
import type { PodSpec } from "../../../src/manifests/manifest.ts";
import { EmbeddedRuntime, type RuntimeOptions } from "../../kit/runtime/runtime.ts";
import { effective, EXCLUSIVE, manifest, PINNED, Records, SHARED, SYSFS } from "../../kit/daemon_stage.ts";

/** A runtime and an agent on a simulated 64-CPU machine, for the length of a test. */
class Stage {
  readonly log = new Records();
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(
    readonly runtime: EmbeddedRuntime,
    readonly config: Config,
    /** The runtime's. */
    readonly socket: string,
  ) {}

  static async with(
    settings: { runtime?: Partial<RuntimeOptions>; agent?: Partial<Config> },
    play: (stage: Stage) => Promise<void>,
  ): Promise<void> {
    const dir = await Deno.makeTempDir();
    const socket = `${dir}/nri.sock`;
    const cgroupRoot = `${dir}/cgroup`;
    await Deno.mkdir(cgroupRoot);
    const online = topologyOf(bigNode).online;
    const runtime = EmbeddedRuntime.start({ socketPath: socket, cgroupRoot, online, ...settings.runtime });
    const stage = new Stage(runtime, {
      ...DEFAULTS,
      socket,
      cgroupRoot,
      sysfsRoot: SYSFS,
      criSockets: [`${dir}/none.sock`],
      runDir: `${dir}/run`,
      kubeletRoot: `${dir}/kubelet`,
      growDelayMs: 0,
      ...settings.agent,
    }, socket);
    try {
      stage.startAgent();
      await play(stage);
    } finally {
      await stage.stopAgent();
      await runtime.close();
      await Deno.remove(dir, { recursive: true });
    }
  }

  startAgent(): void {
    this.#running = run({
      effective: effective(this.config),
      version: "test",
      stop: this.#stop.signal,
      log: this.log,
    });
  }

  async stopAgent(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Runs a pod; its CPUs as the cgroup tree has them, or the message of its refusal. */
  async place(
    pod: PodSpec,
  ): Promise<{ id: string; container: string; refused?: string }> {
    const { id, containers, refused } = await this.runtime.runPod(pod);
    const message = refused[0]?.message;
    return {
      id,
      container: containers.get("c") ?? "",
      ...(message === undefined ? {} : { refused: message }),
    };
  }

  cpusOf(container: string): string {
    return this.runtime.cpusOf(container).toString();
  }
}

for (const nri of ["0.6", "0.12"] as const) {
  for (const chunkBytes of [undefined, 1, 7]) {
    const cut = chunkBytes === undefined ? "whole" : `in pieces of ${chunkBytes}`;
    Deno.test(`the three kinds are placed by NRI ${nri}, its bytes ${cut}`, async () => {
      const runtime = { nri, ...(chunkBytes === undefined ? {} : { chunkBytes }) };
      await Stage.with({ runtime }, async (stage) => {
        await stage.runtime.pluginReady();
        const shared = await stage.place(SHARED);
        const pinned = await stage.place(PINNED);
        const exclusive = await stage.place(EXCLUSIVE);
        assert.equal(stage.cpusOf(pinned.container), "8-9,40");
        assert.equal(stage.runtime.container(pinned.container).resources.mems, "1");
        const own = stage.runtime.cpusOf(exclusive.container);
        const rest = stage.runtime.cpusOf(shared.container);
        assert.equal(own.size, 4);
        assert.equal(rest.size, 64 - 3 - 4);
        assert(!rest.intersects(own) && !rest.intersects(stage.runtime.cpusOf(pinned.container)));
        await stage.runtime.removePod(exclusive.id);
        await stage.runtime.removePod(pinned.id);
        // The end of a sandbox has no reply: without the CRI growth comes with the next one.
        await stage.place(SHARED);
        assert.equal(stage.cpusOf(shared.container), "0-63");
      });
    });
  }
}

Deno.test("a refusal reaches kubelet with its message, and no other container is touched", async () => {
  await Stage.with({}, async (stage) => {
    await stage.runtime.pluginReady();
    const shared = await stage.place(SHARED);
    const refused = await stage.place(manifest("bad", { "weka.io/cores-ids": "999" }, {}));
    assert.match(
      refused.refused ?? "",
      /cpuset: pod default\/bad container c: weka\.io\/cores-ids names CPU 999/,
    );
    assert.equal(stage.cpusOf(shared.container), "0-63");
  });
});

Deno.test("after a lost connection it reconnects and places what was created meanwhile", async () => {
  await Stage.with({}, async (stage) => {
    await stage.runtime.pluginReady();
    const shared = await stage.place(SHARED);
    let missed = { container: "" };
    await stage.runtime.restart(async () => {
      missed = await stage.place(EXCLUSIVE);
      assert.equal(stage.cpusOf(missed.container), "0-63", "no agent is connected to place it");
    });
    await stage.runtime.pluginReady();
    const own = stage.runtime.cpusOf(missed.container);
    assert.equal(own.size, 4);
    assert(!stage.runtime.cpusOf(shared.container).intersects(own));
  });
});

Deno.test("a CPU that goes offline while containers run is noticed", async () => {
  const sysfs = await Deno.makeTempDir();
  writeTree(sysfs, sysfsTree({ ...twoCpuVm, coresPerNode: 4 }));
  await Stage.with({ agent: { sysfsRoot: sysfs } }, async (stage) => {
    await stage.runtime.pluginReady();
    await Deno.writeTextFile(`${sysfs}/devices/system/cpu/online`, "0-2\n");
    await stage.log.until("the CPUs that are online have changed");
    const refused = await stage.place(manifest("late", { "weka.io/cores-ids": "3" }, {}));
    assert.match(refused.refused ?? "", /names CPU 3, not online on this node \(online: 0-2\)/);
  });
  await Deno.remove(sysfs, { recursive: true });
});

Deno.test("a connection that ends in the middle of a message is followed by a new one", async () => {
  await Stage.with({}, async (stage) => {
    await stage.runtime.pluginReady();
    stage.runtime.dropPlugin(5);
    await stage.place(SHARED);
    await stage.runtime.pluginGone();
    await stage.runtime.pluginReady();
    const { container } = await stage.place(PINNED);
    assert.equal(stage.cpusOf(container), "8-9,40");
  });
});

Deno.test("a long list of containers arrives in parts", async () => {
  await Stage.with({ runtime: { syncSplit: 3 } }, async (stage) => {
    await stage.runtime.pluginReady();
    for (let i = 0; i < 10; i++) await stage.place(manifest(`s${i}`, {}, {}));
    const { container } = await stage.place(EXCLUSIVE);
    const before = stage.cpusOf(container);
    await stage.runtime.restart();
    await stage.runtime.pluginReady();
    assert.equal(stage.cpusOf(container), before);
    assert.equal(stage.runtime.log.of("updated").length, 10, "only the ten shrinks of the admission");
  });
});

Deno.test("beside kubelet's static CPU manager claims are refused where that is configured, shared containers are not", async () => {
  const kubeletRoot = await Deno.makeTempDir();
  await Deno.writeTextFile(
    `${kubeletRoot}/cpu_manager_state`,
    '{"policyName":"static","defaultCpuSet":"0-63"}',
  );
  await Stage.with({ agent: { kubeletRoot, onKubeletStatic: "refuse" } }, async (stage) => {
    await stage.runtime.pluginReady();
    const { refused } = await stage.place(PINNED);
    assert.match(refused ?? "", /kubelet's static CPU manager also assigns CPUs on this node/);
    assert.equal(stage.cpusOf((await stage.place(SHARED)).container), "0-63");
    assert(stage.log.has("conflicting CPU manager detected"));
  });
  await Deno.remove(kubeletRoot, { recursive: true });
});

Deno.test("a dry run changes nothing and refuses nothing", async () => {
  await Stage.with({ agent: { dryRun: true } }, async (stage) => {
    await stage.runtime.pluginReady();
    const placed = [await stage.place(PINNED), await stage.place(EXCLUSIVE), await stage.place(SHARED)];
    placed.push(await stage.place(manifest("bad", { "weka.io/cores-ids": "5-2" }, {})));
    for (const { container } of placed) assert.equal(stage.cpusOf(container), "0-63");
    assert(stage.log.has("container would be refused"));
  });
});

Deno.test("without a socket it logs that, retries, and connects when the runtime is up", async () => {
  await Stage.with({}, async (stage) => {
    await stage.runtime.pluginReady();
    await stage.runtime.restart(() => stage.log.until("failed to connect to the NRI socket; retrying"));
    await stage.runtime.pluginReady();
  });
});

Deno.test("a plugin index that the runtime rejects is logged with the reason", async () => {
  await Stage.with(
    { agent: { pluginIndex: "xx" } },
    (stage) =>
      stage.log.until(
        "the connection is closed: the runtime refused to register the plugin xx-weka-cpuset: ",
      ),
  );
});

/** Another agent of the stage's node, until the end of `play`. */
async function withSecond(
  config: Config,
  play: (log: Records) => Promise<void>,
): Promise<void> {
  const log = new Records();
  const stop = new AbortController();
  const running = run({ effective: effective(config), version: "test", stop: stop.signal, log });
  try {
    await play(log);
  } finally {
    stop.abort();
    await running;
  }
}

async function synchronizedTwice({ runtime }: Stage): Promise<void> {
  await runtime.log.until(() => runtime.log.of("synchronized").length === 2, "the second", 20_000);
}

Deno.test("a second agent is on standby, registered, until the first one ends, and then takes over", async () => {
  await Stage.with({}, async (stage) => {
    await stage.runtime.pluginReady();
    const { container } = await stage.place(EXCLUSIVE);
    const before = stage.cpusOf(container);
    await withSecond(stage.config, async (log) => {
      await log.until("standby: another agent is active");
      const standby = log.records.find(({ message }) => message.startsWith("standby"))?.fields ?? {};
      assert.match(`${standby["holder"]}`, /pid \d+, external, test, started 20\d\d-.*Z$/);
      assert.match(`${standby["since"]}`, /^20\d\d-.*Z$/);
      assert.equal(standby["activity"], "serving");
      await synchronizedTwice(stage);
      await stage.stopAgent();
      // Its CPUs are sent by the runtime: what it was told on standby isn't all.
      await stage.runtime.log.until(() => stage.runtime.log.of("synchronized").length === 3, "anew", 20_000);
      assert.equal(stage.cpusOf(container), before);
      const pinned = await stage.place(PINNED);
      assert.equal(stage.cpusOf(pinned.container), "8-9,40");
    });
  });
});

Deno.test("an agent that reaches no runtime never takes the leader lock", async () => {
  await Stage.with({ agent: { socket: "/nonexistent/nri.sock" } }, async (stage) => {
    await stage.log.until("failed to connect to the NRI socket; retrying");
    await withSecond({ ...stage.config, socket: stage.socket }, async (log) => {
      await stage.runtime.pluginReady();
      assert(!log.has("standby"));
    });
    assert(!stage.log.has("this agent decides on the node"));
  });
});

Deno.test("an agent that has lost its runtime gives the leader lock up after some seconds, to one that has one", async () => {
  const cgroupRoot = await Deno.makeTempDir();
  const socket = `${cgroupRoot}/nri.sock`;
  const other = EmbeddedRuntime.start({ socketPath: socket, cgroupRoot, online: topologyOf(bigNode).online });
  await Stage.with({}, async (stage) => {
    await stage.runtime.pluginReady();
    await withSecond({ ...stage.config, socket, cgroupRoot }, async (log) => {
      await log.until("standby: another agent is active");
      await stage.runtime.restart(async () => {
        await stage.log.until("failed to connect to the NRI socket; retrying");
        assert(!stage.log.has("leader lock released"), "not at once: the runtime may only restart");
        assert(!log.has("this agent decides on the node"));
        await stage.log.until("leader lock released: no connection to the runtime");
        await other.pluginReady();
      });
      // Its runtime is there again, and the other one is active by now.
      await stage.log.until("standby: another agent is active");
    });
    await stage.log.until("synchronized", 2); // active again: it is registered on standby too
    assert.equal(stage.cpusOf((await stage.place(PINNED)).container), "8-9,40");
  });
  await other.close();
  await Deno.remove(cgroupRoot, { recursive: true });
});

Deno.test("a dry run needs no leader lock: it runs beside the active agent", async () => {
  await Stage.with({}, async (stage) => {
    await stage.runtime.pluginReady();
    const config = { ...stage.config, dryRun: true, pluginName: "watcher", pluginIndex: "98" };
    await withSecond(config, async (log) => {
      await synchronizedTwice(stage);
      const { container } = await stage.place(PINNED);
      assert.equal(stage.cpusOf(container), "8-9,40");
      assert(log.has("container would be admitted"));
    });
  });
});

Deno.test("stopping answers the request in hand and leaves every cpuset as it is", async () => {
  await Stage.with({}, async (stage) => {
    await stage.runtime.pluginReady();
    const { container } = await stage.place(EXCLUSIVE);
    const before = stage.cpusOf(container);
    await stage.stopAgent();
    await stage.runtime.pluginGone();
    assert.equal(stage.cpusOf(container), before);
    assert.equal(stage.log.records.at(-1)?.message, "stopped; containers keep their CPUs");
  });
});

Deno.test("a sysfs without CPUs prevents the start, with one sentence", async () => {
  const config = { ...DEFAULTS, sysfsRoot: "/nonexistent" };
  const started = run({
    effective: effective(config),
    version: "test",
    stop: new AbortController().signal,
    log: new Records(),
  });
  await assert.rejects(started, /failed to read which CPUs are online: .*devices\/system\/cpu\/online/);
});

Deno.test("an invalid configuration prevents the start", async () => {
  const problem = {
    sentence: "log.level must be debug, info, warn or error",
  } as Effective["problems"][number];
  const broken = { ...effective(DEFAULTS), problems: [problem] };
  const started = run({
    effective: broken,
    version: "test",
    stop: new AbortController().signal,
    log: new Records(),
  });
  await assert.rejects(
    started,
    (error) => error instanceof ConfigError && error.message.includes("log.level"),
  );
});
