/** Whether a plugin that was installed does its work once the runtime has launched it; if not, the former one is put back. */
import { isRegistered } from "../platform/launched_note.ts";
import { readNote, runtimeAt } from "./note.ts";
import type { PluginPlace } from "./place.ts";

/** From the runtime's start, or from when it was seen to be down: containerd gives a plugin five seconds. */
const PATIENCE_MS = 60_000;
const LOOK_MS = 1000;

/** What is seen of a plugin. */
export interface Sight {
  readonly isRegistered: boolean;
  /** The runtime isn't the one that was there when the plugin was installed, or is down. */
  readonly isRestarted: boolean;
}

/** Whom is looked at. */
export interface Guarded {
  readonly place: PluginPlace;
  /** Of the plugin's agents. */
  readonly runDir: string;
  /** The runtime's NRI socket. */
  readonly socket: string;
  /** Those of its other sockets behind which it was: {@link answering}. None of them answers while it is down. */
  readonly criSockets: readonly string[];
}

export type Outcome = "registered" | "not registered" | "not restarted";

/** As it is now. */
export async function look({ place, runDir, socket, criSockets }: Guarded): Promise<Sight> {
  const { runtime } = readNote(place);
  return {
    isRegistered: isRegistered(runDir, place.target),
    // One that was down, or had NRI off, when the plugin was installed may be started whenever.
    isRestarted: runtimeAt(socket) !== runtime || runtime !== "" && await isDown(criSockets),
  };
}

/**
 * Looks again and again, until the plugin has registered, or a minute has passed since the runtime was restarted.
 *
 * @param waitMs at most, for the runtime's restart
 * @param world the clock, and a pause
 */
export async function guarded(
  looked: () => Promise<Sight>,
  waitMs: number,
  world: { now(): number; rest(ms: number): Promise<void> },
): Promise<Outcome> {
  const begun = world.now();
  let restartedAt: number | undefined;
  for (;;) {
    const sight = await looked();
    if (sight.isRegistered) return "registered";
    const now = world.now();
    if (sight.isRestarted) restartedAt ??= now;
    if (restartedAt !== undefined && now - restartedAt >= PATIENCE_MS) return "not registered";
    if (restartedAt === undefined && now - begun >= waitMs) return "not restarted";
    await world.rest(LOOK_MS);
  }
}

/** Without any of which it was known that it runs, it isn't known that it doesn't. */
async function isDown(paths: readonly string[]): Promise<boolean> {
  return paths.length > 0 && (await answering(paths)).length === 0;
}

/** Of these sockets those that have somebody behind them, also one that is too busy to answer now. */
export async function answering(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    try {
      (await Deno.connect({ transport: "unix", path })).close();
    } catch (error) {
      const { NotFound, ConnectionRefused } = Deno.errors;
      if (error instanceof NotFound || error instanceof ConnectionRefused) continue;
    }
    found.push(path);
  }
  return found;
}
