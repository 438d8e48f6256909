import assert from "node:assert/strict";
import type { Input } from "../../../src/agent/step.ts";
import { ask } from "../../../src/cli/status_client.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { LeaderLock } from "../../../src/platform/lock.ts";
import { type Ran, ran, type StatusStage, withStatus } from "../../kit/command.ts";
import { SYSFS } from "../../kit/daemon_stage.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import { containerOf, podOf } from "../../kit/messages.ts";
import { bigNode } from "../../kit/sysfs.ts";

const DB = { name: "db", cpus: 2 };

/** An agent with an exclusive container; after each input it does what is due. */
function agent() {
  const kernel = new FakeKernel(2);
  kernel.online = CpuSet.range(0, 63);
  const link = Link.serving([], bigNode, { cpusets: kernel });
  const { cpus } = link.create(DB, { runs: false });
  kernel.appear("id-db", cpus);
  link.start(DB);
  const feed = (input: Input) => {
    link.feed(input);
    for (const asked of link.asked.splice(0)) {
      if (asked.kind === "list") {
        link.feed({
          kind: "listed",
          listing: { pods: [podOf(DB)], containers: [containerOf({ ...DB, record: "1,33" })] },
        });
      }
    }
    link.tick(link.now + 500);
  };
  return {
    kernel,
    driver: {
      get agent() {
        return link.agent;
      },
      feed,
    },
  };
}

type Command = (...args: string[]) => Promise<Ran>;

async function commanded(
  body: (command: Command, its: ReturnType<typeof agent> & StatusStage) => Promise<void>,
): Promise<void> {
  const its = agent();
  await withStatus(its.driver, (stage) => {
    const roots = ["--run-dir", stage.runDir, "--cgroup-root", stage.runDir, "--sysfs-root", SYSFS];
    return body((...args) => ran(...roots, ...args), { ...its, ...stage });
  });
}

Deno.test("release has the active agent give all CPUs back and go passive, resume has it place again", async () => {
  await commanded(async (command, { kernel }) => {
    assert.equal(`${kernel.sets.get("id-db")}`, "1,33");
    const released = await command("release", "--yes");
    assert.deepEqual([released.status, released.error], [0, ""]);
    assert.match(
      released.out,
      /^1 containers and cgroups above them have all CPUs; the agent is passive until weka-cpuset resume/,
    );
    assert.equal(`${kernel.sets.get("id-db")}`, "0-63");
    const { out } = await command("status");
    assert.match(
      out,
      /^agent +1.2.3, external, passive,(.*\n)+released: every container may use every CPU until/m,
    );
    // In the pool it clashes with nobody.
    assert.doesNotMatch(out, /WRONG/);
    assert.equal((await command("release", "--yes")).status, 0);
    assert.deepEqual(await command("resume"), {
      out: "the agent places again; 1 containers run here",
      error: "",
      status: 0,
    });
    assert.equal(`${kernel.sets.get("id-db")}`, "1,33");
    assert.equal((await command("resume")).out, "the agent isn't passive");
  });
});

Deno.test("without --yes and without a terminal nothing is released", async () => {
  await commanded(async (command, { kernel }) => {
    const { error, status } = await command("release");
    assert.deepEqual([error.endsWith("if that is meant add --yes"), status], [true, 2]);
    assert.equal(`${kernel.sets.get("id-db")}`, "1,33");
  });
});

Deno.test("with --wait an active agent has to end, and isn't asked", async () => {
  await commanded(async (command, { kernel, runDir }) => {
    const lock = await LeaderLock.acquire(runDir, "the agent", new AbortController().signal, () => {});
    // A tree that has no cpusets is released without the lock.
    assert.match((await command("release", "--yes", "--wait", "0")).out, /^nothing to release: /);
    lock.release();
    assert.equal(`${kernel.sets.get("id-db")}`, "1,33");
    assert.deepEqual(await command("release", "--yes", "--wait", "soon"), {
      out: "",
      error: "--wait must be a whole number of seconds from 0 to 9999, not soon",
      status: 2,
    });
  });
});

Deno.test("without an agent the command releases by itself, and there is nothing to resume", async () => {
  await commanded(async (command, { server, kernel }) => {
    await server.close();
    assert.match((await command("release", "--yes")).out, /^nothing to release: /);
    assert.equal(`${kernel.sets.get("id-db")}`, "1,33");
    const { error, status } = await command("resume");
    assert.match(error, /^no active agent on this node: /);
    assert.equal(status, 1);
  });
});

Deno.test("what changes the node is asked by POST only, and an agent that doesn't serve yet isn't released", async () => {
  const link = Link.configured(bigNode);
  await withStatus(link, async ({ runDir }) => {
    const { error, status } = await ran("--run-dir", runDir, "release", "--yes");
    assert.deepEqual([error, status], [
      "the agent: the agent doesn't know yet what runs here (it is configured); release again in a moment",
      1,
    ]);
    await assert.rejects(ask({ ...DEFAULTS, runDir }, "/api/v1/release"), /has to be asked by POST/);
    assert.equal(link.agent.state.passive, undefined);
  });
});
