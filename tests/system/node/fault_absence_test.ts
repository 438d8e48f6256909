// An agent that is away: it hangs, has crashed, or was never there.
import assert from "node:assert/strict";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { CriError } from "./cri.ts";
import { installPlugin } from "./launched.ts";
import { online, without } from "./machine.ts";
import { exclusive, shared } from "./pods.ts";
import { onBareNode } from "./suite.ts";
import { Tally } from "./tally.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

/** What has happened meanwhile mustn't be left for reconcile to find. */
const NEVER = { WEKA_CPUSET_RECONCILE_SECONDS: "0" };

onBareNode("an agent that hangs is disconnected, and repairs cpusets when it is back", async (node) => {
  await node.startContainerd({ nri: '  plugin_request_timeout = "500ms"' });
  const tally = new Tally(node, "the agent hangs and is cut off");
  const agent = await node.startAgent({ env: NEVER });
  const other = await node.run(shared());
  const early = await node.run(exclusive(1));
  assertRunsOn(early, last);

  agent.signal("SIGSTOP");
  const unplaced = await node.run(shared()); // after the timeout, without the agent
  await node.end(early); // which isn't reported
  const late = await node.run(exclusive(1));
  assertRunsOn(late, all);

  const said = agent.lines.length;
  agent.signal("SIGCONT");
  await agent.says(/synchronized/i, said);
  await tally.comesRight(agent);
  assertRunsOn(late, last);
  for (const container of [other, unplaced]) assertRunsOn(container, rest);
});

onBareNode(
  "after a crash, the agent that containerd launches repairs what changed meanwhile",
  async (node) => {
    const agent = installPlugin(node.dir, { reconcileSeconds: 0 });
    await node.startContainerd();
    await agent.says(/synchronized/);
    const tally = new Tally(node, "the launched agent crashes");
    const other = await node.run(shared());
    await agent.kill();
    const owner = await node.run(exclusive(1));
    assertRunsOn(owner, all);

    const said = agent.lines.length;
    await node.killContainerd();
    await node.startContainerd();
    await agent.says(/synchronized/, said);
    await tally.comesRight(agent);
    await comesToRunOn(owner, last);
    await comesToRunOn(other, rest);
  },
);

/** NRI's own validator has `required_plugins` from containerd 2.2 on. */
const olderThan22 = (version: string) => /^(1|2\.[01])\./.test(version);

const REQUIRED = `[plugins."io.containerd.nri.v1.nri".default_validator]
  enable = true
  required_plugins = ["weka-cpuset"]`;

onBareNode("where the agent is required, nothing is created without it", async (node) => {
  await node.startContainerd({ nri: REQUIRED });
  const tally = new Tally(node, "a required agent is away");
  const refused = () =>
    assert.rejects(node.run(exclusive(1)), (error) => {
      assert(error instanceof CriError && error.call === "CreateContainer", `${error}`);
      assert.match(error.message, /weka-cpuset/);
      return true;
    });
  await refused();
  const agent = await node.startAgent();
  const other = await node.run(shared());
  await tally.comesRight(agent);
  await agent.end("SIGKILL");
  await refused();
  const next = await node.startAgent();
  const owner = await node.run(exclusive(1));
  await tally.comesRight(next);
  assertRunsOn(owner, last);
  assertRunsOn(other, rest);
}, { ignoredOn: olderThan22 });
