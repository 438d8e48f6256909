/** What an event costs: containers looked at, files written and updates sent, counted; never a time. */
import assert from "node:assert/strict";
import { IdMap } from "../../../src/ledger/id_map.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";

const [FEW, MANY] = [100, 400] as const;
/** Of shared containers with a class around them. */
const parent = "/kubepods/burstable/pod1";
const other: Wanted = { name: "other", cgroupParent: parent };
const claim: Wanted = { name: "claim", cpus: 2 };

type Setup = NonNullable<ConstructorParameters<typeof Link>[1]>;

interface Way {
  readonly name: string;
  readonly setup: Setup;
  readonly isBlind?: true;
}

const FENCED: Way = { name: "kernel-first, fenced", setup: {} };
const UNFENCED: Way = { name: "kernel-first, without a fence", setup: { fence: "off" } };
const BLIND: Way = { name: "by the runtime", setup: {}, isBlind: true };

/** What each event of one container's life has cost. */
interface Cost {
  readonly event: string;
  /** Containers that the ledger was asked for, or went through. */
  readonly visits: number;
  readonly writes: number;
  readonly updates: number;
}

class CountingKernel extends FakeKernel {
  writes = 0;

  override write(...[writes, deadlineMs]: Parameters<FakeKernel["write"]>): ReturnType<FakeKernel["write"]> {
    this.writes += writes.length;
    return super.write(writes, deadlineMs);
  }
}

const { get, values, keys, map } = IdMap.prototype;
const METHODS = { get, values, keys, map };

/** Containers visited from now on, until it is disposed of. */
class Visits implements Disposable {
  count = 0;

  constructor() {
    const counted = <T>(found: T, visits: number) => {
      this.count += visits;
      return found;
    };
    Object.assign(IdMap.prototype, {
      get(this: IdMap<unknown>, id: string) {
        return counted(get.call(this, id), 1);
      },
      values(this: IdMap<unknown>) {
        return counted(values.call(this), this.size);
      },
      keys(this: IdMap<unknown>) {
        return counted(keys.call(this), this.size);
      },
      map(this: IdMap<unknown>, change: (value: unknown) => unknown) {
        return counted(map.call(this, change), this.size);
      },
    });
  }

  [Symbol.dispose](): void {
    Object.assign(IdMap.prototype, METHODS);
  }
}

/** The life of `wanted` on a node with so many shared containers that run. */
function lifeOf(wanted: Wanted, { setup, isBlind }: Way, live: number): Cost[] {
  const kernel = new CountingKernel(2);
  kernel.online = topologyOf(bigNode).online;
  for (const path of ["/kubepods/burstable", "/kubepods/besteffort"]) kernel.appear(path, "");
  const running = Array.from({ length: live }, (_, at): Wanted => ({ ...other, name: `live${at}` }));
  for (const { name } of running) kernel.appear(`id-${name}`, "");
  const link = Link.serving(running, bigNode, {
    reconcileMs: 0,
    ...setup,
    ...(!isBlind && { cpusets: kernel }),
  });
  settle(link);
  using visits = new Visits();
  const cost = (event: string, play: () => readonly string[] | void): Cost => {
    const [visited, written] = [visits.count, kernel.writes];
    const updates = play()?.length ?? 0;
    return { event, visits: visits.count - visited, writes: kernel.writes - written, updates };
  };
  return [
    cost("RunPodSandbox", () => link.mention(Event.RUN_POD_SANDBOX, wanted)),
    cost("CreateContainer", () => {
      const { cpus, updates } = link.create(wanted, { runs: false });
      kernel.appear(`id-${wanted.name}`, cpus);
      return updates;
    }),
    cost("StartContainer", () => link.start(wanted)),
    cost("PostStartContainer", () => link.mention(Event.POST_START_CONTAINER, wanted)),
    cost("UpdateContainer", () => link.update(wanted)),
    cost("PostUpdateContainer", () => link.mention(Event.POST_UPDATE_CONTAINER, wanted)),
    cost("tick", () => link.tick(link.now + 1)),
    cost("StopContainer", () => {
      kernel.sets.delete(`id-${wanted.name}`);
      return link.stop(wanted);
    }),
    cost("RemoveContainer", () => link.remove(wanted)),
    cost("StopPodSandbox", () => link.mention(Event.STOP_POD_SANDBOX, wanted)),
    cost("growth", () => settle(link)),
  ];
}

