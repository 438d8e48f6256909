// What a pod's owner reads when the agent refuses it, and that no other pod is affected.
import { assertRefused, assertRunsOn, comesToRunOn } from "./checks.ts";
import { online, without } from "./machine.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

onContainerd(
  "a bad list of CPUs is refused with the item that is wrong, and other pods keep theirs",
  async (node) => {
    await node.startAgent();
    const other = await node.run(shared());
    const neighbour = await node.run(pinned(`${last}`));
    await comesToRunOn(other, rest);
    const wrong = { "0,9999": /9999/, "0-": /0-/, "": /empty/, "5-2": /5-2/ };
    for (const [list, item] of Object.entries(wrong)) {
      await assertRefused(node, pinned(list), new RegExp(`weka\\.io/cores-ids.*${item.source}`));
      assertRunsOn(other, rest);
      assertRunsOn(neighbour, last);
    }
  },
);

onContainerd(
  "more exclusive CPUs than there are is refused with the numbers, and takes none",
  async (node) => {
    await node.startAgent();
    const other = await node.run(shared());
    await assertRefused(
      node,
      exclusive(all.length),
      new RegExp(`needs ${all.length} exclusive CPUs?, \\d+ (is|are) free`),
    );
    assertRunsOn(other, all);
    const pods = [];
    for (const _ of rest) pods.push(await node.run(exclusive(1)));
    await assertRefused(node, exclusive(1), /needs 1 exclusive CPU\b/);
    for (const pod of pods) await node.end(pod);
    await comesToRunOn(other, all);
  },
);

onContainerd("a pod can't be pinned to all CPUs, as one must stay for the shared ones", async (node) => {
  await node.startAgent();
  const other = await node.run(shared());
  await assertRefused(node, pinned(`${all}`), /shared/);
  assertRunsOn(other, all);
});
