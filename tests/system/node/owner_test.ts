// Two agents on one node, one that containerd starts and one that runs beside it: at each moment one of them decides.
import assert from "node:assert/strict";
import { assertKeepsOff, assertRunsOn, comesToRunOn, writesDuring } from "./checks.ts";
import { installPlugin } from "./launched.ts";
import { allowedCpus, online, without } from "./machine.ts";
import { exclusive, shared } from "./pods.ts";
import { onBareNode } from "./suite.ts";

const all = online();

onBareNode(
  "the node is handed over from the launched agent to the external one and back, and no cpuset changes",
  async (node) => {
    const launched = installPlugin(node.dir);
    await node.startContainerd();
    await launched.says(/synchronized/i);
    const other = await node.run(shared());
    const owner = await node.run(exclusive(1));
    const own = allowedCpus(owner.pid);
    assert.equal(own.length, 1);
    const left = without(all, own);
    await comesToRunOn(other, left);

    const external = node.launchAgent();
    await external.says(/standby: another agent is active.*launched/);
    await assertKeepsOff(node, exclusive(1), own);
    const decided = /placed|refused|synchronized/;
    assert(!external.lines.some((line) => decided.test(line)), "it is registered and decides nothing");

    let said = launched.lines.length;
    const toExternal = await writesDuring(node, [owner, other], async () => {
      await node.killContainerd();
      await node.startContainerd();
      await external.says(/synchronized/i);
      await launched.says(/standby: another agent is active.*external/, said);
    });
    assert.deepEqual(toExternal, []);
    await assertKeepsOff(node, exclusive(1), own);
    assertRunsOn(await node.run(shared()), left);
    assert(!launched.lines.slice(said).some((line) => decided.test(line)), "the launched agent decided, too");

    said = launched.lines.length;
    const toLaunched = await writesDuring(node, [owner, other], async () => {
      await external.end("SIGKILL");
      await launched.says(/synchronized/i, said);
    });
    assert.deepEqual(toLaunched, []);
    await assertKeepsOff(node, exclusive(1), own);
    assertRunsOn(await node.run(shared()), left);
    assertRunsOn(owner, own);
    assertRunsOn(other, left);
    await node.end(owner);
    await comesToRunOn(other, all);
  },
);
