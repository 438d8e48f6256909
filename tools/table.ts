/** Texts in rows; all rows are as long as the head. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Columns under each other: numbers end in line, texts begin in line. */
export function aligned(table: Table): string {
  const lines = [table.head, ...table.rows];
  const widths = table.head.map((_, at) => Math.max(...lines.map((line) => (line[at] ?? "").length)));
  const right = table.head.map((_, at) => isNumeric(table, at));
  const cell = (text: string, at: number) =>
    right[at] ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0);
  return lines.map((line) => line.map(cell).join("  ").trimEnd()).join("\n");
}

/** As GitHub's Markdown has tables. */
export function markdown(table: Table): string {
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = table.head.map((_, at) => isNumeric(table, at) ? "---:" : "---");
  return [table.head, rule, ...table.rows].map(row).join("\n");
}

function isNumeric({ rows }: Table, at: number): boolean {
  return rows.every((row) => /^-?\d+(\.\d+)?$/.test(row[at] ?? ""));
}
