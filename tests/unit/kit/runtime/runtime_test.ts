import assert from "node:assert/strict";
import { readManifests } from "../../../../src/manifests/manifest.ts";
import { Refused } from "../../../kit/runtime/plugin_link.ts";
import { cpusUpdate } from "../../../kit/runtime/scripted_plugin.ts";
import { podOf, withRuntime } from "../../../kit/runtime/with_runtime.ts";

function idOf(run: { containers: Map<string, string> }, name: string): string {
  const id = run.containers.get(name);
  assert(id, `${name} runs`);
  return id;
}

Deno.test("an adjustment is in the record at once and in the cgroup from the start on", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({ create: () => ({ cpus: "2-3" }) });
    const pod = await runtime.createPod(podOf("p", "main"));
    const id = await runtime.createContainer(pod, "main");
    const { resources, cgroup } = runtime.container(id);
    assert.equal(resources.cpus, "2-3");
    assert.equal(runtime.tree.exists(cgroup.directory), false);
    await runtime.startContainer(id);
    assert.equal(runtime.tree.read(cgroup.directory).cpus, "2-3");
    assert.equal(`${runtime.cpusOf(id)}`, "2-3");
  });
});

Deno.test("a container without an adjustment may use every CPU", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({ create: () => ({}) });
    const run = await runtime.runPod(podOf("p", "main"));
    const id = idOf(run, "main");
    assert.equal(`${runtime.cpusOf(id)}`, "0-7");
    assert.equal(runtime.container(id).resources.cpus, undefined);
  });
});

Deno.test("the events of a pod's life come in order, as dedicated calls", async () => {
  await withRuntime({ nri: "0.12" }, async ({ runtime, plug }) => {
    const plugin = await plug();
    const { id } = await runtime.runPod(podOf("p", "main"));
    await runtime.removePod(id);
    assert.deepEqual(plugin.calls, [
      "Configure",
      "Synchronize",
      "RunPodSandbox",
      "CreateContainer",
      "PostCreateContainer",
      "StartContainer",
      "PostStartContainer",
      "StopContainer",
      "StopPodSandbox",
      "RemoveContainer",
      "RemovePodSandbox",
    ]);
  });
});

Deno.test("before NRI 0.12 the events without a reply come as StateChange", async () => {
  await withRuntime({ nri: "0.6" }, async ({ runtime, plug }) => {
    const plugin = await plug();
    const { id } = await runtime.runPod(podOf("p", "main"));
    await runtime.removePod(id);
    assert.deepEqual(plugin.calls.slice(2), [
      "StateChange:RUN_POD_SANDBOX",
      "CreateContainer",
      "StateChange:POST_CREATE_CONTAINER",
      "StateChange:START_CONTAINER",
      "StateChange:POST_START_CONTAINER",
      "StopContainer",
      "StateChange:STOP_POD_SANDBOX",
      "StateChange:REMOVE_CONTAINER",
      "StateChange:REMOVE_POD_SANDBOX",
    ]);
  });
});

Deno.test("a plugin gets the events that it asked for and no others", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const createAndRemove = (1 << 3) | (1 << 10);
    const plugin = await plug({ events: createAndRemove });
    const { id } = await runtime.runPod(podOf("p", "main"));
    await runtime.removePod(id);
    assert.deepEqual(plugin.calls.slice(2), ["CreateContainer", "RemoveContainer"]);
  });
});

Deno.test("a refused creation throws the plugin's message, after Stop and Remove of what never was", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const plugin = await plug({
      create: () => {
        throw new Error("cpuset: needs 8 exclusive CPUs, 6 are free");
      },
    });
    const pod = await runtime.createPod(podOf("p", "main"));
    await assert.rejects(
      runtime.createContainer(pod, "main"),
      (error: unknown) =>
        error instanceof Refused && error.message === "cpuset: needs 8 exclusive CPUs, 6 are free",
    );
    assert.deepEqual(plugin.calls.slice(-3), ["CreateContainer", "StopContainer", "RemoveContainer"]);
    assert.equal(runtime.containers().length, 0);
  });
});

Deno.test("a refused container doesn't keep its neighbours from running, and the run lists it", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({
      create: (_pod, container) => {
        if (container.name === "greedy") throw new Error("too much");
        return { cpus: "1" };
      },
    });
    const run = await runtime.runPod(podOf("p", "greedy", "modest"));
    assert.deepEqual(run.refused, [{ container: "greedy", message: "too much" }]);
    assert.deepEqual([...run.containers.keys()], ["modest"]);
  });
});

Deno.test("an init container ends before the next begins, a side-car stays, a refused one stops the pod", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    let refused = "";
    await plug({
      create: (_pod, container) => {
        if (container.name === refused) throw new Error("no");
        return {};
      },
    });
    const [spec] = readManifests(`
kind: Pod
metadata: { name: p }
spec:
  initContainers: [{ name: prepare }, { name: proxy, restartPolicy: Always }]
  containers: [{ name: main }]
`);
    assert(spec);
    await runtime.runPod(spec);
    const states = runtime.containers().map((each) => [each.spec.name, each.state]);
    assert.deepEqual(states, [["prepare", "exited"], ["proxy", "running"], ["main", "running"]]);
    refused = "prepare";
    const second = await runtime.runPod({ ...spec, name: "q" });
    assert.equal(second.refused.length, 1);
    assert.equal(second.containers.size, 0);
  });
});

