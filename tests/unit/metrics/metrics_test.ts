import assert from "node:assert/strict";
import { viewOf } from "../../../src/agent/view.ts";
import type { CpusetPort, CpusetWriteResult } from "../../../src/cgroup/port.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { type Facts, Metrics } from "../../../src/metrics/metrics.ts";
import { observedCpusets } from "../../../src/metrics/observer.ts";
import { NODE, statusStage } from "../../kit/status_stage.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const BUILD = { version: "1.2.3", commit: "abc", deno: "2.6.10", mode: "launched" };

function stage(text = NODE) {
  const { driver: { agent: { state } } } = statusStage(text);
  const metrics = new Metrics(BUILD, () => 1_700_000_000_000);
  const { topology } = state.ledger;
  const facts: Facts = {
    view: viewOf(state),
    topology,
    isReady: true,
    now: 5000,
    pressureOf: () => undefined,
  };
  return { metrics, facts };
}

/** Of each series its value: `name{labels}`. */
async function samples({ metrics, facts }: ReturnType<typeof stage>): Promise<Map<string, number>> {
  const lines = (await metrics.text(facts)).split("\n").filter((line) =>
    line !== "" && !line.startsWith("#")
  );
  return new Map(lines.map((line) => {
    const space = line.lastIndexOf(" ");
    return [line.slice(0, space).replace("weka_cpuset_", ""), Number(line.slice(space + 1))];
  }));
}

Deno.test("CPUs and containers are counted as the view has them", async () => {
  const found = await samples(stage());
  const value = (name: string) => found.get(name);
  assert.equal(value('cpus{kind="online"}'), 16);
  assert.equal(value('cpus{kind="exclusive"}'), 2);
  assert.equal(value('cpus{kind="pinned"}'), 1);
  assert.equal(value('cpus{kind="shared"}'), 13);
  assert.equal(value('numa_node_cpus{numa_node="0",kind="exclusive"}'), 2);
  assert.equal(value('containers{kind="shared",state="unverified"}'), 1);
  assert.equal(value('containers{kind="shared",state="failed"}'), 0);
  assert.equal(value('phase{phase="serving"}'), 1);
  assert.equal(value('phase{phase="disconnected"}'), 0);
  assert.deepEqual([value("ready"), value("pending_seconds"), value("misplaced_containers")], [1, 0, 0]);
  assert.equal(value('build_info{version="1.2.3",commit="abc",deno="2.6.10",mode="launched"}'), 1);
});

Deno.test("what happens is counted, and a scrape changes no count", async () => {
  const scene = stage();
  const { metrics } = scene;
  metrics.answered("CreateContainer", 3, undefined);
  metrics.answered("CreateContainer", 30, "unavailable");
  metrics.logged({ level: "info", message: "container moved" });
  metrics.logged({ level: "warn", message: "container refused" });
  metrics.serving();
  await samples(scene);
  const found = await samples(scene);
  const value = (name: string) => found.get(name);
  assert.equal(value('request_duration_seconds_bucket{le="0.005",method="CreateContainer"}'), 1);
  assert.equal(value('request_duration_seconds_count{method="CreateContainer"}'), 2);
  assert.deepEqual(
    [value('refusals_total{reason="unavailable"}'), value('refusals_total{reason="invalid"}')],
    [
      1,
      0,
    ],
  );
  assert.deepEqual([value("moves_total"), value('log_records_total{level="warn"}')], [1, 1]);
  assert.equal(value("last_synchronize_timestamp_seconds"), 1_700_000_000);
});

