import assert from "node:assert/strict";
import type { EmbeddedRuntime } from "../../../kit/runtime/runtime.ts";
import { cpusUpdate, type UpdateInit } from "../../../kit/runtime/scripted_plugin.ts";
import { podOf, type Stage, withRuntime } from "../../../kit/runtime/with_runtime.ts";

/** Runs `first`, alone; then each creation is answered with `updates` of it. */
async function withUpdates(
  { runtime, plug }: Stage,
  updates: (first: string) => UpdateInit[],
): Promise<{ first: string; next: (name: string) => ReturnType<EmbeddedRuntime["runPod"]> }> {
  let first = "";
  const plugin = await plug({ create: () => ({ cpus: "0-3", update: first === "" ? [] : updates(first) }) });
  first = (await runtime.runPod(podOf("first", "main"))).containers.get("main") ?? "";
  assert.equal(plugin.calls.includes("CreateContainer"), true);
  return { first, next: (name) => runtime.runPod(podOf(name, "main")) };
}

Deno.test("updates in a reply are applied in order before the new container starts", async () => {
  await withRuntime({}, async (stage) => {
    const { runtime } = stage;
    const { first, next } = await withUpdates(
      stage,
      (id) => [cpusUpdate("nobody", "7"), cpusUpdate(id, "1-3")],
    );
    const { refused } = await next("second");
    assert.deepEqual(refused, []);
    assert.equal(`${runtime.cpusOf(first)}`, "1-3");
    const order = runtime.log.events.map((event) => event.kind === "call" ? event.event : event.kind);
    assert.ok(order.lastIndexOf("updated") < order.lastIndexOf("StartContainer"));
  });
});

Deno.test("a failing update in a reply is told to nobody: the new container starts, record and cgroup are as before", async () => {
  await withRuntime({}, async (stage) => {
    const { runtime } = stage;
    const { first, next } = await withUpdates(stage, (id) => [cpusUpdate(id, "1-3")]);
    runtime.faults.onUpdate(1, { kind: "fail", message: "a child cgroup holds CPU 0" });
    const { refused } = await next("second");
    assert.deepEqual(refused, []);
    assert.equal(`${runtime.cpusOf(first)}`, "0-3");
    assert.equal(runtime.container(first).resources.cpus, "0-3");
    assert.match(runtime.log.of("update-failed")[0]?.message ?? "", /a child cgroup holds CPU 0/);
    await next("third");
    assert.equal(`${runtime.cpusOf(first)}`, "1-3");
  });
});

Deno.test("the k-th update from now on is the one that goes wrong", async () => {
  await withRuntime({}, async (stage) => {
    const { runtime } = stage;
    const { first } = await withUpdates(stage, () => []);
    runtime.faults.onUpdate(2, { kind: "fail" });
    await runtime.updateContainer(first, { cpus: "1" });
    await assert.rejects(runtime.updateContainer(first, { cpus: "2" }), /a fault that was asked for/);
    await runtime.updateContainer(first, { cpus: "3" });
    assert.equal(`${runtime.cpusOf(first)}`, "3");
  });
});

Deno.test("a lost update is in the record and never in the cgroup", async () => {
  await withRuntime({}, async (stage) => {
    const { runtime } = stage;
    const { first, next } = await withUpdates(stage, (id) => [cpusUpdate(id, "1-3")]);
    runtime.faults.onUpdate(1, { kind: "lose" });
    await next("second");
    assert.equal(runtime.container(first).resources.cpus, "1-3");
    assert.equal(`${runtime.cpusOf(first)}`, "0-3");
  });
});

Deno.test("a delayed update in a reply keeps the whole node waiting", async () => {
  await withRuntime({}, async (stage) => {
    const { runtime } = stage;
    const { first, next } = await withUpdates(stage, (id) => [cpusUpdate(id, "1-3")]);
    const gate = Promise.withResolvers<void>();
    runtime.faults.onUpdate(1, { kind: "delay", until: gate.promise });
    const second = next("second");
    const third = next("third");
    const called = () => runtime.log.of("call").filter((call) => call.event === "CreateContainer").length;
    await runtime.log.until(() => called() === 2, "no second creation", 5000);
    assert.equal(`${runtime.cpusOf(first)}`, "0-3");
    gate.resolve();
    await Promise.all([second, third]);
    assert.equal(called(), 3);
    assert.equal(`${runtime.cpusOf(first)}`, "1-3");
  });
});

