/** The two ways in which the process is started, and how its life differs by them; see {@link Mode}. */
import type { Config } from "../config/schema.ts";
import type { Problem } from "../config/problems.ts";
import type { Discovery } from "../cpu/discover.ts";
import { openInherited } from "../platform/inherited_fd.ts";
import { type ByteStream, connectUnix } from "../platform/socket.ts";
import { rejectProblems } from "./config_error.ts";
import type { Context } from "./context.ts";
import { discoverMachine, discoverOrAssume } from "./machine.ts";

/** The differences between the two modes. */
export interface Mode {
  readonly name: "external" | "launched";
  /** Throws {@link ConfigError} where an invalid configuration prevents the start. */
  readonly checkConfig: (problems: readonly Problem[]) => void;
  /** Throws {@link DiscoverError} where an unreadable machine prevents the start. */
  readonly discover: (config: Config) => Discovery;
  /** An unusable leader lock ends the process; otherwise it is active without one. */
  readonly needsLock: boolean;
  /** Opens a connection to the runtime; undefined where that failed, which is logged. */
  readonly connect: (context: Context) => Promise<ByteStream | undefined>;
  /** The end of a connection is followed by the next one; otherwise it ends the process. */
  readonly reconnects: boolean;
}

/** Started by systemd, a DaemonSet or a person, who sees a failure to start and can correct its cause. */
export const EXTERNAL: Mode = {
  name: "external",
  checkConfig: rejectProblems,
  discover: discoverMachine,
  needsLock: true,
  connect: dial,
  reconnects: true,
};

/**
 * Started by the runtime from its plugin directory, with one end of a socket pair as `descriptor`. containerd 1.7 ends
 * with a plugin that exits or hangs before it has registered, so nothing prevents the start: every failure is logged,
 * and the agent runs with what it has.
 * @throws {Error} one sentence, when the descriptor is no stream socket
 */
export function launchedMode(descriptor: number): Mode {
  const connection = openInherited(descriptor);
  return {
    name: "launched",
    checkConfig: () => {},
    discover: discoverOrAssume,
    needsLock: false,
    connect: () => Promise.resolve(connection),
    reconnects: false,
  };
}

async function dial({ effective: { config: { socket } }, log }: Context): Promise<ByteStream | undefined> {
  try {
    return await connectUnix(socket);
  } catch (error) {
    log.write({
      level: "warn",
      message: "failed to connect to the NRI socket; retrying",
      fields: { socket, reason: (error as Error).message },
    });
    return undefined;
  }
}