Deno.test("pending updates have an age, suspended claims show, and periods of ended containers stay in the sum", async () => {
  const scene = stage();
  const [db] = [...scene.facts.view.containers.values()].filter(({ claim }) => claim.kind === "exclusive");
  assert(db !== undefined);
  const with_ = (throttled: number | undefined) => {
    const unbound = "memory nodes not set to 0: it uses 812 MiB";
    const seen = { ...db, throttled, unbound, mayRunOn: CpuSet.of(0, 1, 9) };
    const containers = new Map([[db.container.id, seen]]);
    const view = { ...scene.facts.view, containers, pendingSince: 2000, claimsSuspendedReason: "kubelet's" };
    return samples({ ...scene, facts: { ...scene.facts, view } });
  };
  await with_(10);
  const found = await with_(12);
  assert.equal(found.get('throttled_periods_total{kind="exclusive"}'), 12);
  assert.equal((await with_(undefined)).get('throttled_periods_total{kind="exclusive"}'), 12);
  // Its id again, counted from 0: another cgroup.
  assert.equal((await with_(3)).get('throttled_periods_total{kind="exclusive"}'), 15);
  assert.equal((await with_(1)).get('throttled_periods_total{kind="exclusive"}'), 16);
  const one = (name: string) => found.get(name);
  assert.equal(one("unbound_memory_containers"), 1);
  assert.deepEqual([one("pending_seconds"), one("claims_suspended"), one("misplaced_containers")], [3, 1, 1]);
});

Deno.test("the pressure of containers with CPUs of their own is read, and in seconds", async () => {
  const scene = stage();
  const pressureOf = ({ name, pod }: { name: string; pod: string }) =>
    pod === "db" && name === "c" ? 1_500_000 : pod === "pin" ? undefined : 9e9;
  const found = await samples({ ...scene, facts: { ...scene.facts, pressureOf } });
  assert.equal(found.get('cpu_pressure_seconds_total{kind="exclusive"}'), 1.5);
  assert.equal(found.get('cpu_pressure_seconds_total{kind="pinned"}'), 0);
});

Deno.test("a port that is observed does the same, and its writes are counted", () => {
  const result: CpusetWriteResult = { kind: "done", tookMs: 2 };
  const port: CpusetPort = {
    version: 2,
    writable: true,
    read: () => ({ kind: "absent" }),
    population: () => "empty",
    write: () => result,
  };
  const counted: [CpusetWriteResult, number][] = [];
  const observed = observedCpusets(port, { wrote: (...each) => counted.push(each) });
  assert.deepEqual(Object.keys(observed).sort(), Object.keys(port).sort());
  assert.equal(observed.write([], 1), result);
  assert.deepEqual(counted, [[result, 0]]);
});

Deno.test("no label has a pod's or a container's name, and every metric has the prefix", async () => {
  const { metrics, facts } = stage();
  const methods = Array.from({ length: 20 }, (_, n) => `SomeMethodOfNri${n}`);
  for (const method of methods) metrics.answered(method, 1);
  const text = await metrics.text(facts);
  for (const { container: { id, pod } } of facts.view.containers.values()) {
    assert(!text.includes(`"${id}"`) && !text.includes(`"${pod}"`));
  }
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
  assert.deepEqual(names.filter((name) => !name.startsWith("weka_cpuset_")), []);
  // What the kernel takes at once, so that a client that doesn't read it holds nothing (src/platform/http_server.ts).
  assert(text.length < 32 * 1024, `${text.length} bytes`);
});

/** A row of docs/metrics.md for each metric that there is: name, kind, labels, help. */
async function rows(): Promise<string[]> {
  const scene = stage(`${NODE}`);
  const { metrics, facts } = scene;
  metrics.answered("CreateContainer", 1);
  metrics.wrote({ kind: "done", tookMs: 1 }, 2);
  const fence = {
    keeps: "unexclusive",
    desired: CpuSet.empty,
    mayRunOn: CpuSet.empty,
    state: "confirmed",
  } as const;
  const text = await metrics.text({ ...facts, view: { ...facts.view, groups: new Map([["/a", fence]]) } });
  return [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)\n(.*)/gm)].map(
    ([, name, help, kind, sample]) => {
      const labels = [...(sample ?? "").matchAll(/[{,](\w+)="/g)].map(([, label]) => label)
        .filter((label) => label !== "le");
      return `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`;
    },
  );
}

Deno.test("docs/metrics.md has a true row for each metric", async () => {
  const docs = Deno.readTextFileSync(`${ROOT}docs/metrics.md`);
  assert.deepEqual(docs.split("\n").filter((line) => line.startsWith("| `weka_")), await rows());
});
