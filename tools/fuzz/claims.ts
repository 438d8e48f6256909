/** From pods and containers to claims. */
import { PLACEMENTS } from "../../src/cpu/placement.ts";
import { nearMisses } from "../../src/nri/near_misses.ts";
import { readClaim, recordOf } from "../../src/nri/read_claim.ts";
import { containerOf, type Drawn, drawPod, podOf } from "./pods.ts";
import { PRINTABLE, require, requireSentence, type Target } from "./target.ts";

const LISTS = [[], ["*"], ["ns"], ["ns", "kube-system"]] as const;

type Input = { readonly drawn: Drawn; readonly lists: readonly number[] };

export const claims: Target<Input> = {
  name: "annotations",
  share: 150,
  draw: (random) => ({ drawn: drawPod(random), lists: [0, 0, 0, 0].map(() => random.below(LISTS.length)) }),
  check({ drawn, lists: [pinned = 0, unmanaged = 0, reserved = 0, isolation = 0] }) {
    const rules = {
      placement: "packed",
      pinnedNamespaces: LISTS[pinned] ?? [],
      pinnedCpu0: "warn",
      unmanagedNamespaces: LISTS[unmanaged] ?? [],
      isolationNamespaces: LISTS[isolation] ?? [],
      reservedNamespaces: LISTS[reserved] ?? [],
      sandboxedRuntimes: [],
      vmRuntimes: [],
    } as const;
    const [pod, container] = [podOf(drawn), containerOf(drawn)];
    for (const { warning } of nearMisses(pod.annotations, [container.name])) requireOwnWords(warning, drawn);
    const read = readClaim(pod, container, rules);
    requireNoEmptyRecord(recordOf(container)?.size);
    if (read.kind === "refusal") return requireOwnWords(read.message, drawn);
    require(read.warnings.length <= 18, () => `${read.warnings.length} warnings`);
    for (const warning of read.warnings) requireOwnWords(warning, drawn);
    if (read.kind === "unmanaged") return;
    const { claim } = read;
    if (claim.kind === "pinned") return require(!claim.cpus.isEmpty, () => "pinned to nothing");
    if (claim.kind === "shared") return;
    const { count, podLimit = count, placement } = claim;
    require(Number.isInteger(count) && count >= 1 && count <= 16384, () => `${count} CPUs`);
    require(podLimit >= count && podLimit <= 16384, () => `a pod of ${podLimit} CPUs`);
    require(PLACEMENTS.includes(placement), () => `placement ${placement}`);
  },
};

function requireNoEmptyRecord(size: number | undefined): void {
  require(size !== 0, () => "a record that is there and has no CPUs");
}

/**
 * Names stand as they are in a sentence, and are escaped where it is printed; whatever else is quoted in it must be
 * printable and short by itself.
 */
function requireOwnWords(sentence: string, { name, pod, namespace }: Drawn): void {
  const named = new Set([name, pod, namespace].join(""));
  const rest = [...sentence].filter((letter) => !named.has(letter) || PRINTABLE.test(letter));
  requireSentence(rest.join(""), 1000 + 2 * (name.length + pod.length + namespace.length));
}
