import { expect, test } from 'vitest';
import { type Sheet, writtenSheet } from '../../../src/cli/render/sheet.ts';
import { styleFor } from '../../../src/cli/style.ts';

const sheet: Sheet = {
  title: 'Title',
  columns: [{ title: 'name' }, { title: 'size', right: true }, { title: 'age', rank: 1 }, { title: 'more', rank: 2 }],
  rows: [
    ['a', '10', 'old', 'x'],
    ['a,"b"|c', '2', 'new', 'y\nz'],
  ],
  notes: ['A note.'],
  bars: [1, 0.25],
};

function written(
  columns: number,
  isTerminal: boolean,
  format: 'table' | 'csv' | 'markdown' = 'table',
  shown = sheet,
): string {
  const stdout = { isTerminal, columns, terminal: null, isGone: false, write: () => undefined };
  const style = styleFor(stdout, { LANG: 'C.UTF-8', NO_COLOR: '1' }, true);
  return [...writtenSheet(shown, format, style, stdout)].join('');
}

test('a narrow terminal gets no bars, then fewer columns, and is told which; a pipe gets everything', () => {
  expect(written(80, true)).toBe(written(80, false));
  expect(written(80, true)).toContain('████');
  expect(written(30, true)).not.toContain('█');
  expect(written(30, true)).toContain('more');
  expect(written(22, true).replaceAll('\n', ' ')).toContain('Left out, as the terminal is narrow: more.');
});

test('where a name alone is wider than the terminal each cell has a line, and no line is wider but for a word that is', () => {
  const long = 'a_name_of_sixty-three_bytes_'.padEnd(63, 'x');
  const wide = {
    ...sheet,
    rows: [
      [long, '10', 'old', 'x'],
      ['short', '2', 'new', 'y'],
    ],
    notes: ['A note that says much more than a line holds.'],
  };

  const lines = written(40, true, 'table', wide).split('\n');

  expect(lines.filter((line) => line.length > 40)).toEqual([`  ${long}`]);
  expect(lines).toContain('size  10');
  expect(lines).toContain('name  short');
});

test('CSV and Markdown keep every column and quote what would end a cell', () => {
  expect(written(5, true, 'csv')).toBe('name,size,age,more\na,10,old,x\n"a,""b""|c",2,new,"y\nz"\n');
  expect(written(5, true, 'markdown')).toContain('| a,"b"\\|c | 2 | new | y');
});

test('Markdown shows names as text, also in the title and in notes', () => {
  const name = '<b>[x](y)`z` *q* _r_ a_b &amp;';
  const text = written(80, false, 'markdown', { ...sheet, title: name, notes: [name] });

  const shown = '&lt;b>\\[x\\](y)\\`z\\` \\*q\\* \\_r\\_ a_b &amp;amp;';
  expect(text.startsWith(`## ${shown}\n`)).toBe(true);
  expect(text.endsWith(`\n\n${shown}\n`)).toBe(true);
});
