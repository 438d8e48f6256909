// Everything that is checked in the virtual machine, in one file, since reading files takes an emulated one long.
import "./machine.ts";
import { play } from "./story.ts";
import { checkUnits } from "./units.ts";

for (const apply of ["runtime", "kernel-first"] as const) {
  play({ suite: "trixie", driver: "cgroupfs", apply });
  play({ suite: "sid", driver: "systemd", apply });
}
checkUnits();
