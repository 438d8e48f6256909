// What the benchmark has found, as the terminal, dist/bench.md and dist/bench.json show it.

import type { Facts } from "./facts.ts";
import type { Summary } from "./statistics.ts";
import { aligned, markdown, type Table } from "../table.ts";

/** One thing that was measured. */
export interface Figure {
  /** What exactly, one text for each of the section's dimensions. */
  readonly labels: readonly string[];
  readonly unit: string;
  readonly summary: Summary;
  /** The median should be below this. */
  readonly goal?: number;
  /** Of a ratio: between which values its median lies with 95 % confidence. */
  readonly interval?: readonly [low: number, high: number];
}

/** Figures that differ only in their labels. */
export interface Section {
  readonly title: string;
  /** What is measured, from where to where. */
  readonly note: string;
  readonly dimensions: readonly string[];
  readonly percentiles: boolean;
  readonly figures: readonly Figure[];
}

export interface Report {
  readonly facts: Facts;
  readonly sections: readonly Section[];
}

/** For the terminal. */
export function reportText({ facts, sections }: Report): string {
  return [sectionsText(sections), factLines(facts).join("\n")].join("\n\n") + "\n";
}

/** The same without what they depend on. */
export function sectionsText(sections: readonly Section[]): string {
  return sections.map((section) => `${section.title}\n${section.note}\n\n${aligned(tableOf(section))}`).join(
    "\n\n",
  );
}

export function reportMarkdown({ facts, sections }: Report): string {
  const parts = sections.map((section) =>
    `## ${section.title}\n\n${section.note}\n\n${markdown(tableOf(section))}`
  );
  const list = factLines(facts).map((line) => `- ${line}`).join("\n");
  return ["# Benchmark of weka-cpuset", list, ...parts].join("\n\n") + "\n";
}

export function reportJson({ facts, sections }: Report): string {
  const figures = sections.flatMap(({ title, dimensions, figures }) =>
    figures.map(({ labels, unit, summary, goal, interval }) => ({
      section: title,
      what: Object.fromEntries(dimensions.map((dimension, at) => [dimension, labels[at]])),
      unit,
      ...summary,
      ...(interval === undefined ? {} : { interval }),
      ...(goal === undefined ? {} : { goal, met: summary.median < goal }),
    }))
  );
  return JSON.stringify({ ...facts, figures }, undefined, 2) + "\n";
}

/** How a figure stands to its goal: `under 100: met`, `under 100: missed by 12.3`. */
export function verdict({ summary: { median }, goal }: Pick<Figure, "summary" | "goal">): string {
  if (goal === undefined) return "";
  return `under ${goal}: ${median < goal ? "met" : `missed by ${digits(median - goal)}`}`;
}

function tableOf({ dimensions, percentiles, figures }: Section): Table {
  const goals = figures.some(({ goal }) => goal !== undefined);
  const intervals = figures.some(({ interval }) => interval !== undefined);
  const shown: readonly (keyof Summary)[] = percentiles
    ? ["median", "p95", "p99", "min", "max"]
    : ["median", "min", "max"];
  return {
    head: [
      ...dimensions,
      "n",
      ...shown,
      ...(intervals ? ["median, 95 % sure"] : []),
      "unit",
      ...(goals ? ["goal for the median"] : []),
    ],
    rows: figures.map((figure) => [
      ...figure.labels,
      `${figure.summary.n}`,
      ...shown.map((name) => digits(figure.summary[name])),
      ...(intervals ? [figure.interval?.map(digits).join(" – ") ?? ""] : []),
      figure.unit,
      ...(goals ? [verdict(figure)] : []),
    ]),
  };
}

/** Three digits, where the number has no more before its point. */
function digits(value: number): string {
  return value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
}

function factLines({ date, commit, machine, versions, load }: Facts): string[] {
  const { cpuModel, cpus, memoryGiB, kernel } = machine;
  return [
    `${date}, commit ${commit}`,
    `${cpuModel}, ${cpus} CPUs, ${memoryGiB} GiB, Linux ${kernel}`,
    Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", "),
    `load average of the last minute: ${load.before} before, ${load.after} after, of which the benchmark is a part`,
  ];
}
