/** What a run shows while it goes on: on a terminal a line for each worker, below what has ended; else a line for each event. */

const UP_AND_CLEAR = "\x1b[1A\x1b[2K";

export class Progress {
  readonly #lines: string[] = [];
  #shown = 0;

  /**
   * @param write puts text out
   * @param columns of the terminal; undefined: it is none
   */
  constructor(private readonly write: (text: string) => void, private readonly columns?: number) {}

  /** What a worker does now. */
  runs(worker: number, test: string): void {
    this.#lines[worker] = test;
    if (this.columns === undefined) this.write(`w${worker} runs    ${test}\n`);
    else this.#draw();
  }

  /** What stays to be read. */
  says(worker: number, line: string): void {
    this.#clear();
    this.write(`w${worker} ${line}\n`);
    if (this.columns !== undefined) this.#draw();
  }

  /** What a worker has ended. */
  ended(worker: number, line: string): void {
    this.#lines[worker] = "";
    this.says(worker, line);
  }

  #draw(): void {
    this.#clear();
    const width = this.columns ?? 80;
    const lines = [...this.#lines].map((test = "", worker) => `w${worker} ${test}`.slice(0, width));
    this.write(lines.map((line) => `${line}\n`).join(""));
    this.#shown = lines.length;
  }

  #clear(): void {
    this.write(UP_AND_CLEAR.repeat(this.#shown));
    this.#shown = 0;
  }
}
