/**
 * The life of one connection to the runtime, as a table.
 *
 *     disconnected ──connected──▶ registering ──configure──▶ configured ──synchronize, listed──▶ serving
 *                                                                ▲                                 │
 *                                                                └────────────promoted─────────────┘
 *
 * A Synchronize may come in parts (`more`), which is the phase *synchronizing*. The answer to our
 * RegisterPlugin and the runtime's Configure travel in different streams and may arrive in either
 * order, so the answer is no step of its own. Events before the Synchronize are allowed: containerd
 * 1.7.24 never synchronizes the plugins that it launches; the running containers are then *listed* by another
 * way. An agent that leaves standby (*promoted*) has to find them first; a Synchronize that has begun goes on. What isn't in
 * the table is out of order and gets refused; a lost connection leads back to *disconnected* from everywhere.
 */
export type Phase = "disconnected" | "registering" | "configured" | "synchronizing" | "serving";

export type Happening =
  | "connected"
  | "configure"
  | "synchronizePart"
  | "synchronizeEnd"
  | "listed"
  | "promoted"
  | "event";

const TABLE: Readonly<Record<Phase, Readonly<Partial<Record<Happening, Phase>>>>> = {
  disconnected: { connected: "registering", promoted: "disconnected" },
  registering: { configure: "configured", promoted: "registering" },
  configured: {
    configure: "configured",
    synchronizePart: "synchronizing",
    synchronizeEnd: "serving",
    listed: "serving",
    promoted: "configured",
    event: "configured",
  },
  synchronizing: {
    synchronizePart: "synchronizing",
    synchronizeEnd: "serving",
    promoted: "synchronizing",
    event: "synchronizing",
  },
  serving: {
    configure: "serving",
    synchronizePart: "synchronizing",
    synchronizeEnd: "serving",
    listed: "serving",
    promoted: "configured",
    event: "serving",
  },
};

/** The phase after `happening`, or undefined when it may not happen in `phase`. */
export function advance(phase: Phase, happening: Happening): Phase | undefined {
  return TABLE[phase][happening];
}
