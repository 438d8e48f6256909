/** Claims of ended containers: kept for their pods, and given up with these. */
import assert from "node:assert/strict";
import { ContainerState, Event } from "../../../src/nri/gen/nri_pb.ts";
import { viewOf } from "../../../src/agent/view.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import { containerOf, livingOf, podOf, type Wanted } from "../../kit/messages.ts";
import type { MachineSpec } from "../../kit/sysfs.ts";

const EIGHT_CORES: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 2 };

/** Containers of one pod. */
const init: Wanted = { name: "app", id: "id-init", container: "init", cpus: 12 };
const main: Wanted = { name: "app", id: "id-main", container: "main", cpus: 12 };
const other: Wanted = { name: "other", cpus: 4 };

function rig(): { readonly link: Link; readonly kernel: FakeKernel } {
  const kernel = new FakeKernel(2);
  return { link: Link.serving([], EIGHT_CORES, { cpusets: kernel }), kernel };
}

function run({ link, kernel }: ReturnType<typeof rig>, wanted: Wanted): string {
  const { cpus } = link.create(wanted, { runs: false });
  kernel.appear(wanted.id ?? `id-${wanted.name}`, cpus);
  link.start(wanted);
  link.mention(Event.POST_START_CONTAINER, wanted);
  return cpus;
}

function held({ state }: Link["agent"]): string[] {
  return viewOf(state).held.map(({ container: { pod, name }, grant }) => `${pod}/${name} ${grant}`);
}

Deno.test("an app container has the CPUs of an init container whose end is reported later, if that has no process any more", () => {
  for (const end of ["removed", "empty", "running"] as const) {
    const it = rig();
    assert.equal(run(it, init), "1-6,9-14");
    if (end === "removed") it.kernel.sets.delete("id-init");
    if (end === "running") {
      it.kernel.populated.add("id-init");
      assert.match(it.link.refusal(main), /needs 12 exclusive CPUs, 3 are free/);
      assert.equal(it.link.claimed, "1-6,9-14");
      continue;
    }
    assert.equal(run(it, main), "1-6,9-14", end);
    assert.deepEqual([it.link.stop(init), held(it.link.agent)], [[], []]);
  }
});

Deno.test("a container whose runtime keeps processes elsewhere hasn't ended because nobody is in its cgroup", () => {
  for (const [handler, isSeen] of [["gvisor", true], ["own", false], ["nvidia", true]] as const) {
    const { link, kernel } = rig();
    const job: Wanted = { name: "job", cpus: 1, handler };
    run({ link, kernel }, job);
    if (isSeen) kernel.populated.add("id-job");
    for (let second = 0; second < 20; second++) link.tick(link.now + 1000);
    assert.equal(run({ link, kernel }, { ...init, handler }), "2-7,10-15");
    const isEnded = handler === "nvidia";
    if (isEnded) assert.equal(run({ link, kernel }, { ...main, handler }), "2-7,10-15");
    else assert.match(link.refusal({ ...main, handler }), /needs 12 exclusive CPUs/);
    assert.equal(link.container("id-init") === undefined, isEnded, handler);
  }
});

Deno.test("a container with its pod's figures has what an init container leaves whose end is reported later", () => {
  const pod = { podQuota: 800_000n };
  for (const [isThere, count] of [[false, 8], [true, 2]] as const) {
    const it = rig();
    run(it, { ...init, ...pod, cpus: 6 });
    if (isThere) it.kernel.populated.add("id-init");
    else it.kernel.sets.delete("id-init");
    run(it, { ...main, ...pod, cpus: 8 });
    assert.equal(it.link.agent.state.ledger.assignments.get("id-main")?.grant.size, count);
  }
});

Deno.test("a restarted container finds its CPUs again, whatever came meanwhile", () => {
  const it = rig();
  const daemon = { ...main, cpus: 4 };
  assert.equal(run(it, daemon), "1-2,9-10");
  it.kernel.sets.delete("id-main");
  it.link.stop(daemon);
  assert.match(it.link.refusal({ ...other, cpus: 12 }), /needs 12 exclusive CPUs, 11 are free/);
  assert.deepEqual(held(it.link.agent), ["app/main 1-2,9-10"]);
  assert.equal(run(it, { ...daemon, id: "id-main-2" }), "1-2,9-10");
  assert.deepEqual(held(it.link.agent), []);
});

Deno.test("what is held is given up for pods that have ended unnoticed, once that is seen twice", () => {
  const { link, kernel } = rig();
  run({ link, kernel }, other);
  link.stop(other);
  const count = (...ids: string[]) => link.feed({ kind: "counted", living: livingOf(ids) });
  for (const ids of [["id-other"], [], ["id-other"], []]) count(...ids);
  assert.equal(link.claimed, "1-2,9-10");
  count();
  assert.equal(link.claimed, "");
});

Deno.test("a new agent asks for a list of what has stopped, and holds that for pods that live", () => {
  const { link } = rig();
  const count = () => link.feed({ kind: "counted", living: livingOf([]) });
  count();
  assert.deepEqual(link.askedFor, ["list"]);
  const stopped = (wanted: Wanted, cpus: string) =>
    containerOf({ ...wanted, record: cpus, state: ContainerState.CONTAINER_STOPPED });
  const pods = [{ ...podOf(other), pid: 7 }, podOf(main)];
  const containers = [stopped(other, "3-4,11-12"), stopped(main, "1-2,5-14")];
  link.feed({ kind: "listed", listing: { pods, containers } });
  assert.deepEqual(held(link.agent), ["other/c 3-4,11-12"], "the other pod's sandbox has no process");
  link.asked.length = 0;
  count();
  assert.deepEqual(link.askedFor, []);
});

Deno.test("of a container that has been restarted it holds what the last one had, in whatever order they are listed", () => {
  const attempts = ([["1-2,9-10", 1n], ["3-4", 3n], ["5-6", 2n]] as const).map(([record, createdAt], at) => {
    const cpus = record === "1-2,9-10" ? 4 : 2;
    const state = ContainerState.CONTAINER_STOPPED;
    return containerOf({ ...other, id: `id-${at}`, cpus, record, createdAt, state });
  });
  const pods = [{ ...podOf(other), pid: 7 }];
  for (const containers of [attempts, attempts.toReversed()]) {
    const { link } = rig();
    link.feed({ kind: "counted", living: livingOf([]) });
    link.feed({ kind: "listed", listing: { pods, containers } });
    assert.deepEqual(held(link.agent), ["other/c 3-4"]);
    link.register();
    link.configure();
    link.ask("Synchronize", { pods, containers, more: false });
    assert.deepEqual(held(link.agent), ["other/c 3-4"]);
    const fresh = Link.configured(EIGHT_CORES);
    fresh.ask("Synchronize", { pods, containers, more: false });
    assert.deepEqual(held(fresh.agent), ["other/c 3-4"]);
  }
});
