/** Health and metrics of agents in external mode, asked for while the embedded runtime comes, cuts off and goes. */
import assert from "node:assert/strict";
import { run } from "../../../src/daemon/run.ts";
import { type Config, DEFAULTS } from "../../../src/config/schema.ts";
import { effective, EXCLUSIVE, manifest, Records, SYSFS } from "../../kit/daemon_stage.ts";
import { ran } from "../../kit/command.ts";
import { get } from "../../kit/http_client.ts";
import { EmbeddedRuntime } from "../../kit/runtime/runtime.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";

/** An agent with HTTP at a port of its own. */
class Probed {
  readonly log = new Records();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #port: number;

  constructor(config: Config) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    listener.close();
    this.#port = listener.addr.port;
    const own = effective({ ...config, http: `127.0.0.1:${this.#port}` });
    this.#running = run({ effective: own, version: "test", stop: this.#stop.signal, log: this.log });
  }

  async ask(path: string): Promise<string> {
    await this.log.until("serving HTTP");
    const { status, body } = await get(await Deno.connect({ port: this.#port }), path);
    return `${status} ${body}`;
  }

  /** The value of a series. */
  async metric(series: string): Promise<number> {
    const line = (await this.ask("/metrics")).split("\n").find((each) =>
      each.startsWith(`weka_cpuset_${series} `)
    );
    return Number(line?.split(" ").at(-1));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

async function staged(play: (runtime: EmbeddedRuntime, config: Config) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const cgroupRoot = `${dir}/cgroup`;
  await Deno.mkdir(cgroupRoot);
  const socket = `${dir}/nri.sock`;
  const runtime = EmbeddedRuntime.start({
    socketPath: socket,
    cgroupRoot,
    online: topologyOf(bigNode).online,
  });
  const [runDir, kubeletRoot] = [`${dir}/run`, `${dir}/kubelet`];
  const paths = {
    socket,
    cgroupRoot,
    runDir,
    kubeletRoot,
    sysfsRoot: SYSFS,
    criSockets: [`${dir}/none.sock`],
  };
  try {
    await play(runtime, { ...DEFAULTS, ...paths, growDelayMs: 0 });
  } finally {
    await runtime.close();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("an agent is ready once it is synchronized, and not while it is cut off; its loop turns all the time", async () => {
  await staged(async (runtime, config) => {
    const agent = new Probed(config);
    try {
      await runtime.pluginReady();
      assert.equal(await agent.ask("/readyz"), "200 synchronized with the runtime and serving\n");
      await runtime.runPod(EXCLUSIVE);
      await runtime.runPod(manifest("bad", { "weka.io/cores-ids": "999" }, {}));
      await runtime.restart(async () => {
        await agent.log.until("connection lost");
        assert.match(await agent.ask("/readyz"), /^503 no connection to the runtime/);
        assert.match(await agent.ask("/healthz"), /^200 /);
      });
      await runtime.pluginReady();
      assert.match(await agent.ask("/readyz"), /^200 /);
      assert.equal(await agent.metric("ready"), 1);
      assert.equal(await agent.metric("synchronizations_total"), 2);
      assert.equal(await agent.metric('refusals_total{reason="invalid"}'), 1);
      assert.equal(await agent.metric('request_duration_seconds_count{method="CreateContainer"}'), 2);
      assert.equal(await agent.metric('cpus{kind="exclusive"}'), 4);
    } finally {
      await agent.stop();
    }
  });
});

Deno.test("a node without an NRI socket isn't ready, and one on standby is while the active agent serves", async () => {
  await staged(async (runtime, config) => {
    const lost = new Probed({ ...config, socket: "/nonexistent/nri.sock" });
    try {
      await lost.log.until("failed to connect to the NRI socket");
      assert.match(await lost.ask("/readyz"), /^503 no connection to the runtime/);
    } finally {
      await lost.stop();
    }
    const active = new Probed(config);
    await runtime.pluginReady();
    const standby = new Probed(config);
    try {
      await standby.log.until("standby");
      assert.match(await active.ask("/readyz"), /^200 synchronized/);
      assert.match(await standby.ask("/readyz"), /^200 standing by: the active agent \(.*\) is serving\n$/);
    } finally {
      await Promise.all([active.stop(), standby.stop()]);
    }
  });
});

/** What `weka-cpuset ready` says in the container of the agent with this configuration. */
async function ready({ runDir, probeSocket }: Config): Promise<string> {
  const file = `${SYSFS}/ready.yaml`; // a folder of this user's alone
  await Deno.writeTextFile(file, JSON.stringify({ runDir, probeSocket }));
  const { status, out, error } = await ran("--config", file, "ready");
  return `${status} ${out}${error}`;
}

Deno.test("each of two agents says for itself whether it is ready, and the probe of one doesn't see the other", async () => {
  await staged(async (runtime, config) => {
    const [first, second, third] = [1, 2, 3].map((n) => ({
      ...config,
      probeSocket: `${config.runDir}.${n}.sock`,
    }));
    assert(first && second && third);
    assert.match(await ready(first), /^1 no active agent on this node: .*1\.sock doesn't exist/);
    assert.match(await ready(config), /^1 no active agent on this node: .*status\.sock doesn't exist/);
    const active = new Probed(first);
    const lost = new Probed({ ...third, socket: "/nonexistent/nri.sock" });
    await runtime.pluginReady();
    const standby = new Probed(second);
    try {
      await Promise.all([standby.log.until("standby"), lost.log.until("failed to connect")]);
      assert.equal(await ready(first), "0 ready: synchronized with the runtime and serving");
      assert.match(await ready(second), /^0 ready: standing by: the active agent \(.*\) is serving$/);
      assert.match(await ready(third), /^1 not ready: no connection to the runtime: is it running, with NRI/);
      assert.equal(await ready(config), "0 ready: synchronized with the runtime and serving");
      await Deno.writeTextFile(`${config.runDir}.4.sock`, "");
      assert.match(await ready({ ...config, probeSocket: `${config.runDir}.4.sock` }), /^1 /);
    } finally {
      await Promise.all([active.stop(), standby.stop(), lost.stop()]);
    }
  });
});
