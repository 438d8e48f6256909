import type { LevelledLog } from "../platform/log.ts";
import type { Journal } from "./journal.ts";
import type { Effective } from "./load_config.ts";

/** What every part of the running process shares. */
export interface Context {
  readonly effective: Effective;
  readonly version: string;
  /** The name of the pod that the process runs in, as its manifest says. */
  readonly pod?: string;
  /** Gives up the permission for the network, for good; absent: it is kept. */
  readonly dropNetwork?: () => void;
  /** Aborted by the first signal: what is under way may be finished, nothing new is begun. */
  readonly stop: AbortSignal;
  /** What it is given is in the journal as well. */
  readonly log: LevelledLog;
  readonly journal: Journal;
}
