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

function written(columns: number, isTerminal: boolean, format: 'table' | 'csv' | 'markdown' = 'table'): string {
  const stdout = { isTerminal, columns, terminal: null, write: () => undefined };
  const style = styleFor(stdout, { LANG: 'C.UTF-8', NO_COLOR: '1' }, true);
  return writtenSheet(sheet, format, style, stdout);
}

test('a narrow terminal gets no bars, then fewer columns, and is told which; a pipe gets everything', () => {
  expect(written(80, true)).toBe(written(80, false));
  expect(written(80, true)).toContain('████');
  expect(written(30, true)).not.toContain('█');
  expect(written(30, true)).toContain('more');
  expect(written(18, true)).toContain('Left out, as the terminal is narrow: more.');
  expect(written(5, true)).toContain('Left out, as the terminal is narrow: more, age.');
  expect(written(5, true)).toContain('a,"b"|c');
});

test('CSV and Markdown keep every column and quote what would end a cell', () => {
  expect(written(5, true, 'csv')).toBe('name,size,age,more\na,10,old,x\n"a,""b""|c",2,new,"y\nz"\n');
  expect(written(5, true, 'markdown')).toContain('| a,"b"\\|c | 2 | new | y');
});
