/** Conflicting CPU managers: what is logged of them and when, and what suspends claims. */
import assert from "node:assert/strict";
import type { Input } from "../../../src/agent/step.ts";
import { watchPeers } from "../../../src/daemon/watch_peers.ts";
import { type Config, DEFAULTS } from "../../../src/config/schema.ts";
import { allocatable, FakeKubelet, listOf } from "../../kit/fake_kubelet.ts";
import { effective, Records } from "../../kit/daemon_stage.ts";
import { turn } from "../../kit/turn.ts";

const NONE = '{"policyName":"none","defaultCpuSet":"","checksum":1353318690}';
const STATIC = '{"policyName":"static","defaultCpuSet":"0-3","checksum":1}';
const GIVEN = STATIC.replace('"checksum"', '"entries":{"uid":{"db":"2-3"}},"checksum"');
const KUBELET = "kubelet's CPU manager (cpuManagerPolicy: static)";
const WHY = "kubelet's static CPU manager also assigns CPUs on this node, so a CPU could get two owners; " +
  "run kubelet with cpuManagerPolicy: none, or set onKubeletStatic: warn";

/** A node with a watch on it, whose minutes pass when the test says so. */
class Stage {
  readonly log = new Records();
  readonly fed: Input[] = [];
  readonly dir = Deno.makeTempDirSync();
  readonly waits: number[] = [];
  #checked = Promise.withResolvers<void>();
  #minute = Promise.withResolvers<void>();

  constructor() {
    Deno.mkdirSync(`${this.dir}/pod-resources`);
    Deno.mkdirSync(`${this.dir}/plugins`);
  }

  get socket(): string {
    return `${this.dir}/pod-resources/kubelet.sock`;
  }

  state(text: string): void {
    Deno.writeTextFileSync(`${this.dir}/new`, text);
    Deno.renameSync(`${this.dir}/new`, `${this.dir}/cpu_manager_state`);
  }

  plugin(name: string): void {
    Deno.writeTextFileSync(`${this.dir}/plugins/${name}`, "", { mode: 0o755 });
  }

