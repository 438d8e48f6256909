/** What tests of the running program share: manifests in, a made-up 64-CPU machine, and a log that can be awaited. */
import assert from "node:assert/strict";
import type { Effective } from "../../src/daemon/load_config.ts";
import type { Config } from "../../src/config/schema.ts";
import type { LevelledLog } from "../../src/platform/log.ts";
import { readerOf } from "../../src/platform/sysfs.ts";
import type { LogRecord } from "../../src/log_record.ts";
import { bigNode, sysfsTree, writeTree } from "./sysfs.ts";
import { type PodSpec, readManifests } from "../../src/manifests/manifest.ts";

readerOf("/sys")("kernel/osrelease"); // loads libc outside of the tests, where it is no leak

/** The sysfs of `bigNode`. A thousand small files: written once for all tests of a run. */
export const SYSFS = Deno.makeTempDirSync();
writeTree(SYSFS, sysfsTree(bigNode));
globalThis.addEventListener("unload", () => Deno.removeSync(SYSFS, { recursive: true }));

export const PINNED = manifest("pinned", { "weka.io/cores-ids": "8-9,40" }, {});
export const EXCLUSIVE = manifest("exclusive", {}, { cpu: "4", memory: "1Gi" });
export const SHARED = manifest("shared", {}, {});

export function manifest(
  name: string,
  annotations: Record<string, string>,
  limits: Record<string, string>,
): PodSpec {
  const spec = { containers: [{ name: "c", image: "none", resources: { limits } }] };
  const text = JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name, annotations }, spec });
  const [pod] = readManifests(text);
  assert(pod !== undefined);
  return pod;
}

export function effective(config: Config): Effective {
  return { config, origins: new Map(), problems: [], layers: [] };
}

export class Records implements LevelledLog {
  readonly records: LogRecord[] = [];
  #next = Promise.withResolvers<void>();

  write(record: LogRecord): void {
    this.records.push(record);
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  setLevel(): void {}

  has(start: string): boolean {
    return this.records.some(({ message }) => message.startsWith(start));
  }

  /** Resolves once so many messages that start so are there. */
  async until(start: string, count = 1): Promise<void> {
    const so = () => this.records.filter(({ message }) => message.startsWith(start));
    while (so().length < count) await this.#next.promise;
  }
}