Deno.test("a start that the plugin refuses leaves no process and no cgroup", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const plugin = await plug({
      notice: (event) => {
        if (event === "StartContainer") throw new Error("the cgroup is too wide");
      },
    });
    const pod = await runtime.createPod(podOf("p", "main"));
    const id = await runtime.createContainer(pod, "main");
    await assert.rejects(runtime.startContainer(id), { name: "Refused", message: "the cgroup is too wide" });
    const { state, cgroup } = runtime.container(id);
    assert.equal(state, "exited");
    assert.equal(runtime.tree.exists(cgroup.directory), false);
    assert.deepEqual(plugin.calls.slice(-2), ["StartContainer", "StopContainer"]);
  });
});

Deno.test("an adjustment that the kernel can't have fails the start", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({ create: () => ({ cpus: "99" }) });
    const run = await runtime.runPod(podOf("p", "main"));
    assert.match(run.refused[0]?.message ?? "", /^ERANGE: this machine has no CPU 99/);
    assert.equal(runtime.containers().length, 0);
  });
});

Deno.test("a container that runs again in its pod has another id and counts its attempts", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug();
    const { id: pod, containers } = await runtime.runPod(podOf("p", "main"));
    const first = containers.get("main") ?? "";
    await runtime.stopContainer(first);
    const second = await runtime.createContainer(pod, "main");
    assert.notEqual(first, second);
    assert.deepEqual(runtime.containers().map((each) => each.attempt), [0, 1]);
  });
});

Deno.test("StopContainer is called once a container, and its reply may carry updates", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const other: string[] = [];
    const plugin = await plug({
      stop: () => other.map((id) => cpusUpdate(id, "0-7")),
      create: () => ({ cpus: "1" }),
    });
    const keeps = idOf(await runtime.runPod(podOf("keeps", "main")), "main");
    other.push(keeps);
    const ends = idOf(await runtime.runPod(podOf("ends", "main")), "main");
    await runtime.stopContainer(ends);
    await runtime.removeContainer(ends);
    assert.equal(plugin.calls.filter((call) => call === "StopContainer").length, 1);
    assert.equal(`${runtime.cpusOf(keeps)}`, "0-7");
  });
});

Deno.test("under the systemd driver a container is a scope in its pod's slice", async () => {
  await withRuntime({ cgroupDriver: "systemd" }, async ({ runtime, plug }) => {
    const seen: string[] = [];
    await plug({
      create: (pod, container) => {
        seen.push(pod.linux?.cgroupParent ?? "", container.linux?.cgroupsPath ?? "");
        return { cpus: "4" };
      },
    });
    const id = idOf(await runtime.runPod(podOf("p", "main")), "main");
    assert.match(seen[0] ?? "", /^\/kubepods\.slice\/kubepods-pod[0-9a-f_]{36}\.slice$/);
    assert.match(seen[1] ?? "", /^kubepods-pod[0-9a-f_]{36}\.slice:cri-containerd:[0-9a-f]{64}$/);
    assert.equal(`${runtime.cpusOf(id)}`, "4");
  });
});

Deno.test("the classes' cgroups are there before the first pod, under both drivers", async () => {
  for (
    const [cgroupDriver, parent] of [["cgroupfs", "/kubepods/"], [
      "systemd",
      "/kubepods.slice/kubepods-",
    ]] as const
  ) {
    await withRuntime({ cgroupDriver }, ({ runtime: { tree } }) => {
      const end = cgroupDriver === "systemd" ? ".slice" : "";
      for (const qos of ["burstable", "besteffort"]) assert(tree.exists(`${parent}${qos}${end}`), qos);
      return Promise.resolve();
    });
  }
});

Deno.test("what is asked of a container or pod that isn't there is an error of the test", async () => {
  await withRuntime({}, async ({ runtime }) => {
    await assert.rejects(runtime.startContainer("c"), /there is no container c/);
    await assert.rejects(runtime.removePod("p"), /there is no pod p/);
    const pod = await runtime.createPod(podOf("p", "main"));
    await assert.rejects(runtime.createContainer(pod, "other"), /pod p has no container other/);
    const id = await runtime.createContainer(pod, "main");
    await runtime.startContainer(id);
    await assert.rejects(runtime.startContainer(id), /p\/main can't start: it is running/);
  });
});

Deno.test("updates in a reply are applied before the new container starts; one that fails changes nothing", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const sent: string[] = [];
    let first = "";
    await plug({
      create: () => ({ cpus: "0-3", update: sent.splice(0).map((cpus) => cpusUpdate(first, cpus)) }),
    });
    first = idOf(await runtime.runPod(podOf("first", "main")), "main");
    sent.push("1-3");
    await runtime.runPod(podOf("second", "main"));
    assert.equal(`${runtime.cpusOf(first)}`, "1-3");
    const order = runtime.log.events.map((event) => event.kind === "call" ? event.event : event.kind);
    assert(order.lastIndexOf("updated") < order.lastIndexOf("StartContainer"));
    sent.push("99");
    assert.deepEqual((await runtime.runPod(podOf("third", "main"))).refused, []);
    assert.equal(runtime.container(first).resources.cpus, "1-3");
    assert.match(runtime.log.of("update-failed")[0]?.message ?? "", /no CPU 99/);
  });
});

Deno.test("a connection can be cut in the middle of a frame, wherever that falls", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    for (const bytes of [0, 1, 7, 9, 100]) {
      const plugin = await plug({ events: 1 << 3 });
      runtime.dropPlugin(bytes);
      assert.deepEqual((await runtime.runPod(podOf("p", "main"))).refused, [], `${bytes} bytes`);
      await runtime.pluginGone();
      await plugin.gone();
      assert.equal(plugin.calls.includes("CreateContainer"), false, `${bytes} bytes`);
    }
    assert.equal(runtime.log.of("unplaced").length, 5);
  });
});
