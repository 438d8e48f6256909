import { hereMs } from "../../system/node/slowness.ts";
import type { Kube, KubePod } from "./kube.ts";

interface PodList {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly KubePod[];
}

interface PodEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: KubePod;
}

const PATH = "/api/v1/pods";
/** After a connection that broke, as when the API server is restarted. */
const PAUSE_MS = 200;
const GRACE_MS = 1000;

/** All pods of the cluster, kept up to date by a watch; whoever waits for something looks at each change. */
export class PodCache implements AsyncDisposable {
  readonly #pods = new Map<string, KubePod>();
  readonly #watchers = new Set<() => void>();
  readonly #end = new AbortController();
  #following: Promise<void> = Promise.resolve();

  private constructor(private readonly kube: Kube) {}

  static async open(kube: Kube): Promise<PodCache> {
    const cache = new PodCache(kube);
    const version = await cache.#list();
    cache.#following = cache.#follow(version);
    return cache;
  }

  get pods(): KubePod[] {
    return [...this.#pods.values()];
  }

  find(namespace: string, name: string): KubePod | undefined {
    return this.#pods.get(`${namespace}/${name}`);
  }

  /**
   * Resolves with what `look` gives as soon as that isn't undefined; what it throws is thrown at once.
   *
   * @param what for people, after "waited 60 s for"
   * @param patienceMs of a usual machine
   */
  async until<T>(look: () => T | undefined, what: string, patienceMs: number): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const again = () => {
      try {
        const found = look();
        if (found !== undefined) resolve(found);
      } catch (error) {
        reject(error);
      }
    };
    const timer = setTimeout(
      () => reject(new Error(`waited ${hereMs(patienceMs) / 1000} s for ${what}`)),
      hereMs(patienceMs),
    );
    this.#watchers.add(again);
    again();
    return await promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(again);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    // A connection that is broken may not end at once, and nobody needs it any more.
    await Promise.race([this.#following, new Promise((resolve) => setTimeout(resolve, GRACE_MS))]);
  }

  async #list(): Promise<string> {
    const { metadata, items } = await this.kube.get<PodList>(PATH);
    this.#pods.clear();
    for (const pod of items) this.#pods.set(keyOf(pod), pod);
    this.#wake();
    return metadata.resourceVersion;
  }

  async #follow(version: string): Promise<void> {
    let from: string | undefined = version;
    while (!this.#end.signal.aborted) {
      try {
        from ??= await this.#list();
        const path: string = `${PATH}?watch=true&resourceVersion=${from}`;
        from = undefined;
        for await (const event of this.kube.watch<PodEvent>(path, this.#end.signal)) {
          if (event.type === "ERROR") break;
          this.#take(event);
        }
      } catch {
        if (this.#end.signal.aborted) return;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  #take({ type, object }: PodEvent): void {
    if (type === "DELETED") this.#pods.delete(keyOf(object));
    else if (type !== "BOOKMARK") this.#pods.set(keyOf(object), object);
    this.#wake();
  }

  #wake(): void {
    for (const look of [...this.#watchers]) look();
  }
}

function keyOf({ metadata }: KubePod): string {
  return `${metadata.namespace}/${metadata.name}`;
}
