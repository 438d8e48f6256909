/** Two sockets, each a NUMA node with half of the memory, of four cores with two threads: CPUs 2n and 2n + 1 are a core. */
const large = (memory: number, beside: number) => [
  ...`-m ${memory} -smp 16,sockets=2,cores=4,threads=2`.split(" "),
  ...node(0, (memory - beside) / 2, ",cpus=0-7"),
  ...node(1, (memory - beside) / 2, ",cpus=8-15"),
  ..."-numa dist,src=0,dst=1,val=21".split(" "),
  // Nearer to node 1.
  ...beside === 0
    ? []
    : [...node(2, beside, ""), ..."-numa dist,src=0,dst=2,val=31 -numa dist,src=1,dst=2,val=15".split(" ")],
];

const node = (id: number, size: number, cpus: string) =>
  `-object memory-backend-ram,id=m${id},size=${size}M -numa node,nodeid=${id}${cpus},memdev=m${id}`.split(
    " ",
  );

const machine = ({ memory, isMemoryBesideNoCpu, cpus }: MachineOptions) => [
  ...(cpus === undefined
    ? large(memory, isMemoryBesideNoCpu ? memory / 6 : 0)
    : `-m ${memory} -smp ${cpus}`.split(" ")),
  // Emulated, so that it runs where there is no KVM. An Intel model: QEMU's AMD ones have no threads.
  ..."-machine q35 -accel tcg,thread=multi -cpu Nehalem".split(" "),
  ..."-display none -monitor none -nic none -no-reboot".split(" "),
];

const KERNEL = [
  "console=ttyS0 panic=-1 quiet systemd.unit=checks.service systemd.show_status=false systemd.firstboot=off",
  // What costs an emulated machine most: page tables that are changed at each system call, and programs that lie
  // elsewhere each time they start, so that all of their code is translated anew.
  "mitigations=off norandmaps init_on_alloc=0 audit=0 selinux=0 apparmor=0",
];

/** What the machine is started with, and who is told what it says. */
export interface MachineOptions {
  /** The folder that `hack/get-qemu.sh` filled. */
  readonly tools: string;
  /** MiB. */
  readonly memory: number;
  /** So many in one NUMA node, where what is emulated isn't the machine's shape: fewer are faster. */
  readonly cpus?: number;
  /** A third NUMA node has a sixth of it, and no CPU. */
  readonly isMemoryBesideNoCpu?: boolean;
  /** More words of the kernel's command line. */
  readonly boot?: readonly string[];
  /** For `guest/checks.sh` and the checks: words `weka.NAME=VALUE` of the kernel's command line. */
  readonly words: Readonly<Record<string, string>>;
  /** A boot image. */
  readonly image: string;
  /** Gets what the machine writes to its second serial port. */
  readonly port: string;
  /** Milliseconds after which it is switched off. */
  readonly patience: number;
  /** Is given each line of its console. */
  readonly onLine: (line: string) => void;
}

/** Its first line comes within seconds, on a busy machine within a minute. */
const SILENCE_MS = 5 * 60_000;

/** An emulated machine now and then hangs while it boots, before it says anything. */
export class SilentMachine extends Error {
  constructor() {
    super(`the machine said nothing within ${SILENCE_MS / 1000} s`);
  }
}

/** Runs a machine until it switches itself off. Throws if it doesn't in time, or if QEMU fails. */
export async function runMachine(options: MachineOptions): Promise<void> {
  const { tools, words, image, port, patience, onLine, boot: more = [] } = options;
  const own = Object.entries(words).map(([name, value]) => `weka.${name}=${value}`);
  const boot = [
    "-kernel",
    `${tools}/vmlinuz`,
    "-initrd",
    image,
    "-append",
    [...KERNEL, ...more, ...own].join(" "),
  ];
  const serial = ["-serial", "stdio", "-serial", `file:${port}`];
  const child = new Deno.Command(`${tools}/qemu`, {
    args: [...machine(options), ...boot, ...serial],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let ended: Error | undefined;
  const endAfter = (ms: number, reason: Error) =>
    setTimeout(() => {
      ended = reason;
      child.kill("SIGKILL");
    }, ms);
  const timer = endAfter(patience, new Error(`the machine didn't end within ${patience / 1000} s`));
  const silence = endAfter(SILENCE_MS, new SilentMachine());
  const complaint = new Response(child.stderr).text();
  await eachLine(child.stdout, (line) => {
    clearTimeout(silence);
    onLine(line);
  });
  const { success } = await child.status;
  clearTimeout(timer);
  clearTimeout(silence);
  if (ended !== undefined) throw ended;
  if (!success) throw new Error(`QEMU failed: ${(await complaint).trim()}`);
}

async function eachLine(bytes: ReadableStream<Uint8Array<ArrayBuffer>>, onLine: (line: string) => void) {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).replaceAll("\r", "").split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  }
  if (rest !== "") onLine(rest);
}
