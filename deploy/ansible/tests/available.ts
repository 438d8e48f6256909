import { existsSync } from "node:fs";
import { repository } from "./node.ts";

const ansible = existsSync(`${repository}/.tools/ansible/complete`) ? undefined : "Ansible isn't available";

/** Why the role can't be linted or run here (undefined: it can); each is printed once. */
export const missing = { toLook: ansible, toRun: ansible ?? missingToRun() };
for (const [what, why] of Object.entries(missing)) {
  if (why !== undefined) console.error(`\n*** NOT TESTED: the Ansible role (${what}): ${why} ***\n`);
}

function missingToRun(): string | undefined {
  if (!existsSync(`${repository}/.tools/node/complete`)) return "containerd isn't available";
  if (!existsSync(`${repository}/dist/weka-cpuset`)) {
    return "dist/weka-cpuset doesn't exist (make build)";
  }
  const { success } = new Deno.Command("unshare", { args: ["--mount", "true"] }).outputSync();
  return success ? undefined : "making a mount namespace needs root";
}

/** A test that is skipped if there is a reason `why`; with CI=true it fails instead. */
export function testUnless(why: string | undefined, name: string, body: () => void | Promise<void>): void {
  if (why === undefined) Deno.test(name, body);
  else if (Deno.env.get("CI") !== "true") Deno.test.ignore(name, body);
  else {
    Deno.test(name, () => {
      throw new Error(`CI=true, but this can't be tested: ${why}`);
    });
  }
}
