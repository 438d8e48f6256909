/** Executables of some hundred bytes, for tests of what copies and starts executables: they print a text and end. */

/** Of this machine, unless `machine` says otherwise; `code` is its exit status. */
export function tinyElf(text: string, { code = 0, machine = Deno.build.arch } = {}): Uint8Array {
  const said = new TextEncoder().encode(text);
  const program = machine === "x86_64" ? x86(said.length, code) : arm(said.length, code);
  const [base, entry] = [0x400000n, 64 + 56];
  const size = entry + program.length + said.length;
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  // elf(5): the header, and one segment that is the whole file.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  for (
    const [at, value] of [[16, 2], [18, machine === "x86_64" ? 62 : 183], [52, 64], [54, 56], [
      56,
      1,
    ]] as const
  ) {
    view.setUint16(at, value, true);
  }
  view.setUint32(20, 1, true);
  view.setBigUint64(24, base + BigInt(entry), true);
  view.setBigUint64(32, 64n, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // readable, executable
  view.setBigUint64(80, base, true);
  view.setBigUint64(88, base, true);
  view.setBigUint64(96, BigInt(size), true);
  view.setBigUint64(104, BigInt(size), true);
  view.setBigUint64(112, 0x1000n, true);
  file.set(program, entry);
  file.set(said, entry + program.length);
  return file;
}

/** write(1, what follows, length); exit(code). */
function x86(length: number, code: number): Uint8Array {
  const program = [
    ...[0xb8, 1, 0, 0, 0], // mov eax, 1
    ...[0xbf, 1, 0, 0, 0], // mov edi, 1
    ...[0x48, 0x8d, 0x35, 0, 0, 0, 0], // lea rsi, [rip + rest]
    ...[0xba, length & 0xff, length >> 8, 0, 0], // mov edx, length
    ...[0x0f, 0x05], // syscall
    ...[0xb8, 60, 0, 0, 0], // mov eax, 60
    ...[0xbf, code, 0, 0, 0], // mov edi, code
    ...[0x0f, 0x05], // syscall
  ];
  program[13] = program.length - 17;
  return Uint8Array.from(program);
}

function arm(length: number, code: number): Uint8Array {
  const words = [
    0xd2800020, // mov x0, 1
    0x100000e1, // adr x1, what follows
    0xd2800002 | length << 5, // mov x2, length
    0xd2800808, // mov x8, 64
    0xd4000001, // svc 0
    0xd2800000 | code << 5, // mov x0, code
    0xd2800ba8, // mov x8, 93
    0xd4000001, // svc 0
  ];
  return new Uint8Array(Uint32Array.from(words.map((word) => word >>> 0)).buffer);
}
