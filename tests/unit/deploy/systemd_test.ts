import assert from "node:assert/strict";
import { DEFAULTS } from "../../../src/config/schema.ts";

const UNIT = Deno.readTextFileSync(new URL("../../../deploy/systemd/weka-cpuset.service", import.meta.url));
const settings = new Map(
  [...UNIT.matchAll(/^(\w+)=(.*)$/gm)].map(([, key = "", value = ""]) => [key, value]),
);

Deno.test("the service outlives its own failures, and its lock outlives the service", () => {
  assert.equal(settings.get("Restart"), "always");
  assert.equal(settings.get("StartLimitIntervalSec"), "0");
  assert.equal(`/run/${settings.get("RuntimeDirectory")}`, DEFAULTS.runDir);
  assert.equal(settings.get("RuntimeDirectoryPreserve"), "yes");
});

Deno.test("the service has no capability and only unix sockets, and V8 may still compile", () => {
  assert.equal(settings.get("CapabilityBoundingSet"), "");
  assert.equal(settings.get("NoNewPrivileges"), "yes");
  assert.equal(settings.get("ProtectSystem"), "strict");
  assert.equal(settings.get("RestrictAddressFamilies"), "AF_UNIX");
  assert.equal(settings.get("MemoryDenyWriteExecute"), "no");
});

Deno.test("the drop-in for http opens the network, and nothing else", () => {
  const text = Deno.readTextFileSync(new URL("../../../deploy/systemd/http.conf", import.meta.url));
  assert.deepEqual(text.split("\n").filter((line) => line !== "" && !line.startsWith("#")), [
    "[Service]",
    "PrivateNetwork=no",
    "RestrictAddressFamilies=AF_INET AF_INET6",
  ]);
});

Deno.test("of the kernel's files the service can write the cgroups, and nothing else", () => {
  assert.equal(settings.get("ProtectControlGroups"), "no");
  assert.equal(settings.get("ProtectKernelTunables"), "yes");
});

Deno.test("under contention the service gets more CPU time than its neighbours", () => {
  assert(Number(settings.get("CPUWeight")) > 100, "systemd's default");
  assert.equal(settings.get("Nice"), "-10");
});

Deno.test("the unit doesn't narrow the agent's own CPUs", () => {
  for (const key of ["CPUAffinity", "AllowedCPUs", "CPUQuota"]) assert(!settings.has(key), key);
});

const analyze = new Deno.Command("sh", { args: ["-c", "command -v systemd-analyze"] }).outputSync();

Deno.test({
  name: "systemd knows every setting of the service (where systemd-analyze is installed)",
  ignore: !analyze.success,
  fn: () => {
    const dir = Deno.makeTempDirSync();
    try {
      // systemd also looks whether the program is there.
      const unit = `${dir}/weka-cpuset.service`;
      Deno.writeTextFileSync(unit, UNIT.replace(/^ExecStart=.*$/m, "ExecStart=/bin/sh"));
      const { code, stderr } = new Deno.Command("systemd-analyze", { args: ["verify", unit] }).outputSync();
      const said = new TextDecoder().decode(stderr).split("\n").filter((line) => line.includes(unit));
      assert.deepEqual({ code, said }, { code: 0, said: [] });
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
});
