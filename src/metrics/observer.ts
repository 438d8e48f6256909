/** What is counted of the agent's work while it runs, where somebody asks for it. */
import type { RefusalReason } from "../agent/decision.ts";
import type { CpusetPort, CpusetWriteResult } from "../cgroup/port.ts";
import type { LogRecord } from "../log_record.ts";

/** Times are in milliseconds. */
export interface Observer {
  /** A call of the runtime, after so long; `refused`: with an error, for this reason. */
  answered(call: string, tookMs: number, refused?: RefusalReason): void;
  /** Sets of so many cgroups, by one write of the port. */
  wrote(result: CpusetWriteResult, cgroups: number): void;
  logged(record: LogRecord): void;
  /** The agent is synchronized on a new connection. */
  serving(): void;
}

/** The same port, whose writes are counted. Its readings and the rest aren't. */
export function observedCpusets(port: CpusetPort, observer: Pick<Observer, "wrote">): CpusetPort {
  const { partitions, quotas, memory } = port;
  return {
    version: port.version,
    get writable() {
      return port.writable;
    },
    read: (container) => port.read(container),
    population: (container) => port.population(container),
    write: (writes, deadlineMs) => {
      const result = port.write(writes, deadlineMs);
      observer.wrote(result, writes.length);
      return result;
    },
    ...port.limitOf === undefined ? {} : { limitOf: port.limitOf.bind(port) },
    ...port.affinity === undefined ? {} : { affinity: port.affinity.bind(port) },
    ...partitions === undefined ? {} : { partitions },
    ...quotas === undefined ? {} : { quotas },
    ...memory === undefined ? {} : { memory },
  };
}
