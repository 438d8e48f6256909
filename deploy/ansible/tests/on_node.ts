/** A play on a node of its own, as a test. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { missing, testUnless } from "./available.ts";
import { Node, type Play, repository, type Suite } from "./node.ts";

/** An executable that is quicker to copy than the real one. */
export const STAND_IN = '#!/bin/sh\n[ "$1" != preflight ] || echo \'{"checks":[]}\'\n';

/** One that notes its release. */
export const SAYS_RELEASED = '#!/bin/sh\n[ "$1" != release ] || echo "$@" >/opt/released\n';

export function onNode(name: string, suites: readonly Suite[], body: (node: Node) => Promise<void>): void {
  for (const suite of suites) {
    testUnless(missing.toRun ?? missingContainerd(suite), `containerd of ${suite}: ${name}`, async () => {
      await using node = await Node.make(suite);
      await body(node);
    });
  }
}

/** Why there is no such containerd here: 2.4 is built only for those who ask for it. */
function missingContainerd(suite: Suite): string | undefined {
  const path = `${repository}/.tools/node/containerd-${suite}/containerd`;
  return existsSync(path) ? undefined : `${path} doesn't exist (make test-node CONTAINERD=2.4)`;
}

export function works(play: Play): void {
  assert(play.ok, play.output);
}

export function standIn(node: Node, text = STAND_IN): { weka_cpuset_executable: string } {
  node.write("/opt/home/stand-in", text);
  return { weka_cpuset_executable: "/opt/home/stand-in" };
}