  watch(config: Partial<Config> = {}) {
    const boot = {
      effective: effective({ ...DEFAULTS, kubeletRoot: this.dir, ...config }),
      log: this.log,
    };
    const driver = { feed: (input: Input) => void this.fed.push(input) };
    return watchPeers(driver, boot, {
      pluginFolder: `${this.dir}/plugins`,
      wait: (ms, stop) => {
        this.waits.push(ms);
        this.#checked.resolve();
        stop.addEventListener("abort", () => this.#minute.resolve());
        return this.#minute.promise;
      },
    });
  }

  /** Resolves when the check under way is over. */
  checked(): Promise<void> {
    return this.#checked.promise;
  }

  /** Lets a minute pass; resolves after the next check. */
  async nextCheck(): Promise<void> {
    const minute = this.#minute;
    this.#checked = Promise.withResolvers();
    this.#minute = Promise.withResolvers();
    minute.resolve();
    await this.checked();
  }

  /** Takes the log's records, without those of level debug: each peer with what is logged of it. */
  logged(): string[] {
    const records = this.log.records.splice(0).filter(({ level }) => level !== "debug");
    return records.map(({ level, message, fields }) => `${level}: ${message}: ${fields?.["peer"]}`);
  }
}

async function onStage(play: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = new Stage();
  try {
    await play(stage);
  } finally {
    Deno.removeSync(stage.dir, { recursive: true });
  }
}

Deno.test("a static policy in the state file suspends claims before the runtime's first request", () =>
  onStage(async (stage) => {
    stage.state(STATIC);
    const watch = stage.watch({ onKubeletStatic: "refuse" });
    assert.deepEqual(stage.fed, [{ kind: "suspended", reason: WHY }], "with nothing awaited");
    watch.close();
    await stage.checked();
  }));

Deno.test("with warn it is only logged, as an error", () =>
  onStage(async (stage) => {
    stage.state(STATIC);
    const watch = stage.watch();
    assert.deepEqual(stage.logged(), [`error: conflicting CPU manager detected: ${KUBELET}`]);
    assert.deepEqual(stage.fed, []);
    watch.close();
    await stage.checked();
  }));

Deno.test("a node without conflicting CPU managers is checked once a minute until closed, and nothing is logged", () =>
  onStage(async (stage) => {
    stage.state(NONE);
    stage.plugin("20-logger");
    stage.plugin("99-weka-cpuset");
    const watch = stage.watch({ onKubeletStatic: "refuse" });
    await stage.nextCheck();
    assert.deepEqual([stage.logged(), stage.fed], [[], []]);
    assert.deepEqual(stage.waits, [60_000, 60_000]);
    stage.state(STATIC);
    watch.close();
    watch.close();
    await turn();
    assert.deepEqual([stage.waits.length, stage.fed], [2, []]);
  }));

Deno.test("a peer is logged once when it appears and once when it is gone, whatever it does meanwhile", () =>
  onStage(async (stage) => {
    stage.state(NONE);
    const watch = stage.watch({ onKubeletStatic: "refuse" });
    await stage.checked();
    stage.state(STATIC);
    await stage.nextCheck();
    assert.deepEqual(stage.logged(), [`error: conflicting CPU manager detected: ${KUBELET}`]);
    stage.state(GIVEN);
    await stage.nextCheck();
    await stage.nextCheck();
    assert.deepEqual(stage.logged(), []);
    stage.state(NONE);
    await stage.nextCheck();
    assert.deepEqual(stage.logged(), [`info: conflicting CPU manager gone: ${KUBELET}`]);
    assert.deepEqual(stage.fed, [{ kind: "suspended", reason: WHY }, {
      kind: "suspended",
      reason: undefined,
    }]);
    watch.close();
  }));

Deno.test("the last known policy of kubelet holds while it is restarted", () =>
  onStage(async (stage) => {
    stage.state(STATIC);
    const watch = stage.watch({ onKubeletStatic: "refuse" });
    await stage.checked();
    Deno.removeSync(`${stage.dir}/cpu_manager_state`);
    await stage.nextCheck();
    await stage.nextCheck();
    assert.equal(stage.fed.length, 1);
    const debug = stage.log.records.filter(({ level }) => level === "debug");
    assert.equal(debug.length, 1, "the reason once, not at every check");
    assert.match(
      `${debug[0]?.fields?.["reason"]}`,
      /^there is no .*cpu_manager_state, and .*: there is no such socket$/,
    );
    watch.close();
  }));

Deno.test("without a state file the PodResources API is asked, again each minute", () =>
  onStage(async (stage) => {
    const list = listOf(["db", "main", [2, 3]]);
    const kubelet = new FakeKubelet(stage.socket, { getAllocatableResources: allocatable(1, 2, 3), list });
    const watch = stage.watch({ onKubeletStatic: "refuse" });
    await stage.checked();
    assert.deepEqual(stage.fed, [{ kind: "suspended", reason: WHY }]);
    const found = stage.log.records.find(({ level }) => level === "error")?.fields?.["found"];
    assert.equal(
      found,
      `${stage.socket}: policy static, CPUs 2-3 given to 1 container (ns/db container main)`,
    );
    kubelet.answers({ getAllocatableResources: allocatable() });
    await stage.nextCheck();
    assert.deepEqual(stage.fed.slice(1), [{ kind: "suspended", reason: undefined }]);
    watch.close();
    await kubelet.stop();
  }));

Deno.test("the result of a check that ends after close is discarded", () =>
  onStage(async (stage) => {
    const kubelet = new FakeKubelet(stage.socket, { getAllocatableResources: allocatable(1) });
    const watch = stage.watch({ onKubeletStatic: "refuse" });
    watch.close();
    await stage.checked();
    assert.deepEqual([stage.fed, stage.logged()], [[], []]);
    await kubelet.stop();
  }));

Deno.test("other plugins are logged as they appear and are gone, and suspend nothing", () =>
  onStage(async (stage) => {
    stage.plugin("10-balloons");
    const watch = stage.watch({ onKubeletStatic: "refuse" });
    await stage.checked();
    assert.deepEqual(stage.logged(), [
      "error: conflicting CPU manager detected: the NRI plugin 10-balloons",
    ]);
    stage.plugin("90-cpuset");
    await stage.nextCheck();
    assert.deepEqual(stage.logged(), ["error: conflicting CPU manager detected: the NRI plugin 90-cpuset"]);
    Deno.removeSync(`${stage.dir}/plugins/10-balloons`);
    await stage.nextCheck();
    assert.deepEqual(stage.logged(), [
      "info: conflicting CPU manager gone: the NRI plugin 10-balloons",
    ]);
    assert.deepEqual(stage.fed, []);
    watch.close();
  }));
