import type { HugePages } from "../ledger/huge_pages.ts";
import type { Container } from "../nri/gen/nri_pb.ts";
import { hugePagesOf } from "../nri/huge_pages.ts";
import type { AgentState } from "./state.ts";

/**
 * The huge pages that a container asks for, with what is free of them on each node with memory now. Nothing is read for one
 * that asks for none, nor where there is no choice of nodes. A size that no node has is left out.
 */
export function readHugePages({ machine, ledger }: AgentState, container: Container): HugePages[] {
  const nodes = ledger.topology.nodes.filter(({ hasMemory }) => hasMemory);
  if (machine?.freeHugePages === undefined || nodes.length < 2) return [];
  return hugePagesOf(container).map((asked) => {
    const read = nodes.map(({ id }) => [id, machine.freeHugePages?.(id, asked.pageKiB)] as const);
    const known = read.filter((each): each is readonly [number, number] => each[1] !== undefined);
    return { ...asked, freeKiB: new Map(known) };
  }).filter(({ freeKiB }) => freeKiB.size > 0);
}
