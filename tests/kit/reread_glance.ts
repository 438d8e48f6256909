import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { CpusetPort, Glance, GlancedContainer } from "../../src/cgroup/port.ts";

/** A look at containers that a port makes by reading each anew: what one at known files shows in one go. */
export function rereadGlance(
  port: Pick<CpusetPort, "read" | "population" | "affinity">,
  known: readonly GlancedContainer[],
): Glance {
  const textOf = ({ container }: GlancedContainer) => JSON.stringify(port.read(container), shown);
  const looked = known.filter((each) => textOf(each) === JSON.stringify(each.reading, shown));
  const isWhole = ({ container }: GlancedContainer) => {
    const seen = port.affinity?.(container, "threads");
    return seen?.kind === "affinity" && seen.hasWhole && seen.masks.length + seen.sets.length === 0;
  };
  return {
    ids: new Set(looked.map(({ container }) => container.id)),
    changed: (turn) =>
      looked.filter((each) =>
        textOf(each) !== JSON.stringify(each.reading, shown) ||
        port.population(each.container) !== "populated" || (each.turn === turn && !isWhole(each))
      ).map(({ container }) => container.id),
  };
}

function shown(_key: string, value: unknown): unknown {
  return value instanceof CpuSet ? `${value}` : value;
}
