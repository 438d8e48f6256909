/** What the names of cgroups say, as kubelet, the runtimes and systemd give them. */
const SLICE = ".slice";

/**
 * The path of a systemd slice, which its name spells out: `a-b.slice` is `/a.slice/a-b.slice`, and `-.slice` the
 * root. Undefined for what is no slice's name. See systemd.slice(5).
 */
export function slicePath(slice: string): string | undefined {
  if (slice === `-${SLICE}`) return "";
  if (!slice.endsWith(SLICE) || slice.includes("/")) return undefined;
  const parts = slice.slice(0, -SLICE.length).split("-");
  if (parts.includes("")) return undefined;
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}${SLICE}`).join("");
}

/**
 * The cgroup around a container's in its record: of `/kubepods/pod1/ID` a path, of systemd's
 * `kubepods-pod1.slice:cri-containerd:ID` the name of a slice.
 */
export function cgroupAround(path: string): string {
  const [slice = "", , unit] = path.split(":");
  return unit === undefined ? path.slice(0, Math.max(path.lastIndexOf("/"), 0)) : slice;
}
