import { repository } from "./requirements.ts";
import { signalIfAlive } from "./signal_if_alive.ts";

const EXECUTABLE = `${repository}/dist/weka-cpuset`;
const PATIENCE_MS = 15_000;

/** The compiled agent, and what it has said on stderr so far. */
export interface Agent {
  readonly lines: readonly string[];
  /** Resolves as soon as a line from the `after`th on matches; fails if the agent ends or doesn't say it in 15 s. */
  says(pattern: RegExp, after?: number): Promise<string>;
  /** Sends a signal and waits for the end; the exit status as the system gives it. Harmless when it has ended. */
  end(signal: Deno.Signal): Promise<Deno.CommandStatus>;
}

/** How to start it: more flags, an environment (empty unless given) and a program that runs it, such as `env -i`. */
export interface AgentOptions {
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  readonly wrapper?: readonly string[];
}

/** Starts `dist/weka-cpuset` with `args`, in an empty environment. */
export function startAgent({ args = [], env = {}, wrapper = [] }: AgentOptions): Agent {
  mustBeBuilt();
  const [program = EXECUTABLE, ...rest] = [...wrapper, EXECUTABLE, ...args];
  const child = new Deno.Command(program, {
    args: rest,
    env,
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  })
    .spawn();
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  const wake = () => watchers.forEach((watcher) => watcher());
  let status: Deno.CommandStatus | undefined;
  const ended = collect(child.stderr, (line) => {
    lines.push(line);
    wake();
  }).then(async () => {
    status = await child.status;
    wake();
    return status;
  });
  const says = async (pattern: RegExp, after = 0): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const look = () => {
      const found = lines.slice(after).find((line) => pattern.test(line));
      if (found !== undefined) resolve(found);
      else if (status !== undefined) {
        reject(new Error(`the agent ended with status ${status.code} and never said ${pattern}`));
      }
    };
    const timer = setTimeout(() => reject(new Error(`the agent did not say ${pattern}`)), PATIENCE_MS);
    watchers.add(look);
    look();
    return await promise.finally(() => {
      clearTimeout(timer);
      watchers.delete(look);
    });
  };
  const end = async (signal: Deno.Signal) => {
    signalIfAlive(child, signal);
    return await ended;
  };
  return { lines, says, end };
}

/** Runs the executable to its end, as {@link startAgent} would start it. */
export async function runExecutable({ args = [], env = {}, wrapper = [] }: AgentOptions) {
  mustBeBuilt();
  const [program = EXECUTABLE, ...rest] = [...wrapper, EXECUTABLE, ...args];
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: rest,
    env,
    clearEnv: true,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function collect(stream: ReadableStream<Uint8Array>, line: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    parts.forEach(line);
  }
  if (rest !== "") line(rest);
}

function mustBeBuilt(): void {
  try {
    Deno.statSync(EXECUTABLE);
  } catch (error) {
    throw new Error("dist/weka-cpuset isn't there: make build makes it", { cause: error });
  }
}
