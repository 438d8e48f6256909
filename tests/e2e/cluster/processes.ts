/**
 * Processes that outlive the program that starts them. A file NAME.pid says who it is: the process id, and when it was
 * started, since ids are used again; so nothing is ever ended that wasn't started here.
 */
import { existsSync } from "node:fs";
import { eventually } from "../../system/node/eventually.ts";

/** A process as its file says it. */
interface Identity {
  readonly pid: number;
  /** In the kernel's clock ticks since boot: field 22 of /proc/PID/stat, see proc(5). */
  readonly started: string;
}

const PAUSE_MS = 50;
/** How long a process may take to end by itself; kubelet and etcd take a second. */
const GRACE_MS = 10_000;
/** A start takes seconds; minutes on a machine that is very busy or emulated. */
const START = { patienceMs: 180_000, pauseMs: PAUSE_MS };

/** Starts a program unless it runs; its output is added to NAME.log of the folder. */
export function startDaemon(
  folder: string,
  name: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): void {
  if (pidOf(folder, name) !== undefined) return;
  // Without a session of its own it would end with the terminal.
  const script = 'log=$1; shift; setsid "$@" >>"$log" 2>&1 </dev/null & echo $!';
  const args = ["-c", script, "sh", `${folder}/${name}.log`, ...command];
  const { success, stdout, stderr } = new Deno.Command("sh", { args, env, cwd: folder }).outputSync();
  if (!success) throw new Error(`${name} can't be started: ${new TextDecoder().decode(stderr)}`);
  writeIdentity(folder, name, Number(new TextDecoder().decode(stdout)));
}

/** Notes who NAME is, for one that was started otherwise. */
export function writeIdentity(folder: string, name: string, pid: number): void {
  const identity: Identity = { pid, started: startOf(pid) ?? "" };
  Deno.writeTextFileSync(`${folder}/${name}.pid`, JSON.stringify(identity));
}

/** The process id, while it runs. */
export function pidOf(folder: string, name: string): number | undefined {
  const file = `${folder}/${name}.pid`;
  if (!existsSync(file)) return undefined;
  const { pid, started } = JSON.parse(Deno.readTextFileSync(file)) as Identity;
  return startOf(pid) === started ? pid : undefined;
}

/** Ends it, and waits for that; SIGKILL after ten seconds. Nothing happens if it has ended. */
export async function stopDaemon(
  folder: string,
  name: string,
  signal: Deno.Signal = "SIGTERM",
): Promise<void> {
  signalDaemon(folder, name, signal);
  const gone = () => {
    if (pidOf(folder, name) !== undefined) throw new Error(`${name} (${folder}/${name}.pid) doesn't end`);
  };
  await eventually(gone, { patienceMs: GRACE_MS, pauseMs: PAUSE_MS }).catch(async () => {
    signalDaemon(folder, name, "SIGKILL");
    await eventually(gone, { pauseMs: PAUSE_MS });
  });
  if (existsSync(`${folder}/${name}.pid`)) Deno.removeSync(`${folder}/${name}.pid`);
}

export function signalDaemon(folder: string, name: string, signal: Deno.Signal): void {
  const pid = pidOf(folder, name);
  if (pid === undefined) return;
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended meanwhile
  }
}

/** Resolves as soon as `look` doesn't throw; throws the end of the process' log at once if it ends before. */
export async function untilServes(folder: string, name: string, look: () => unknown): Promise<void> {
  const lastWords = await eventually(async () => {
    if (pidOf(folder, name) === undefined) return lastLines(`${folder}/${name}.log`);
    await look();
  }, START);
  if (lastWords !== undefined) throw new Error(`${name} has ended:\n${lastWords}`);
}

function lastLines(file: string): string {
  return Deno.readTextFileSync(file).trim().split("\n").slice(-5).join("\n");
}

/** Undefined when it has ended: also one that its parent hasn't reaped yet, for which `kill -0` succeeds. */
function startOf(pid: number): string | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Runs a program to its end; what it printed. Throws what it said if it fails. */
export async function run(
  program: string,
  args: readonly string[],
  { input }: { readonly input?: string } = {},
): Promise<string> {
  const command = new Deno.Command(program, {
    args: [...args],
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { success, code, stdout, stderr } = await child.output();
  const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${program} ${args.join(" ")} ended with status ${code}: ${said || out}`);
  return out ?? "";
}
