/** Nodes of three sizes for the page, played by the real agent on a fake kernel, and served to a browser. */
import { HTTP_BOUNDS, HttpServer } from "../../src/platform/http_server.ts";
import { StatusApi } from "../../src/daemon/status_api.ts";
import { statusStage } from "./status_stage.ts";

function many(count: number, line: (n: number) => string): string {
  return Array.from({ length: count }, (_, n) => line(n)).join("\n");
}

/** By the number of CPUs. */
export const SCENES: ReadonlyMap<number, string> = new Map([
  [
    8,
    `# A small node.
machine cores=4 threads=2
configure systemReserved: 0
cgroups

run database cpus=2 namespace=shop
run logger namespace=kube-system
run cart namespace=shop cpus=0.5
run sensor cores-ids=3 namespace=edge
run greedy cpus=6 namespace=batch
----
`,
  ],
  [
    64,
    `# A server with two sockets, one offline CPU.
machine sockets=2 nodes=1 cores=16 threads=2
configure systemReserved: 0-1,32-33
cgroups

run weka-drive-0 cores-ids=2 namespace=storage
run weka-drive-1 cores-ids=34 namespace=storage
run weka-compute-0 cores-ids=3,35 namespace=storage
run weka-compute-1 cores-ids=35 namespace=storage
run postgres-0 cpus=8 namespace=database
run postgres-1 cpus=4 namespace=database
run kafka-0 cpus=6 namespace=streams
run redis-0 cpus=2 namespace=cache
${many(14, (n) => `run web-${n} cpus=0.5 namespace=shop`)}
run probe cores-ids=62-63 namespace=edge
run trainer cpus=48 namespace=batch
offline 63
----
`,
  ],
  [
    512,
    `# Two sockets with four NUMA nodes each, eight cores a cache.
machine sockets=2 nodes=4 cores=32 threads=2 cache=8
configure systemReserved: 0,256
cgroups

${many(16, (n) => `run weka-drive-${n} cores-ids=${n * 16 + 1} namespace=storage`)}
${many(12, (n) => `run solver-${n} cpus=${[4, 8, 16, 12][n % 4]} namespace=batch`)}
${many(8, (n) => `run cache-${n} cpus=2 namespace=cache`)}
${many(40, (n) => `run web-${n} cpus=0.5 namespace=shop`)}
----
`,
  ],
]);

/** Serves the node of so many CPUs while `body` runs. */
export async function withPage(cpus: number, body: (url: string) => Promise<void>): Promise<void> {
  const stage = statusStage(SCENES.get(cpus) ?? "");
  // A second apart, until now.
  const { records, context: { journal } } = stage;
  for (const [at, record] of records.entries()) {
    journal.add(record, Date.now() - (records.length - at) * 1000);
  }
  const api = new StatusApi(stage);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const entrance = { isRoots: false, isWhole: true, isLocal: true, maxAgeMs: 0 };
  const server = new HttpServer(listener, (request) => api.answer(request, entrance), HTTP_BOUNDS);
  try {
    await body(`http://127.0.0.1:${listener.addr.port}/`);
  } finally {
    await server.close();
  }
}

/** What is true in the page once it shows all that the agent says. */
export const READY = `document.querySelector("#fresh").textContent === "live"`;
