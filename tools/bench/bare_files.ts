import assert from "node:assert/strict";
import { STATX_NLINK } from "../../src/cgroup/directory.ts";
import { AT_EMPTY_PATH, SYS_STATX } from "../../src/platform/file_status.ts";
import { cString, libc, O_CLOEXEC, O_DIRECTORY, O_PATH, O_RDWR } from "../../src/platform/libc.ts";

const MAX_BYTES = 4096;
const NO_PATH = cString("");

/** What is done with each cgroup: written; and read back; and before it read twice and looked into, as the agent does. */
export type Care = "written" | "read back" | "looked at";

/** Sets of cgroups whose files stay open, written by nothing but the system calls: what the kernel itself takes. */
export class BareFiles implements Disposable {
  readonly #open: { readonly directory: number; readonly file: number }[] = [];
  readonly #buffer = new Uint8Array(MAX_BYTES);
  #failed = 0;

  /** @param paths of the cgroups' directories */
  constructor(paths: readonly string[]) {
    for (const path of paths) {
      const directory = libc().open(cString(path), O_PATH | O_DIRECTORY | O_CLOEXEC);
      const file = libc().open(cString(`${path}/cpuset.cpus`), O_RDWR | O_CLOEXEC);
      assert(directory >= 0 && file >= 0, `${path} can't be opened`);
      this.#open.push({ directory, file });
    }
  }

  /** Writes the CPUs to each; ms. */
  write(cpus: string, care: Care = "written"): number {
    const bytes = new TextEncoder().encode(`${cpus}\n`);
    const began = performance.now();
    for (const { directory, file } of this.#open) {
      if (care === "looked at") this.#look(directory, file);
      this.#expect(libc().pwrite(file, bytes, BigInt(bytes.length), 0n));
      if (care !== "written") this.#read(file, MAX_BYTES);
    }
    const took = performance.now() - began;
    assert.equal(this.#failed, 0, `${this.#failed} of the calls failed`);
    return took;
  }

  [Symbol.dispose](): void {
    for (const { directory, file } of this.#open.splice(0)) {
      for (const each of [directory, file]) libc().close(each);
    }
  }

  #look(directory: number, file: number): void {
    this.#read(file, 1);
    this.#read(file, MAX_BYTES);
    const { syscall, ftruncate } = libc();
    const looked = syscall(SYS_STATX, directory, NO_PATH, AT_EMPTY_PATH, STATX_NLINK, this.#buffer);
    if (Number(looked) !== 0 || ftruncate(file, 0n) !== 0) this.#failed++;
  }

  #read(file: number, length: number): void {
    this.#expect(libc().pread(file, this.#buffer, BigInt(length), 0n));
  }

  /** Some bytes. */
  #expect(count: number): void {
    if (count <= 0) this.#failed++;
  }
}
