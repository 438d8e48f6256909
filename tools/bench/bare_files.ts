import assert from "node:assert/strict";
import { cString, libc, O_CLOEXEC, O_RDWR } from "../../src/platform/libc.ts";

const MAX_BYTES = 4096;

/** Files that stay open, written and read by nothing but the system calls: what the kernel itself takes. */
export class BareFiles implements Disposable {
  readonly #open: number[] = [];
  readonly #buffer = new Uint8Array(MAX_BYTES);

  constructor(paths: readonly string[]) {
    for (const path of paths) {
      const file = libc().open(cString(path), O_RDWR | O_CLOEXEC);
      assert(file >= 0, `${path} can't be opened`);
      this.#open.push(file);
    }
  }

  /** Writes the text to each; ms. With `isReadBack` each is read after its write. */
  write(text: string, isReadBack = false): number {
    const bytes = new TextEncoder().encode(`${text}\n`);
    const { pwrite, pread } = libc();
    let failed = 0;
    const began = performance.now();
    for (const file of this.#open) {
      if (Number(pwrite(file, bytes, BigInt(bytes.length), 0n)) !== bytes.length) failed++;
      if (isReadBack && Number(pread(file, this.#buffer, BigInt(MAX_BYTES), 0n)) <= 0) failed++;
    }
    const took = performance.now() - began;
    assert.equal(failed, 0, `${failed} of ${this.#open.length} files couldn't be written`);
    return took;
  }

  [Symbol.dispose](): void {
    for (const file of this.#open.splice(0)) libc().close(file);
  }
}
