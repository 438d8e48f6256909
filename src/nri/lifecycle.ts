/**
 * The life of one connection to the runtime, as a table.
 *
 *     disconnected ──connected──▶ registering ──configure──▶ configured ──synchronize──▶ serving
 *
 * A Synchronize may come in parts (`more`), which is the phase *synchronizing*. The answer to our
 * RegisterPlugin and the runtime's Configure travel in different streams and may arrive in either
 * order, so the answer is no step of its own. Events before the Synchronize are allowed: containerd
 * 1.7.24 never synchronizes the plugins that it launches. What isn't in the table is out of order and
 * gets refused; a lost connection leads back to *disconnected* from everywhere.
 */
export type Phase = "disconnected" | "registering" | "configured" | "synchronizing" | "serving";

export type Happening = "connected" | "configure" | "synchronizePart" | "synchronizeEnd" | "event";

const TABLE: Readonly<Record<Phase, Readonly<Partial<Record<Happening, Phase>>>>> = {
  disconnected: { connected: "registering" },
  registering: { configure: "configured" },
  configured: {
    configure: "configured",
    synchronizePart: "synchronizing",
    synchronizeEnd: "serving",
    event: "configured",
  },
  synchronizing: { synchronizePart: "synchronizing", synchronizeEnd: "serving", event: "synchronizing" },
  serving: {
    configure: "serving",
    synchronizePart: "synchronizing",
    synchronizeEnd: "serving",
    event: "serving",
  },
};

/** The phase after `happening`, or undefined when it may not happen in `phase`. */
export function advance(phase: Phase, happening: Happening): Phase | undefined {
  return TABLE[phase][happening];
}
