/** Machines whose sysfs is odd. */
import { checkPools } from "../../src/ledger/holdings.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { discover, DiscoverError } from "../../src/cpu/discover.ts";
import type { Topology } from "../../src/cpu/topology.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { admit } from "../../src/ledger/plan.ts";
import { DEFAULT_POLICY } from "../../tests/kit/policy.ts";
import { type MachineSpec, memoryLess, type SysfsTree, sysfsTree, twoCpuVm } from "../../tests/kit/sysfs.ts";
import type { Random } from "../random.ts";
import { cpuListText } from "./cpu_lists.ts";
import { NUMBERS, textLike } from "./nasty.ts";
import { require, requireSentence, type Target } from "./target.ts";

const QUAD: MachineSpec = {
  sockets: 2,
  nodesPerSocket: 2,
  coresPerNode: 2,
  threads: 2,
  coresPerCluster: 1,
  dies: 2,
};
const MACHINES: readonly SysfsTree[] = [
  twoCpuVm,
  QUAD,
  { ...QUAD, siblings: "adjacent", offline: "3,9" } as const,
  { ...memoryLess, coresPerNode: 2 },
].map(sysfsTree);

/** Which machine, and the files that are other than there; null: it isn't there. */
type Input = {
  readonly machine: number;
  readonly files: readonly (readonly [path: string, content: string | null])[];
};

export const machines: Target<Input> = {
  name: "sysfs",
  share: 40,
  draw(random) {
    const machine = random.below(MACHINES.length);
    const tree = MACHINES[machine] ?? new Map();
    const paths = [...tree.keys()];
    const files = Array.from({ length: random.between(1, 5) }, () => {
      const path = random.pick(paths) ?? "";
      return [path, random.chance(0.15) ? null : contentOf(random, tree, path)] as const;
    });
    return { machine, files };
  },
  check({ machine, files }) {
    const tree = new Map<string, string | null>(MACHINES[machine]);
    for (const [path, content] of files) tree.set(path, content);
    let reads = 0;
    try {
      const { topology, warnings } = discover((path) => (reads++, tree.get(path) ?? undefined));
      for (const warning of warnings) requireSentence(warning, 100_000);
      require(warnings.length <= 12, () => `${warnings.length} warnings`);
      requireSound(topology, CpuSet.parse(tree.get("devices/system/cpu/online") ?? ""));
    } catch (error) {
      if (!(error instanceof DiscoverError)) throw error;
      requireSentence(error.message);
    }
    require(reads < 100_000 * 16, () => `${reads} reads`);
  },
};

function contentOf(random: Random, tree: SysfsTree, path: string): string {
  const other = tree.get(random.pick([...tree.keys()]) ?? "") ?? "";
  const kind = random.weighted({ own: 5, other: 2, list: 3, number: 1 });
  if (kind === "own") return textLike(random, [tree.get(path) ?? ""]);
  if (kind === "list") return cpuListText(random);
  return kind === "other" ? other : `${random.pick(NUMBERS)}\n`;
}

/** Every CPU is in one group of each kind, and CPUs can be given away. */
function requireSound(topology: Topology, online: unknown): void {
  require(online instanceof CpuSet && online.equals(topology.online), () => `online are ${topology.online}`);
  for (const [kind, groups] of Object.entries(topology.groups)) {
    const sum = groups.reduce((total, cpus) => total + cpus.size, 0);
    require(CpuSet.unionOf(groups).equals(topology.online), () => `${kind} don't hold every CPU`);
    require(sum === topology.online.size, () => `${kind} overlap`);
  }
  const names = { id: "c", name: "c", pod: "p", namespace: "n", podUid: "u", sandboxId: "s" };
  const claim = {
    kind: "exclusive",
    count: 2,
    forbidden: CpuSet.empty,
    movable: true,
    placement: "packed",
  } as const;
  const decision = admit(Ledger.empty(topology, DEFAULT_POLICY), { container: names, claim });
  if (decision.kind === "refusal") return require(topology.online.size < 3, () => decision.message);
  checkPools(decision.next);
  require(decision.adjustment.cpus?.size === 2, () => `given ${decision.adjustment.cpus}`);
}