Deno.test("an update that meets a container on its start is lost in it", async () => {
  await withRuntime({}, async (stage) => {
    const { runtime, plug } = stage;
    let starting = "";
    await plug({
      create: () => ({ cpus: "0-3", update: starting === "" ? [] : [cpusUpdate(starting, "1-3")] }),
    });
    const gate = Promise.withResolvers<void>();
    runtime.faults.hold("start", gate.promise);
    const pod = await runtime.createPod(podOf("first", "main"));
    starting = await runtime.createContainer(pod, "main");
    const start = runtime.startContainer(starting);
    await runtime.runPod(podOf("second", "main"));
    gate.resolve();
    await start;
    assert.equal(runtime.container(starting).resources.cpus, "1-3");
    assert.equal(`${runtime.cpusOf(starting)}`, "0-3");
    assert.equal(runtime.log.of("update-lost").length, 1);
  });
});

Deno.test("an update before the start is in the record, and so in the cgroup when it appears", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({ create: () => ({ cpus: "0-3" }) });
    const pod = await runtime.createPod(podOf("first", "main"));
    const id = await runtime.createContainer(pod, "main");
    await runtime.updateContainer(id, { cpus: "1" });
    await runtime.startContainer(id);
    assert.equal(`${runtime.cpusOf(id)}`, "1");
  });
});

Deno.test("the next creation can come before the undo of a failed one", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    let refusals = 1;
    const plugin = await plug({
      create: () => {
        if (refusals-- > 0) throw new Error("not now");
        return {};
      },
    });
    const pod = await runtime.createPod(podOf("p", "main"));
    const gate = Promise.withResolvers<void>();
    runtime.faults.hold("undo", gate.promise);
    const failed = assert.rejects(runtime.createContainer(pod, "main"), /not now/);
    await runtime.createContainer(pod, "main");
    gate.resolve();
    await failed;
    const late = [
      "CreateContainer",
      "CreateContainer",
      "PostCreateContainer",
      "StopContainer",
      "RemoveContainer",
    ];
    assert.deepEqual(plugin.calls.slice(-5), late);
  });
});

Deno.test("two writes of one field of one container in a reply fail the creation, and nothing is applied", async () => {
  await withRuntime({}, async (stage) => {
    const { first, next } = await withUpdates(stage, (id) => [cpusUpdate(id, "1"), cpusUpdate(id, "2")]);
    const { refused } = await next("second");
    assert.match(refused[0]?.message ?? "", /both set cpus/);
    assert.equal(`${stage.runtime.cpusOf(first)}`, "0-3");
  });
});

Deno.test("an update of the container being created fails its creation", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({ create: (_pod, { id }) => ({ update: [cpusUpdate(id, "1")] }) });
    const { refused } = await runtime.runPod(podOf("p", "main"));
    assert.match(refused[0]?.message ?? "", /which is being created/);
  });
});

Deno.test("unsolicited updates are applied; a failure is an error that names nobody, the others go on", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const plugin = await plug({ create: () => ({ cpus: "0" }) });
    const { containers } = await runtime.runPod(podOf("p", "a", "b"));
    const [a = "", b = ""] = containers.values();
    await plugin.updateContainers([cpusUpdate(a, "1"), cpusUpdate("nobody", "1")]);
    assert.equal(`${runtime.cpusOf(a)}`, "1");
    const mixed = [cpusUpdate(a, "99"), cpusUpdate(b, "2")];
    await assert.rejects(plugin.updateContainers(mixed), /1 of 2 updates failed/);
    assert.equal(`${runtime.cpusOf(b)}`, "2");
    await plugin.updateContainers([{ ...cpusUpdate(a, "99"), ignoreFailure: true }]);
    assert.equal(`${runtime.cpusOf(a)}`, "1");
  });
});

Deno.test("a dropped plugin may come back", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const plugin = await plug();
    runtime.dropPlugin();
    await plugin.gone();
    await runtime.pluginGone();
    await plug({ create: () => ({ cpus: "5" }) });
    const { containers } = await runtime.runPod(podOf("p", "main"));
    assert.equal(`${runtime.cpusOf(containers.get("main") ?? "")}`, "5");
  });
});

Deno.test("a connection can be cut in the middle of a frame, wherever that falls", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    for (const bytes of [0, 1, 7, 9, 100]) {
      const plugin = await plug({ events: 1 << 3 });
      runtime.dropPlugin(bytes);
      const { refused } = await runtime.runPod(podOf("p", "main"));
      assert.deepEqual(refused, [], `${bytes} bytes`);
      await runtime.pluginGone();
      await plugin.gone();
      assert.equal(plugin.calls.includes("CreateContainer"), false, `${bytes} bytes`);
    }
    assert.equal(runtime.log.of("unplaced").length, 5);
  });
});
