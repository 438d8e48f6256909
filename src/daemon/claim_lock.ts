import { LeaderLock } from "../platform/lock.ts";
import type { Context } from "./context.ts";
import type { Mode } from "./modes.ts";

/** The leader lock, asked for. */
interface LockClaim {
  /** Another agent of the node holds it at first. */
  readonly contested: boolean;
  /**
   * Resolves when this agent may be active, or when it has ended before. Undefined where that is without the lock.
   * Rejects where the lock can't be used and the mode needs it.
   */
  readonly acquired: Promise<LeaderLock | undefined>;
}

/** Asks for the leader lock of the node until `ended`. A dry run changes nothing, so it needs none. */
export function claimLock(
  mode: Pick<Mode, "name" | "needsLock">,
  { effective: { config: { dryRun, runDir } }, version, log }: Context,
  ended: AbortSignal,
): LockClaim {
  if (dryRun) return { contested: false, acquired: Promise.resolve(undefined) };
  let contested = false; // decided before `acquire` returns
  const lock = LeaderLock.acquire(runDir, `${mode.name}, ${version}`, ended, (holder) => {
    contested = true;
    log.write({ level: "warn", message: "standby: another agent is active", fields: { holder } });
  });
  const acquired = lock.catch((error) => {
    if (ended.aborted) return undefined;
    if (mode.needsLock) throw error;
    // No other agent can use it either, and without an active agent containers run on any CPU.
    log.write({
      level: "error",
      message: "leader lock unusable; active without it",
      fields: { reason: (error as Error).message },
    });
    return undefined;
  });
  return { contested, acquired };
}
