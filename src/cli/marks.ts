/** Who is drawn on the CPU map, and with which marks. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Owner } from "../draw/cpu_map.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** Marks for the CPU map, one after the other: lower case for pinned containers, upper case for exclusive ones. */
export function marks(): (kind: "pinned" | "exclusive") => string {
  let used = 0;
  return (kind) => {
    const letter = LETTERS[used++ % LETTERS.length] ?? "";
    return kind === "pinned" ? letter : letter.toUpperCase();
  };
}

/** A container, and where it is. */
export interface Occupant {
  readonly kind: Owner["kind"];
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly cpus: CpuSet;
}

/** The owners of the map. Exclusive containers of a pod with the same CPUs share them, and are one owner. */
export function ownersAmong(occupants: readonly Occupant[]): Owner[] {
  const owners = Map.groupBy(occupants, (each) => keyOf(each));
  const next = marks();
  return [...owners.values()].flatMap((sharing): Owner[] => {
    const [first] = sharing;
    if (first === undefined) return [];
    const { kind, pod, cpus } = first;
    const name = `${pod}/${sharing.map(({ container }) => container).join("+")}`;
    return [{ kind, mark: kind === "shared" ? "" : next(kind), name, cpus }];
  });
}

/** The same for those that are one owner. */
function keyOf({ kind, namespace, pod, container, cpus }: Occupant): string {
  const isAlone = kind !== "exclusive" || cpus.isEmpty;
  return JSON.stringify([kind, namespace, pod, isAlone ? container : `${cpus}`]);
}
