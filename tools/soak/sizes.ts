/** How much is kept where: the entries of every list, map and set that can be reached from a value. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { Topology } from "../../src/cpu/topology.ts";

/** By the path that leads there; what lies side by side is counted together. */
export type Sizes = ReadonlyMap<string, number>;

/** What is as large as the machine, whatever happens. */
const FIXED = [CpuSet, Topology];

/**
 * Follows own fields and getters. What a class keeps in private fields without a getter is not seen; the heap shows it.
 */
export function sizesOf(root: object): Sizes {
  const sizes = new Map<string, number>();
  const seen = new Set<object>();
  const left: [string, unknown][] = [["", root]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [path, value] = next;
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    if (FIXED.some((kind) => value instanceof kind)) continue;
    seen.add(value);
    const entries = entriesOf(value);
    if (entries === undefined) {
      for (const [name, field] of fieldsOf(value)) left.push([`${path}.${name}`, field]);
    } else {
      const inside = `${path}[]`;
      sizes.set(inside, (sizes.get(inside) ?? 0) + entries.length);
      for (const entry of entries) left.push([inside, entry]);
    }
  }
  return sizes;
}

function entriesOf(value: object): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  if (value instanceof Map) return [...value.values()];
  if (value instanceof Set) return [...value];
  return ArrayBuffer.isView(value) ? new Array(value.byteLength) : undefined;
}

function fieldsOf(value: object): [string, unknown][] {
  const fields: [string, unknown][] = Object.entries(value);
  const proto = Object.getPrototypeOf(value);
  if (proto === null || proto === Object.prototype) return fields;
  for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(proto))) {
    if (get !== undefined) fields.push([name, get.call(value)]);
  }
  return fields;
}
