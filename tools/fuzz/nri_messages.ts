/** NRI messages through `step()`: one agent for all inputs, that has forgotten everything before each. */
import { drawHappening, type Happening } from "./nri_calls.ts";
import { Rig } from "./nri_rig.ts";
import type { Target } from "./target.ts";

let rig: Rig | undefined;

export const nriMessages: Target<readonly Happening[]> = {
  name: "nri",
  share: 40,
  draw: (random) => Array.from({ length: random.between(1, 12) }, () => drawHappening(random)),
  check(happenings) {
    const agent = rig ??= new Rig();
    try {
      agent.begin();
      for (const happening of happenings) agent.happen(happening);
      agent.begin();
    } catch (error) {
      rig = undefined; // what is left of this one is of no use
      throw error;
    }
  },
};
