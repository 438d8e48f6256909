import assert from "node:assert/strict";
import {
  changesOf,
  checksums,
  packageFile,
  packageVariables,
  problemOf,
  unitOf,
} from "../../../hack/release_parts.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const CHANGELOG = `# Changelog

## [Unreleased]

- not yet

## [1.2.3] - 2026-01-31

### Added

- a thing

## [1.2.2] - 2026-01-01
`;
const FINE = { version: "1.2.3", current: "1.2.3", changelog: CHANGELOG, status: "" };

Deno.test("a version of the changelog, in a checkout without changes, can be released", () => {
  assert.equal(problemOf(FINE), undefined);
  const changelog = CHANGELOG.replace("[1.2.3]", "[1.2.3-rc.1]");
  assert.equal(problemOf({ ...FINE, version: "1.2.3-rc.1", current: "1.2.3-rc.1", changelog }), undefined);
});

Deno.test("anything else is refused in one sentence", () => {
  for (const version of ["", "v1.2.3", "1.2", "01.2.3", "1.2.3+build", "1.2.3-", "1.2.3-01", "1.2.3\n"]) {
    assert.match(
      problemOf({ ...FINE, version }) ?? "",
      /^VERSION is.*, and must be a semantic version, as in/,
    );
  }
  assert.equal(
    problemOf({ ...FINE, version: "1.2.4" }),
    "VERSION is 1.2.4, and deno.json says 1.2.3; change it there and commit that",
  );
  for (const changelog of ["", CHANGELOG.replace(" - 2026-01-31", ""), CHANGELOG.replace("- a thing", "")]) {
    assert.match(
      problemOf({ ...FINE, changelog }) ?? "",
      /^CHANGELOG\.md has no section "## \[1\.2\.3\] - DATE"/,
    );
  }
  assert.equal(
    problemOf({ ...FINE, status: "?? new.ts\n M old.ts" }),
    "the checkout has changes that aren't committed (?? new.ts), so no commit would be what is released",
  );
});

Deno.test("a release takes its own section of the changelog, and a dot is only a dot", () => {
  assert.equal(changesOf(CHANGELOG, "1.2.3"), "## [1.2.3] - 2026-01-31\n\n### Added\n\n- a thing\n");
  assert.equal(changesOf(CHANGELOG.replace("[1.2.3]", "[10203]"), "1.2.3"), undefined);
});

Deno.test("the checkout's own version is in the changelog", () => {
  const { version } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  assert.notEqual(changesOf(Deno.readTextFileSync(`${ROOT}CHANGELOG.md`), version), undefined);
});

Deno.test("packages are called as their managers do; a pre-release sorts before its release", () => {
  assert.equal(packageFile("1.2.3", "amd64", "deb"), "weka-cpuset_1.2.3_amd64.deb");
  assert.equal(packageFile("1.2.3-rc.1", "arm64", "rpm"), "weka-cpuset-1.2.3~rc.1-1.aarch64.rpm");
});

Deno.test("sums are in the format of sha256sum", () => {
  assert.equal(checksums([["a", "00"], ["b", "11"]]), "00  a\n11  b\n");
});

Deno.test("nfpm's file has no variable but those that are given, and names files that are there", () => {
  const config = Deno.readTextFileSync(`${ROOT}deploy/packages/nfpm.yaml`);
  const given = packageVariables({
    version: "1",
    created: "1970-01-01T00:00:09Z",
    name: "amd64",
    executable: "e",
    unit: "u",
  });
  assert.equal(given.SOURCE_DATE_EPOCH, "9");
  const used = [...config.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name ?? "");
  assert.deepEqual(used.filter((name) => !(name in given)), []);
  const files = [...config.matchAll(/(?:src|install|remove): ([^$\s]+)$/gm)].map(([, file]) => file);
  assert.equal(files.length, 7);
  for (const file of files) assert(Deno.statSync(`${ROOT}${file}`).isFile);
});

Deno.test("the packaged unit starts the packaged executable, and doesn't say how to install it by hand", () => {
  const unit = unitOf(Deno.readTextFileSync(`${ROOT}deploy/systemd/weka-cpuset.service`));
  assert.match(unit, /^ExecStart=\/usr\/bin\/weka-cpuset$/m);
  assert(!unit.includes("/usr/local") && !unit.includes("install "), unit);
  assert.throws(
    () => unitOf("[Service]\nExecStart=/bin/true\n"),
    /must start \/usr\/local\/bin\/weka-cpuset/,
  );
});
