import assert from "node:assert/strict";
import { CgroupError } from "../../../kit/runtime/cgroup_tree.ts";
import { cpusUpdate } from "../../../kit/runtime/scripted_plugin.ts";
import { podOf, withRuntime } from "../../../kit/runtime/with_runtime.ts";

function idOf(run: { containers: Map<string, string> }, name: string): string {
  const id = run.containers.get(name);
  assert(id, `${name} runs`);
  return id;
}

Deno.test("an update writes the whole record: a memory-only one brings its cpuset back", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({ create: () => ({ cpus: "2-3" }) });
    const id = idOf(await runtime.runPod(podOf("p", "main")), "main");
    const { directory } = runtime.container(id).cgroup;
    runtime.tree.write(directory, { cpus: "5" });
    await runtime.updateContainer(id, { memory: 2 ** 27 });
    assert.equal(runtime.tree.read(directory).cpus, "2-3");
    assert.equal(runtime.container(id).resources.memory, 2 ** 27);
  });
});

Deno.test("a record without a cpuset leaves alone what somebody else wrote", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({ create: () => ({}) });
    const id = idOf(await runtime.runPod(podOf("p", "main")), "main");
    const { directory } = runtime.container(id).cgroup;
    runtime.tree.write(directory, { cpus: "5" });
    await runtime.updateContainer(id, { memory: 2 ** 27 });
    assert.equal(runtime.tree.read(directory).cpus, "5");
  });
});

Deno.test("the plugin's answer to an update changes record and cgroup, and Post comes last", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const plugin = await plug({
      create: () => ({ cpus: "1" }),
      update: ({ container, linuxResources }) => {
        assert.equal(linuxResources?.cpu?.quota?.value, 200_000n);
        return [cpusUpdate(container?.id ?? "", "1-2")];
      },
    });
    const id = idOf(await runtime.runPod(podOf("p", "main")), "main");
    await runtime.updateContainer(id, { quota: 200_000 });
    assert.equal(runtime.container(id).resources.quota, 200_000);
    assert.equal(`${runtime.cpusOf(id)}`, "1-2");
    assert.deepEqual(plugin.calls.slice(-2), ["UpdateContainer", "PostUpdateContainer"]);
  });
});

Deno.test("an update that the plugin refuses, or the kernel, is thrown and changes nothing", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    let refuse = true;
    await plug({
      create: () => ({ cpus: "1" }),
      update: () => {
        if (refuse) throw new Error("no room to grow");
        return [];
      },
    });
    const id = idOf(await runtime.runPod(podOf("p", "main")), "main");
    const before = runtime.container(id).resources;
    await assert.rejects(runtime.updateContainer(id, { quota: 300_000 }), { message: "no room to grow" });
    refuse = false;
    await assert.rejects(
      runtime.updateContainer(id, { cpus: "64" }),
      (error: unknown) => error instanceof CgroupError && error.code === "ERANGE",
    );
    assert.deepEqual(runtime.container(id).resources, before);
    assert.equal(`${runtime.cpusOf(id)}`, "1");
  });
});
