/** The page in a real browser: what it draws, that nothing is cut off or hard to read, keys, search. `make test-page`. */
import assert from "node:assert/strict";
import { Browser, findChromium, type Look } from "../../kit/browser.ts";
import { READY, SCENES, withPage } from "../../kit/page_scenes.ts";

const chromium = await findChromium();
if ("missing" in chromium) console.error(`test-page is skipped: ${chromium.missing}`);

const LOOKS: readonly Look[] = (["light", "dark"] as const).flatMap((scheme) => [
  { scheme, width: 1280, height: 900 },
  { scheme, width: 380, height: 800 },
]);
const WIDE = LOOKS.slice(0, 1);

function inBrowser(
  title: string,
  cpus: number,
  looks: readonly Look[],
  body: (browser: Browser) => Promise<void>,
) {
  Deno.test({
    name: title,
    ignore: "missing" in chromium,
    fn: async () => {
      if ("missing" in chromium) return;
      const browser = await Browser.start(chromium.path);
      try {
        for (const look of looks) {
          await withPage(cpus, async (url) => {
            await browser.open(url, look, READY);
            await body(browser);
          });
        }
        assert.deepEqual(browser.complaints, []);
      } finally {
        await browser.close();
      }
    },
  });
}

/** Elements whose content is wider than they are; a table scrolls in its own region. */
const CUT = `[...document.querySelectorAll("body *")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1 && !each.closest(".scroll, #tiles, table"))
  .filter((each) => getComputedStyle(each).display !== "inline")
  .map((each) => each.tagName + "#" + each.id + "." + each.className + " " + each.scrollWidth + ">" + each.clientWidth)`;

/** Texts whose contrast with what is behind them is less than WCAG's 4.5 (AA), stripes aside. */
const PALE = `(() => {
  const channel = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = rgb(colour).map((value) => channel(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (each) => {
    for (let at = each; at !== null; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (rgb(backgroundColor)[3] === 255) return backgroundColor;
    }
  };
  const texts = [...document.querySelectorAll("body *")].filter((each) =>
    [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "") && !each.closest("script")
  );
  return texts.map((each) => {
    const [a, b] = [light(getComputedStyle(each).color), light(ground(each))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), each.className + " " + each.textContent.slice(0, 20)];
  }).filter(([ratio]) => ratio < 4.5);
})()`;

for (const cpus of SCENES.keys()) {
  inBrowser(
    `a node of ${cpus} CPUs is drawn whole, in light and dark, wide and narrow`,
    cpus,
    LOOKS,
    async (browser) => {
      assert.equal(await browser.evaluate(`document.querySelectorAll("#map .cpu").length`), cpus);
      assert.equal(await browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
      assert.deepEqual(await browser.evaluate(CUT), []);
      assert.deepEqual(await browser.evaluate(PALE), []);
      assert.equal(
        await browser.evaluate(
          `[...document.querySelectorAll("#map .cpu")].every((cpu) => cpu.ariaLabel.length > 8)`,
        ),
        true,
      );
    },
  );
}

inBrowser(
  "one CPU is reached by Tab, the others by the arrow keys, and each says who has it",
  64,
  WIDE,
  async (browser) => {
    const focused = () => browser.evaluate<string>("document.activeElement.dataset.cpu");
    await browser.evaluate(`document.querySelector("#map .cpu[tabindex='0']").focus()`);
    assert.equal(await focused(), "0");
    await browser.press("ArrowRight");
    assert.equal(await focused(), "32");
    await browser.press("ArrowDown");
    assert.equal(await focused(), "36");
    assert.equal(
      await browser.evaluate(`document.querySelector("#about").textContent`),
      "CPU 36: exclusive, database/postgres-0/c, confirmed",
    );
    assert.equal(await browser.evaluate(`document.querySelectorAll("#map .cpu[tabindex='0']").length`), 1);
    await browser.press("End");
    assert.equal(await focused(), "63");
  },
);

inBrowser(
  "a search lights up a pod's CPUs and lists its containers; a number finds who runs on a CPU",
  64,
  WIDE,
  async (browser) => {
    const search = (text: string) =>
      browser.evaluate<string>(`(() => {
      const input = document.querySelector("#search");
      input.value = ${JSON.stringify(text)};
      input.dispatchEvent(new Event("input"));
      const cpus = [...document.querySelectorAll("#map .found")].map((cpu) => cpu.dataset.cpu);
      return cpus.join(" ") + "; " + document.querySelectorAll("#containers tr").length;
    })()`);
    assert.equal(await search("POSTGRES-1"), "8 40 9 41; 1");
    assert.equal(await search("35"), "35; 2");
    assert.equal(await search("nobody"), "; 0");
  },
);

inBrowser("what is wrong comes first; names are texts, whatever they hold", 64, WIDE, async (browser) => {
  assert.match(
    await browser.evaluate(`document.querySelector("#containers tr").textContent`),
    /^.edge\/probe\/c.*degraded.*CPU 63, not online/,
  );
  assert.match(
    await browser.evaluate(`document.querySelector("#journal li").textContent`),
    /degraded|offline|CPU/,
  );
  // The agent's own document with a name of markup, as a client of the CRI could give it.
  await browser.evaluate(`(() => {
    const { document: status } = known.get("/api/v1/status");
    status.containers[0].pod = "<img src=x onerror=window.broken=1>";
    draw();
  })()`);
  assert.equal(await browser.evaluate(`document.querySelectorAll("img").length + (window.broken ?? 0)`), 0);
});

inBrowser("the agent's end is shown", 8, WIDE, async (browser) => {
  await browser.evaluate(`(window.fetch = () => Promise.reject(new Error("gone")), look())`);
  await browser.evaluate(`new Promise((resolve) => {
    const fresh = document.querySelector("#fresh");
    const look = () => fresh.className === "bad" && resolve();
    new MutationObserver(look).observe(fresh, { attributes: true });
    look();
  })`);
  assert.match(
    await browser.evaluate(`document.querySelector("#fresh").textContent`),
    /^the agent doesn't answer/,
  );
});
