import assert from "node:assert/strict";
import { runExecutable } from "./agent.ts";
import { sockets } from "./containerd.ts";
import type { TestNode } from "./node.ts";

/** What one of its checks says. */
interface Check {
  readonly result: string;
  readonly found: string;
  readonly mend?: string;
}

/** What the command says of this node's runtime, by check, and its status. */
export async function preflight(node: TestNode): Promise<{ said: (check: string) => Check; code: number }> {
  const places = [
    "--socket",
    node.nriSocket,
    "--cri-socket",
    sockets(node.dir).cri,
    "--run-dir",
    node.runDir,
  ];
  const { code, stdout } = await runExecutable({ args: [...places, "preflight", "--output", "json"] });
  const { checks } = JSON.parse(stdout) as { checks: (Check & { check: string })[] };
  const said = (check: string) => {
    const found = checks.find((each) => each.check === check);
    assert(found !== undefined, `${check} is missing`);
    return found;
  };
  return { said, code };
}
