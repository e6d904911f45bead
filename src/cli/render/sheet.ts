import type { OutputStream } from '../runtime.ts';
import type { Style } from '../style.ts';
import { type Cell, tableLine, widthOf, wrapped } from './format.ts';
import { lazily } from './lazily.ts';

export interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** Left out on a terminal that is too narrow, the highest first; without it never. */
  readonly rank?: number;
}

/** A part of a report: a table with what has to be said of it, for every form a report can have. */
export interface Sheet {
  readonly title: string;
  readonly columns: readonly Column[];
  /** As people read them, without anything that steers a terminal. Gone through more than once. */
  readonly rows: Iterable<readonly string[]>;
  /** What to know about it; findings that want attention first. */
  readonly notes: readonly string[];
  /** For each row what it is of the largest, from 0 to 1, drawn as a bar. */
  readonly bars?: readonly number[];
  /** An SVG element to be shown with it in HTML. */
  readonly picture?: string;
}

export const sheetFormats = ['table', 'markdown', 'csv', 'html'] as const;
export type SheetFormat = (typeof sheetFormats)[number];

/** The sheet as text, piece by piece, each with a line's end at its end. In HTML there are pages only. */
export function writtenSheet(
  sheet: Sheet,
  format: Exclude<SheetFormat, 'html'>,
  style: Style,
  { isTerminal, columns }: Pick<OutputStream, 'isTerminal' | 'columns'>,
): Iterable<string> {
  if (format === 'csv') return csv(sheet);
  if (format === 'markdown') return markdown(sheet);
  const fits = measured(sheet);
  if (!isTerminal) return asTable(fits, style, Number.POSITIVE_INFINITY);
  const narrow = narrowed(fits, columns);
  return lineWidth(narrow) > columns ? asRecords(narrow, style, columns) : asTable(narrow, style, columns);
}

const barWidth = 20;

/** A sheet with how wide its columns are. */
interface Measured extends Sheet {
  readonly widths: readonly number[];
}

function measured(sheet: Sheet): Measured {
  const widths = sheet.columns.map(({ title }) => widthOf(title));
  for (const row of sheet.rows)
    row.forEach((text, place) => {
      widths[place] = Math.max(widths[place] ?? 0, widthOf(text));
    });
  return { ...sheet, widths };
}

/** What of a sheet a line of so many characters holds: without bars, then without the columns one can do without. */
function narrowed(sheet: Measured, width: number): Measured {
  const left: string[] = [];
  let fits = sheet;
  while (lineWidth(fits) > width) {
    if (fits.bars !== undefined) {
      const { bars: _bars, ...rest } = fits;
      fits = rest;
      continue;
    }
    const ranks = fits.columns.map(({ rank }) => rank ?? 0);
    const most = Math.max(...ranks);
    if (most === 0) break;
    const out = ranks.indexOf(most);
    left.push(fits.columns[out]?.title ?? '');
    fits = {
      ...fits,
      columns: fits.columns.toSpliced(out, 1),
      widths: fits.widths.toSpliced(out, 1),
      rows: lazily(fits.rows, (row) => row.toSpliced(out, 1)),
    };
  }
  if (left.length === 0) return fits;
  return { ...fits, notes: [...fits.notes, `Left out, as the terminal is narrow: ${left.join(', ')}.`] };
}

function lineWidth({ widths, bars }: Measured): number {
  return widths.reduce((sum, one) => sum + one + 2, bars === undefined ? -2 : barWidth);
}

/** So long, in halves of a character where the terminal has such. */
function bar(share: number, style: Style): string {
  const [full, half] = style.symbols.pointer === '>' ? ['#', ''] : ['█', '▌'];
  const halves = Math.round(Math.min(1, Math.max(0, share)) * barWidth * 2);
  return full.repeat(halves >> 1) + (halves % 2 === 1 ? half : '');
}

function* asTable({ title, columns, rows, notes, bars, widths }: Measured, style: Style, width: number) {
  yield* painted(title, style.strong, width);
  let index = 0;
  for (const row of rows) {
    if (index === 0) {
      const head = columns.map(
        (column): Cell => ({ text: column.title, right: column.right === true, paint: style.faint }),
      );
      yield `${tableLine(head, widths)}\n`;
    }
    const cells = row.map((text, place): Cell => ({ text, right: columns[place]?.right === true }));
    if (bars !== undefined) cells.push({ text: bar(bars[index] ?? 0, style), paint: style.accent });
    yield `${tableLine(cells, widths)}\n`;
    index += 1;
  }
  for (const note of notes) yield* painted(note, style.careful, width);
}

/** A line for each cell, where even the columns that have to be there are wider than the terminal. */
function* asRecords({ title, columns, rows, notes }: Sheet, style: Style, width: number) {
  yield* painted(title, style.strong, width);
  const names = Math.max(...columns.map((column) => widthOf(column.title)));
  let between = '';
  for (const row of rows) {
    const lines = row.map((text, place) => {
      const name = (columns[place]?.title ?? '').padEnd(names);
      // What is too long for what is left of the line gets lines of its own.
      const isLong = names + 2 + widthOf(text.trim()) > width;
      const shown = isLong ? `\n  ${wrapped(text.trim(), width - 2).replaceAll('\n', '\n  ')}` : `  ${text.trim()}`;
      return `${style.faint(isLong ? name.trimEnd() : name)}${shown}\n`;
    });
    yield between + lines.join('');
    between = '\n';
  }
  for (const note of notes) yield* painted(note, style.careful, width);
}

function* painted(text: string, paint: (line: string) => string, width: number) {
  for (const line of wrapped(text, width).split('\n')) yield `${paint(line)}\n`;
}

function* markdown({ title, columns, rows, notes }: Sheet) {
  const line = (cells: readonly string[]) => `| ${cells.map(asMarkdown).join(' | ')} |\n`;
  yield `## ${asMarkdown(title)}\n`;
  let isFirst = true;
  for (const row of rows) {
    if (isFirst) {
      const rule = columns.map(({ right }) => (right === true ? ' ---: ' : ' --- ')).join('|');
      yield `\n${line(columns.map((column) => column.title))}|${rule}|\n`;
    }
    isFirst = false;
    yield line(row);
  }
  for (const note of notes) yield `\n${asMarkdown(note)}\n`;
}

/** Text that stays text: no cell's end, markup, code, emphasis or link. Inside a word an underscore is none. */
function asMarkdown(text: string): string {
  return text
    .replace(/[\\|`*[\]]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
}

/** By RFC 4180, with \n as most readers have it; notes have no place there. */
function* csv({ columns, rows }: Sheet) {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (cells: readonly string[]) => `${cells.map(cell).join(',')}\n`;
  yield line(columns.map(({ title }) => title));
  for (const row of rows) yield line(row);
}
