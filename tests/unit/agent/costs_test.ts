/** What an event costs, in what can be counted: updates, writes and bytes are those of what changes, and of nothing else. */
import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import type { AgentOptions } from "../../../src/agent/agent.ts";
import { ContainerUpdateSchema, Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link, subject } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { decode, encode } from "../../kit/runtime_end.ts";
import { bigNode } from "../../kit/sysfs.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";

const COUNTS = [10, 100];
const DB: Wanted = { name: "db", cpus: 2 };
const WEB: Wanted = { name: "web" };

/** Shared containers with names of one length, so that messages about them are too. */
function shared(count: number): Wanted[] {
  return Array.from({ length: count }, (_, at) => ({ name: `web-${`${at}`.padStart(4, "0")}` }));
}

/** A node of 64 CPUs where so many run; an exclusive one besides, so that the pool isn't all CPUs. */
function node(count: number, setup: Partial<AgentOptions> = {}, kernel?: FakeKernel): Link {
  const running = shared(count);
  if (kernel !== undefined) {
    kernel.online = CpuSet.range(0, 63);
    for (const { name } of running) kernel.appear(`id-${name}`, kernel.online);
  }
  const link = Link.serving(running, bigNode, { ...kernel && { cpusets: kernel }, ...setup });
  link.create({ name: "first", cpus: 2 });
  settle(link);
  return link;
}

/** All that is left to do between requests. */
function settle(link: Link): void {
  for (let ticks = 0; ticks < 50; ticks++) link.tick(link.now + 20);
}

function creation(link: Link, wanted: Wanted) {
  const event = link.call("CreateContainer", encode("CreateContainer", subject(wanted)));
  assert(event?.kind === "answered" && event.status.code === 0);
  return { bytes: event.payload.length, ...decode("CreateContainer", event.payload) };
}

/** As the kernel was written, sorted; what it is asked from now on counts anew. */
function writes(kernel: FakeKernel): string[] {
  return kernel.written.splice(0).map((write) => write.slice(0, write.indexOf("="))).sort();
}

/** Whose cpusets are written when a container is created, runs, and has ended with its pod. */
function life(link: Link, kernel: FakeKernel, wanted: Wanted) {
  const { adjust, update } = creation(link, wanted);
  assert.deepEqual(update, []);
  const admitted = writes(kernel);
  kernel.appear(`id-${wanted.name}`, adjust?.linux?.resources?.cpu?.cpus ?? "");
  link.start(wanted);
  link.mention(Event.POST_START_CONTAINER, wanted);
  settle(link);
  const running = writes(kernel);
  kernel.sets.delete(`id-${wanted.name}`);
  link.end(wanted);
  settle(link);
  return { admitted, running, ended: writes(kernel) };
}

const IDS = (count: number) => shared(count).map(({ name }) => `id-${name}`);

for (const count of COUNTS) {
  Deno.test(`by the runtime, ${count} shared: an exclusive creation updates each of them once, all others nobody`, () => {
    const link = node(count);
    assert.deepEqual(creation(link, WEB).update, []);
    link.mention(Event.POST_START_CONTAINER, WEB);
    assert.deepEqual(link.stop(WEB), []);
    const updated = creation(link, DB).update.map(({ containerId }) => containerId).sort();
    assert.deepEqual(updated, IDS(count));
  });

  Deno.test(`kernel-first, ${count} shared: a claim and its end write each of them once, a shared one only itself`, () => {
    const kernel = new FakeKernel(1);
    const link = node(count, {}, kernel);
    writes(kernel);
    // The shared one is created with the CPUs of the cgroup above, and gets the pool's when it starts.
    assert.deepEqual(life(link, kernel, WEB), { admitted: [], running: ["id-web"], ended: [] });
    assert.deepEqual(life(link, kernel, DB), { admitted: IDS(count), running: [], ended: IDS(count) });
  });
}

Deno.test("a reply has no bytes but those of its updates, whatever else lives on the node", () => {
  const [[few, fewAlone], [many, manyAlone]] = COUNTS.map((count) => {
    const link = node(count);
    return [creation(link, DB).bytes, creation(link, WEB).bytes];
  }) as [[number, number], [number, number]];
  assert.equal(manyAlone, fewAlone);
  const link = node(1);
  const cpus = creation(link, DB).update[0]?.linux?.resources?.cpu?.cpus;
  const update = create(ContainerUpdateSchema, {
    containerId: "id-web-0000",
    linux: { resources: { cpu: { cpus: cpus ?? "" } } },
  });
  // A field's number and its length take a byte each.
  const each = toBinary(ContainerUpdateSchema, update).length + 2;
  assert.equal(many - few, each * 90);
});
