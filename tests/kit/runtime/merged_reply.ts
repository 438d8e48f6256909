// The replies of all plugins to one request, merged as NRI's adaptation does: each field of each container may be
// set once. Source: containerd/nri, pkg/adaptation/result.go.

import type { ContainerAdjustment, ContainerUpdate } from "../../../src/nri/gen/nri_pb.ts";
import { resourcesOf } from "./nri_messages.ts";
import { Refused } from "./plugin_link.ts";
import { merged, type Resources } from "../../../src/manifests/resources.ts";

/** What is asked of one container. */
export interface Wanted {
  id: string;
  resources: Resources;
}

/** Takes in one plugin's reply after the other. What conflicts throws {@link Refused}, which fails the request. */
export class MergedReply {
  readonly #owners = new Map<string, string>();
  readonly #others = new Map<string, Wanted>();
  #own: Resources = {};

  /** `creating`: the id of the container whose creation the request is about, if it is one. */
  constructor(private readonly creating?: string) {}

  /** The created container's adjustment. */
  get own(): Resources {
    return this.#own;
  }

  /** Updates of other containers, in the order in which they were asked for. */
  get others(): Wanted[] {
    return [...this.#others.values()];
  }

  adjust(plugin: string, adjustment: ContainerAdjustment | undefined): void {
    const given = resourcesOf(adjustment?.linux?.resources);
    this.#claim(plugin, this.creating ?? "", given);
    this.#own = merged(this.#own, given);
  }

  update(plugin: string, updates: readonly ContainerUpdate[]): void {
    for (const { containerId: id, linux } of updates) {
      if (id === this.creating) {
        throw new Refused(`plugin ${plugin} asks for an update of ${id}, which is being created`);
      }
      const given = resourcesOf(linux?.resources);
      this.#claim(plugin, id, given);
      this.#others.set(id, { id, resources: merged(this.#others.get(id)?.resources ?? {}, given) });
    }
  }

  #claim(plugin: string, id: string, given: Resources): void {
    for (const field of Object.keys(given)) {
      const owner = this.#owners.get(`${field} of ${id}`);
      if (owner !== undefined) {
        throw new Refused(`plugins ${owner} and ${plugin} both set ${field} of container ${id}`);
      }
    }
    for (const field of Object.keys(given)) this.#owners.set(`${field} of ${id}`, plugin);
  }
}
