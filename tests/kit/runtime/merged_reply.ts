// The replies of all plugins to one request, merged as NRI's adaptation does: each field of each container may be
// set once. Source: containerd/nri, pkg/adaptation/result.go.

import type { ContainerAdjustment, ContainerUpdate } from "../../../src/nri/gen/nri_pb.ts";
import { resourcesOf } from "./nri_messages.ts";
import { Refused } from "./plugin_link.ts";
import { merged, type Resources } from "./resources.ts";

/** What is asked of one container. */
export interface Wanted {
  id: string;
  resources: Resources;
  /** Its failure isn't counted. */
  ignoreFailure?: boolean;
}

/** What the request is about: one container's creation or its update, or neither. */
export type Subject = { creating: string } | { updating: string; asked: Resources } | undefined;

/** Takes in one plugin's reply after the other. What conflicts throws {@link Refused}, which fails the request. */
export class MergedReply {
  readonly #subject: Subject;
  readonly #owners = new Map<string, string>();
  readonly #others = new Map<string, Wanted>();
  #own: Resources;

  constructor(subject?: Subject) {
    this.#subject = subject;
    this.#own = subject && "asked" in subject ? subject.asked : {};
  }

  /** The created container's adjustment; or what the updated one is to have, which may be more than was asked. */
  get own(): Resources {
    return this.#own;
  }

  /** Updates of other containers, in the order in which they were asked for. */
  get others(): Wanted[] {
    return [...this.#others.values()];
  }

  adjust(plugin: string, adjustment: ContainerAdjustment | undefined): void {
    if (!this.#subject || !("creating" in this.#subject)) return;
    const given = resourcesOf(adjustment?.linux?.resources);
    this.#claim(plugin, this.#subject.creating, given);
    this.#own = merged(this.#own, given);
  }

  update(plugin: string, updates: readonly ContainerUpdate[]): void {
    for (const { containerId, linux, ignoreFailure } of updates) {
      if (this.#subject && "creating" in this.#subject && this.#subject.creating === containerId) {
        throw new Refused(`plugin ${plugin} asks for an update of ${containerId}, which is being created`);
      }
      try {
        this.#take(plugin, containerId, resourcesOf(linux?.resources));
      } catch (error) {
        if (!ignoreFailure) throw error;
      }
    }
  }

  #take(plugin: string, id: string, given: Resources): void {
    this.#claim(plugin, id, given);
    if (this.#subject && "updating" in this.#subject && this.#subject.updating === id) {
      this.#own = merged(this.#own, given);
    } else {
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
