import assert from "node:assert/strict";
import { cpusUpdate, type PluginScript, ScriptedPlugin } from "../../../kit/runtime/scripted_plugin.ts";
import { podOf, withRuntime } from "../../../kit/runtime/with_runtime.ts";

const never = () => new Promise<never>(() => {});

Deno.test("the socket is its owner's alone and goes when the runtime is closed", async () => {
  let path = "";
  await withRuntime({}, async ({ socketPath }) => {
    path = socketPath;
    const { mode } = await Deno.stat(socketPath);
    assert.equal((mode ?? 0) & 0o777, 0o600);
  });
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("registering takes a name and an index of two digits", async () => {
  await withRuntime({}, async ({ runtime, socketPath, plug }) => {
    const refused: [PluginScript, RegExp][] = [
      [{ index: "7" }, /"7" is no plugin index; write two digits/],
      [{ index: "100" }, /two digits/],
      [{ index: "ab" }, /two digits/],
      [{ name: "" }, /needs a name/],
    ];
    for (const [script, message] of refused) {
      await assert.rejects(ScriptedPlugin.register(socketPath, script), message);
    }
    await plug({ name: "cpus", index: "07" });
    assert.deepEqual(runtime.log.of("registered").map((event) => event.plugin), ["07-cpus"]);
  });
});

Deno.test("a plugin that doesn't register in time is cut off", async () => {
  await withRuntime({ registrationTimeoutMs: 10 }, async ({ runtime, socketPath }) => {
    const plugin = await ScriptedPlugin.connect(socketPath);
    await plugin.gone();
    await runtime.pluginGone();
    assert.match(runtime.log.of("gone")[0]?.reason ?? "", /did not register within 10 ms/);
  });
});

Deno.test("asking for an event that the played NRI doesn't know costs the connection", async () => {
  for (
    const [nri, events, known] of [["0.6", 1 << 11, false], ["0.6", 1 << 10, true], [
      "0.12",
      1 << 13,
      true,
    ]] as const
  ) {
    await withRuntime({ nri }, async ({ runtime, socketPath }) => {
      const plugin = await ScriptedPlugin.register(socketPath, { events });
      if (known) return await runtime.pluginReady().finally(() => plugin.close());
      await plugin.gone();
      await runtime.pluginGone();
      assert.match(runtime.log.of("gone")[0]?.reason ?? "", /does not know: 0x800/);
    });
  }
});

Deno.test("Synchronize lists what was there before, and its updates are applied", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const running = await runtime.runPod(podOf("running", "main"));
    const ended = await runtime.runPod(podOf("ended", "main"));
    await runtime.stopPod(ended.id);
    const id = running.containers.get("main") ?? "";
    const seen: string[] = [];
    await plug({
      synchronize: ({ pods, containers, more }) => {
        seen.push(...pods.map((pod) => pod.name), ...containers.map((container) => container.id));
        return { update: [cpusUpdate(id, "6"), cpusUpdate("unknown", "7")], more };
      },
    });
    assert.deepEqual(seen, ["running", "ended", id]);
    assert.equal(`${runtime.cpusOf(id)}`, "6");
  });
});

Deno.test("a Synchronize can be split into messages", async () => {
  await withRuntime({ syncSplit: 2 }, async ({ runtime, plug }) => {
    for (const name of ["a", "b", "c"]) await runtime.runPod(podOf(name, "one", "two"));
    const messages: [number, number, boolean][] = [];
    await plug({
      synchronize: ({ pods, containers, more }) => {
        messages.push([pods.length, containers.length, more]);
        return { more };
      },
    });
    assert.deepEqual(messages, [[2, 2, true], [1, 2, true], [0, 2, false]]);
  });
});

Deno.test("a plugin that can't handle a split Synchronize is cut off", async () => {
  await withRuntime({ syncSplit: 1 }, async ({ runtime, socketPath }) => {
    await runtime.runPod(podOf("a", "one", "two"));
    const plugin = await ScriptedPlugin.register(socketPath, { synchronize: () => ({ more: false }) });
    await plugin.gone();
    await runtime.pluginGone();
    assert.match(runtime.log.of("gone")[0]?.reason ?? "", /Synchronize in several messages/);
  });
});

Deno.test("without a plugin containers run unplaced", async () => {
  await withRuntime({}, async ({ runtime }) => {
    const { containers } = await runtime.runPod(podOf("p", "main"));
    assert.equal(`${runtime.cpusOf(containers.get("main") ?? "")}`, "0-7");
    assert.deepEqual(runtime.log.of("unplaced").map((event) => event.container), ["p/main"]);
  });
});

Deno.test("a plugin slower than the request timeout is cut off, and the container runs unplaced", async () => {
  await withRuntime({ requestTimeoutMs: 500 }, async ({ runtime, plug }) => {
    await plug({ create: never });
    const run = await runtime.runPod(podOf("p", "main"));
    assert.deepEqual(run.refused, []);
    await runtime.pluginGone();
    assert.equal(runtime.log.of("unplaced").length, 1);
    const [gone] = runtime.log.of("gone");
    assert.deepEqual([gone?.dropped, gone?.reason], [
      true,
      "it did not answer CreateContainer within 500 ms",
    ]);
  });
});

