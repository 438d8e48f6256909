/** What a run writes down as it goes, so that a report can be made of it whoever dies. */
import type { Sampled } from "./sampler.ts";

export type RunEvent =
  | {
    readonly kind: "run";
    readonly at: string;
    readonly words: string;
    readonly node: string;
    readonly tests: number;
  }
  | { readonly kind: "begin"; readonly at: string; readonly test: string; readonly worker: number }
  | { readonly kind: "step"; readonly at: string; readonly test: string; readonly line: string }
  | { readonly kind: "end"; readonly at: string; readonly test: string; readonly outcome: Outcome }
  | { readonly kind: "skip"; readonly at: string; readonly test: string; readonly why: string }
  | {
    readonly kind: "node";
    readonly at: string;
    readonly what: "taken" | "given back" | "set aside";
    readonly node: string;
    readonly test: string;
    readonly worker: number;
  }
  | { readonly kind: "sampled"; readonly at: string; readonly sampled: Sampled; readonly gap: boolean }
  | { readonly kind: "done"; readonly at: string };

export type Outcome = { readonly kind: "passed" } | {
  readonly kind: "failed";
  readonly error: string;
  readonly expected: string;
  readonly seen: string;
  readonly stack: string;
};

/** A test as the events tell it. */
export interface Result {
  readonly test: string;
  readonly outcome: Outcome | { readonly kind: "skipped"; readonly why: string };
  readonly seconds: number;
  readonly worker: number;
  readonly lines: readonly string[];
}

/** An event without its time. */
type Untimed<T> = T extends RunEvent ? Omit<T, "at"> : never;

export class EventLog {
  constructor(private readonly file: string) {}

  add(event: Untimed<RunEvent>): void {
    const line = JSON.stringify({ at: new Date().toISOString(), ...event });
    Deno.writeTextFileSync(this.file, `${line}\n`, { append: true });
  }
}

/** Of a file that may end in the midst of a line. */
export function readEvents(text: string): RunEvent[] {
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as RunEvent];
    } catch {
      return [];
    }
  });
}

/** What has begun and not ended has died with the harness. */
export function resultsOf(events: readonly RunEvent[]): Result[] {
  const begun = new Map<string, { at: number; worker: number; lines: string[] }>();
  const results: Result[] = [];
  for (const event of events) {
    if (event.kind === "skip") {
      const outcome = { kind: "skipped", why: event.why } as const;
      results.push({ test: event.test, outcome, seconds: 0, worker: 0, lines: [] });
    }
    if (event.kind === "begin") {
      begun.set(event.test, { at: Date.parse(event.at), worker: event.worker, lines: [] });
    }
    if (event.kind === "step") begun.get(event.test)?.lines.push(`${event.at} ${event.line}`);
    if (event.kind !== "end") continue;
    const { at = 0, worker = 0, lines = [] } = begun.get(event.test) ?? {};
    begun.delete(event.test);
    const seconds = (Date.parse(event.at) - at) / 1000;
    results.push({ test: event.test, outcome: event.outcome, seconds, worker, lines });
  }
  const last = Date.parse(events.at(-1)?.at ?? "");
  for (const [test, { at, worker, lines }] of begun) {
    const outcome = {
      kind: "failed",
      error: "the harness died while it ran",
      expected: "",
      seen: "",
      stack: "",
    } as const;
    results.push({ test, outcome, seconds: (last - at) / 1000, worker, lines });
  }
  return results;
}
