/** Names and words of other people's through the log as it is opened by the program, in both formats. */
import { openLog } from "../../src/platform/log.ts";
import { nastyText } from "./nasty.ts";
import { PRINTABLE, require, type Target } from "./target.ts";

type Input = { readonly message: string; readonly pod: string; readonly json: boolean };

export const logLines: Target<Input> = {
  name: "log",
  share: 40,
  draw: (random) => ({
    message: `refused: ${nastyText(random, 30)}`,
    pod: nastyText(random, 30),
    json: random.chance(0.5),
  }),
  async check({ message, pod, json }) {
    let text = "";
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const format = json ? "json" : "text";
    const log = openLog(
      { level: "info", format },
      (bytes) => Promise.resolve(void (text += decoder.decode(bytes))),
    );
    log.write({ level: "warn", message, fields: { pod } });
    await log.flush();
    require(
      text.endsWith("\n") && PRINTABLE.test(text.slice(0, -1)),
      () => `not one line: ${JSON.stringify(text)}`,
    );
    if (!json) return requireFields(text);
    const { level, msg } = JSON.parse(text);
    require(level === "warning" && msg === message, () => `read back as ${JSON.stringify(msg)}`);
  },
};

/** Whatever is in the values, there are exactly these keys, in this order. */
function requireFields(line: string): void {
  const keys = [...line.matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|[^ "\n]*)(?: |\n)/gy)].map(([, key]) => key);
  require(keys.join() === "time,level,logger,msg,pod", () => `keys ${keys} in ${line}`);
}
