import { existsSync } from "node:fs";
import { TestNode } from "./node.ts";
import { repository, requirements } from "./requirements.ts";
import { sweepLeftovers } from "./sweep.ts";

const found = await requirements();
if (typeof found === "string") unavailable(found);
else await sweepLeftovers();

/**
 * Tests that `name` holds on each containerd, each time on a fresh one that runs already. When it fails, the logs are
 * kept under `.test-reports/node/`.
 */
export function onContainerd(name: string, body: (node: TestNode) => Promise<void>): void {
  onBareNode(name, async (node) => {
    await node.startContainerd();
    await body(node);
  });
}

/** The same with a containerd that the test has to start itself; `ignoredOn` names the versions that can't do it. */
export function onBareNode(
  name: string,
  body: (node: TestNode) => Promise<void>,
  { ignoredOn }: { readonly ignoredOn?: (version: string) => boolean } = {},
): void {
  if (typeof found === "string") return;
  for (const install of found) {
    const title = `containerd ${install.version}: ${name}`;
    const ignore = ignoredOn?.(install.version) ?? false;
    Deno.test({ name: title, ignore }, async () => {
      await using node = TestNode.bare(install);
      try {
        await body(node);
      } catch (error) {
        keepLogs(node, title);
        throw error;
      }
    });
  }
}

function keepLogs(node: TestNode, title: string): void {
  const folder = `${repository}/.test-reports/node/${title.replaceAll(/[^a-z0-9.]+/gi, "-")}`;
  Deno.mkdirSync(folder, { recursive: true });
  node.agents.forEach(({ lines }, index) =>
    Deno.writeTextFileSync(`${folder}/agent-${index + 1}.log`, lines.join("\n"))
  );
  for (const name of ["containerd.log", "agent.log", "default/var/log/weka-cpuset.log"]) {
    const log = `${node.dir}/${name}`;
    if (existsSync(log)) Deno.copyFileSync(log, `${folder}/${name.split("/").at(-1)}`);
  }
  console.error(`The logs of containerd and the agent are in ${folder}`);
}

/** Loud, and a failure where everything is expected to be there. */
function unavailable(reason: string): void {
  console.error(`\n*** NOT TESTED on a real containerd: ${reason} ***\n`);
  const name = `a real containerd can run here (${reason})`;
  if (Deno.env.get("CI") !== "true") Deno.test.ignore(name, () => {});
  else {
    Deno.test(name, () => {
      throw new Error(`CI=true, and the tests on a real containerd can't run: ${reason}`);
    });
  }
}
