/** What fails a test: with the sets side by side. */
import { listText } from "./overlaps.ts";

/** An expectation that isn't met; `expected` and `seen` are for the report. */
export class Unmet extends Error {
  override name = "Unmet";

  constructor(what: string, readonly expected = "", readonly seen = "") {
    super(expected === "" && seen === "" ? what : `${what}: expected ${expected}, seen ${seen}`);
  }
}

export function expectCpus(what: string, seen: readonly number[], expected: readonly number[]): void {
  const [is, should] = [listText(seen), listText(expected)];
  if (is !== should) throw new Unmet(what, should || "no CPU", is || "no CPU");
}

export function expectThat(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Unmet(what);
}

export function expectText(what: string, text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Unmet(what, `${pattern}`, text);
}
