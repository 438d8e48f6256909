/** The state file of kubelet's CPU manager. */
import { parseCpuManagerState } from "../../src/peers/cpu_manager_state.ts";
import { textLike } from "./nasty.ts";
import { PRINTABLE, require, requireSentence, type Target } from "./target.ts";

const VALID = [
  '{"policyName":"static","defaultCpuSet":"0-1,4-7","entries":{"uid-1":{"c":"2-3"}},"checksum":14413152}',
  '{"policyName":"none","defaultCpuSet":"","checksum":1353318690}',
  '{"policyName":"static","defaultCpuSet":"0","entries":{"c0ffee":"1"},"checksum":1}',
];

export const kubeletStates: Target<string> = {
  name: "kubelet-state",
  share: 60,
  draw: (random) => textLike(random, VALID),
  check(text) {
    const found = parseCpuManagerState(text, "the file");
    if (found.kind === "unknown") return requireSentence(found.reason);
    require(PRINTABLE.test(found.policy), () => `policy ${JSON.stringify(found.policy)}`);
    require(found.holders.length <= 1000, () => `${found.holders.length} holders`);
    for (const { name, cpus } of found.holders) {
      requireSentence(name);
      require(!cpus.isEmpty, () => `${name} holds nothing`);
    }
  },
};
