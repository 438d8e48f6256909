/**
 * An immutable map from a runtime's ids. A change copies one bucket and the list of buckets, not the map: what it
 * costs hardly grows with the number of entries (4000 containers: 16 entries in each bucket).
 */
export class IdMap<V> {
  private constructor(private readonly buckets: Buckets<V>, readonly size: number) {}

  static empty<V>(): IdMap<V> {
    return new IdMap<V>(new Array<Bucket<V>>(BUCKETS).fill(NONE), 0);
  }

  get(id: string): V | undefined {
    return this.buckets[bucketOf(id)]?.get(id);
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  set(id: string, value: V): IdMap<V> {
    return this.setAll([[id, value]]);
  }

  /** As {@link set} for each in turn; a bucket is copied once. */
  setAll(entries: readonly (readonly [id: string, value: V])[]): IdMap<V> {
    const buckets = this.buckets.slice();
    const fresh = new Map<number, Map<string, V>>();
    let { size } = this;
    for (const [id, value] of entries) {
      const at = bucketOf(id);
      let bucket = fresh.get(at);
      if (bucket === undefined) {
        bucket = new Map(buckets[at]);
        fresh.set(at, bucket);
        buckets[at] = bucket;
      }
      if (!bucket.has(id)) size++;
      bucket.set(id, value);
    }
    return new IdMap(buckets, size);
  }

  delete(id: string): IdMap<V> {
    if (!this.has(id)) return this;
    const buckets = this.buckets.slice();
    const bucket = new Map(buckets[bucketOf(id)]);
    bucket.delete(id);
    buckets[bucketOf(id)] = bucket;
    return new IdMap(buckets, this.size - 1);
  }

  /** In no order that means anything, but the same one for the same changes. */
  values(): V[] {
    const values: V[] = [];
    for (const bucket of this.buckets) {
      if (bucket.size > 0) { for (const value of bucket.values()) values.push(value); }
    }
    return values;
  }

  keys(): string[] {
    return this.buckets.flatMap((bucket) => [...bucket.keys()]);
  }
}

type Bucket<V> = ReadonlyMap<string, V>;
type Buckets<V> = readonly Bucket<V>[];

/** A power of two. */
const BUCKETS = 256;
const NONE: Bucket<never> = new Map<string, never>();

/** FNV-1a; ids are chosen by the runtime, so nobody can aim at one bucket. */
function bucketOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (BUCKETS - 1);
}
