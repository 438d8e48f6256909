/** UpdateContainer on the wire: in-place resize, in two steps where somebody has to leave first. */
import assert from "node:assert/strict";
import { UpdateContainerRequestSchema, UpdateContainerResponseSchema } from "../../../src/nri/gen/nri_pb.ts";
import { bigNode, twoCpuVm } from "../../kit/sysfs.ts";
import { Link, subject, texts } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";

/** kubelet's in-place resize: shares, quota and period, each only where it changes. */
interface Figures {
  readonly shares?: number;
  readonly quota?: number;
  readonly period?: number;
}

function requestOf(wanted: Wanted, { shares, quota, period }: Figures) {
  const cpu = {
    ...(shares === undefined ? {} : { shares: { value: BigInt(shares) } }),
    ...(quota === undefined ? {} : { quota: { value: BigInt(quota) } }),
    ...(period === undefined ? {} : { period: { value: BigInt(period) } }),
  };
  return { ...subject(wanted), linuxResources: { cpu } };
}

function resize(link: Link, wanted: Wanted, figures: Figures): string[] {
  const request = requestOf(wanted, figures);
  return texts(
    link.ask("UpdateContainer", UpdateContainerRequestSchema, request, UpdateContainerResponseSchema).update,
  );
}

/** What the host is asked to bring about, as `id=cpus`. */
function applied(link: Link): string[] {
  return link.asked.splice(0).flatMap((output) => output.kind === "apply" ? output.changes : [])
    .map(({ id, cpus }) => `${id}=${cpus}`);
}

const db = { name: "db", cpus: 2 };
const web = { name: "web" };
const FOUR = { shares: 4096, quota: 400_000, period: 100_000 };

Deno.test("growth: the others leave first and the container keeps its set, then it gets the new one", () => {
  const link = Link.serving([web], bigNode);
  assert.equal(link.create(db).cpus, "1,33");
  assert.deepEqual(resize(link, db, FOUR), ["id-web=0,3-32,35-63", "id-db=1,33"]);
  assert.deepEqual(applied(link), ["id-db=1-2,33-34"]);
  assert.deepEqual(link.update({ ...db, cpus: 4 }, "1-2,33-34"), ["id-db=1-2,33-34"]);
  assert.deepEqual(link.create({ name: "next" }).updates, [], "and nothing is owed any more");
});

Deno.test("where nobody brings the second step about, the next reply does", () => {
  const link = Link.serving([web], bigNode);
  link.create(db);
  resize(link, db, FOUR);
  assert.deepEqual(link.create({ name: "next" }).updates, ["id-db=1-2,33-34"]);
});

Deno.test("where nobody has to leave one step is enough", () => {
  const link = Link.serving([], bigNode);
  link.create(db);
  assert.deepEqual(resize(link, db, FOUR), ["id-db=1-2,33-34"]);
  assert.deepEqual(applied(link), []);
});

Deno.test("figures that are zero or absent are unchanged: a quota alone doesn't fit the shares", () => {
  const link = Link.serving([], bigNode);
  link.create(db);
  assert.deepEqual(resize(link, db, { quota: 0, period: 0 }), ["id-db=1,33"]);
  assert.deepEqual(resize(link, db, { quota: 400_000 }), ["id-db=0-63"]);
});

Deno.test("a quota that isn't whole any more leads to the pool, in one step", () => {
  const link = Link.serving([], bigNode);
  link.create(db);
  assert.deepEqual(resize(link, db, { shares: 1536, quota: 150_000 }), ["id-db=0-63"]);
  assert.equal(link.agent.state.ledger.claimed.size, 0);
});

Deno.test("growth that finds no room is an error that says so, and the old claim stands", () => {
  const link = Link.serving([], twoCpuVm);
  link.create({ name: "db", cpus: 1 });
  assert.equal(
    link.refused(
      "UpdateContainer",
      UpdateContainerRequestSchema,
      requestOf({ name: "db", cpus: 1 }, {
        shares: 2048,
        quota: 200_000,
      }),
    ),
    "cpuset: pod ns/db container c: needs 2 exclusive CPUs, 1 is free " +
      "(2 online, 0 reserved, 0 claimed, 1 kept for the shared pool)",
  );
  assert.deepEqual(link.update({ name: "db", cpus: 1 }), ["id-db=1"]);
});

Deno.test("a memory-only update changes no claim, and says the CPUs again", () => {
  const link = Link.serving([web], bigNode);
  link.create(db);
  assert.deepEqual(resize(link, db, {}), ["id-db=1,33"]);
});

Deno.test("a dry run decides, and answers nothing", () => {
  const link = Link.serving([], bigNode, { dryRun: true });
  link.create(db);
  assert.deepEqual(resize(link, db, FOUR), []);
  assert.deepEqual(applied(link), []);
});
