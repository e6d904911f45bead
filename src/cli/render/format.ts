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

const wide =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u;
const combining = /^[\p{Mark}\p{Cf}]/u;

/** Columns that a text takes on a terminal: two for a wide character or an emoji, none for one that joins another. */
export function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  const parts = new Intl.Segmenter('en').segment(text);
  return [...parts].reduce((sum, { segment }) => sum + (combining.test(segment) ? 0 : wide.test(segment) ? 2 : 1), 0);
}

/** Narrower than this nothing can be read. */
const leastWidth = 20;

/**
 * The text in lines of so many columns, the second and later ones indented; a word that is longer stays whole, so that
 * it can be copied. `taken` columns of the first line are taken already.
 */
export function wrapped(text: string, columns: number, { indent = 0, taken = 0 } = {}): string {
  const width = Math.max(leastWidth, columns);
  const [first = '', ...words] = text.split(' ');
  const lines = [first];
  let at = taken + widthOf(first);
  for (const word of words) {
    const needed = widthOf(word) + 1;
    if (at + needed > width) {
      lines.push(' '.repeat(indent) + word);
      at = indent + needed - 1;
    } else {
      lines.push(`${lines.pop() ?? ''} ${word}`);
      at += needed;
    }
  }
  return lines.join('\n');
}

/** Of a long text the beginning, with the sign that says so: at most so many columns. */
export function cutTo(text: string, most: number): string {
  if (widthOf(text) <= most) return text;
  let cut = '';
  let columns = 1;
  for (const { segment } of new Intl.Segmenter('en').segment(text)) {
    columns += widthOf(segment);
    if (columns > most) break;
    cut += segment;
  }
  return `${cut}…`;
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
      widths[index] = Math.max(widths[index] ?? 0, widthOf(cell.text));
    });
  return rows.map((row) => tableLine(row, widths)).join('\n');
}

/** One line of a table whose columns are so wide; a column beyond those is as wide as its cell. */
export function tableLine(row: readonly Cell[], widths: readonly number[]): string {
  return row
    .map((cell, index) => {
      const gap = ' '.repeat(Math.max(0, (widths[index] ?? 0) - widthOf(cell.text)));
      const painted = cell.paint === undefined ? cell.text : cell.paint(cell.text);
      if (cell.right === true) return gap + painted;
      return index === row.length - 1 ? painted : painted + gap;
    })
    .join('  ')
    .trimEnd();
}

/** A long list would scroll what it belongs to off the screen. */
export function shortList(names: readonly string[], limit = 10): string {
  const shown = names.slice(0, limit).map((name) => `  ${name}`);
  const rest = names.length - shown.length;
  return [...shown, ...(rest > 0 ? [`  … and ${rest} more`] : [])].join('\n');
}