Deno.test("a plugin that breaks the wire is cut off, and so is one that leaves in the middle of a frame", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const hostile = await plug();
    hostile.send(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0));
    await runtime.pluginGone();
    const leaving = await plug();
    leaving.send(Uint8Array.of(0, 0, 0, 1, 0, 0));
    await leaving.idle();
    await leaving.close();
    await runtime.pluginGone();
    for (const gone of runtime.log.of("gone")) assert.match(gone.reason, /broke the wire/);
    assert.equal(runtime.log.of("gone").length, 2);
  });
});

Deno.test("a plugin that leaves in order isn't counted as cut off", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const plugin = await plug();
    await plugin.close();
    await runtime.pluginGone();
    assert.deepEqual(runtime.log.of("gone").map((event) => event.dropped), [false]);
  });
});

Deno.test("a call that the runtime doesn't have is refused, and the session lives", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const plugin = await plug();
    await assert.rejects(
      plugin.call("Frobnicate", new Uint8Array()),
      /Frobnicate is not a call of the runtime/,
    );
    await assert.rejects(plugin.register(), /50-scripted has registered already/);
    const { refused } = await runtime.runPod(podOf("p", "main"));
    assert.deepEqual(refused, []);
    assert.equal(plugin.calls.includes("CreateContainer"), true);
  });
});

Deno.test("a reply that is no protobuf fails the creation", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({ raw: (method) => method === "CreateContainer" ? Uint8Array.of(0xff, 0xff) : undefined });
    const { refused } = await runtime.runPod(podOf("p", "main"));
    assert.match(refused[0]?.message ?? "", /the reply of 50-scripted to CreateContainer can't be read/);
  });
});

Deno.test("an error in the answer to what has happened already is only logged", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const fails = () => {
      throw new Error("I would rather not");
    };
    await plug({ stop: fails, notice: (event) => void (event.startsWith("Post") && fails()) });
    const { id, refused } = await runtime.runPod(podOf("p", "main"));
    await runtime.removePod(id);
    assert.deepEqual(refused, []);
    const complaints = runtime.log.of("complaint").map((event) => event.event);
    assert.deepEqual(complaints, ["POST_CREATE_CONTAINER", "POST_START_CONTAINER", "StopContainer"]);
  });
});

Deno.test("a pod that the plugin refuses doesn't run", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({
      notice: (event) => {
        if (event === "RunPodSandbox") throw new Error("not here");
      },
    });
    await assert.rejects(runtime.runPod(podOf("p", "main")), { name: "Refused", message: "not here" });
  });
});

Deno.test("the NRI calls of pods that run at once come one after the other", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    let under = 0;
    let most = 0;
    await plug({
      create: async () => {
        most = Math.max(most, ++under);
        await Promise.resolve();
        under--;
        return {};
      },
    });
    const names = Array.from({ length: 10 }, (_, i) => `p${i}`);
    await Promise.all(names.map((name) => runtime.runPod(podOf(name, "main"))));
    assert.equal(most, 1);
    assert.equal(runtime.containers().length, 10);
  });
});

Deno.test("several plugins are asked in the order of their indices, and a conflict fails the creation", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    const order: string[] = [];
    let both = false;
    await plug({ name: "late", index: "90", create: () => (order.push("90"), both ? { cpus: "2" } : {}) });
    await plug({ name: "early", index: "10", create: () => (order.push("10"), { cpus: "1" }) });
    const { containers } = await runtime.runPod(podOf("p", "main"));
    assert.equal(`${runtime.cpusOf(containers.get("main") ?? "")}`, "1");
    assert.deepEqual(order, ["10", "90"]);
    both = true;
    const { refused } = await runtime.runPod(podOf("q", "main"));
    assert.match(refused[0]?.message ?? "", /plugins 10-early and 90-late both set cpus/);
  });
});

Deno.test("a restart keeps pods and cgroups; the plugin registers anew and gets a list of what ran meanwhile", async () => {
  await withRuntime({}, async ({ runtime, plug }) => {
    await plug({ create: () => ({ cpus: "3" }) });
    const before = await runtime.runPod(podOf("before", "main"));
    await runtime.restart(async () => {
      await runtime.pluginGone();
      await runtime.runPod(podOf("meanwhile", "main"));
    });
    assert.equal(`${runtime.cpusOf(before.containers.get("main") ?? "")}`, "3");
    const told: string[] = [];
    await plug({
      synchronize: ({ pods }) => (told.push(...pods.map((pod) => pod.name)), {}),
    });
    assert.deepEqual(told, ["before", "meanwhile"]);
    assert.equal(runtime.log.of("gone")[0]?.reason, "the runtime restarts");
  });
});

Deno.test("everything works when it is sent one byte at a time", async () => {
  await withRuntime({ chunkBytes: 1 }, async ({ runtime, plug }) => {
    await plug({ create: () => ({ cpus: "2" }) });
    const { containers } = await runtime.runPod(podOf("p", "main"));
    assert.equal(`${runtime.cpusOf(containers.get("main") ?? "")}`, "2");
  });
});

Deno.test("more plugins than the runtime has places for are turned away", async () => {
  await withRuntime({}, async ({ runtime, socketPath }) => {
    const connected = [];
    for (let i = 0; i < 9; i++) connected.push(await ScriptedPlugin.connect(socketPath));
    await connected[8]?.gone();
    assert.equal(runtime.log.of("connected").length, 8);
    for (const plugin of connected) await plugin.close();
  });
});
