/** The answers to what changes the node. */
// The small variant of zod, as in src/config.
import * as z from "zod/mini";
import { VERSION } from "./document.ts";

/** The answer to `POST /api/v1/release`. */
export const releaseSchema = z.object({
  service: z.literal("weka-cpuset"),
  version: z.literal(VERSION),
  isPassive: z.boolean(),
  /** How many containers and cgroups above them have all CPUs, and how many don't yet: then it is to be asked again. */
  done: z.number(),
  pending: z.number(),
  /** Those whose last write failed. */
  failed: z.array(z.object({ name: z.string(), reason: z.string() })),
  /** What was done with cgroups above containers, a line each. */
  groups: z.array(z.string()),
});

/** The answer to `POST /api/v1/resume`. */
export const resumeSchema = z.object({
  service: z.literal("weka-cpuset"),
  version: z.literal(VERSION),
  isPassive: z.boolean(),
  wasPassive: z.boolean(),
});

export type ReleaseDocument = z.infer<typeof releaseSchema>;
export type ResumeDocument = z.infer<typeof resumeSchema>;
