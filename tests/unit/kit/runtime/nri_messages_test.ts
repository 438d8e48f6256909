import { resourcesMessage } from "../../../../src/manifests/messages.ts";
import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import {
  ContainerRequestSchema,
  ContainerState,
  Event,
  PodRequestSchema,
  StateChangeEventSchema,
} from "../../../../src/nri/gen/nri_pb.ts";
import { NodeState } from "../../../kit/runtime/node_state.ts";
import {
  containerMessage,
  knownEvents,
  notice,
  podMessage,
  resourcesOf,
  subscribed,
} from "../../../kit/runtime/nri_messages.ts";
import { podOf } from "../../../kit/runtime/with_runtime.ts";

function records() {
  const state = new NodeState({ cgroupDriver: "cgroupfs", cfsQuota: true });
  const pod = state.newPod({ ...podOf("p", "main"), annotations: { "weka.io/cores-ids": "1" } });
  const [spec] = pod.spec.containers;
  assert(spec);
  return { state, pod, container: state.newContainer(pod, spec) };
}

Deno.test("resources survive the way into a message and back", () => {
  for (
    const resources of [{}, {
      shares: 2,
      quota: -1,
      period: 100_000,
      memory: 2 ** 40,
      cpus: "0-3",
      mems: "1",
    }]
  ) {
    assert.deepEqual(resourcesOf(resourcesMessage(resources)), resources);
  }
  assert.deepEqual(resourcesOf(undefined), {});
});

Deno.test("a pod's message has its annotations, its cgroup parent and the sum of its resources", () => {
  const { pod } = records();
  const { name, namespace, uid, annotations, linux } = podMessage(pod);
  assert.deepEqual([name, namespace, uid], ["p", "default", pod.uid]);
  assert.deepEqual(annotations, { "weka.io/cores-ids": "1" });
  assert.equal(linux?.cgroupParent, `/kubepods/pod${uid}`);
  assert.equal(linux?.podResources?.cpu?.quota?.value, 100_000n);
});

Deno.test("a container's message follows its state; before NRI 0.10 there is no time of creation", () => {
  const { container, pod } = records();
  const message = containerMessage(container, "0.12");
  assert.equal(message.podSandboxId, pod.id);
  assert.equal(message.state, ContainerState.CONTAINER_CREATED);
  assert.equal(message.pid, 0);
  assert.ok(message.createdAt > 0n);
  assert.equal(containerMessage(container, "0.6").createdAt, 0n);
  container.state = "running";
  assert.equal(containerMessage(container, "0.12").state, ContainerState.CONTAINER_RUNNING);
  assert.equal(containerMessage(container, "0.12").pid, container.pid);
});

Deno.test("an event is a StateChange or a call of its own", () => {
  const { pod, container } = records();
  const old = notice("0.6", Event.START_CONTAINER, pod, container);
  assert.equal(old.method, "StateChange");
  const change = fromBinary(StateChangeEventSchema, old.payload);
  assert.deepEqual([change.event, change.pod?.id, change.container?.id], [
    Event.START_CONTAINER,
    pod.id,
    container.id,
  ]);
  const own = notice("0.12", Event.START_CONTAINER, pod, container);
  assert.equal(own.method, "StartContainer");
  assert.equal(fromBinary(ContainerRequestSchema, own.payload).container?.id, container.id);
  const podCall = notice("0.12", Event.RUN_POD_SANDBOX, pod);
  assert.equal(podCall.method, "RunPodSandbox");
  assert.equal(fromBinary(PodRequestSchema, podCall.payload).pod?.id, pod.id);
});

Deno.test("each version knows its events, and a mask is bits from 1 on", () => {
  assert.equal(knownEvents("0.6"), 0x7ff);
  assert.equal(knownEvents("0.12"), 0x3fff);
  assert.equal(subscribed(0b1000, Event.CREATE_CONTAINER), true);
  assert.equal(subscribed(0b1000, Event.POST_CREATE_CONTAINER), false);
});

Deno.test("ids come from names and counters: the same play gives the same ones", () => {
  const one = records();
  const two = records();
  assert.equal(one.container.id, two.container.id);
  assert.match(one.container.id, /^[0-9a-f]{64}$/);
  assert.match(one.pod.uid, /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
  assert.notEqual(one.state.newPod(one.pod.spec).uid, one.pod.uid);
  assert.notEqual(one.state.newContainer(one.pod, one.container.spec).id, one.container.id);
});
