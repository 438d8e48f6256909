/** How far an engine is, on standard error: one line that is written over on a terminal, a few lines elsewhere. */
export class Progress {
  readonly #isTerminal = Deno.stderr.isTerminal();

  /** On a terminal; elsewhere only what is worth a line of its own, as a part's beginning is. */
  show(text: string, isWorthALine = false): void {
    if (this.#isTerminal) write(Deno.stderr, `\r\x1b[K${text}`);
    else if (isWorthALine) write(Deno.stderr, `${text}\n`);
  }

  /** Takes the line away, before something else is printed. */
  clear(): void {
    if (this.#isTerminal) write(Deno.stderr, "\r\x1b[K");
  }
}

export function write(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
}
