import assert from "node:assert/strict";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { activityOf, readiness } from "../../../src/daemon/readiness.ts";

const HOLDER = { name: "pod a", since: "2026-01-31T08:00:00.000Z" };

Deno.test("an agent is ready when it is synchronized, and on standby when the active one is", () => {
  assert(readiness({ phase: "serving", standby: false }, undefined).isReady);
  assert(readiness({ phase: "disconnected", standby: true }, { ...HOLDER, activity: "serving" }).isReady);
});

Deno.test("an agent without a connection, or not synchronized, isn't ready, nor is one on standby for such a one", () => {
  const not = [
    readiness({ phase: "disconnected", standby: true }, undefined),
    // Cut off, with the lock still in hand.
    readiness({ phase: "disconnected", standby: false }, undefined),
    readiness({ phase: "configured", standby: false }, undefined),
    readiness({ phase: "synchronizing", standby: false }, undefined),
    readiness({ phase: "serving", standby: false, passive: { policy: DEFAULT_POLICY } }, undefined),
    // Registered and not active yet.
    readiness({ phase: "serving", standby: true }, undefined),
    readiness({ phase: "serving", standby: true }, { ...HOLDER, activity: "reconnecting since …" }),
    readiness({ phase: "disconnected", standby: true }, { ...HOLDER, activity: "" }),
  ];
  assert.deepEqual(not.map(({ isReady }) => isReady), Array(not.length).fill(false));
  assert.match(not[0]?.why ?? "", /no connection to the runtime: is it running, with NRI enabled\?/);
  assert.match(not[6]?.why ?? "", /^standing by: the active agent \(pod a\) is reconnecting since …$/);
});

Deno.test("what an agent says in the lock file is serving only while it places containers itself", () => {
  const said = [
    activityOf({ phase: "registering", standby: false }),
    activityOf({ phase: "serving", standby: true }),
    activityOf({ phase: "configured", standby: false }),
    activityOf({ phase: "serving", standby: false }),
    activityOf({ phase: "serving", standby: false, passive: { policy: DEFAULT_POLICY } }),
  ];
  assert.deepEqual(said, [
    "registering with the runtime",
    "standing by",
    "synchronizing with the runtime",
    "serving",
    "passive",
  ]);
  const standingBy = said.map((activity) =>
    readiness({ phase: "disconnected", standby: true }, { ...HOLDER, activity }).isReady
  );
  assert.deepEqual(standingBy, [false, false, false, true, false]);
});
