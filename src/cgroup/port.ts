/** The kernel's side of placement, as deciding sees it. What carries it out is the host's business. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { ContainerRef } from "../ledger/claim.ts";

/**
 * The cpusets of the cgroup tree. The one thing that is asked in the midst of a step, since what isn't confirmed must
 * not be promised: every call comes back at once, waits for nothing but the kernel, and throws nothing.
 */
export interface Cpusets {
  /** Of the cgroup hierarchy. */
  readonly version: 1 | 2;
  /** Whether sets can be written at all, as far as can be told without doing it. */
  readonly writable: boolean;
  read(container: ContainerRef): Reading;
  /**
   * Writes in the given order, all or nothing, and reads each back. Nothing is written that is so already.
   *
   * @param deadlineMs milliseconds after which no more is begun and all is put back, which may take as long again
   */
  write(writes: readonly Write[], deadlineMs: number): WriteResult;
}

/** By which way running containers get other CPUs; `auto`: in the kernel first, where that can be written. */
export type Apply = "auto" | "runtime" | "kernel-first";

export interface Write {
  readonly container: ContainerRef;
  /** At least one. */
  readonly cpus: CpuSet;
}

/** Where the kernel lets a container run, or why that isn't known. */
export type Reading =
  | { readonly kind: "values"; readonly cpus: CpuSet }
  /** It has no cgroup: it isn't created yet, or has ended. */
  | { readonly kind: "vanished" }
  | { readonly kind: "unverified"; readonly reason: string };

export type WriteResult =
  /** Every container has its CPUs, or no cgroup any more. */
  | { readonly kind: "done" }
  /** One has not, and the others have what they had before, except for those in `stuck`; all counted from 0. */
  | {
    readonly kind: "undone";
    readonly failed: number;
    /** The kernel's word for it, such as EBUSY; or `late`, `overwritten`. */
    readonly code: string;
    /** One sentence for people. */
    readonly reason: string;
    readonly stuck: readonly number[];
  }
  /** Nothing was written: the cgroups of these can't be found or read. */
  | { readonly kind: "unverified"; readonly which: readonly number[]; readonly reason: string };
