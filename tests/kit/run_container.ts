import { Event } from "../../src/nri/gen/nri_pb.ts";
import type { FakeKernel } from "./fake_kernel.ts";
import type { Link } from "./link.ts";
import type { Wanted } from "./messages.ts";

/** Creates and starts a container, as the runtime does it; gives the CPUs that it was created with. */
export function run(
  { link, kernel }: { readonly link: Link; readonly kernel: FakeKernel },
  wanted: Wanted,
): string {
  const { cpus } = link.create(wanted, { runs: false });
  kernel.appear(`id-${wanted.name}`, cpus);
  link.start(wanted);
  link.mention(Event.POST_START_CONTAINER, wanted);
  return cpus;
}
