/** NRI in the runtime: on or off, its time-outs, its plugins. */
import type { Config } from "../config/schema.ts";
import { cpusetPluginsIn, PLUGIN_FOLDER } from "../peers/nri_plugins.ts";
import { at } from "../platform/json_at.ts";
import { printable } from "../platform/printable.ts";
import { statusAt } from "../platform/file_status.ts";
import { readerOf } from "../platform/sysfs.ts";
import { unreachable } from "../platform/unreachable.ts";
import { type ContainerdConfig, milliseconds, NRI_TABLE, readContainerdConfig } from "./containerd_config.ts";
import type { HostFiles } from "./host_files.ts";
import { configFileOf, containerdVersion, restart, type RuntimeFacts } from "./runtime.ts";
import { fail, pass, textOf, type Verdict, warn } from "./verdict.ts";
import { atLeast } from "./versions.ts";

/** What is known of NRI. */
export interface NriFacts {
  /** Where the agent looks for it on the node. */
  readonly socket: string;
  /** Why nobody answers there; absent: somebody does. */
  readonly unreachable?: string;
  readonly config: ContainerdConfig;
  readonly folder: PluginFolder;
}

/** Where the runtime looks for plugins that it starts. */
export interface PluginFolder {
  readonly path: string;
  /** Whether others than root can put plugins there; absent: it isn't there. */
  readonly isOpen?: boolean;
  /** Instances of this agent, and those of them that can't be executed. */
  readonly own: readonly string[];
  readonly unexecutable: readonly string[];
  /** Other plugins that write cpusets. */
  readonly others: readonly string[];
}

/** Of /proc/net/unix: a node has some thousand sockets, of some 100 bytes each. */
const MAX_SOCKETS_BYTES = 4 << 20;
/** A listening socket there, by its flags (__SO_ACCEPTCON) and type: address, references, protocol, flags, type, state, inode, path. */
const LISTENING = /^\S+ \S+ \S+ 00010000 0001 \S+ +\S+ (\/.*)$/gm;

/**
 * Throws nothing.
 * @param config with the paths as they are here
 * @param given with those of the node
 */
export async function readNri(
  files: HostFiles,
  config: Config,
  given: Pick<Config, "socket">,
  runtime: RuntimeFacts,
): Promise<NriFacts> {
  const version = containerdVersion(runtime);
  const replaces = version !== undefined && !atLeast(version, [2, 0, 0]);
  const read = readContainerdConfig(files, configFileOf(runtime), replaces);
  const problem = isListening(config, given.socket) ? undefined : await unreachable(config.socket);
  return {
    socket: given.socket,
    ...(problem === undefined ? {} : { unreachable: printable(problem) }),
    config: read,
    folder: readFolder(files, textIn(read, "plugin_path") ?? PLUGIN_FOLDER, config.pluginName),
  };
}

/** By the kernel's list, so as not to connect where that is enough: the runtime takes a connection for a plugin that failed. */
function isListening({ procRoot, socket }: Config, path: string): boolean {
  const list = readerOf(procRoot, MAX_SOCKETS_BYTES)("1/net/unix") ?? "";
  const isNamed = [...list.matchAll(LISTENING)].some(([, bound = ""]) => sameRun(bound) === sameRun(path));
  return isNamed && statusAt(socket)?.kind === "socket";
}

function textIn(config: ContainerdConfig, key: string): string | undefined {
  const value = config.kind === "read" ? at(config.nri, key) : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}

function readFolder(files: HostFiles, path: string, pluginName: string): PluginFolder {
  const status = files.status(path);
  const own = (files.names(path) ?? []).filter((name) => /^\d\d-/.test(name) && name.slice(3) === pluginName);
  return {
    path: printable(path),
    ...(status === undefined ? {} : { isOpen: ((status.mode ?? 0o777) & 0o022) !== 0 || status.uid !== 0 }),
    own,
    unexecutable: own.filter((name) => ((files.status(`${path}/${name}`)?.mode ?? 0) & 0o111) === 0),
    others: cpusetPluginsIn(files.place(path), pluginName),
  };
}

const HEAD = `[plugins."${NRI_TABLE}"]`;

export function checkNri(runtime: RuntimeFacts, { socket, unreachable, config, folder }: NriFacts): Verdict {
  if (unreachable === undefined) return pass(`NRI is on: the runtime listens at ${socket}`);
  const again = restart(runtime);
  if (runtime.kind === "unknown") {
    return fail(
      `${socket}: ${unreachable}, and no runtime answers that could have NRI`,
      `start the runtime, with ${HEAD} disable = false`,
    );
  }
  const off = whyOff(runtime, config);
  if (off !== undefined) {
    return fail(`NRI is off: ${off}`, `in ${config.file}: ${HEAD} disable = false; then ${again}`);
  }
  if (config.kind === "unknown") {
    return fail(
      `${socket}: ${unreachable}; and ${config.file} can't be read: ${config.reason}`,
      `in containerd's configuration: ${HEAD} disable = false; then ${again}`,
    );
  }
  if (at(config.nri, "disable_connections") === true) {
    return folder.own.length > 0
      ? pass(`NRI is on for plugins that the runtime starts, as ${folder.path}/${folder.own[0]}`)
      : fail(
        "NRI is on, but takes no connections (disable_connections), and the runtime starts no agent",
        `in ${config.file}: ${HEAD} disable_connections = false; then ${again}`,
      );
  }
  const other = textIn(config, "socket_path");
  if (other !== undefined && sameRun(other) !== sameRun(socket)) {
    return fail(
      `the runtime's NRI socket is ${printable(other)}, and the agent looks at ${socket}`,
      `in /etc/weka-cpuset/config.yaml: socket: ${printable(other)}`,
    );
  }
  return fail(`NRI is on in ${config.file}, but ${socket}: ${unreachable}`, again);
}

