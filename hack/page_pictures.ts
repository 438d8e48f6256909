/**
 * The pictures of the page in docs/images: the real page of the real agent on made-up nodes, in Chromium. Run by
 * `make page-pictures`; look at each before it is committed.
 */
import { Browser, findChromium, type Look } from "../tests/kit/browser.ts";
import { READY, SCENES, withPage } from "../tests/kit/page_scenes.ts";

const IMAGES = new URL("../docs/images", import.meta.url).pathname;

const PICTURES: readonly (Look & { readonly name: string; readonly cpus: number })[] = [
  ...[...SCENES.keys()].flatMap((cpus) =>
    (["light", "dark"] as const).map((scheme) => ({
      name: `page-${cpus}-${scheme}`,
      cpus,
      scheme,
      width: 1280,
      height: cpus === 8 ? 800 : 1000,
    }))
  ),
  { name: "page-64-narrow", cpus: 64, scheme: "light", width: 400, height: 1100 },
];

const found = await findChromium();
if ("missing" in found) {
  console.error(`page-pictures: ${found.missing}`);
  Deno.exit(2);
}
await Deno.mkdir(IMAGES, { recursive: true });
const browser = await Browser.start(found.path);
for (const { name, cpus, ...look } of PICTURES) {
  await withPage(cpus, async (url) => {
    await browser.open(url, look, READY);
    const picture = await compressed(await browser.picture());
    await Deno.writeFile(`${IMAGES}/${name}.png`, picture);
    console.log(`docs/images/${name}.png: ${Math.round(picture.length / 1000)} kB`);
  });
}
await browser.close();
for (const complaint of browser.complaints) console.error(complaint);

/** With 128 colours, which nobody sees. */
async function compressed(picture: Uint8Array): Promise<Uint8Array> {
  const child = new Deno.Command(new URL("../.tools/chromium/pngquant", import.meta.url).pathname, {
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  writer.write(picture).then(() => writer.close());
  const { stdout } = await child.output();
  return stdout;
}
