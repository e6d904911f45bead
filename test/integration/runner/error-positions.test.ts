import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject } from '../../support/project.ts';

interface Case {
  readonly situation: string;
  readonly up: string | Uint8Array;
  readonly line: number;
  readonly column: number;
  readonly sqlstate?: string;
  /** Lines of the report: the excerpt and the caret below it. */
  readonly shown?: readonly [excerpt: string, caret: string];
}

const cases: readonly Case[] = [
  { situation: 'with LF line ends', up: 'SELECT 1;\nSELECT 2;\n  SELECT nope;\n', line: 3, column: 10 },
  { situation: 'with CRLF line ends', up: 'SELECT 1;\r\nSELECT 2;\r\n  SELECT nope;\r\n', line: 3, column: 10 },
  { situation: 'behind a byte order mark', up: '\ufeffSELECT nope;', line: 1, column: 8 },
  {
    situation: 'behind letters of two bytes',
    up: "SELECT 'é', 'ü',\n  'ß', nope;",
    line: 2,
    column: 8,
    shown: ["  2 |   'ß', nope;", '             ^'],
  },
  {
    situation: 'behind characters outside the basic plane',
    up: "SELECT '𝄞𝄞', nope;",
    line: 1,
    column: 14,
    shown: ["  1 | SELECT '𝄞𝄞', nope;", '                   ^'],
  },
  {
    situation: 'behind COPY data',
    up: "CREATE TABLE a (id int, t text);\nCOPY a FROM stdin;\n1\té;\n2\t'\n\\.\n\nSELECT 1;\nSELECT nope;\n",
    line: 8,
    column: 8,
  },
  {
    situation: 'behind a BEGIN of the file itself',
    up: '-- ä\nBEGIN;\nSELECT 1;\nSELECT nope;\nCOMMIT;\n',
    line: 4,
    column: 8,
  },
  {
    situation: 'behind a tab',
    up: '\tSELECT\tnope;',
    line: 1,
    column: 9,
    shown: ['  1 |  SELECT nope;', '              ^'],
  },
  { situation: 'of syntax', up: 'SELECT 1;\nSELEC 2;\n', line: 2, column: 1, sqlstate: '42601' },
  {
    situation: 'in the rows of COPY',
    up: 'CREATE TABLE a (id int);\nCOPY a FROM stdin;\n1\nx\n\\.\n',
    line: 2,
    column: 1,
    sqlstate: '22P02',
  },
];

const titled = cases.map((given) => [given.situation, given] as const);

test.for(titled)('an error %s is shown at its line, column and caret', async ([, given], { database }) => {
  const { up, line, column, sqlstate = '42703', shown } = given;
  const project = await openProject({ '0001_x.up.sql': up, '0001_x.down.sql': 'SELECT 1;' }, database);

  const report = await project.cli(['up']);
  const document = (await project.cli(['up', '--json'])).json();

  expect(report.exitCode).toBe(5);
  expect(document.error).toMatchObject({ file: 'migrations/0001_x.up.sql', line, column, sqlstate });
  expect(report.stderr).toContain(`migrations/0001_x.up.sql:${line}:${column}  `);
  if (shown !== undefined) expect(report.stderr).toContain(`\n${shown.join('\n')}\n`);
});

test('a line of a megabyte is cut around the place, and the caret still stands below it', async ({ database }) => {
  const filler = 'x'.repeat(1_000_000);
  const project = await openProject(
    { '0001_x.up.sql': `SELECT '${filler}', nope, '${filler}';`, '0001_x.down.sql': 'SELECT 1;' },
    database,
  );

  const report = await project.cli(['up']);

  const lines = report.stderr.split('\n');
  const caret = lines.findIndex((line) => /^ +\^$/.test(line));
  expect(lines[caret - 1]?.slice(lines[caret]?.indexOf('^'))).toMatch(/^nope, 'x+/);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  expect(report.stderr).toContain('migrations/0001_x.up.sql:1:1000012  ');
});
