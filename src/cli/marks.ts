/** Who is drawn on the CPU map, and with which marks. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Owner } from "../draw/cpu_map.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** A container, and where it is. */
export interface Occupant {
  readonly kind: Owner["kind"];
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly cpus: CpuSet;
}

/**
 * The owners of the map, one mark after the other: lower case for pinned containers, upper case for exclusive ones. Exclusive
 * ones of a pod with the same CPUs share them, and are one owner.
 */
export function ownersAmong(occupants: readonly Occupant[]): Owner[] {
  const owners = Map.groupBy(occupants, (each) => keyOf(each));
  let used = 0;
  return [...owners.values()].flatMap((sharing): Owner[] => {
    const [first] = sharing;
    if (first === undefined) return [];
    const { kind, pod, cpus } = first;
    const name = `${pod}/${sharing.map(({ container }) => container).join("+")}`;
    if (kind === "shared") return [{ kind, mark: "", name, cpus }];
    const letter = LETTERS[used++ % LETTERS.length] ?? "";
    return [{ kind, mark: kind === "pinned" ? letter : letter.toUpperCase(), name, cpus }];
  });
}

/** The same for those that are one owner. */
function keyOf({ kind, namespace, pod, container, cpus }: Occupant): string {
  const isAlone = kind !== "exclusive" || cpus.isEmpty;
  return JSON.stringify([kind, namespace, pod, isAlone ? container : `${cpus}`]);
}
