// The end-to-end suites on a Kubernetes cluster all of which is in this machine.
import { runHere } from "../../../e2e/main.ts";
import { KUBERNETES } from "../../../e2e/cluster/places.ts";
import { run } from "../../../e2e/cluster/processes.ts";
import { addAddress } from "./kubelet.ts";

/** What it takes to start kubectl on a machine of today that does nothing else. */
const USUAL_MS = 150;
/** Within which it is believed: it may have been busy just then, or idle. */
const [LEAST, MOST] = [5, 25];

/** How many times slower than such a machine this one starts a program as large as Kubernetes' are. */
async function measuredSlowness(): Promise<number> {
  const began = performance.now();
  await run(`${KUBERNETES}/kubectl`, ["version", "--client"]);
  return Math.min(MOST, Math.max(LEAST, Math.round((performance.now() - began) / USUAL_MS)));
}

/** As `tests/system/vm/e2e.ts` has written it. */
const { words, env } = JSON.parse(Deno.readTextFileSync(new URL("./e2e.json", import.meta.url))) as {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};
const slowness = await measuredSlowness();
console.log(`this machine is taken to be ${slowness} times slower than a usual one`);
const settings = { TERM: "dumb", TEST_PARALLEL: "2", SLOWNESS: `${slowness}`, ...env };
for (const [name, value] of Object.entries(settings)) Deno.env.set(name, value);
// The root of a boot image has no size, which kubelet asks for.
await run("mount", ["-t", "tmpfs", "tmpfs", "/tmp"]);
await addAddress();
Deno.exit(await runHere(["--real", "--agent", "service", ...words], "e2e-vm.xml"));
