/** What a file is by its first bytes, see elf(5). Pure. */

/** As Deno names them. */
export type Architecture = "x86_64" | "aarch64";

/** e_machine, by elf(5) and <linux/elf-em.h>. */
const MACHINES: Readonly<Record<number, string>> = {
  3: "x86",
  40: "arm",
  62: "x86_64",
  183: "aarch64",
  243: "riscv",
};
const MAGIC = [0x7f, 0x45, 0x4c, 0x46];
/** Bytes up to e_machine's end. */
export const ELF_HEAD = 20;

/** Why a file that begins so can't be run by this machine; undefined: it may be. One clause. */
export function whyNotRun(head: Uint8Array, machine: Architecture): string | undefined {
  if (head.length < ELF_HEAD || MAGIC.some((byte, at) => head[at] !== byte)) {
    return "is no executable (no ELF file)";
  }
  const [bits, order] = [head[4], head[5]];
  const code = new DataView(head.buffer, head.byteOffset).getUint16(18, true);
  const name = MACHINES[code] ?? `machine ${code}`;
  if (bits === 2 && order === 1 && name === machine) return undefined;
  return `is for ${
    bits === 2 && order === 1 ? name : "another kind of machine"
  }, and this machine is ${machine}`;
}
