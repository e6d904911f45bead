/** Durations, sizes and tables for people. Pure. */

/** 0.4 ms, 43 ms, 1.2 s, 3 min 5 s. */
export function duration(milliseconds: number): string {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** 512 B, 3.4 MiB. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `1 migration`, `2 migrations`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** 2026-11-22 10:31:04 UTC. */
export function moment(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
  readonly right?: boolean;
}

/** Columns as wide as their widest cell, two spaces between; the last one is not padded. */
export function table(rows: ReadonlyArray<readonly Cell[]>): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, [...cell.text].length);
    });
  return rows
    .map((row) =>
      row
        .map((cell, index) => {
          const gap = ' '.repeat((widths[index] ?? 0) - [...cell.text].length);
          const painted = cell.paint === undefined ? cell.text : cell.paint(cell.text);
          if (cell.right === true) return gap + painted;
          return index === row.length - 1 ? painted : painted + gap;
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A long list would scroll what it belongs to off the screen. */
export function shortList(names: readonly string[], limit = 10): string {
  const shown = names.slice(0, limit).map((name) => `  ${name}`);
  const rest = names.length - shown.length;
  return [...shown, ...(rest > 0 ? [`  … and ${rest} more`] : [])].join('\n');
}
