/** The packages of a release, installed, upgraded and removed in a Debian of their own; RPMs there too, by Debian's rpm. */
import assert from "node:assert/strict";
import { canRelease, FIRST, released, VERSION } from "./checkout.ts";
import { DebianRoot } from "./debian_root.ts";
import { fetched, output } from "./tools.ts";

const debian = await fetched("get-debian-root.sh", "debian-root");
const [CONFIG, EXECUTABLE, UNIT] = [
  "/etc/weka-cpuset/config.yaml",
  "/usr/bin/weka-cpuset",
  "/usr/lib/systemd/system/weka-cpuset.service",
];
const FENCE = "/cg/kubepods/burstable/cpuset.cpus";
/** For this machine and for another one. */
const [OWN, OTHER] = Deno.build.arch === "x86_64"
  ? [{ deb: "amd64", rpm: "x86_64" }, { deb: "arm64", rpm: "aarch64" }]
  : [{ deb: "arm64", rpm: "aarch64" }, { deb: "amd64", rpm: "x86_64" }];
const DEB = (name: string) => `weka-cpuset_${VERSION}_${name}.deb`;
const RPM = (machine: string) => `weka-cpuset-${VERSION}-1.${machine}.rpm`;

/** Runs the body with a fresh Debian that has the release's packages in its root directory. */
function onDebian(title: string, body: (root: DebianRoot) => Promise<void>): void {
  Deno.test({
    name: `packages: ${title}`,
    ignore: !canRelease || debian === undefined,
    fn: async () => {
      const release = await released(FIRST);
      await using root = await DebianRoot.unpack(`${debian}/root.tar`);
      for (const file of [DEB(OWN.deb), DEB(OTHER.deb), RPM(OWN.rpm), RPM(OTHER.rpm)]) {
        await Deno.copyFile(`${release}/${file}`, `${root.path}/${file}`);
      }
      await body(root);
    },
  });
}

async function succeeds(root: DebianRoot, ...command: string[]): Promise<string> {
  const { code, out, err } = await root.run(...command);
  assert.equal(code, 0, out + err);
  return out + err;
}

onDebian(
  "a deb is installed but not started, with a configuration that is the administrator's",
  async (root) => {
    const said = await succeeds(root, "dpkg", "--install", DEB(OWN.deb));
    assert.match(said, /^weka-cpuset is installed, and not started: systemctl enable --now weka-cpuset$/m);
    assert.deepEqual(await root.askedSystemd(), ["daemon-reload"]);
    assert.match(
      await succeeds(root, EXECUTABLE, "--version"),
      new RegExp(`^weka-cpuset ${VERSION} \\(commit `),
    );
    assert.match(await root.read(UNIT), new RegExp(`^ExecStart=${EXECUTABLE}$`, "m"));
    await succeeds(root, EXECUTABLE, "config"); // reads the installed one, which must be valid
  },
);

onDebian("an upgrade keeps the configuration, and starts anew only an agent that runs", async (root) => {
  await succeeds(root, "dpkg", "--install", DEB(OWN.deb));
  await root.write(CONFIG, "minShared: 2\n");
  await root.askedSystemd();
  const said = await succeeds(root, "dpkg", "--install", DEB(OWN.deb));
  assert.deepEqual(await root.askedSystemd(), [
    "daemon-reload",
    "daemon-reload",
    "try-restart weka-cpuset.service",
  ]);
  assert(!said.includes("not started"), said);
  assert.equal(await root.read(CONFIG), "minShared: 2\n");
});

onDebian(
  "removal stops the agent, gives CPUs back, and keeps the configuration; a purge leaves nothing",
  async (root) => {
    const before = await root.paths();
    const config = await root.fencedTree();
    await succeeds(root, "dpkg", "--install", DEB(OWN.deb));
    await root.write(CONFIG, config);
    await root.askedSystemd();
    const said = await succeeds(root, "dpkg", "--remove", "weka-cpuset");
    assert.match(said, /^\/kubepods\/burstable: all CPUs$/m);
    assert.equal((await root.read(FENCE)).trim(), "");
    assert.deepEqual(await root.askedSystemd(), [
      "--no-reload disable --now weka-cpuset.service",
      "daemon-reload",
    ]);
    assert.deepEqual([await root.has(EXECUTABLE), await root.has(UNIT)], [false, false]);
    assert.equal(await root.read(CONFIG), config);

    await succeeds(root, "dpkg", "--purge", "weka-cpuset");
    const own = /^(cg|systemctl\.log|run\/weka-cpuset|var\/cache\/(ldconfig|debconf))\b/;
    assert.deepEqual((await root.paths()).filter((path) => !before.includes(path) && !own.test(path)), []);
  },
);

