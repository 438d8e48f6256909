import assert from "node:assert/strict";
import { redacted } from "../../../src/support/redact.ts";

const CASES: readonly [given: string, clean: string][] = [
  ["root=/dev/sda1 luks.passphrase=hunter2 quiet", "root=/dev/sda1 luks.passphrase=[redacted] quiet"],
  ['{"authToken": "a\\"b", "cpus": "0-3"}', '{"authToken": "[redacted]", "cpus": "0-3"}'],
  ["proxy http://me:secret@proxy:3128/ used", "proxy http://[redacted]@proxy:3128/ used"],
  ["Authorization: Bearer abcdefgh.ijkl", "Authorization: [redacted] [redacted]"],
  ["got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln from kubelet", "got [redacted] from kubelet"],
  ["DB_PASSWORD='my words' x-api-key: 4711", "DB_PASSWORD=[redacted] x-api-key: [redacted]"],
  ["-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nrest", "[redacted]\nrest"],
  [
    "pod secrets-operator needs 4 exclusive CPUs, tokens aside",
    "pod secrets-operator needs 4 exclusive CPUs, tokens aside",
  ],
];

for (const [given, clean] of CASES) {
  Deno.test(`without secrets: ${clean.split("\n")[0]}`, () => {
    const { text, count } = redacted(given);
    for (const secret of ["hunter2", 'a\\"b', "me:secret", "abcdefgh", "eyJ", "my words", "4711", "MII"]) {
      assert(!text.includes(secret), text);
    }
    if (given.startsWith("Authorization")) assert(count > 0);
    else assert.equal(text, clean);
    assert.equal(count > 0, given !== clean);
  });
}

Deno.test("JSON stays JSON, and nothing is taken out twice", () => {
  const given = JSON.stringify({ token: "x y", nested: { apiKey: 'q"uoted', cpus: "0-3" } }, undefined, 2);
  const once = redacted(given);
  assert.deepEqual(JSON.parse(once.text), {
    token: "[redacted]",
    nested: { apiKey: "[redacted]", cpus: "0-3" },
  });
  assert.equal(redacted(once.text).text, once.text);
});
