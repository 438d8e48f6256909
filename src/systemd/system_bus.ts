import { CpuSet } from "../cpu/cpu_set.ts";
import { backoff } from "../platform/backoff.ts";
import { BusConnection } from "./bus_connection.ts";
import type { BusReply, MethodCall } from "./message.ts";
import type { AllowedCpusFailure, AllowedCpusReading, AllowedCpusResult, UnitProperties } from "./port.ts";
import { cpusIn, explain, getCall, setCall, whyNoUnit } from "./units.ts";

/** Where the D-Bus specification has it. */
export const SYSTEM_BUS = "/run/dbus/system_bus_socket";

/**
 * Milliseconds between a failure and the next try. Until then calls fail at once, so that a bus that says nothing blocks
 * the agent for a small part of the time only.
 */
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5000;

/** @param now a clock in milliseconds, for the delays between tries */
export function openSystemBus(socketPath: string = SYSTEM_BUS, now = () => performance.now()): SystemBus {
  return new SystemBus(socketPath, now);
}

/** Makes a call of D-Bus, and returns what was answered; throws {@link Refused} at an error. */
type Caller = (call: MethodCall) => BusReply & { kind: "return" };

/**
 * systemd by way of the system bus. Connects at the first call, and stays connected; a call that fails closes the
 * connection, and one that finds bytes in it, or its end, before it has asked for anything, makes a new one.
 */
export class SystemBus implements UnitProperties {
  readonly #delays = backoff(FIRST_DELAY_MS, MAX_DELAY_MS);
  #connection: BusConnection | undefined;
  #failure = { reason: "", nextTry: -Infinity };

  constructor(private readonly path: string, private readonly now: () => number) {}

  setAllowedCpus(unit: string, cpus: CpuSet, deadlineMs: number): AllowedCpusResult {
    if (cpus.isEmpty) return failed(`no CPUs for ${unit}; systemd would leave those that are in force`);
    return this.#setting(unit, cpus, deadlineMs);
  }

  unsetAllowedCpus(unit: string, deadlineMs: number): AllowedCpusResult {
    return this.#setting(unit, CpuSet.empty, deadlineMs);
  }

  allowedCpus(unit: string, deadlineMs: number): AllowedCpusReading {
    return this.#asking(unit, deadlineMs, (call) => ({ kind: "values", cpus: cpusIn(call(getCall(unit))) }));
  }

  /** Idempotent; a later call connects again. */
  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  #setting(unit: string, cpus: CpuSet, deadlineMs: number): AllowedCpusResult {
    return this.#asking(unit, deadlineMs, (call) => {
      call(setCall(unit, cpus));
      return { kind: "done" };
    });
  }

  #asking<T>(unit: string, deadlineMs: number, ask: (call: Caller) => T): T | AllowedCpusFailure {
    const problem = whyNoUnit(unit) ?? this.#whyNotYet();
    if (problem !== undefined) return failed(problem);
    const until = performance.now() + deadlineMs;
    try {
      const connection = this.#connected(until);
      const asked = ask((call) => returned(unit, connection.call(call, until)));
      this.#delays.reset();
      return asked;
    } catch (error) {
      const { message } = error as Error;
      // An answer like any other: nothing is outstanding.
      if (error instanceof Refused) return failed(message);
      this.close();
      const reason = `asking systemd about ${unit} failed, with ${deadlineMs} ms for it: ${message}`;
      this.#failure = { reason, nextTry: this.now() + this.#delays.next() };
      return failed(reason);
    }
  }

  #whyNotYet(): string | undefined {
    const leftMs = Math.ceil(this.#failure.nextTry - this.now());
    return leftMs > 0 ? `the next try is in ${leftMs} ms, since ${this.#failure.reason}` : undefined;
  }

  #connected(until: number): BusConnection {
    if (this.#connection?.isQuiet === false) this.close();
    return this.#connection ??= BusConnection.open(this.path, until);
  }
}

/** systemd's, or the bus's, error for a call. */
class Refused extends Error {}

function returned(unit: string, reply: BusReply): BusReply & { kind: "return" } {
  if (reply.kind === "error") throw new Refused(explain(unit, reply));
  return reply;
}

function failed(reason: string): AllowedCpusFailure {
  return { kind: "failed", reason };
}