onDebian("where CPUs can't be given back it is removed all the same, and says so", async (root) => {
  await succeeds(root, "dpkg", "--install", DEB(OWN.deb));
  await root.write(CONFIG, `${await root.fencedTree()}sysfsRoot: /nothing\n`);
  const said = await succeeds(root, "dpkg", "--remove", "weka-cpuset");
  assert.match(said, /the CPUs of the machine can't be read in \/nothing/);
  assert.match(said, /^weka-cpuset is removed, but cgroups above containers may still be kept off CPUs/m);
  assert.equal(await root.has(EXECUTABLE), false);
});

onDebian("for another processor, or beside an older glibc, nothing is unpacked", async (root) => {
  const before = await root.paths();
  const other = await root.run("dpkg", "--install", DEB(OTHER.deb));
  assert.match(
    other.err,
    new RegExp(`package architecture \\(${OTHER.deb}\\) does not match system \\(${OWN.deb}\\)`),
  );
  const status = await root.read("/var/lib/dpkg/status");
  const old = status.replace(/^(Package: libc6\n(?:.+\n)*?Version: ).*$/m, "$12.26-1");
  assert.notEqual(old, status);
  await root.write("/var/lib/dpkg/status", old);
  const tooOld = await root.run("dpkg", "--install", DEB(OWN.deb));
  assert.match(
    tooOld.err,
    /weka-cpuset pre-depends on libc6 \(>= 2\.27\)\n.*libc6(:\w+)? is installed, but is version 2\.26-1/s,
  );
  assert.deepEqual([other.code, tooOld.code], [1, 1]);
  assert.deepEqual(await root.paths(), before);
});

onDebian("an RPM says what it needs, and is for one processor", async (root) => {
  // No package of this root's is known to rpm: glibc lacks, as an older one would.
  const missing = await root.run("rpm", "--install", "--test", `/${RPM(OWN.rpm)}`);
  assert.match(missing.err, /libc\.so\.6\(GLIBC_2\.27\)\(64bit\) is needed by weka-cpuset-/);
  const other = await root.run("rpm", "--install", "--test", "--nodeps", `/${RPM(OTHER.rpm)}`);
  assert.match(
    other.err,
    new RegExp(`weka-cpuset-${VERSION}-1\\.${OTHER.rpm} is intended for a different architecture`),
  );
  assert.deepEqual([missing.code, other.code], [1, 1]);
  const files = await succeeds(root, "rpm", "--query", "--list", "--package", `/${RPM(OWN.rpm)}`);
  for (const path of [CONFIG, EXECUTABLE, UNIT]) assert(files.includes(`${path}\n`), files);
});

onDebian(
  "an RPM's removal stops the agent, gives CPUs back, and keeps a changed configuration",
  async (root) => {
    await succeeds(root, "rpm", "--install", "--nodeps", `/${RPM(OWN.rpm)}`);
    assert.deepEqual(await root.askedSystemd(), ["daemon-reload"]);
    await root.write(CONFIG, await root.fencedTree());
    await succeeds(root, "rpm", "--upgrade", "--force", "--nodeps", `/${RPM(OWN.rpm)}`);
    assert.deepEqual(await root.askedSystemd(), [
      "daemon-reload",
      "try-restart weka-cpuset.service",
      "daemon-reload",
    ]);
    const said = await succeeds(root, "rpm", "--erase", "weka-cpuset");
    assert.match(said, /^\/kubepods\/burstable: all CPUs$/m);
    assert.deepEqual(await root.askedSystemd(), [
      "--no-reload disable --now weka-cpuset.service",
      "daemon-reload",
    ]);
    assert.deepEqual([await root.has(EXECUTABLE), await root.has(`${CONFIG}.rpmsave`)], [false, true]);
  },
);

Deno.test({
  name: "packages: each is below 40 MB",
  ignore: !canRelease,
  fn: async () => {
    const release = await released(FIRST);
    for (const file of [DEB("amd64"), DEB("arm64"), RPM("x86_64"), RPM("aarch64")]) {
      const { size } = await Deno.stat(`${release}/${file}`);
      console.log(`${file}: ${(size / 1e6).toFixed(1)} MB`);
      assert(size < 40e6, `${size} bytes`);
    }
    await output("sh", [
      "-c",
      `dpkg-deb --info "$0" | grep -q "Architecture: ${OWN.deb}"`,
      `${release}/${DEB(OWN.deb)}`,
    ]);
  },
});