/** What the creation of a shared container costs once an exclusive one has come and gone, and all is written. */
function costAfterChange({ setup }: Way, live: number): number {
  const kernel = new CountingKernel(2);
  kernel.online = topologyOf(bigNode).online;
  for (const path of ["/kubepods/burstable", "/kubepods/besteffort"]) kernel.appear(path, "");
  const running = Array.from({ length: live }, (_, at): Wanted => ({ ...other, name: `live${at}` }));
  for (const { name } of running) kernel.appear(`id-${name}`, "");
  const link = Link.serving(running, bigNode, { reconcileMs: 0, ...setup, cpusets: kernel });
  settle(link);
  kernel.appear(`id-${claim.name}`, link.create(claim, { runs: false }).cpus);
  link.start(claim);
  kernel.sets.delete(`id-${claim.name}`);
  link.stop(claim);
  link.mention(Event.STOP_POD_SANDBOX, claim);
  settle(link);
  using visits = new Visits();
  link.create(other, { runs: false });
  return visits.count;
}

/** All slices of writes are made; gives the updates that the runtime is asked to apply besides. */
function settle(link: Link): string[] {
  for (let ticks = 0; ticks < 20; ticks++) link.tick(link.now + 1);
  return link.applied();
}

for (const way of [FENCED, UNFENCED, BLIND]) {
  Deno.test(`${way.name}: the events of a shared container cost the same however many there are`, () => {
    assert.deepEqual(lifeOf(other, way, MANY), lifeOf(other, way, FEW));
  });
}

for (const way of [FENCED, UNFENCED]) {
  Deno.test(`${way.name}: a creation costs the same however many have just been written`, () => {
    assert.equal(costAfterChange(way, MANY), costAfterChange(way, FEW));
  });
}

/** Entries of maps and arrays gone through or copied, until it is disposed of. */
class Passes implements Disposable {
  count = 0;
  readonly #methods = [
    [Map.prototype, Map.prototype.set],
    [Array.prototype, Array.prototype.filter],
    [Array.prototype, Array.prototype.map],
    [Array.prototype, Array.prototype.flatMap],
    [Array.prototype, Array.prototype.find],
  ] as const;

  constructor() {
    for (const [prototype, method] of this.#methods) {
      const noted = (size: number) => this.count += size;
      Object.assign(prototype, {
        [method.name](this: Map<unknown, unknown> | unknown[], ...args: never[]) {
          // A map is copied by setting each of its entries.
          noted(Array.isArray(this) ? this.length : 1);
          return (method as (...args: never[]) => unknown).apply(this, args);
        },
      });
    }
  }

  [Symbol.dispose](): void {
    for (const [prototype, method] of this.#methods) Object.assign(prototype, { [method.name]: method });
  }
}

/** What each event of one container costs on standby, where so many are listed and so many have been created since. */
function costsOnStandby(live: number): string[] {
  const running = Array.from({ length: live }, (_, at): Wanted => ({ ...other, name: `live${at}` }));
  const link = Link.serving(running, bigNode, { standby: true, cpusets: new FakeKernel(2) });
  for (let at = 0; at < live; at++) link.create({ name: `new${at}` });
  const events: Record<string, () => unknown> = {
    create: () => link.create(other, { runs: false }),
    start: () => link.start(other),
    update: () => link.update(other),
    stop: () => link.stop(other),
    "stop a listed one": () => link.stop({ ...other, name: "live7" }),
    "stop its pod": () => link.mention(Event.STOP_POD_SANDBOX, { ...other, name: "live8" }),
    "stop another's pod": () => link.mention(Event.STOP_POD_SANDBOX, { name: "new8" }),
  };
  return Object.entries(events).map(([name, play]) => {
    using visits = new Visits();
    using passes = new Passes();
    play();
    return `${name}: ${visits.count} ${passes.count}`;
  });
}

Deno.test("on standby an event costs the same however many were received", () => {
  assert.deepEqual(costsOnStandby(MANY), costsOnStandby(FEW));
});

Deno.test("fenced: those of an exclusive one do too, and each fence is written once to shrink and once to grow", () => {
  const costs = lifeOf(claim, FENCED, MANY);
  assert.deepEqual(costs, lifeOf(claim, FENCED, FEW));
  assert.deepEqual(written(costs), ["CreateContainer 2", "growth 2"]);
});

Deno.test("without a fence each shared container is written once to shrink and once to grow", () => {
  for (const live of [FEW, MANY]) {
    assert.deepEqual(written(lifeOf(claim, UNFENCED, live)), [`CreateContainer ${live}`, `growth ${live}`]);
  }
});

Deno.test("by the runtime each shared container is sent one update with the claim and one after its end", () => {
  for (const live of [FEW, MANY]) {
    const sent = lifeOf(claim, BLIND, live).filter(({ updates }) => updates > 0);
    assert.deepEqual(
      sent.map(({ event, updates }) => `${event} ${updates}`),
      [`CreateContainer ${live}`, "UpdateContainer 1", `growth ${live}`],
    );
  }
});

function written(costs: readonly Cost[]): string[] {
  return costs.filter(({ writes }) => writes > 0).map(({ event, writes }) => `${event} ${writes}`);
}
