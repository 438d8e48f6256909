/** Memory that the C library keeps for later goes back to the system once nothing has changed for a while. */
import type { Ledger } from "../ledger/ledger.ts";
import type { Driver } from "./driver.ts";
import { libc } from "../platform/libc.ts";

/** Between two looks. V8 gives back what it has collected itself, some eight seconds after the last event. */
const INTERVAL_MS = 10_000;

export function watchRest(driver: Pick<Driver, "agent">, giveBack: () => void = trim): { close(): void } {
  const rest = new Rest(giveBack);
  const timer = setInterval(() => rest.look(driver.agent.state.ledger), INTERVAL_MS);
  return { close: () => clearInterval(timer) };
}

/** Every change of who runs where gives another ledger; comparisons that find all as it should be don't. */
export class Rest {
  #last: Ledger | undefined;
  #isDone = false;

  constructor(private readonly giveBack: () => void) {}

  look(ledger: Ledger): void {
    const isSame = ledger === this.#last;
    if (isSame && !this.#isDone) this.giveBack();
    this.#isDone = isSame;
    this.#last = ledger;
  }
}

/** malloc_trim(3): a fraction of a millisecond. */
function trim(): void {
  libc().malloc_trim(0n);
}
