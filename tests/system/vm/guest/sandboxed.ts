import assert from "node:assert/strict";
import { basename } from "node:path";
import { eventually } from "../../node/eventually.ts";
import { cpusetDirectory, online, without } from "../../node/machine.ts";
import { exclusive, pinned, type Pod } from "../../node/pods.ts";
import { assertHas, assertWhole } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** One process: others would live on in the sandbox's cgroup. */
const ALONE = { command: ["sleep", "100000"] };
/** Its containers have 2 and 1 of these. */
const BOX: Pod = { ...exclusive(3), handler: "runsc" };
const PART: Pod = {
  annotations: {},
  qos: "guaranteed",
  request: 0.5,
  limit: 0.5,
  handler: "runsc",
  ...ALONE,
};

/** A runtime that keeps all processes of a pod in the cgroup of its sandbox, as gVisor does. */
export async function sandboxed(scene: Scene, check: Check): Promise<void> {
  await check(
    "processes in the cgroup of a sandbox have their pod's CPUs, and that is confirmed",
    async () => {
      await scene.prepare({ box: BOX, part: PART });
      await scene.share("part");
      assertHas(scene.the("part"), scene.pool);
      await scene.claim("box", { ...exclusive(2), ...ALONE });
      for (const name of ["box", "part"]) assertInSandbox(scene, name);
      assertWhole(scene.of("box"), 2);
      await scene.settles();
      await assertShown(scene, "box", "confirmed");
      await assertShown(scene, "part", "confirmed");
    },
  );

  await check("they have those of all its containers, and follow a move", async () => {
    await scene.add("box", "more", { ...exclusive(1), ...ALONE });
    assert.equal(scene.claims("box").length, 3);
    assert.deepEqual(scene.of("box/more"), scene.of("box"));
    await scene.settles();
    await scene.prepare({ mover: pinned(`${scene.of("box").slice(0, 1)}`) });
    await scene.claim("mover");
    for (const name of ["box", "box/more"]) scene.claims(name);
    assert.equal(scene.of("box").length, 3);
    assert.deepEqual(without(scene.of("box"), scene.of("mover")), scene.of("box"));
    await scene.settles();
  });

  await check("a set that another program gives the sandbox is repaired", async () => {
    Deno.writeTextFileSync(`${cpusetDirectory(scene.the("box").pid)}/cpuset.cpus`, `${online()}`);
    await scene.settles();
    await assertShown(scene, "box", "confirmed");
    for (const name of ["mover", "box", "part"]) await scene.end(name);
    await scene.settles();
  });
}

/** Its process is where the imitated runtime has moved it. */
function assertInSandbox(scene: Scene, name: string): void {
  const { pid, sandbox } = scene.the(name);
  assert.match(basename(cpusetDirectory(pid)), new RegExp(`${sandbox}(\\.scope)?$`));
}

async function assertShown(scene: Scene, name: string, state: string): Promise<void> {
  await eventually(async () => {
    const shown = await scene.shown(name);
    assert(shown.length > 0);
    for (const each of shown) assert.equal(each.state, state, each.reason ?? "");
  });
}
