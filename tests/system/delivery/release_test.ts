/** What `make release` makes, twice, and what it refuses. */
import assert from "node:assert/strict";
import { canRelease, FIRST, makeRelease, pathOf, released, SECOND, VERSION } from "./checkout.ts";
import { outcome, output } from "./tools.ts";

function onRelease(title: string, body: () => Promise<void>): void {
  Deno.test({ name: `release: ${title}`, ignore: !canRelease, fn: body });
}

function sums(release: string): Promise<string> {
  return Deno.readTextFile(`${release}/SHA256SUMS`);
}

onRelease("two checkouts of one commit give the same bytes, file by file", async () => {
  assert.equal(await sums(await released(FIRST)), await sums(await released(SECOND)));
});

onRelease("it has every part for both processors, and the changes", async () => {
  const release = await released(FIRST);
  const files = [...Deno.readDirSync(release)].map(({ name }) => name).sort();
  const processors = ["amd64", "arm64"].flatMap((name) => [
    `weka-cpuset-${VERSION}-linux-${name}`,
    `weka-cpuset-${VERSION}-linux-${name}.spdx.json`,
    `weka-cpuset_${VERSION}_${name}.deb`,
  ]);
  const { tasks } = JSON.parse(await Deno.readTextFile(`${pathOf(FIRST)}/deno.json`));
  assert.deepEqual(
    files,
    [
      ...processors,
      `weka-cpuset-${VERSION}-1.x86_64.rpm`,
      `weka-cpuset-${VERSION}-1.aarch64.rpm`,
      `weka-cpuset-${VERSION}-image.tar`,
      `weka-cpuset-${VERSION}.tar.gz`,
      ...("chart" in tasks ? [`weka-nri-cpuset-${VERSION}.tgz`] : []),
      "CHANGES.md",
      "SHA256SUMS",
    ].sort(),
  );
  assert((await Deno.readTextFile(`${release}/CHANGES.md`)).startsWith(`## [${VERSION}] - `));
});

onRelease("its sums are right, and name the file that has changed on the way", async () => {
  const release = await released(FIRST);
  await output("sha256sum", ["--check", "--quiet", "SHA256SUMS"], { cwd: release });
  const copy = await Deno.makeTempDir();
  try {
    const file = `weka-cpuset_${VERSION}_amd64.deb`;
    const bytes = await Deno.readFile(`${release}/${file}`);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    await Deno.writeFile(`${copy}/${file}`, bytes);
    const args = ["--check", "--ignore-missing", `${release}/SHA256SUMS`];
    const { code, out } = await outcome("sha256sum", args, { cwd: copy });
    assert.deepEqual([code, out], [1, `${file}: FAILED\n`]);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
});

onRelease(
  "another version, or changes that aren't committed: one sentence, and the former release stays",
  async () => {
    const release = await released(FIRST);
    const before = await sums(release);
    const refusals: [version: string, sentence: RegExp][] = [
      [
        "1.x",
        /^release: VERSION is "1\.x", and must be a semantic version, as in make release VERSION=1\.2\.3$/m,
      ],
      ["99.0.0", /^release: VERSION is 99\.0\.0, and deno\.json says \S+; change it there and commit that$/m],
    ];
    for (const [version, sentence] of refusals) {
      const { code, err } = await makeRelease(FIRST, version, outcome);
      assert.equal(code, 2, err); // make's own
      assert.match(err, sentence);
    }
    const stray = `${pathOf(FIRST)}/stray.ts`;
    await Deno.writeTextFile(stray, "");
    try {
      const { err } = await makeRelease(FIRST, VERSION, outcome);
      assert.match(
        err,
        /^release: the checkout has changes that aren't committed \(\?\? stray\.ts\), so no commit/m,
      );
    } finally {
      await Deno.remove(stray);
    }
    assert.equal(await sums(release), before);
  },
);
