/** What each event of a script does to its player. */
import type { Player } from "./play.ts";
import { wholeNumber } from "./script.ts";
import { cpuSet } from "./tell.ts";
import type { ScriptEvent, Verb } from "./words.ts";

type Play = (player: Player, subject: string, words: ScriptEvent["words"]) => void;

export const PLAYS: Readonly<Record<Verb, Play>> = {
  "run": (player, name, words) => {
    if (player.create(name, words) && player.start(name)) player.postStart(name);
  },
  "create": (player, name, words) => player.create(name, words),
  "found": (player, name, words) => player.found(name, words),
  "start": (player, name) => player.start(name),
  "post-start": (player, name) => player.postStart(name),
  "stop": (player, name) => player.stop(name),
  "remove": (player, name) => player.remove(name),
  "end": (player, name) => player.end(name),
  "fail": (player, name) => {
    player.stop(name);
    player.remove(name);
  },
  "dies": (player, name) => player.dies(name),
  "cgroup": (player, name, words) => player.cgroup(name, [...words.keys()]),
  "update": (player, name, words) => player.update(name, words),
  "threads": (player, name, words) => player.threads(name, words.get("pinned") ?? ""),
  "stop-sandbox": (player, pod) => player.stopSandbox(pod),
  "update-pod": (player, pod, words) => player.updatePod(pod, words),
  "register": (player) => player.register(),
  "synchronize": (player, _, words) => player.synchronize(wholeNumber("parts", words.get("parts") ?? "1")),
  "connect": connect,
  "disconnect": (player) => player.disconnect(),
  "kill-agent": (player) => player.killAgent(),
  "restart-agent": (player) => {
    player.killAgent();
    connect(player);
  },
  "restart-runtime": connect,
  "listed": (player) => player.listed(),
  "counted": (player) => player.counted(),
  "scanned": (player, list) => player.feed({ kind: "scanned", claims: cpuSet(list) }),
  "promoted": (player) => player.feed({ kind: "promoted", now: player.link.now }),
  "tick": (player, milliseconds) => player.tick(wholeNumber("tick", milliseconds)),
  "offline": (player, list, words) => player.offline(cpuSet(list), words.has("struck")),
  "online": (player, list) => player.online(cpuSet(list)),
  "configure": (player, line) => player.configure(line),
};

function connect(player: Player): void {
  player.register();
  player.synchronize(1);
}
