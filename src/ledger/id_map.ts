/**
 * An immutable map from a runtime's ids. A change copies one bucket and the list of buckets, not the map: what it
 * costs hardly grows with the number of entries (4000 containers: 16 entries in each bucket).
 */
export class IdMap<V> {
  private constructor(private readonly buckets: readonly Bucket<V>[], readonly size: number) {}

  static empty<V>(): IdMap<V> {
    return new IdMap<V>(new Array<Bucket<V>>(BUCKETS).fill(NONE), 0);
  }

  get(id: string): V | undefined {
    const bucket = this.buckets[bucketOf(id)];
    return bucket?.values[bucket.ids.indexOf(id)];
  }

  has(id: string): boolean {
    return this.buckets[bucketOf(id)]?.ids.includes(id) ?? false;
  }

  set(id: string, value: V): IdMap<V> {
    const { ids, values } = this.buckets[bucketOf(id)] ?? NONE;
    const at = ids.indexOf(id);
    return at < 0
      ? this.#with(id, { ids: [...ids, id], values: [...values, value] }, 1)
      : this.#with(id, { ids, values: values.with(at, value) }, 0);
  }

  /** As `set` for each, in this order, with every bucket copied once at most. */
  setAll(entries: readonly (readonly [string, V])[]): IdMap<V> {
    if (entries.length === 0) return this;
    const changed = new Map<number, { readonly ids: string[]; readonly values: V[] }>();
    let { size } = this;
    for (const [id, value] of entries) {
      const at = bucketOf(id);
      const { ids, values } = this.buckets[at] ?? NONE;
      const bucket = changed.get(at) ?? { ids: [...ids], values: [...values] };
      changed.set(at, bucket);
      const known = bucket.ids.indexOf(id);
      if (known < 0) size++;
      const place = known < 0 ? bucket.ids.push(id) - 1 : known;
      bucket.values[place] = value;
    }
    return new IdMap(this.buckets.map((bucket, at) => changed.get(at) ?? bucket), size);
  }

  delete(id: string): IdMap<V> {
    const { ids, values } = this.buckets[bucketOf(id)] ?? NONE;
    const at = ids.indexOf(id);
    return at < 0 ? this : this.#with(id, { ids: ids.toSpliced(at, 1), values: values.toSpliced(at, 1) }, -1);
  }

  #with(id: string, bucket: Bucket<V>, more: number): IdMap<V> {
    const buckets = this.buckets.slice();
    buckets[bucketOf(id)] = bucket;
    return new IdMap(buckets, this.size + more);
  }

  /** The same ids, each with what `change` makes of its value. */
  map(change: (value: V) => V): IdMap<V> {
    const changed = ({ ids, values }: Bucket<V>) => ({ ids, values: values.map(change) });
    return new IdMap(this.buckets.map((bucket) => bucket === NONE ? NONE : changed(bucket)), this.size);
  }

  /** In no order that means anything, but the same one for the same changes. */
  values(): V[] {
    const all: V[] = [];
    for (const bucket of this.buckets) if (bucket !== NONE) all.push(...bucket.values);
    return all;
  }

  /** In the order of {@link values}. */
  keys(): string[] {
    const all: string[] = [];
    if (this.size === 0) return all;
    for (const bucket of this.buckets) if (bucket !== NONE) all.push(...bucket.ids);
    return all;
  }
}

/** Small enough to be searched from its beginning. */
interface Bucket<V> {
  readonly ids: readonly string[];
  /** Each at the place of its id. */
  readonly values: readonly V[];
}

/** A power of two. */
const BUCKETS = 256;
const NONE: Bucket<never> = { ids: [], values: [] };

/** As much of an id as spreads well: containerd's are 64 random digits. */
const HASHED = 16;

/** FNV-1a of an id's end. Ids are chosen by the runtime, so no user can aim at one bucket. */
function bucketOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = Math.max(0, id.length - HASHED); i < id.length; i++) {
    hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  }
  return (hash ^ (hash >>> 15)) & (BUCKETS - 1);
}

/** The members with `id` among them, or not; the same map where that is so. */
export function withMember(members: IdMap<true>, id: string, isMember: boolean): IdMap<true> {
  if (members.size > 0 ? members.has(id) === isMember : !isMember) return members;
  return isMember ? members.set(id, true) : members.delete(id);
}

/** The set without `id`; the same set where it has none such. */
export function withoutId(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  if (!ids.has(id)) return ids;
  const left = new Set(ids);
  left.delete(id);
  return left;
}

/** The set with `id`; the same set where it is in it. */
export function withId(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  return ids.has(id) ? ids : new Set(ids).add(id);
}

/** The ids, unless they are more than half of all: finding each of them would take longer than going through all. */
export function unlessMost<T extends { readonly size: number }>(
  ids: T,
  all: { readonly size: number },
): T | undefined {
  return ids.size * 2 > all.size ? undefined : ids;
}
