/** A start that the agent refuses is the end of that container. */
import assert from "node:assert/strict";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { viewOf } from "../../../src/agent/view.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link, subject } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { encode } from "../../kit/runtime_end.ts";
import { bigNode } from "../../kit/sysfs.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 2 };
const pin: Wanted = { name: "pin", annotations: { [CORES_IDS]: "1" } };

/** A node on which an exclusive container can't start: its own cgroup can't be made to have its CPUs. */
function stuck(): { link: Link; kernel: FakeKernel } {
  const kernel = new FakeKernel();
  const link = Link.serving([], bigNode, { cpusets: kernel });
  link.create(web, { runs: false });
  kernel.appear("id-web", "0-63");
  link.start(web);
  link.mention(Event.POST_START_CONTAINER, web);
  link.create(db, { runs: false });
  kernel.appear("id-db", "0-63");
  kernel.busy.set("id-db", CpuSet.range(0, 63));
  return { link, kernel };
}

Deno.test("the CPUs of a refused start are held for its pod, and its later end finds nothing", () => {
  const { link, kernel } = stuck();
  assert.equal(link.claimed, "1,33");
  assert.match(link.refusedStart(db), /it can't be started on the CPUs 1,33/);
  assert.equal(link.claimed, "1,33");
  assert.deepEqual([...viewOf(link.agent.state).containers.keys()], ["id-web"]);
  link.logs.length = 0;
  assert.deepEqual(link.stop(db), []);
  link.remove(db);
  assert.deepEqual(link.logs, []);
  link.mention(Event.STOP_POD_SANDBOX, db);
  assert.equal(link.claimed, "");
  link.tick(link.now + 20);
  assert.equal(`${kernel.sets.get("id-web")}`, "0-63");
});

Deno.test("the container that kubelet creates next gets the same CPUs", () => {
  const { link } = stuck();
  link.refusedStart(db);
  assert.equal(link.create({ name: "other", cpus: 2 }).cpus, "2,34");
  const { pod, container } = subject(db);
  const again = link.ask("CreateContainer", { pod, container: { ...container, id: "id-db-2" } });
  assert.equal(again.adjust?.linux?.resources?.cpu?.cpus, "1,33");
});

Deno.test("while a start waits its claim stands", () => {
  const { link, kernel } = stuck();
  const payload = encode("StateChange", { event: Event.START_CONTAINER, ...subject(db) });
  link.call("StateChange", payload);
  link.tick(link.now + 20);
  assert.equal(link.claimed, "1,33");
  kernel.appear("id-db", "1,33");
  link.tick(link.now + 20);
  const answer = link.runtime.next();
  assert(answer?.kind === "answered" && answer.status.code === 0);
  assert.equal(link.claimed, "1,33");
});

Deno.test("a start waits a quarter of a short request time-out at most: the runtime would drop the plugin, and start it", () => {
  const { link } = stuck();
  link.ask("Configure", { runtimeName: "containerd", runtimeVersion: "v2", requestTimeout: 200n });
  link.call("StateChange", encode("StateChange", { event: Event.START_CONTAINER, ...subject(db) }));
  assert.equal(link.runtime.next(), undefined);
  for (let waited = 0; waited < 60; waited += 20) link.tick(link.now + 20);
  const answer = link.runtime.next();
  assert(answer?.kind === "answered" && answer.status.code !== 0);
});

Deno.test("who was moved for a container whose start is refused goes back, and stays once it has started", () => {
  for (const isRefused of [true, false]) {
    const kernel = new FakeKernel();
    const link = Link.serving([], bigNode, { cpusets: kernel });
    link.create(db, { runs: false });
    kernel.appear("id-db", "1,33");
    link.start(db);
    link.mention(Event.POST_START_CONTAINER, db);
    link.create(pin, { runs: false });
    assert.equal(link.claimed, "1-2,34");
    kernel.appear("id-pin", "0-63");
    if (isRefused) {
      kernel.busy.set("id-pin", CpuSet.range(0, 63));
      link.refusedStart(pin);
    } else {
      link.start(pin);
      link.stop(pin);
    }
    assert.equal(link.claimed, isRefused ? "1,33" : "1-2,34");
  }
});
