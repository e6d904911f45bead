import type { OutputStream } from '../runtime.ts';
import type { Style } from '../style.ts';
import { type Cell, table, widthOf, wrapped } from './format.ts';

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
  /** As people read them, without anything that steers a terminal. */
  readonly rows: ReadonlyArray<readonly string[]>;
  /** What to know about it; findings that want attention first. */
  readonly notes: readonly string[];
  /** For each row what it is of the largest, from 0 to 1, drawn as a bar. */
  readonly bars?: readonly number[];
  /** An SVG element to be shown with it in HTML. */
  readonly picture?: string;
}

export const sheetFormats = ['table', 'markdown', 'csv'] as const;
export type SheetFormat = (typeof sheetFormats)[number];

/** The sheet as text, with a line's end at its end. */
export function writtenSheet(
  sheet: Sheet,
  format: SheetFormat,
  style: Style,
  { isTerminal, columns }: Pick<OutputStream, 'isTerminal' | 'columns'>,
): string {
  if (format === 'csv') return csv(sheet);
  if (format === 'markdown') return markdown(sheet);
  if (!isTerminal) return asTable(sheet, style, Number.POSITIVE_INFINITY);
  const fits = narrowed(sheet, columns);
  return lineWidth(fits) > columns ? asRecords(fits, style, columns) : asTable(fits, style, columns);
}

const barWidth = 20;

/** What of a sheet a line of so many characters holds: without bars, then without the columns one can do without. */
function narrowed(sheet: Sheet, width: number): Sheet {
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
      rows: fits.rows.map((row) => row.toSpliced(out, 1)),
    };
  }
  if (left.length === 0) return fits;
  return { ...fits, notes: [...fits.notes, `Left out, as the terminal is narrow: ${left.join(', ')}.`] };
}

function lineWidth({ columns, rows, bars }: Sheet): number {
  const widths = columns.map(({ title }, place) =>
    rows.reduce((most, row) => Math.max(most, widthOf(row[place] ?? '')), widthOf(title)),
  );
  return widths.reduce((sum, one) => sum + one + 2, bars === undefined ? -2 : barWidth);
}

/** So long, in halves of a character where the terminal has such. */
function bar(share: number, style: Style): string {
  const [full, half] = style.symbols.pointer === '>' ? ['#', ''] : ['█', '▌'];
  const halves = Math.round(Math.min(1, Math.max(0, share)) * barWidth * 2);
  return full.repeat(halves >> 1) + (halves % 2 === 1 ? half : '');
}

function asTable({ title, columns, rows, notes, bars }: Sheet, style: Style, width: number): string {
  const head = columns.map(
    (column): Cell => ({ text: column.title, right: column.right === true, paint: style.faint }),
  );
  const body = rows.map((row, index): Cell[] => {
    const cells = row.map((text, place): Cell => ({ text, right: columns[place]?.right === true }));
    return bars === undefined ? cells : [...cells, { text: bar(bars[index] ?? 0, style), paint: style.accent }];
  });
  const lines = rows.length === 0 ? [] : [table([head, ...body])];
  return around(title, lines, notes, style, width);
}

/** A line for each cell, where even the columns that have to be there are wider than the terminal. */
function asRecords({ title, columns, rows, notes }: Sheet, style: Style, width: number): string {
  const names = Math.max(...columns.map((column) => widthOf(column.title)));
  const records = rows.map((row) =>
    row
      .map((text, place) => {
        const name = (columns[place]?.title ?? '').padEnd(names);
        // What is too long for what is left of the line gets lines of its own.
        const isLong = names + 2 + widthOf(text.trim()) > width;
        const shown = isLong ? `\n  ${wrapped(text.trim(), width - 2).replaceAll('\n', '\n  ')}` : `  ${text.trim()}`;
        return `${style.faint(isLong ? name.trimEnd() : name)}${shown}`;
      })
      .join('\n'),
  );
  return around(title, [records.join('\n\n')], notes, style, width);
}

function around(title: string, lines: readonly string[], notes: readonly string[], style: Style, width: number) {
  const painted = (text: string, paint: (line: string) => string) => wrapped(text, width).split('\n').map(paint);
  return `${[...painted(title, style.strong), ...lines, ...notes.flatMap((note) => painted(note, style.careful))].join('\n')}\n`;
}

function markdown({ title, columns, rows, notes }: Sheet): string {
  const line = (cells: readonly string[]) => `| ${cells.map(asMarkdown).join(' | ')} |`;
  const rule = `|${columns.map(({ right }) => (right === true ? ' ---: ' : ' --- ')).join('|')}|`;
  const body = rows.length === 0 ? [] : ['', line(columns.map((column) => column.title)), rule, ...rows.map(line)];
  return `${[`## ${asMarkdown(title)}`, ...body, ...notes.flatMap((note) => ['', asMarkdown(note)])].join('\n')}\n`;
}

/** Text that stays text: no cell's end, markup, code, emphasis or link. Inside a word an underscore is none. */
function asMarkdown(text: string): string {
  return text
    .replace(/[\\|`*[\]]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
}

/** By RFC 4180, with \n as most readers have it; notes have no place there. */
function csv({ columns, rows }: Sheet): string {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [columns.map(({ title }) => title), ...rows].map((row) => `${row.map(cell).join(',')}\n`).join('');
}
