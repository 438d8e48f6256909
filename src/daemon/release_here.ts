/** What an active agent does by hand: it releases all that it has narrowed and goes passive, or places again. */
import { type Openness, opennessOf } from "../agent/passive.ts";
import type { AgentState } from "../agent/state.ts";
import { pause } from "../platform/pause.ts";
import type { ReleaseDocument, ResumeDocument } from "../status/release_document.ts";
import type { Context } from "./context.ts";
import type { Driver } from "./driver.ts";
import { releaseTree } from "./release.ts";

type Agents = Pick<Driver, "agent" | "feed" | "isApplying">;

type Action = (driver: Agents, context: Context) => unknown;

/** What changes the node, by path; each has to be asked by POST. */
export const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ["/api/v1/release", releaseHere],
  ["/api/v1/resume", resumeHere],
]);

/** For which an answer may take; a client asks again for what isn't done by then. */
const ANSWER_MS = 3000;
const LOOK_MS = 20;
/** For each of systemd's units: the runtime's requests wait meanwhile. */
const SYSTEMD_DEADLINE_MS = 100;

/**
 * Gives all containers and groups all CPUs; asked again it goes on with what is left.
 * @throws {Error} one sentence, where the agent doesn't know what runs
 */
export async function releaseHere(
  driver: Agents,
  { effective: { config }, stop }: Context,
): Promise<ReleaseDocument> {
  const { state } = driver.agent;
  if (state.passive === undefined && state.phase !== "serving") {
    throw new Error(
      `the agent doesn't know yet what runs here (it is ${state.phase}); release again in a moment`,
    );
  }
  driver.feed({ kind: "released", now: performance.now() });
  const { done, pending, failed } = await settled(driver, stop);
  const groups: string[] = [];
  if (pending === 0 && failed.length === 0 && !state.dryRun) {
    // The marks of groups, and what is kept of CPUs that are offline.
    releaseTree(config, (line) => groups.push(line), SYSTEMD_DEADLINE_MS);
  }
  return { service: "weka-cpuset", version: 1, isPassive: true, done, pending, failed: [...failed], groups };
}

/** The agent has asked for the list of what runs, if it was passive. */
export function resumeHere(driver: Agents): ResumeDocument {
  const wasPassive = driver.agent.state.passive !== undefined;
  driver.feed({ kind: "resumed", now: performance.now() });
  return { service: "weka-cpuset", version: 1, isPassive: isPassive(driver.agent.state), wasPassive };
}

function isPassive({ passive }: AgentState): boolean {
  return passive !== undefined;
}

/** Once nothing is to be written any more, or the time is over. */
async function settled(driver: Agents, stop: AbortSignal): Promise<Openness> {
  const end = performance.now() + ANSWER_MS;
  for (;;) {
    const known = opennessOf(driver.agent.state);
    const openness = { ...known, pending: known.pending + (driver.isApplying ? 1 : 0) };
    const isOver = openness.pending === 0 || performance.now() >= end || stop.aborted;
    if (isOver) return openness;
    await pause(LOOK_MS, stop);
  }
}
