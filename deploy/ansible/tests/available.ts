import { existsSync } from "node:fs";
import { repository } from "./node.ts";

const ansible = existsSync(`${repository}/.tools/ansible/complete`) ? undefined : "Ansible can't be had here";

/** Why the role can't be run here, or only be looked at (undefined: it can); each said once and loudly. */
export const missing = { toLook: ansible, toRun: ansible ?? missingToRun() };
for (const [what, why] of Object.entries(missing)) {
  if (why !== undefined) console.error(`\n*** NOT TESTED: the Ansible role (${what}), since ${why} ***\n`);
}

function missingToRun(): string | undefined {
  if (!existsSync(`${repository}/.tools/node/complete`)) return "containerd can't be had here";
  if (!existsSync(`${repository}/dist/weka-cpuset`)) {
    return "dist/weka-cpuset isn't there, which make build makes";
  }
  const { success } = new Deno.Command("unshare", { args: ["--mount", "true"] }).outputSync();
  return success ? undefined : "making a mount namespace needs root";
}

/** A test that is left out when there is a reason to, and fails by it where everything is expected to be there. */
export function testUnless(why: string | undefined, name: string, body: () => void | Promise<void>): void {
  if (why === undefined) Deno.test(name, body);
  else if (Deno.env.get("CI") !== "true") Deno.test.ignore(name, body);
  else {
    Deno.test(name, () => {
      throw new Error(`CI=true, and this can't be tested, since ${why}`);
    });
  }
}
