/** The executable for arm64, run by QEMU on whatever this machine is: each command, and a registration. */
import assert from "node:assert/strict";
import { PINNED, SYSFS } from "../../kit/daemon_stage.ts";
import { ROOT } from "../../kit/spawn.ts";
import { onStage } from "../../slow/stage.ts";
import { fetched, outcome, output } from "./tools.ts";

/** An emulated start takes seconds, and as much again on a busy machine. */
const PATIENCE_MS = 180_000;

const EXECUTABLE = `${ROOT}dist/weka-cpuset-arm64`;
const libraries = await fetched("get-glibc.sh", "glibc");
const emulator = await fetched("get-qemu-user.sh", "qemu-user");
const program = [`${emulator}/qemu-aarch64`, "-L", `${libraries}/arm64`, EXECUTABLE] as const;

function onArm(title: string, body: () => Promise<void>): void {
  Deno.test({ name: `arm64: ${title}`, ignore: libraries === undefined || emulator === undefined, fn: body });
}

/** What a command prints, which succeeds. */
function run(...args: string[]): Promise<string> {
  const [qemu, ...before] = program;
  return output(qemu, [...before, ...args], { clearEnv: true });
}

onArm("it says its version", async () => {
  const { version, revision } = JSON.parse(Deno.readTextFileSync(`${ROOT}dist/build.json`));
  assert.equal(await run("--version"), `weka-cpuset ${version} (commit ${revision}, Deno 2.6.10)\n`);
});

onArm("it prints the configuration, and refuses one that is wrong with status 2", async () => {
  assert.match(await run("config", "--config", "deploy/config.yaml"), /^systemReserved/m);
  const [qemu, ...before] = program;
  const { code, err } = await outcome(qemu, [...before, "config", "--min-shared", "none"]);
  assert.equal(code, 2, err);
});

onArm("it draws the machine and plans pods on it", async () => {
  assert.match(await run("topology", "--sysfs-root", SYSFS), /^2 sockets, 4 NUMA nodes, .* 64 CPUs$/m);
  const plan = await run("plan", "--machine", "1s2n8c2t", "deploy/samples/weka-compute.yaml");
  assert.match(plan, /^default\/weka-compute-0\/compute +exclusive +1-3,9-11 /m);
});

onArm("it registers with a runtime, places a container, and SIGTERM ends it with status 0", async () => {
  await onStage("external", async ({ runtime, dir, start }) => {
    const wrapper = `${dir}/weka-cpuset`;
    await Deno.writeTextFile(wrapper, `#!/bin/sh\nexec ${program.join(" ")} "$@"\n`, { mode: 0o755 });
    const agent = start({ program: wrapper });
    const isReady = () => runtime.log.of("synchronized").length > 0;
    await agent.during(runtime.log.until(isReady, "it isn't synchronized", PATIENCE_MS));
    const { refused, containers } = await runtime.runPod(PINNED);
    assert.deepEqual(refused, []);
    assert.equal(runtime.cpusOf(containers.get("c") ?? "").toString(), "8-9,40");
    agent.signal("SIGTERM");
    assert.equal((await agent.ended()).code, 0);
  }, { registrationTimeoutMs: PATIENCE_MS, requestTimeoutMs: PATIENCE_MS });
});
