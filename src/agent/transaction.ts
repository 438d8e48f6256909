/**
 * Carries out what a decision needs of the kernel before its reply: reads, writes that are all or nothing, and the
 * partitions and quotas that follow from its ledger. It owns the one deadline of a call, a share of the time after which the runtime drops the plugin.
 */
import type { CpusetPort } from "../cgroup/port.ts";
import type { LogRecord } from "../log_record.ts";
import { type Decision, MAX_TRIES, type Response, type WriteFailed, type WriteFirst } from "./decision.ts";
import { knowledgeOf, lookAt, lookAtAll, readAll, type Undone, writeAll } from "./kernel.ts";
import { settlePartitions } from "./partitions.ts";
import { settlePauses } from "./pauses.ts";
import { withLedger } from "./pending.ts";
import { settleQuotas } from "./quotas.ts";
import { settleSandboxes } from "./sandboxes.ts";
import { retryFailed } from "./slice.ts";

/**
 * The share of the runtime's request time-out in which the writes of one call may begin; rolling them back may take as
 * long again. Together they leave half of it for all else.
 */
const WRITE_SHARE = 0.25;
/** containerd's default, for a runtime that doesn't name its own. */
const DEFAULT_REQUEST_TIMEOUT_MS = 2000;

/** What a call's writes are done with. */
export interface Means {
  /** Absent: cgroups can't be read. */
  readonly cpusets: CpusetPort | undefined;
  /** In milliseconds of any clock that never goes back. */
  readonly now: number;
  /** After which the runtime drops the plugin; absent or 0: it hasn't said. */
  readonly requestTimeoutMs?: number | undefined;
}

/** The response to a call, once all that it needs of the kernel is done. */
export function carryOut(first: Decision, { cpusets, now, requestTimeoutMs }: Means): Response {
  let leftMs = (requestTimeoutMs || DEFAULT_REQUEST_TIMEOUT_MS) * WRITE_SHARE;
  let tries = 0;
  const logs: LogRecord[] = [];
  for (let decision = first;;) {
    logs.push(...decision.logs ?? []);
    switch (decision.kind) {
      case "response": {
        const settled = settlePartitions(decision.state, decision.reply.kind === "answer");
        const quotas = settleQuotas(settled.state);
        const sandboxes = settleSandboxes(quotas.state);
        const state = settlePauses(sandboxes.state);
        return { ...decision, state, logs: [...logs, ...settled.logs, ...quotas.logs, ...sandboxes.logs] };
      }
      case "read":
        decision = decision.then(readAll(cpusets, decision.containers));
        continue;
      case "around":
        decision = decision.then(cpusets?.limitOf?.(decision.container, decision.cpus));
        continue;
      case "grow":
        cpusets?.growPod?.(decision.container, decision.cpus);
        decision = decision.then();
        continue;
      case "look":
        decision = decision.then(lookAt(cpusets, decision.containers, decision.of));
        continue;
      case "inside":
        decision = decision.then(lookAtAll(cpusets, decision.containers));
        continue;
      case "retry": {
        const { state } = decision;
        const slice = retryFailed(state, leftMs);
        leftMs -= slice.tookMs;
        logs.push(...slice.logs);
        decision = decision.then(withLedger(state, slice.ledger));
        continue;
      }
      case "write": {
        const { ledger, writes, after } = decision;
        if (writes.length === 0 || cpusets === undefined) {
          decision = decision.written(ledger);
          continue;
        }
        const result = writeAll(cpusets, ledger, writes, Math.max(leftMs, 0));
        leftMs -= result.tookMs;
        tries++;
        decision = result.kind === "done"
          ? decision.written(after)
          : decision.failed(writeFailed(cpusets, decision, result, now, tries >= MAX_TRIES || leftMs <= 0));
      }
    }
  }
}

function writeFailed(
  cpusets: CpusetPort,
  { ledger, writes }: WriteFirst,
  result: Undone,
  now: number,
  isFinal: boolean,
): WriteFailed {
  const { learn, logs } = knowledgeOf(cpusets, ledger, writes, result, now);
  return { learn, logs, reason: result.reason, isFinal };
}
