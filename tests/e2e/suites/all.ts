import type { Suite } from "../harness/suite.ts";
import { annotated } from "./annotated.ts";
import { conflicts } from "./conflict.ts";
import { forbidden } from "./forbidden.ts";
import { integer } from "./integer.ts";
import { kubernetes } from "./kubernetes.ts";
import { kubelet } from "./kubelet.ts";
import { live } from "./live.ts";
import { recovery } from "./recovery.ts";
import { sharedSuite } from "./shared.ts";
import { stress } from "./stress.ts";

export const SUITES: readonly Suite[] = [
  annotated,
  integer,
  sharedSuite,
  forbidden,
  conflicts,
  live,
  kubernetes,
  kubelet,
  recovery,
  stress,
];
