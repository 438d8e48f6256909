/** Machines that are described in a word, to plan for without having one. */
import { assert } from "../assert.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { type CpuPlace, type NumaNode, Topology } from "../cpu/topology.ts";

const FORM = /^(\d{1,3})s(\d{1,3})n(\d{1,4})c(\d)t$/;
const MAX_CPUS = 8192;

/** Linux' distances where firmware gives none: numa.c, LOCAL_DISTANCE and REMOTE_DISTANCE. */
const LOCAL = 10;
const REMOTE = 20;

/**
 * The machine that `text` describes, `2s4n16c2t`: 2 sockets, 4 NUMA nodes in all, 16 cores in each socket, 2 threads in
 * each core. A node's cores share a cache. CPUs are numbered as Linux does on most servers: a first thread of every core,
 * then a second one of each.
 *
 * @returns one sentence where it describes none
 */
export function madeMachine(text: string): Topology | string {
  const [, ...numbers] = FORM.exec(text) ?? [];
  const [sockets, nodes, coresOfSocket, threads] = numbers.map(Number);
  if (sockets === undefined || nodes === undefined || coresOfSocket === undefined || threads === undefined) {
    return `a machine is described as in 2s4n16c2t (2 sockets, 4 NUMA nodes in all, 16 cores in each socket, ` +
      `2 threads in each core), not ${JSON.stringify(text)}`;
  }
  const cores = sockets * coresOfSocket;
  if (cores === 0 || nodes === 0 || threads === 0) return `a machine has at least one of each, not ${text}`;
  if (cores * threads > MAX_CPUS) return `a machine has ${MAX_CPUS} CPUs at most, not ${cores * threads}`;
  if (nodes % sockets !== 0 || cores % nodes !== 0) {
    return `${text}: sockets must have equally many NUMA nodes, and NUMA nodes equally many cores`;
  }
  return topologyOf({ nodes, cores, threads, nodesOfSocket: nodes / sockets });
}

interface Numbers {
  readonly nodes: number;
  readonly cores: number;
  readonly threads: number;
  readonly nodesOfSocket: number;
}

function topologyOf({ nodes, cores, threads, nodesOfSocket }: Numbers): Topology {
  const coresOfNode = cores / nodes;
  const cpus = Array.from({ length: cores * threads }, (_, id): CpuPlace => {
    const core = id % cores;
    const node = Math.floor(core / coresOfNode);
    return { id, core, cacheGroup: node * coresOfNode, node, socket: Math.floor(node / nodesOfSocket) };
  });
  const byNode = Map.groupBy(cpus, ({ node }) => node);
  const ids = [...byNode.keys()];
  const numaNodes = ids.map((id): NumaNode => {
    const own = byNode.get(id);
    assert(own !== undefined, `NUMA node ${id} has no CPUs`);
    return {
      id,
      cpus: CpuSet.from(own.map((cpu) => cpu.id)),
      hasMemory: true,
      distances: new Map(ids.map((other) => [other, other === id ? LOCAL : REMOTE])),
    };
  });
  return new Topology(cpus, numaNodes);
}