/** /var/run is a link to /run. */
function sameRun(path: string): string {
  return path.replace(/^\/var\/run\//, "/run/");
}

/** A clause; undefined: it isn't known to be off. */
function whyOff(runtime: RuntimeFacts, config: ContainerdConfig): string | undefined {
  const version = containerdVersion(runtime);
  if (config.kind === "unknown") return undefined;
  if (at(config.nri, "disable") === true) return `${config.file} has disable = true`;
  const isOnByDefault = version === undefined || atLeast(version, [2, 0, 0]);
  if (isOnByDefault || at(config.nri, "disable") === false) return undefined;
  return `containerd 1.7 has it off, and ${config.file} doesn't turn it on`;
}

/** containerd's own values, in milliseconds (pkg/adaptation of containerd/nri). */
const TIMEOUTS = { plugin_registration_timeout: 5000, plugin_request_timeout: 2000 } as const;

export function checkTimeouts({ config }: Pick<NriFacts, "config">): Verdict {
  if (config.kind === "unknown") {
    return warn(
      `the time-outs are unknown: ${config.file}: ${config.reason}`,
      "check the file, or run preflight as root on the node",
    );
  }
  const [wrong] = config.misplaced;
  if (wrong !== undefined) {
    return warn(
      `${wrong.key} has no effect in ${wrong.table} of ${wrong.file}`,
      `in ${wrong.file}: move the line ${wrong.key} to ${HEAD}`,
    );
  }
  const given = Object.entries(TIMEOUTS).map(([key, least]) => {
    const value = at(config.nri, key);
    return { key, least, value, ms: value === undefined ? least : milliseconds(value) };
  });
  const short = given.find(({ ms, least }) => ms === undefined || ms < least);
  if (short !== undefined) {
    const { key, value, least } = short;
    return warn(
      `${key} is ${textOf(value)}: a plugin that needs longer is disconnected, and containers start unplaced`,
      `in ${config.file}: ${HEAD} ${key} = "${least / 1000}s"`,
    );
  }
  return pass(given.map(({ key, ms }) => `${key} is ${(ms ?? 0) / 1000} s`).join(", "));
}

export function checkPluginFolder({ folder }: Pick<NriFacts, "folder">): Verdict {
  const { path, isOpen, own, unexecutable } = folder;
  if (isOpen === undefined) return pass(`there is no ${path}: the runtime starts no agent`);
  if (isOpen) {
    return fail(
      `others than root can write ${path}: whoever puts a plugin there is root`,
      `chown root: ${path}; chmod go-w ${path}`,
    );
  }
  const [first] = unexecutable;
  if (first !== undefined) {
    return warn(
      `${path}/${first} isn't executable, so the runtime doesn't start it`,
      `chmod 755 ${path}/${first}`,
    );
  }
  if (own.length > 1) {
    return warn(
      `the runtime starts ${own.join(" and ")}; one is active, the others on standby`,
      `rm ${path}/${own.at(-1)}`,
    );
  }
  return pass(own.length === 0 ? `${path} has no agent to start` : `the runtime starts ${path}/${own[0]}`);
}

/** NRI's own validator, from containerd 2.2 on (plugins/default-validator of containerd/nri). */
const VALIDATOR = "default_validator";

export function checkRequiredPlugins(
  runtime: RuntimeFacts,
  { config }: Pick<NriFacts, "config">,
  pluginName: string,
): Verdict {
  const table = config.kind === "read" ? at(config.nri, VALIDATOR) : undefined;
  const given = at(table, "required_plugins");
  const required = Array.isArray(given) ? given.map(textOf) : [];
  if (at(table, "enable") !== true || required.length === 0) {
    return pass("no plugin is required: what is created while no agent runs is corrected later");
  }
  const version = containerdVersion(runtime);
  if (version !== undefined && !atLeast(version, [2, 2, 0])) {
    return warn("required_plugins has no effect before containerd 2.2", "update containerd to 2.2 or newer");
  }
  const line =
    `in ${config.file}: [plugins."${NRI_TABLE}".${VALIDATOR}] required_plugins = ["${pluginName}"]`;
  const odd = required.find((name) => name !== pluginName && name.endsWith(pluginName));
  if (odd !== undefined) {
    return fail(`"${odd}" is required, and registers as "${pluginName}": nothing can be created`, line);
  }
  return required.includes(pluginName)
    ? pass(`${pluginName} is required: nothing is created while no agent runs`)
    : warn(`${required.join(", ")} is required, this agent isn't`, line);
}

export function checkOtherPlugins({ folder }: Pick<NriFacts, "folder">, runtime: RuntimeFacts): Verdict {
  const { path, others } = folder;
  if (others.length === 0) return pass(`no plugin in ${path} is known to write cpusets`);
  return fail(
    `by its name ${path}/${others[0]} writes cpusets as well, so that a CPU may have two owners`,
    `rm ${path}/${others[0]}; ${restart(runtime)}`,
  );
}
