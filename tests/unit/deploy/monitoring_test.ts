/** Alerts and dashboard: each query is one of PromQL, on metrics that there are. What fires when is tested by promtool. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { parse } from "yaml";
import { viewOf } from "../../../src/agent/view.ts";
import { Metrics } from "../../../src/metrics/metrics.ts";
import { NODE, statusStage } from "../../kit/status_stage.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const PROMETHEUS = `${ROOT}deploy/prometheus`;

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly runbook: string };
}

const { groups: [{ rules }] } = parse(Deno.readTextFileSync(`${PROMETHEUS}/rules.yaml`)) as {
  readonly groups: [{ readonly rules: readonly Alert[] }];
};
const dashboard = JSON.parse(Deno.readTextFileSync(`${ROOT}deploy/grafana/dashboard.json`)) as {
  readonly panels: readonly {
    readonly id: number;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets: readonly { readonly expr: string }[];
  }[];
};

/** As Grafana sends them. */
const QUERIES = dashboard.panels.flatMap(({ targets }) =>
  targets.map(({ expr }) => expr.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".*"))
);

/** As `make test-monitoring` fetches it. */
const PROMTOOL = `${ROOT}.tools/promtool/promtool`;
const isMissing = !existsSync(PROMTOOL);
if (isMissing) console.error("promtool's tests are skipped: run make test-monitoring, which fetches it");

async function check(args: string[], input = ""): Promise<void> {
  const command = new Deno.Command(PROMTOOL, { args, stdin: "piped", stdout: "piped", stderr: "piped" });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success && !/error|unknown/i.test(said), said);
}

function byPromtool(title: string, fn: () => Promise<void>): void {
  Deno.test({ name: title, ignore: isMissing, fn });
}

/** What an agent serves. */
async function served(): Promise<string> {
  const { driver: { agent: { state } } } = statusStage(NODE);
  const metrics = new Metrics({ version: "1", commit: "a", deno: "2", mode: "external" }, () => 0);
  metrics.answered("CreateContainer", 1, "unavailable");
  metrics.wrote({ kind: "done", tookMs: 1 }, 1);
  return await metrics.text({
    view: viewOf(state),
    topology: state.ledger.topology,
    isReady: true,
    now: 0,
    pressureOf: () => 1,
  });
}

byPromtool("Prometheus reads the metrics, and has nothing against their names", async () => {
  await check(["check", "metrics"], await served());
});

byPromtool("each alert fires for what it is for, and not for what is near it", async () => {
  await check(["test", "rules", `${PROMETHEUS}/rules_test.yaml`]);
});

byPromtool("each query of the dashboard is one", async () => {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    const rules = QUERIES.map((expr, at) => ({ record: `dashboard:${at}`, expr }));
    await Deno.writeTextFile(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    await check(["check", "rules", "--lint=none", file]);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("alerts and dashboard ask for metrics that there are, by labels that they have", async () => {
  const text = await served();
  const names = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name));
  const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, label]) => label));
  const own = new Set([...labels, "instance", "job", "weak", "keeps", "daemonset"]);
  for (const expr of [...QUERIES, ...rules.map(({ expr }) => expr)]) {
    for (const [name] of expr.matchAll(/weka_cpuset_\w+/g)) {
      assert(names.has(name) || names.has(name.replace(/_(bucket|sum|count)$/, "")), name);
    }
    const used = [...expr.matchAll(/(\w+)(?:=~|!=|!~|=)"|(?:by|without) \(([^)]*)\)/g)]
      .flatMap(([, matched, grouped = ""]) => matched ?? grouped.split(", "));
    assert.deepEqual(used.filter((label) => !own.has(label)), [], expr);
  }
  assert(QUERIES.length > 20 && rules.length > 10);
});

Deno.test("every alert has a test that it fires, and one that it doesn't, and a section of the docs", () => {
  const { tests } = parse(Deno.readTextFileSync(`${PROMETHEUS}/rules_test.yaml`)) as {
    tests: { name: string }[];
  };
  const docs = Deno.readTextFileSync(`${ROOT}docs/troubleshooting.md`);
  const titles = tests.map(({ name }) => name);
  for (const { alert, annotations: { runbook } } of rules) {
    assert(titles.includes(`${alert} fires`) && titles.includes(`${alert} doesn't`), alert);
    assert.equal(runbook, `docs/troubleshooting.md#${alert.toLowerCase()}`);
    assert(docs.includes(`### ${alert}\n`), alert);
  }
});

Deno.test("the dashboard's panels have ids of their own and lie beside each other", () => {
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + at % w},${y + Math.floor(at / w)}`)
  );
  assert.equal(new Set(cells).size, cells.length);
  assert(panels.every(({ gridPos: { x, w } }) => x + w <= 24));
});
