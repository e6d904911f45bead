import { expect, test } from 'vitest';
import { renderError } from '../../../../src/cli/render/error.ts';
import { styleFor } from '../../../../src/cli/style.ts';
import { type Location, PulseError, type PulseErrorOptions } from '../../../../src/errors.ts';

const stream = { isTerminal: false, terminal: null, columns: 80, isGone: false, write: () => {} };
const plain = styleFor(stream, { LANG: 'C.UTF-8' }, true);

function shown(options: PulseErrorOptions, columns = 80): string[] {
  return renderError(
    new PulseError('migration-failed', 'it failed', { hint: 'do this', ...options }),
    plain,
    columns,
  ).split('\n');
}

const places: readonly (readonly [situation: string, location: Location, line: string, under: string])[] = [
  ['at the first column', { file: 'm.sql', line: 3, column: 1, excerpt: 'SELECT x;' }, '  3 | SELECT x;', 'S'],
  ['in the middle', { file: 'm.sql', line: 3, column: 8, excerpt: 'SELECT x;' }, '  3 | SELECT x;', 'x'],
  ['behind the end of the line', { file: 'm.sql', line: 3, column: 10, excerpt: 'SELECT x;' }, '  3 | SELECT x;', ''],
  [
    'behind tabs, which become one blank each',
    { file: 'm.sql', line: 3, column: 3, excerpt: '\t\tSELECT' },
    '  3 |   SELECT',
    'S',
  ],
  [
    'in a line number of several digits',
    { file: 'm.sql', line: 12345, column: 4, excerpt: 'abcdef' },
    '  12345 | abcdef',
    'd',
  ],
  [
    'in a line that was cut before',
    { file: 'm.sql', line: 1, column: 503, excerpt: 'abcdef', excerptColumn: 501 },
    '  1 | abcdef',
    'c',
  ],
];

test.for(places)('the caret stands under the character %s', ([, location, line, under]) => {
  const lines = shown({ location });
  const at = lines[2]?.indexOf('^') ?? -1;

  expect(lines[1]).toBe(line);
  expect(lines[2]).toMatch(/^ +\^$/);
  expect(lines[1]?.charAt(at)).toBe(under);
});

test.for([20, 40, 79, 80, 200])('a long line is cut around its place to fit %i columns', (columns) => {
  const excerpt = `${'a'.repeat(150)}X${'b'.repeat(150)}`;
  const [, line = '', caret = ''] = shown({ location: { file: 'm.sql', line: 1, column: 151, excerpt } }, columns);

  expect(line.charAt(caret.indexOf('^'))).toBe('X');
  expect(line.length).toBeLessThanOrEqual(Math.max(columns, 28));
});

test('what steers a terminal is shown and not sent', () => {
  const typed = '\u001b[2J\r\u0007';
  const lines = shown({
    hint: `do ${typed}`,
    now: [`now ${typed}`],
    location: { file: 'm.sql', line: 3, column: 4, excerpt: 'a\u001bbc' },
    server: { sqlstate: '42601', detail: `line\n${typed}` },
  }).join('\n');
  expect(lines.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  expect(lines).toContain('do \\x1b[2J\\x0d\\x07');
  expect(lines).toContain('  3 | a·bc\n         ^');
});

test('characters outside the basic plane count as one', () => {
  const [, line = '', caret = ''] = shown({ location: { file: 'm.sql', line: 1, column: 3, excerpt: '𝄞𝄞X' } });

  expect([...line][caret.indexOf('^')]).toBe('X');
});

test('what the server said stands below, indented, and what is true now above the next thing to type', () => {
  const lines = shown({
    location: { file: 'm.sql', line: 3 },
    server: { sqlstate: '23505', detail: 'Key (id)=(1) exists.', hint: 'try another', context: 'line 1\nline 2' },
    now: ['rolled back', 'applied now: 2'],
  });

  expect(lines).toEqual([
    '✖ migration-failed  m.sql:3  it failed',
    '  SQLSTATE 23505',
    '  detail Key (id)=(1) exists.',
    '  hint of the server try another',
    '  context line 1',
    '    line 2',
    '  rolled back',
    '  applied now: 2',
    '  › do this',
    '',
  ]);
});

test('a file without a line is named once: by the message where that names it, else before it', () => {
  const problems = [
    { message: 'the file is empty', location: { file: 'a.sql' }, hint: 'fill it' },
    { message: 'b.sql was changed', location: { file: 'b.sql' } },
    { message: 'not SQL', location: { file: 'c.sql', line: 4, column: 2 } },
  ];

  expect(shown({ problems, location: { file: 'd.sql' } })).toEqual([
    '✖ migration-failed  d.sql  it failed',
    '  - a.sql  the file is empty',
    '      › fill it',
    '  - b.sql was changed',
    '  - c.sql:4:2  not SQL',
    '  › do this',
    '',
  ]);
});
