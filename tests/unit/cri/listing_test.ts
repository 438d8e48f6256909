import assert from "node:assert/strict";
import { CriError } from "../../../src/cri/client.ts";
import { listing, living } from "../../../src/cri/listing.ts";
import { ContainerState } from "../../../src/nri/gen/nri_pb.ts";
import { ContainerState as CriState, PodSandboxState } from "../../../src/cri/gen/cri_pb.ts";
import { Recorded, RecordedClient } from "../../kit/cri_recordings.ts";

const GONE = new CriError("ContainerStatus failed: not found", true);
const BROKEN = new CriError("ContainerStatus was not answered within 2 s", false);

/** A runtime with a shared container in one pod, an exclusive and a created one in another, and one that ended. */
function runtime(failing: Record<string, Error> = {}): RecordedClient {
  return new RecordedClient(new Recorded("containerd-1.7.24"), failing);
}

const [shared = "", exclusive = "", created = "", ended = ""] = runtime().recorded.list.containers.map((
  { id },
) => id);
const [sharedPod = "", exclusivePod = ""] = runtime().recorded.pods.map(({ status }) => status?.id);

Deno.test("containers that run or may run are listed with their pods, and ended ones of pods that live", async () => {
  const client = runtime();
  const last = client.recorded.list.containers.find(({ id }) => id === ended);
  if (last !== undefined && exclusivePod !== undefined) last.podSandboxId = exclusivePod;
  const { containers, pods } = await listing(client);
  assert.deepEqual(containers.map(({ id }) => id), [shared, exclusive, created]);
  assert.deepEqual(containers.map(({ podSandboxId }) => podSandboxId), [
    sharedPod,
    exclusivePod,
    exclusivePod,
  ]);
  assert.deepEqual(containers.map(({ linux }) => linux?.resources?.cpu?.cpus), ["0", "1", "0"]);
  assert.deepEqual(pods.map(({ id, name }) => [id, name]), [[sharedPod, "p1"], [exclusivePod, "p2"]]);
  assert.deepEqual(pods.map(({ pid }) => pid > 0), [true, true]);
  assert.equal(client.asked.filter((call) => call.includes(ended)).length, 1);
  assert.equal(client.asked.length, 2 + 4 + 2);
});

Deno.test("no call is made for containers of a pod that has ended which have ended too, or were never started", async () => {
  const client = runtime();
  for (const { status } of client.recorded.pods) if (status) status.state = PodSandboxState.SANDBOX_NOTREADY;
  const { pods, containers } = await listing(client);
  assert.deepEqual(client.asked.filter((call) => call.includes(ended) || call.includes(created)), []);
  assert.deepEqual(containers.map(({ id }) => id), [shared, exclusive]);
  assert.deepEqual(pods.map(({ pid }) => pid), [0, 0]);
  const alive = await living(client);
  assert.deepEqual([[...alive.containers], alive.sandboxes.size], [[shared, exclusive], 0]);
});

Deno.test("a container that is removed between two calls is left out, and one that ends has stopped", async () => {
  assert.deepEqual((await listing(runtime({ [shared]: GONE }))).containers.map(({ id }) => id), [
    exclusive,
    created,
  ]);

  const client = runtime();
  const answer = client.recorded.containers[1];
  assert(answer?.status);
  answer.status.state = CriState.CONTAINER_EXITED;
  const { containers } = await listing(client);
  const stopped = containers.filter(({ state }) => state === ContainerState.CONTAINER_STOPPED);
  assert.deepEqual([containers.length, stopped.map(({ id }) => id)], [3, [exclusive]]);

  const { pods } = await listing(runtime({ [sharedPod]: GONE }));
  assert.deepEqual(pods.map(({ id }) => id), [exclusivePod]);
});

Deno.test("a node without containers has an empty list", async () => {
  const client = runtime();
  client.recorded.list.containers = [];
  assert.deepEqual(await listing(client), { containers: [], pods: [] });
});

Deno.test("when any other call fails there is no list: an exclusive container would lose its CPUs", async () => {
  for (const id of [exclusive, exclusivePod]) {
    await assert.rejects(listing(runtime({ [id]: BROKEN })), BROKEN);
  }
});

Deno.test("a large node is listed with eight calls at a time", async () => {
  const client = runtime();
  const [container] = client.recorded.list.containers;
  assert(container);
  client.recorded.list.containers = Array.from({ length: 100 }, () => container);
  const { containers, pods } = await listing(client);
  assert.equal(containers.length, 100);
  assert.equal(pods.length, 1);
  assert.equal(client.busiest, 8);
});
