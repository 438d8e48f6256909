/**
 * Faults of the agent that this simulation has found and that are still to be mended. What shows one isn't played, or
 * is excused, as long as it stands here as true.
 */
export const KNOWN = {
  /** Who is given up in the kernel is told once more what record and kernel have. */
  toldAgainWhenGivenUp: true,
  /** Who was stuck when somebody else was created isn't tried again by itself: its next try is at the end of time. */
  neverTriedAgain: false,
  /** A container that grows is given CPUs that somebody can't be made to leave. */
  growsOntoContested: false,
  /** With each of four tries the agent learns only of the CPUs that it wanted then, not of all that one can't leave. */
  triesEndTooSoon: false,
  /** Who couldn't get its due because somebody was stuck isn't tried again once that one isn't any more. */
  degradedWaitsOn: false,
  /** Who is given up between its StartContainer and its running is told by the runtime, which loses that. */
  toldBeforeItRuns: true,
  /** A count from before the CRI's list makes the agent forget what was created meanwhile. */
  countFromBeforeTheList: false,
  /** What was written for a start whose answer is put off isn't remembered. */
  deferredForgets: false,
};
