import assert from "node:assert/strict";
import { step } from "../../src/agent/step.ts";
import { PLUGIN_SERVICE } from "../../src/nri/methods.ts";
import type { MachineSpec } from "../../tests/kit/sysfs.ts";
import { Link } from "../../tests/kit/link.ts";
import type { Ask } from "./peer.ts";

/** An agent in this process, without a socket: the time is that of `step`, from the request's bytes to the reply's. */
export function askInProcess(machine: MachineSpec): Ask {
  const link = Link.serving([], machine);
  return (method, payload) => {
    const { bytes } = link.runtime.call(PLUGIN_SERVICE, method, payload);
    const began = performance.now();
    const { agent, outputs } = step(link.agent, { kind: "received", now: began, bytes });
    const took = performance.now() - began;
    link.agent = agent;
    for (const output of outputs) if (output.kind === "send") link.runtime.receive(output.bytes);
    const event = link.runtime.next();
    assert(event?.kind === "answered", `${method} has no answer`);
    assert(event.status.code === 0, `${method} was refused: ${event.status.message}`);
    return Promise.resolve({ payload: event.payload, took });
  };
}
