/** Units of systemd and their property AllowedCPUs, as calls of its D-Bus interface (org.freedesktop.systemd1(5)). */
import { CpuSet, MAX_CPU_ID } from "../cpu/cpu_set.ts";
import { quoted } from "../quoted.ts";
import { malformed, Marshaller } from "./marshal.ts";
import type { BusReply, MethodCall } from "./message.ts";

const SYSTEMD = "org.freedesktop.systemd1";
const MANAGER_PATH = "/org/freedesktop/systemd1";
const PROPERTY = "AllowedCPUs";
/** The bits of a mask for all CPUs that there can be, and as many again that must be zero: systemd pads its own. */
const MAX_MASK_BYTES = 2 * (MAX_CPU_ID + 1) / 8;
/** UNIT_NAME_MAX of systemd. */
const MAX_NAME = 255;

/** The first call of a connection of a bus, which gives it its name. */
export const HELLO: MethodCall = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
  member: "Hello",
  signature: "",
  body: new Uint8Array(),
};

/** Why `unit` can't be asked for, as one sentence; undefined where it can. */
export function whyNoUnit(unit: string): string | undefined {
  const isName = unit.length <= MAX_NAME && /^[A-Za-z0-9:_.\\-]+\.(slice|scope)$/.test(unit);
  return isName ? undefined : `${quoted(unit)} is no name of a slice or scope of systemd`;
}

/** Sets the property at once and until the next boot; to none with no CPUs. */
export function setCall(unit: string, cpus: CpuSet): MethodCall {
  const body = new Marshaller().string(unit).boolean(true);
  body.structs((properties) => properties.align(8).string(PROPERTY).signature("ay").byteArray(maskOf(cpus)));
  return {
    destination: SYSTEMD,
    path: MANAGER_PATH,
    interface: `${SYSTEMD}.Manager`,
    member: "SetUnitProperties",
    signature: "sba(sv)",
    body: body.bytes(),
  };
}

/** Reads the property. systemd loads the unit for it where that isn't in memory. */
export function getCall(unit: string): MethodCall {
  const type = unit.endsWith(".slice") ? "Slice" : "Scope";
  return {
    destination: SYSTEMD,
    path: `${MANAGER_PATH}/unit/${labelOf(unit)}`,
    interface: "org.freedesktop.DBus.Properties",
    member: "Get",
    signature: "ss",
    body: new Marshaller().string(`${SYSTEMD}.${type}`).string(PROPERTY).bytes(),
  };
}

/**
 * What the answer to {@link getCall} says.
 * @throws {ProtocolError} when it says something else
 */
export function cpusIn(reply: BusReply & { kind: "return" }): CpuSet {
  if (reply.signature !== "v" || reply.body.signature() !== "ay") {
    throw malformed("no array of bytes, and AllowedCPUs is one");
  }
  const mask = reply.body.byteArray();
  if (mask.length > MAX_MASK_BYTES) throw malformed(`a mask of ${mask.length} bytes for the CPUs`);
  const cpus = Array.from({ length: mask.length * 8 }, (_, cpu) => cpu)
    .filter((cpu) => ((mask[cpu >>> 3] ?? 0) & (1 << (cpu & 7))) !== 0);
  if ((cpus.at(-1) ?? 0) > MAX_CPU_ID) {
    throw malformed(`the CPU ${cpus.at(-1)}, and the last may be ${MAX_CPU_ID}`);
  }
  return CpuSet.from(cpus);
}

/** One sentence for an error of systemd or the bus. */
export function explain(unit: string, { name, text }: BusReply & { kind: "error" }): string {
  // The first from setting a property that isn't known, the second from reading one.
  if (
    name === "org.freedesktop.DBus.Error.PropertyReadOnly" ||
    name === "org.freedesktop.DBus.Error.UnknownProperty"
  ) {
    return `systemd knows no ${PROPERTY} of ${unit} (${quoted(text, 200)}); it takes systemd 244 or newer`;
  }
  if (name === "org.freedesktop.DBus.Error.ServiceUnknown") {
    return `systemd isn't on the system bus (${quoted(text, 200)}); it has to be the host's init`;
  }
  return `systemd refused ${PROPERTY} of ${unit} (${quoted(name, 100)}): ${quoted(text, 200)}`;
}

/** Bit n of the mask is CPU n, the first byte has the CPUs 0 to 7: cpu_set_to_dbus in systemd's cpu-set-util.c. */
function maskOf(cpus: CpuSet): Uint8Array {
  const ids = cpus.toArray();
  const mask = new Uint8Array(((ids.at(-1) ?? -1) >> 3) + 1);
  for (const cpu of ids) mask[cpu >>> 3] = (mask[cpu >>> 3] ?? 0) | (1 << (cpu & 7));
  return mask;
}

/** The unit's name in an object path: bus_label_escape in systemd's bus-label.c. */
function labelOf(unit: string): string {
  return unit.replace(/^[0-9]|[^A-Za-z0-9]/g, (c) => `_${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
