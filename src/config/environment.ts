import { flatLayer, type Layer } from "./layers.ts";
import { KEYS, VARIABLE_PREFIX } from "./keys.ts";
import { nearMiss } from "../near_miss.ts";
import { type Place, problem, shownKey } from "./problems.ts";

/** The variable that names the configuration file, as `--config` does. */
export const CONFIG_VARIABLE = `${VARIABLE_PREFIX}CONFIG`;

/** The variable with the name of the agent's pod, for people: no key of the configuration. */
export const POD_VARIABLE = `${VARIABLE_PREFIX}POD`;

/**
 * Variables that kubelet sets in every pod for each service of its namespace (service links): those of a service
 * called `weka-cpuset` are no configuration.
 */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$/;

const PLACE: Place = {
  source: "environment",
  nameOf: (path) => KEYS.find((key) => key.path === path)?.variable ?? path,
};

/** The layer of the environment; unknown variables with the agent's prefix are problems. */
export function environmentLayer(environment: Readonly<Record<string, string>>): Layer {
  const given = KEYS.flatMap(({ path, variable }): [string, string][] => {
    const value = environment[variable];
    return value === undefined ? [] : [[path, value]];
  });
  const layer = flatLayer(PLACE, given);
  const known = [...KEYS.map(({ variable }) => variable), CONFIG_VARIABLE, POD_VARIABLE];
  const unknown = Object.keys(environment).filter((name) =>
    name.startsWith(VARIABLE_PREFIX) && !known.includes(name) && !SERVICE_LINK.test(name)
  );
  const problems = unknown.map((name) => {
    const meant = nearMiss(name, known);
    const advice = meant === undefined ? "" : `; did you mean ${meant}?`;
    return {
      ...problem(PLACE, "", `${shownKey(name)} is not a variable of this program${advice}`),
      where: name,
    };
  });
  return { ...layer, problems: [...layer.problems, ...problems] };
}
