/** What is served by HTTP, of an agent that has played a script. */
import { DEFAULTS } from "../../src/config/schema.ts";
import { Journal } from "../../src/daemon/journal.ts";
import { EXTERNAL } from "../../src/daemon/modes.ts";
import { Player } from "../scenarios/play.ts";
import { parseScript } from "../scenarios/script.ts";
import { effective, Records } from "./daemon_stage.ts";

/** One of each kind. */
export const NODE = `# A play for the status.
machine cores=8 threads=2

run db cpus=2
run pin cores-ids=0
run web
----
`;

export function statusStage(text: string, config = DEFAULTS) {
  const script = parseScript(text, "status");
  const player = new Player(script);
  for (const { events } of script.blocks) for (const { event } of events) player.event(event);
  const log = new Records();
  const context = {
    effective: effective(config),
    version: "1.2.3",
    stop: new AbortController().signal,
    log,
    journal: new Journal(),
  };
  const driver = { agent: player.link.agent, feed() {}, tickedAt: performance.now(), isApplying: false };
  return { driver, mode: EXTERNAL, context, log, holder: () => undefined, records: player.records };
}
