/** kubelet's PodResources API, over a real socket. */
import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import type { CpuManager } from "../../../src/peers/cpu_manager.ts";
import { askPodResources } from "../../../src/peers/pod_resources.ts";
import { allocatable, FakeKubelet, listOf, type Script } from "../../kit/fake_kubelet.ts";

/** What is found out from a kubelet that answers so, and which calls that took. */
async function ask(script: Script): Promise<{ found: CpuManager; asked: string[]; path: string }> {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/kubelet.sock`;
  const kubelet = new FakeKubelet(path, script);
  try {
    return { found: await askPodResources(path), asked: kubelet.asked, path };
  } finally {
    await kubelet.stop();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** `policy: name=cpus …`, or why it isn't known, without the place. */
function textOf({ found, path }: { found: CpuManager; path: string }): string {
  if (found.kind === "unknown") return found.reason.replaceAll(path, "SOCKET");
  assert.equal(found.source, path);
  return `${found.policy}: ${found.holders.map(({ name, cpus }) => `${name}=${cpus}`).join(" ")}`;
}

const FREE = allocatable(1, 2, 3, 4);

Deno.test("when CPUs can be given exclusively the policy is static, with their holders", async () => {
  const list = listOf(["db", "main", [2, 3, 10]], ["web", "nginx", []], ["dpdk", "pmd", [4]]);
  const answer = await ask({ getAllocatableResources: FREE, list });
  assert.equal(textOf(answer), "static: ns/db container main=2-3,10 ns/dpdk container pmd=4");
});

Deno.test("when none can be given the policy is none, and no further call is made", async () => {
  const answer = await ask({ getAllocatableResources: allocatable(), list: listOf() });
  assert.equal(textOf(answer), "none: ");
  assert.deepEqual(answer.asked, ["getAllocatableResources"]);
});

for (const code of [status.UNIMPLEMENTED, status.UNKNOWN]) {
  Deno.test(`without GetAllocatableResources (${status[code]}) the policy is known by what is assigned`, async () => {
    const given = await ask({ getAllocatableResources: { code }, list: listOf(["db", "main", [2]]) });
    assert.equal(textOf(given), "static: ns/db container main=2");
    assert.equal(
      textOf(await ask({ getAllocatableResources: { code }, list: listOf(["db", "main", []]) })),
      "kubelet's SOCKET doesn't list which CPUs can be given exclusively, and no container has any",
    );
  });
}

Deno.test("allocatable CPUs are enough to know the policy, even if kubelet fails to list the holders", async () => {
  const list = { code: status.INTERNAL, details: "no" };
  assert.equal(textOf(await ask({ getAllocatableResources: FREE, list })), "static: ");
});

Deno.test("an error is one sentence, with control characters escaped", async () => {
  const details = "busy\u001b[2J\u2028" + "x".repeat(500);
  const why = textOf(
    await ask({ getAllocatableResources: { code: status.RESOURCE_EXHAUSTED, details } }),
  );
  assert.match(
    why,
    /^kubelet's SOCKET: GetAllocatableResources failed: busy\\u001b\[2J\\u2028x+\.\.\.$/,
  );
  assert(why.length < 300);
});

Deno.test("invalid messages and CPU ids are left out", async () => {
  const garbage = { garbage: new Uint8Array([0x12, 0xff]) };
  assert.match(textOf(await ask({ getAllocatableResources: garbage })), /^kubelet's SOCKET: /);
  const list = { podResources: [{ containers: [{ cpuIds: [-1n, 3n, 16384n, 1n << 62n] }] }] };
  assert.equal(textOf(await ask({ getAllocatableResources: FREE, list })), "static: / container =3");
});

Deno.test("of very many holders the first thousand are kept", async () => {
  const many = Array.from({ length: 1200 }, (_, i) => [`p${i}`, "c", [i]] as [string, string, number[]]);
  const { found } = await ask({ getAllocatableResources: FREE, list: listOf(...many) });
  assert(found.kind === "known");
  assert.equal(found.holders.length, 1000);
});

Deno.test("a kubelet that never answers is unknown after two seconds", async () => {
  const answer = await ask({ getAllocatableResources: "hangs" });
  assert.equal(
    textOf(answer),
    "kubelet's SOCKET: GetAllocatableResources was not answered within 2 s",
  );
});

Deno.test("a socket of another program that closes at once is unknown, with the reason", async () => {
  const folder = Deno.makeTempDirSync();
  const listener = Deno.listen({ transport: "unix", path: `${folder}/other` });
  const closing = (async () => {
    for await (const connection of listener) connection.close();
  })();
  const found = await askPodResources(`${folder}/other`);
  listener.close();
  await closing;
  assert(found.kind === "unknown");
  assert.match(found.reason, /: GetAllocatableResources (failed|was not answered)/);
  Deno.removeSync(folder, { recursive: true });
});
