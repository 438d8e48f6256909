/**
 * Annotations that look like a slip of ours: nothing reads them, so without a word of it a container would run elsewhere than
 * its author thinks. Other projects' annotations aren't mentioned, those below `weka.io` neither.
 */
import { nearMiss } from "../near_miss.ts";
import { quoted } from "../quoted.ts";
import { type Annotation, ANNOTATIONS, containerKeys, CORES_IDS, FORBID_CORE_IDS } from "./annotations.ts";

/** A key that nothing reads. */
export interface NearMiss {
  readonly key: string;
  /** As it would be read. */
  readonly meant: string;
  /** One sentence. */
  readonly warning: string;
}

/** Of one pod; a pod with more has its first ones mentioned. */
const MAX_MISSES = 8;
/** How much of a key is quoted back. */
const MAX_QUOTED = 120;
const CONTAINER = "container.";

/** Words that no other project has, also below a domain that isn't ours. */
const DISTINCTIVE: readonly Annotation[] = [CORES_IDS, FORBID_CORE_IDS];
const DOMAIN = "weka.io";

/**
 * The keys among the pod's annotations that are no annotation of ours and near one.
 *
 * @param names of the pod's containers that are known; a key that names another one is a slip where it is near one of these
 */
export function nearMisses(
  annotations: Readonly<Record<string, string>>,
  names: readonly string[],
): readonly NearMiss[] {
  const keys = new Set(Object.keys(annotations));
  const misses: NearMiss[] = [];
  for (const key of keys) {
    if (misses.length === MAX_MISSES) break;
    const meant = meantBy(key, names, keys);
    if (meant === undefined) continue;
    const warning = `${quoted(key, MAX_QUOTED)} is ignored, it is no annotation of this pod's containers; ` +
      `did you mean ${quoted(meant, MAX_QUOTED)}?`;
    misses.push({ key, meant, warning });
  }
  return misses;
}

function meantBy(key: string, names: readonly string[], keys: ReadonlySet<string>): string | undefined {
  const at = key.lastIndexOf("/");
  const [head, tail] = [key.slice(0, Math.max(at, 0)), key.slice(at + 1)];
  if (ANNOTATIONS.some((annotation) => annotation === key)) return undefined;
  const own = nearOwn(head);
  if (tail.startsWith(CONTAINER)) {
    return own && meantForOne(key, own, tail.slice(CONTAINER.length), names, keys);
  }
  // Only keys for one container are below such a domain.
  if (own?.isExact) return forOne(own, nearestOf(tail.slice(tail.indexOf(".") + 1), names));
  return nearMiss(key, ANNOTATIONS) ?? elsewhere(head, tail);
}

/** What is before the slash and the name of a container: `cores-ids.weka.io`, `weka.io/cores-ids`. */
interface Head {
  readonly annotation: Annotation;
  readonly head: string;
  readonly isExact: boolean;
}

const HEADS = ANNOTATIONS.flatMap((annotation) =>
  containerKeys(annotation, "").map((key) => ({ annotation, head: key.slice(0, -CONTAINER.length - 1) }))
);

function nearOwn(head: string): Head | undefined {
  const meant = nearMiss(head, HEADS.map((each) => each.head));
  const found = HEADS.find((each) => each.head === meant);
  return found && { ...found, isExact: found.head === head };
}

function meantForOne(
  key: string,
  own: Head,
  name: string,
  names: readonly string[],
  keys: ReadonlySet<string>,
): string | undefined {
  if (names.includes(name)) return own.isExact ? undefined : forOne(own, name);
  const near = nearestOf(name, names);
  if (near === undefined) return own.isExact ? undefined : forOne(own, name);
  // A container that isn't created yet: one of several with numbers, or this one has a key of its own.
  const isAnother = containerKeys(own.annotation, near).some((other) => other !== key && keys.has(other)) ||
    withoutDigits(name) === withoutDigits(near);
  return isAnother && own.isExact ? undefined : forOne(own, isAnother ? name : near);
}

function forOne({ annotation, head }: Head, name: string | undefined): string {
  const meant = containerKeys(annotation, name ?? "NAME");
  return meant.find((key) => key.startsWith(`${head}/`)) ?? meant[0];
}

function nearestOf(name: string, names: readonly string[]): string | undefined {
  return names.includes(name) ? name : nearMiss(name, names);
}

function withoutDigits(name: string): string {
  return name.replaceAll(/\d+/g, "");
}

/** One of ours below another domain, or none: where that is nearly ours or says so, or no other project has the word. */
function elsewhere(domain: string, word: string): Annotation | undefined {
  const isNear = domain !== DOMAIN && nearMiss(domain, [DOMAIN]) !== undefined;
  const mayBe = isNear
    ? ANNOTATIONS
    : domain === "" || /(^|[^a-z])weka(io)?([^a-z]|$)/i.test(domain)
    ? DISTINCTIVE
    : [];
  return mayBe.find((annotation) => annotation.endsWith(`/${word}`));
}
