import { formatConfig } from "../config/format.ts";
import { LAUNCHED_LOG_FILE } from "../config/schema.ts";
import { ConfigError } from "../daemon/config_error.ts";
import type { Effective } from "../daemon/load_config.ts";
import { discoverMachine } from "../daemon/machine.ts";
import { buildInfo } from "../platform/build_info.ts";
import { readerOf } from "../platform/sysfs.ts";
import { findingsOf, type NodeFacts, readNode } from "../preflight/preflight.ts";
import { logTail } from "../support/log_tail.ts";
import { writeNewFile } from "../support/new_file.ts";
import { bundleOf, type BundlePart, listing, withoutSecrets } from "../support/parts.ts";
import { preflightJson, preflightText } from "./preflight_command.ts";
import { ask } from "./status_client.ts";
import { topologyDocument } from "../status/topology_document.ts";
import { topologyText } from "./topology_text.ts";

/** As commander gives them. */
export interface SupportOptions {
  readonly file?: string;
  readonly list?: true;
}

const STYLE = { colour: false, width: 120 };

/**
 * Collects what helps to find out what is wrong on this node, lists it, and writes it into one archive of root's own. What
 * can't be read is left out, with the reason in its place; problems of the configuration are a part of it.
 * @throws {ConfigError} when the file is there already, or can't be written
 */
export async function writeBundle(effective: Effective, { file, list }: SupportOptions): Promise<void> {
  const now = new Date();
  const name = `weka-cpuset-support-${now.toISOString().replace(/\.\d+/, "").replaceAll(/[-:]/g, "")}`;
  const parts = withoutSecrets(await partsOf(effective, now));
  console.log(listing(parts));
  if (list) return;
  const path = file ?? `${name}.tar.gz`;
  const bytes = await bundleOf(name, parts);
  try {
    writeNewFile(path, bytes);
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
  console.log(`\nwritten: ${path}, ${bytes.length} bytes`);
}

async function partsOf(effective: Effective, now: Date): Promise<BundlePart[]> {
  const facts = await readNode(effective.config, "/");
  return [
    {
      path: "versions.txt",
      what: "agent, runtime, kernel, distribution",
      text: versions(effective, facts, now),
    },
    {
      path: "config.yaml",
      what: "the effective configuration, with the source of each value",
      text: configText(effective),
    },
    await fromAgent(
      effective,
      "status.json",
      "the agent's view: containers and their CPUs",
      "/api/v1/status",
    ),
    await fromAgent(effective, "journal.json", "its latest decisions", "/api/v1/journal"),
    ...topologyParts(effective),
    ...preflightParts(facts),
    { path: "nri.json", what: "NRI's settings in the runtime's configuration", text: json(facts.nri) },
    ...logParts(effective),
  ];
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function configText({ config, origins, problems }: Effective): string {
  return [...problems.map(({ sentence }) => `# problem: ${sentence}\n`), formatConfig(config, origins)].join(
    "",
  );
}

/** The answer; where there is none, why. */
async function fromAgent(
  { config }: Effective,
  path: string,
  what: string,
  api: string,
): Promise<BundlePart> {
  try {
    return { path, what, text: json(await ask(config, api)) };
  } catch (error) {
    const reason = (error as Error).message;
    return { path, what: `${what}: missing, ${reason}`, text: json({ missing: reason }) };
  }
}

function topologyParts({ config }: Effective): BundlePart[] {
  try {
    const { topology, warnings } = discoverMachine(config);
    return [
      {
        path: "topology.txt",
        what: "the machine, drawn",
        text: `${topologyText(topology, warnings, STYLE)}\n`,
      },
      {
        path: "topology.json",
        what: "the same for programs",
        text: json(topologyDocument(topology, warnings)),
      },
    ];
  } catch (error) {
    return [{ path: "topology.txt", what: "the machine: missing", text: `${(error as Error).message}\n` }];
  }
}

function preflightParts(facts: NodeFacts): BundlePart[] {
  const findings = findingsOf(facts);
  return [
    { path: "preflight.txt", what: "the checks of the node", text: `${preflightText(findings, false)}\n` },
    { path: "preflight.json", what: "the same for programs", text: json(preflightJson(findings)) },
  ];
}

function logParts({ config: { log } }: Effective): BundlePart[] {
  const path = log.file === "" ? LAUNCHED_LOG_FILE : log.file;
  // The one before is renamed to that (rotating_file.ts).
  return [path, `${path}.1`].flatMap((each, index) => {
    const text = logTail(each);
    const name = index === 0 ? "agent.log" : "agent.log.1";
    return text === undefined ? [] : [{ path: `log/${name}`, what: `the last lines of ${each}`, text }];
  });
}

function versions({ config: { procRoot } }: Effective, { runtime, glibc }: NodeFacts, now: Date): string {
  const { version, commit, deno } = buildInfo();
  const proc = readerOf(procRoot);
  const cgroups = (proc("mounts") ?? "").split("\n").filter((line) => / cgroup2? /.test(line));
  const model = /^model name\s*:.*$/m.exec(proc("cpuinfo") ?? "")?.[0] ?? "";
  return [
    `weka-cpuset ${version} (commit ${commit}, Deno ${deno})`,
    `collected ${now.toISOString()}`,
    runtime.kind === "known"
      ? `${runtime.name} ${runtime.version}, runc ${runtime.runc ?? "unknown"}, at ${runtime.socket}`
      : runtime.reason,
    `glibc ${glibc?.slice(0, 2).join(".") ?? "unknown"}`,
    proc("version")?.trim() ?? "",
    `command line: ${proc("cmdline")?.trim() ?? ""}`,
    model,
    ...cgroups,
    "",
  ].filter((line, at, all) => line !== "" || at === all.length - 1).join("\n");
}
